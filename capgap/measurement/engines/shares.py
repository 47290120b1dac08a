"""Independent sweeps that divide a plan among themselves, meeting in one folder of records.

Share i of n makes the runs whose position in the plan is i modulo n. A student whose teacher
belongs to another share waits until the teacher's record appears. No share waits for one
that waits for it: a run waits for runs before it in the plan alone, so of all runs that are
not made, the first one can always be made by its share. But that share must be running; who
waits for one that is not gives up after a while, with the name of the share to start.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from capgap.errors import InputError
from capgap.lm.config import RunConfig

__all__ = ["OtherShares", "Share"]

# Seconds without any sign of life in the folder until a waiting share gives up. Shares at
# work write checkpoints much more often than this.
PATIENCE = 3600.0

Member = TypeVar("Member")


@dataclass(frozen=True)
class Share:
    """One of several equal parts of a plan.

    Parameters
    ----------
    index, count : int
        0 <= index < count.

    Examples
    --------
    >>> Share.parse("1/3").of("abcdefg")
    ('b', 'e')
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(
                f"sweep: share = {self} must be I/N with I from 0 to N-1 (of a job array 0-N-1)"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read ``I/N``."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal()):
            raise InputError(f"sweep: share = {text!r} must be I/N, such as 0/8")
        return cls(int(index), int(count))

    def of(self, members: Sequence[Member]) -> tuple[Member, ...]:
        """The members of this share, in their order."""
        return tuple(members[self.index :: self.count])


class OtherShares:
    """Runs that other shares make, and whether anything still happens to them.

    Parameters
    ----------
    plan : sequence of RunConfig
        All runs.
    share : Share
        Ours.
    folder : Path
        Where all shares keep their records.
    patience : float
        Seconds without a change in the folder that are taken for silence.
    clock : callable
        Seconds, from any origin.
    """

    def __init__(
        self,
        plan: Sequence[RunConfig],
        share: Share,
        folder: Path,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owners = {
            config.id: Share(position % share.count, share.count)
            for position, config in enumerate(plan)
            if position % share.count != share.index
        }
        self._folder, self._patience, self._clock = folder, patience, clock
        self._seen: object = None
        self._changed = clock()

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._owners

    def owner(self, run_id: str) -> Share:
        """Whose run it is."""
        return self._owners[run_id]

    def busy(self) -> None:
        """Count silence from now on: this share was at work."""
        self._changed = self._clock()

    def silent(self) -> bool:
        """Whether nothing in the folder has changed for too long."""
        state = _state(self._folder)
        if state != self._seen:
            self._seen, self._changed = state, self._clock()
        return self._clock() - self._changed > self._patience

    def reason(self, run_id: str) -> str:
        """Why a student of this run is given up."""
        minutes = self._patience / 60
        return (
            f"its teacher {run_id} belongs to share {self.owner(run_id)}, and nothing in"
            f" {self._folder} has changed for {minutes:g} minutes; start that share, then this one"
        )


def _state(folder: Path) -> tuple[int, int]:
    """Number of folders and latest change of one, by the clock of the file system alone.

    A record, a checkpoint or a cache that appears or is replaced changes its folder.
    """
    times = [_changed(Path(root)) for root, _, _ in os.walk(folder)]
    return len(times), max(times, default=0)


def _changed(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # the states of a run that has ended by now
        return 0
