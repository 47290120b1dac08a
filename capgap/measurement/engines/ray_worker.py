"""What runs inside a Ray cluster: the task that makes a job, and the actor that hears of it."""

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

from capgap.measurement.engines.interface import Job, SweepEvent, Workplace
from capgap.measurement.engines.work import work

__all__ = ["Steps", "run_task"]

# Seconds between two reports of progress by a worker: the cluster has better things to carry.
PROGRESS_INTERVAL = 0.5


class Steps:
    """Progress of all tasks, kept until it is asked for; nothing is lost if this is.

    The methods are coroutines: `take` sleeps until there is something to tell, while `put`
    still gets through.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[int, SweepEvent]] = []
        self._any = asyncio.Event()

    async def put(self, number: int, step: SweepEvent) -> None:
        """A step of the job with this number."""
        self._steps.append((number, step))
        self._any.set()

    async def take(self) -> list[tuple[int, SweepEvent]]:
        """All steps since the last time, at least one."""
        await self._any.wait()
        steps, self._steps = self._steps, []
        self._any.clear()
        return steps


def run_task(
    job: Job, workplace: Workplace, mark: Path, number: int, steps: Any
) -> list[SweepEvent]:
    """Make the runs of a job; return how each of them ended, and send steps on the way.

    Parameters
    ----------
    job, workplace
        What to make, and where.
    mark : Path
        A file that the sweep has left in the folder of records: not to see it here means to
        see another folder.
    number : int
        The engine's name of the job.
    steps : handle of a `Steps` actor
        Hears of progress.
    """
    if not mark.is_file():
        message = (
            f"{workplace.store.folder} on {socket.gethostname()} is not the folder that the"
            " sweep sees: all machines must share it"
        )
        return [SweepEvent("error", config, message=message) for config in job.configs]
    ends: list[SweepEvent] = []
    sent = 0.0

    def send(event: SweepEvent) -> None:
        nonlocal sent
        if event.kind != "step":
            ends.append(event)
        elif time.monotonic() - sent >= PROGRESS_INTERVAL:
            sent = time.monotonic()
            steps.put.remote(number, event)

    work(job, workplace, send)
    return ends
