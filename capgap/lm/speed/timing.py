"""Times of several pieces of work that share a machine with others."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Timing", "interleave"]


@dataclass(frozen=True)
class Timing:
    """Seconds of one piece of work: the least, and the median, of `repetitions`."""

    best: float
    median: float
    repetitions: int


def interleave(
    bodies: Mapping[str, Callable[[], object]],
    repetitions: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    settle: Callable[[], object] | None = None,
) -> dict[str, Timing]:
    """Time the bodies in turn, so that all meet the same disturbances.

    Each is run once before it is timed. `settle` is called after each, inside its time: a
    GPU's synchronization.

    >>> times = interleave({"nothing": lambda: None}, 3)
    >>> times["nothing"].repetitions, times["nothing"].best <= times["nothing"].median
    (3, True)
    """
    finish = settle or (lambda: None)
    taken: dict[str, list[float]] = {name: [] for name in bodies}
    for body in bodies.values():
        body()
        finish()
    for _ in range(repetitions):
        for name, body in bodies.items():
            start = clock()
            body()
            finish()
            taken[name].append(clock() - start)
    return {n: Timing(min(t), statistics.median(t), repetitions) for n, t in taken.items()}
