"""CORP: reliability by isotonic regression, without bins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from capgap.errors import InputError
from capgap.measurement.calibration.predictions import FloatArray, check_confidence, same_length

__all__ = ["Corp", "corp"]


@dataclass(frozen=True, eq=False)
class Corp:
    """Mean squared score = miscalibration - discrimination + uncertainty, and the curve.

    `confidence`, `recalibrated` and `count` have one entry per distinct confidence.
    """

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    confidence: FloatArray
    recalibrated: FloatArray
    count: npt.NDArray[np.int64]

    @property
    def ece(self) -> float:
        """sum_j n_j |recalibrated_j - confidence_j| / N: the L1 error of the fitted curve."""
        gap = np.abs(self.recalibrated - self.confidence)
        return float((self.count * gap).sum() / self.count.sum())


def corp(confidence: Any, outcome: Any) -> Corp:
    """Decompose the mean squared score by isotonic regression (CORP).

    With x the confidences, y the outcomes, S(z) = mean (z - y)^2, z* the increasing function of x
    nearest to y (pool adjacent violators) and r = mean y:
    miscalibration = S(x) - S(z*), discrimination = S(r) - S(z*), uncertainty = S(r), so that
    S(x) = miscalibration - discrimination + uncertainty, both parts >= 0 (Dimitriadis, Gneiting &
    Jordan 2021, PNAS 118(8), eq. 3-4; arXiv 2008.03033). For labels S is the Brier score. A
    reference probability as outcome decomposes the same way.

    Equal confidences are one point, weighted by their number. No bins to choose; but an isotonic
    fit follows the sample, so miscalibration is > 0 even for calibrated data.

    Raises
    ------
    InputError
        No prediction; values outside [0, 1], with the row.

    Examples
    --------
    >>> fit = corp([0.25, 0.75], [0, 1])
    >>> fit.score, fit.miscalibration, fit.discrimination, fit.uncertainty
    (0.0625, 0.0625, 0.25, 0.25)
    """
    if same_length("corp", confidence=confidence, outcome=outcome) == 0:
        raise InputError("corp: 0 predictions, must be at least 1")
    c = check_confidence(confidence, "corp")
    o = check_confidence(outcome, "corp", name="outcome")
    distinct, place, count = np.unique(c, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=o) / count
    fitted = np.asarray(isotonic_regression(mean, weights=count.astype(np.float64)).x)
    score, best = (float(np.mean((z[place] - o) ** 2)) for z in (distinct, fitted))
    rate = float(o.mean())
    uncertainty = float(np.mean((o - rate) ** 2))
    return Corp(score, score - best, uncertainty - best, uncertainty, distinct, fitted, count)
