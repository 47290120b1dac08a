"""A process per job on this machine."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from capgap.errors import InputError
from capgap.measurement.engines.interface import Ended, Job, SweepEvent, Workplace
from capgap.measurement.engines.work import work

__all__ = ["LocalEngine"]


class LocalEngine:
    """Processes that are started afresh for each job: one that dies takes nothing with it.

    Workers do not hear Ctrl-C (the sweep ends them), and end when this process is gone, even
    by kill -9.

    Parameters
    ----------
    processes : int or None
        Jobs at a time; None: one per core of this machine.
    """

    def __init__(self, processes: int | None = None) -> None:
        if processes is not None and processes < 1:
            raise InputError(f"sweep: processes = {processes} must be at least 1")
        self.places = processes or os.cpu_count() or 1
        self._workplace: Workplace | None = None
        self._workers: dict[Connection, tuple[int, BaseProcess]] = {}
        self._started = 0

    def open(self, workplace: Workplace) -> None:
        """Nothing to get ready."""
        self._workplace = workplace

    def start(self, job: Job) -> int:
        """Start a process."""
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, self._workplace, theirs))
        with _interrupts_held():
            process.start()
        theirs.close()
        self._started += 1
        self._workers[mine] = (self._started, process)
        return self._started

    def wait(self, timeout: float | None = None) -> Sequence[tuple[int, SweepEvent | Ended]]:
        """One message of each worker that has any."""
        ready = wait(list(self._workers), timeout)
        return [self._hear(c) for c in ready if isinstance(c, Connection)]

    def close(self) -> None:
        """Terminate the workers."""
        for connection, (_, process) in self._workers.items():
            process.terminate()
            process.join()
            connection.close()
        self._workers.clear()

    def _hear(self, connection: Connection) -> tuple[int, SweepEvent | Ended]:
        number, process = self._workers[connection]
        try:
            event: SweepEvent = connection.recv()
        except (EOFError, OSError):  # the worker's end is closed: it is gone
            del self._workers[connection]
            connection.close()
            process.join()
            return number, Ended(f"exit {process.exitcode}")
        return number, event


def _work(job: Job, workplace: Workplace, connection: Connection) -> None:
    _end_with_parent()
    work(job, workplace, connection.send)
    connection.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start workers deaf to Ctrl-C: it reaches the whole group, and the sweep ends them.

    A blocked signal stays blocked in a new process; here it is delivered afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows: workers hear it and end by themselves
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
