"""Does a student get worse with too strong a teacher? Named statistics, fixed beforehand.

A curve is the student's loss by seed and teacher. Its statistics are means over seeds of
differences within a seed, with one-sided limits by Student's t. The best teacher of a seed is
chosen by the other seeds, because the lowest of noisy losses looks lower than it is: chosen by
the same seeds, the rise after it would be positive where there is none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import stdtr, stdtrit

from capgap.errors import InputError

__all__ = ["CurveVerdict", "MeanLimits", "judge", "mean_limits", "paper_claims", "valley"]

FloatArray = npt.NDArray[np.float64]
LEVEL = 0.95  # of each one-sided limit
NEGLIGIBLE = 0.05  # a rise below this share of the fall counts as none
FEWEST_SEEDS, FEWEST_TEACHERS = 3, 3


@dataclass(frozen=True, slots=True)
class MeanLimits:
    """A mean over seeds.

    Attributes
    ----------
    mean, standard_error : float
    low, high : float
        One-sided limits: the true mean is above `low` with confidence 95%, and below `high`
        with confidence 95%.
    chance : float
        One-sided p value of "the true mean is not above 0".
    """

    mean: float
    standard_error: float
    low: float
    high: float
    chance: float


def mean_limits(values: npt.ArrayLike) -> MeanLimits:
    r"""Mean with limits :math:`\bar x \pm t_{0.95, n-1}\, s / \sqrt n`.

    Examples
    --------
    Mean 2, s = 1, n = 3, t = 2.920:

    >>> found = mean_limits([1.0, 2.0, 3.0])
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, 0.314, 3.686)
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        raise InputError("mean_limits: values must be two or more finite numbers")
    mean, error = float(x.mean()), float(x.std(ddof=1) / math.sqrt(x.size))
    reach = float(stdtrit(x.size - 1, LEVEL)) * error
    # Without spread, the sign of the mean decides.
    t = mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
    chance = float(stdtr(x.size - 1, -t))
    return MeanLimits(mean, error, mean - reach, mean + reach, chance)


@dataclass(frozen=True, slots=True)
class CurveVerdict:
    """What a student's curve does as its teacher gets stronger.

    Attributes
    ----------
    order : tuple of int
        Teachers from the weakest to the strongest, by mean loss over seeds.
    best : int
        The teacher of the lowest mean student loss.
    lowest : MeanLimits
        Student loss with the best teacher (of the other seeds).
    fall : MeanLimits
        Loss with the weakest teacher minus that with the best.
    rise : MeanLimits
        Loss with the strongest teacher minus that with the best of all weaker ones: negative
        where the strongest is the best, so that this is not certain by construction.
    shape_gain : MeanLimits
        Held-out squared error of a curve that only falls, minus that of a valley (falls, then
        rises), both fitted to the mean of the other seeds; nats squared, summed over teachers.
    learns : bool or None
        Whether `lowest` is below the shortcut loss; None where the limits do not tell.
    shape : str
        "U": fall.low > 0 and rise.low > 0. "falls": fall.low > 0 and rise.high is below 5% of
        the fall. Else "undetermined".
    """

    order: tuple[int, ...]
    best: int
    lowest: MeanLimits
    fall: MeanLimits
    rise: MeanLimits
    shape_gain: MeanLimits
    learns: bool | None
    shape: str


def judge(
    student_loss: npt.ArrayLike, teacher_loss: npt.ArrayLike, shortcut: float
) -> CurveVerdict:
    """Judge one curve.

    Parameters
    ----------
    student_loss, teacher_loss : array_like, shape (seeds, teachers)
        Cross-entropy to the labels, nats.
    shortcut : float
        Loss without any knowledge of pairs, `Task.shortcut_loss`.

    Raises
    ------
    InputError
        Shapes differ, values are not finite, or fewer than three seeds or teachers.

    Examples
    --------
    The middle teacher is best for each of three seeds; the strongest costs 0.2 more:

    >>> L_T = [[1.0, 0.5, 0.1]] * 3
    >>> L_S = [[1.0, 0.61, 0.8], [1.1, 0.60, 0.8], [1.0, 0.59, 0.8]]
    >>> found = judge(L_S, L_T, shortcut=0.9)
    >>> found.shape, found.best, round(found.rise.mean, 3), found.learns
    ('U', 1, 0.2, True)
    """
    L_S = np.asarray(student_loss, dtype=np.float64)
    L_T = np.asarray(teacher_loss, dtype=np.float64)
    if L_S.shape != L_T.shape or L_S.ndim != 2:
        raise InputError(f"judge: shapes {L_S.shape} and {L_T.shape} must be (seeds, teachers)")
    if L_S.shape[0] < FEWEST_SEEDS or L_S.shape[1] < FEWEST_TEACHERS:
        raise InputError(f"judge: shape {L_S.shape} must have 3 seeds and 3 teachers or more")
    order = np.argsort(-L_T.mean(axis=0), kind="stable")
    sorted_loss = L_S[:, order]
    seeds = range(L_S.shape[0])
    best = [int(_others(sorted_loss, s).argmin()) for s in seeds]
    at_best = sorted_loss[seeds, best]
    lowest = mean_limits(at_best)
    fall = mean_limits(sorted_loss[:, 0] - at_best)
    weaker = [int(_others(sorted_loss, s)[:-1].argmin()) for s in seeds]
    rise = mean_limits(sorted_loss[:, -1] - sorted_loss[seeds, weaker])
    learns = True if lowest.high < shortcut else False if lowest.low > shortcut else None
    return CurveVerdict(
        tuple(int(k) for k in order),
        int(order[sorted_loss.mean(axis=0).argmin()]),
        lowest, fall, rise, _shape_gain(sorted_loss), learns, _shape(fall, rise),
    )  # fmt: skip


def _others(losses: FloatArray, seed: int) -> FloatArray:
    """Mean curve of all seeds but one."""
    return np.asarray(np.delete(losses, seed, axis=0).mean(axis=0))


def _shape(fall: MeanLimits, rise: MeanLimits) -> str:
    if fall.low <= 0:
        return "undetermined"
    if rise.low > 0:
        return "U"
    return "falls" if rise.high < NEGLIGIBLE * fall.mean else "undetermined"


def valley(curve: FloatArray) -> FloatArray:
    """The nearest curve (least squares) that falls and then rises; either part may be empty.

    >>> valley(np.array([3.0, 1.0, 2.0, 1.5, 4.0]))
    array([3.  , 1.  , 1.75, 1.75, 4.  ])
    """
    fits = [
        np.concatenate([_monotone(curve[:k], False), _monotone(curve[k:], True)])
        for k in range(1, curve.size + 1)
    ]
    return min(fits, key=lambda fit: float(((fit - curve) ** 2).sum()))


def _monotone(curve: FloatArray, increasing: bool) -> FloatArray:
    if curve.size == 0:
        return curve
    return np.asarray(isotonic_regression(curve, increasing=increasing).x)


def _shape_gain(losses: FloatArray) -> MeanLimits:
    gains = []
    for seed, own in enumerate(losses):
        mean = _others(losses, seed)
        falling, both = _monotone(mean, False), valley(mean)
        gains.append(float(((own - falling) ** 2).sum() - ((own - both) ** 2).sum()))
    return mean_limits(gains)


def paper_claims(verdicts: Sequence[CurveVerdict]) -> tuple[str, str, str]:
    """What becomes of the paper's three statements, for students from narrow to wide.

    (1) The narrow student cannot learn: verified where `learns` is False, contradicted where
    True. (2) The middle one has an optimum and then gets worse: verified where the shape is
    "U", contradicted where it "falls". (3) The wide one follows its teacher: verified where it
    "falls" and learns, contradicted where the shape is "U" or it does not learn. Each is
    "verified", "contradicted" or "undetermined".

    Raises
    ------
    InputError
        Not three verdicts.
    """
    if len(verdicts) != 3:
        raise InputError(f"paper_claims: {len(verdicts)} verdicts must be 3")
    narrow, middle, wide = verdicts
    return (
        _claim(narrow.learns is False, narrow.learns is True),
        _claim(middle.shape == "U", middle.shape == "falls"),
        _claim(
            wide.shape == "falls" and wide.learns is True,
            wide.shape == "U" or wide.learns is False,
        ),
    )


def _claim(holds: bool, fails: bool) -> str:
    return "verified" if holds else "contradicted" if fails else "undetermined"
