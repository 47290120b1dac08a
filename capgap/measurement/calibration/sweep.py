"""ECE-sweep: as many equal-mass bins as keep the accuracy rising."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import nearest_cuts
from capgap.measurement.calibration.predictions import FloatArray, check_confidence, same_length

__all__ = ["Sweep", "ece_sweep"]


@dataclass(frozen=True)
class Sweep:
    """The error, and the number of bins it was taken with (bins that coincide count once)."""

    ece: float
    bins: int


def ece_sweep(confidence: Any, outcome: Any) -> Sweep:
    """ECE with the largest b for which 2, 3, .., b equal-mass bins have rising mean outcomes.

    Roelofs, Cain, Shlens & Mozer 2022 (arXiv 2012.08668), algorithm 1 with equal mass and p = 1:
    b grows from 1 until the mean outcome of some bin falls below the one before it; the ECE of
    the last b is returned. Bins never part equal confidences (`bins.mass_cuts`), so several b can
    give the same bins, and growth ends when each distinct confidence has its own.

    Time: sorting, then O(b) for each b tried.

    Parameters
    ----------
    confidence, outcome : (n,) in [0, 1]

    Raises
    ------
    InputError
        No prediction; values outside [0, 1], with the row.

    Examples
    --------
    Two bins rise (0, 1); with three the outcomes are 0, 1, .5:

    >>> ece_sweep([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0, 0, 1, 1, 1, 0])
    Sweep(ece=0.13333333333333333, bins=2)
    """
    n = same_length("ece_sweep", confidence=confidence, outcome=outcome)
    if n == 0:
        raise InputError("ece_sweep: 0 predictions, must be at least 1")
    c = check_confidence(confidence, "ece_sweep")
    o = check_confidence(outcome, "ece_sweep", name="outcome")
    order = np.argsort(c, kind="stable")
    c, o = c[order], o[order]
    steps = np.concatenate(([0], np.flatnonzero(np.diff(c)) + 1, [n]))
    right, gap = (np.concatenate(([0.0], np.cumsum(x))) for x in (o, o - c))
    cuts = _last_rising(steps, right)
    error = np.abs(np.diff(gap[cuts])).sum() / n
    return Sweep(float(error), cuts.size - 1)


def _last_rising(steps: npt.NDArray[np.intp], right: FloatArray) -> npt.NDArray[np.intp]:
    """Cuts of the last b before the mean outcome falls."""
    if _rises(steps, right):  # then so does every coarser choice: means of means
        return steps
    cuts = steps[[0, -1]]
    for b in range(2, int(steps[-1]) + 1):
        finer = nearest_cuts(steps, b)
        if not _rises(finer, right):
            break
        cuts = finer
    return cuts


def _rises(cuts: npt.NDArray[np.intp], right: FloatArray) -> bool:
    # Equal means must pass whatever the rounding of the running sums.
    means = np.diff(right[cuts]) / np.diff(cuts)
    return bool((np.diff(means) >= -1e-12).all())
