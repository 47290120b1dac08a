r"""The best teacher of a distillation law: every minimum, bracketed, and the least of them.

With t = log L_T, the slope of the loss is :math:`\partial L_S/\partial L_T = 1 - h(t)`. In
both forms of the law log h falls everywhere except, beyond the convexity limit, between two
closed-form points. A minimum is where h falls through 1, so there is at most one in each of
the two outer intervals, and none is missed by searching each of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capgap.theory.domain import FloatArray

__all__ = ["BestTeacher", "Falling", "LogH", "apart", "find_best_teacher", "outer_intervals"]

_EPSILON = float(np.finfo(np.float64).eps)
_ROUNDINGS = 8.0  # a value summed from a few terms is right to this many epsilons of their size
_MOST_STEPS = 400  # halving alone reaches rounding from any float64 bracket in fewer

Mask = npt.NDArray[np.bool_]
# t -> (log h, its slope in t, size of the terms that log h was summed from)
LogH = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


@dataclass(frozen=True, slots=True)
class BestTeacher:
    """Best teacher of each student, by the law alone.

    Attributes
    ----------
    L_T : array
        Teacher loss of the best student, nats per token; zero where the student's loss falls
        all the way to a perfect teacher (possible only for c0 = 0). Nothing keeps it above
        the irreducible loss: compare it with the losses that teachers can reach.
    L_S : array
        The student's loss there, nats per token: the least for any teacher.
    low, high : array
        Teacher losses that enclose L_T: the loss falls at `low` and rises at `high`, by more
        than rounding can pretend.
    minima : array of int
        Number of minima of the student's loss, 1 or 2; one at L_T = 0 counts.
    """

    L_T: FloatArray
    L_S: FloatArray
    low: FloatArray
    high: FloatArray
    minima: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Falling:
    """An interval of t on which log h falls; `holds` says where h(low) > 1 > h(high)."""

    holds: Mask
    low: FloatArray
    high: FloatArray


def apart(t: FloatArray, side: int) -> FloatArray:
    """A closed-form bound, moved outward by more than its own rounding."""
    return np.asarray(t + side * 1e-9 * (1 + np.abs(t)), dtype=np.float64)


def outer_intervals(
    log_h: LogH, low: FloatArray, high: FloatArray, rise: tuple[FloatArray, FloatArray] | None
) -> list[Falling]:
    """The intervals that may hold a minimum, given bounds h(low) >= 1 >= h(high) of them all.

    `low` is -inf where h < 1 for a perfect teacher, whose loss zero is then a minimum.
    """
    perfect = np.isneginf(low)
    if rise is None:
        return [Falling(~perfect, low, high)]
    first, second = rise
    right = log_h(second)[0] > 0
    # Where both tests drown in rounding the curve is flat there; the left one is kept.
    left = ~perfect & (~right | (log_h(np.where(perfect, second, first))[0] < 0))
    return [Falling(left, low, first), Falling(right, second, high)]


def find_best_teacher(
    log_h: LogH,
    intervals: Sequence[Falling],
    loss: Callable[[FloatArray], FloatArray],
    perfect: tuple[Mask, FloatArray],
) -> BestTeacher:
    """The least of all minima; `perfect` says where L_T = 0 is one, and the loss there."""
    found = [_candidate(log_h, interval, loss, perfect[1]) for interval in intervals]
    if np.any(perfect[0]):
        zero = np.zeros(perfect[0].shape)
        at_zero = np.where(perfect[0], perfect[1], np.inf)
        found.append(BestTeacher(zero, at_zero, zero, zero, perfect[0].astype(np.int64)))
    best, *others = found
    for other in others:
        better = other.L_S < best.L_S
        picked = {
            field.name: np.where(better, getattr(other, field.name), getattr(best, field.name))
            for field in fields(BestTeacher)
        }
        picked["minima"] = np.asarray(best.minima + other.minima)
        best = BestTeacher(**picked)
    return best


def _candidate(
    log_h: LogH,
    interval: Falling,
    loss: Callable[[FloatArray], FloatArray],
    perfect_loss: FloatArray,
) -> BestTeacher:
    holds = interval.holds
    low, high = np.where(holds, interval.low, 0.0), np.where(holds, interval.high, 0.0)
    t = _root(log_h, low, high)
    below, above = _verified(log_h, t, low, high)
    L_T = np.asarray(np.exp(t))
    # exp(t) underflows only where the loss has long met its limit at a perfect teacher.
    L_S = np.where(L_T > 0, loss(np.where(L_T > 0, L_T, 1.0)), perfect_loss)
    return BestTeacher(
        L_T,
        np.where(holds, L_S, np.inf),
        np.asarray(np.exp(below)),
        np.asarray(np.exp(above)),
        np.asarray(holds, dtype=np.int64),
    )


def _root(log_h: LogH, low: FloatArray, high: FloatArray) -> FloatArray:
    """Root of log h by Newton's method, halved whenever a step leaves the bracket or is lazy.

    Each element stops by itself, so that a result does not depend on its neighbors.
    """
    t, step = 0.5 * (low + high), high - low
    done = step <= 0
    for _ in range(_MOST_STEPS):
        value, slope, size = log_h(t)
        low, high = np.where(value > 0, t, low), np.where(value > 0, high, t)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = t - value / slope
        fine = (newton >= low) & (newton <= high) & (2 * np.abs(newton - t) < np.abs(step))
        new = np.where(fine, newton, 0.5 * (low + high))
        done |= np.abs(value) <= _EPSILON * size
        step = np.where(done, 0.0, new - t)
        t = np.where(done, t, new)
        done |= np.abs(step) <= _EPSILON * (1 + np.abs(t))
        if np.all(done):
            break
    return t


def _verified(
    log_h: LogH, t: FloatArray, floor: FloatArray, ceiling: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bounds around a root at which the sign of log h is beyond doubt."""
    _, slope, size = log_h(t)
    doubt = _ROUNDINGS * _EPSILON * size
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        start = np.fmax(2 * doubt / np.abs(slope), 4 * _EPSILON * (1 + np.abs(t)))
    ends = []
    for sign, limit in ((-1.0, floor), (1.0, ceiling)):
        width = start
        for _ in range(100):
            end = np.where(sign * (t + sign * width - limit) < 0, t + sign * width, limit)
            value, _, size = log_h(end)
            sure = (-sign * value > _ROUNDINGS * _EPSILON * size) | (end == limit)
            if np.all(sure):
                break
            width = np.where(sure, width, 2 * width)
        ends.append(end)
    return ends[0], ends[1]
