"""Calibration errors with the plug-in's bias taken off."""

from typing import Literal

import numpy as np
from scipy.special import erf

from capgap.errors import InputError
from capgap.measurement.calibration.estimators import Sums, ece, total
from capgap.measurement.calibration.predictions import FloatArray

__all__ = ["Spread", "debiased_ece", "debiased_l2", "debiased_squared_l2"]

Spread = Literal["gap", "outcome"]


def debiased_squared_l2(sums: Sums, *, spread: Spread = "gap") -> FloatArray:
    """Estimate of sum_b P(b) (E[o - c | b])^2 without bias; below 0 on about half of calibrated
    data sets.

    sum_b w_b [g_b^2 - v_b / (n_b - 1)], g_b = mean (o - c), w_b = n_b / N, with

    - ``spread="gap"``: v_b = mean (o - c)^2 - g_b^2. Since E[g_b^2] = (E g)^2 + var(o - c) / n_b,
      unbiased whatever the confidences within a bin and for any outcome in [0, 1];
    - ``spread="outcome"``: v_b = mean o^2 - (mean o)^2, which is y (1 - y) for labels: as printed
      by Kumar, Liang & Ma 2019 (arXiv 1909.10155, sec. 5), unbiased if the confidence is constant
      within each bin.

    Predictions count as independent: those of a sequence that go together have a larger spread,
    of which a part is left in. A bin with one prediction says nothing about its spread and adds
    0: no bias when calibrated, otherwise its error is missed (plug-in w_b g_b^2 would overstate
    it).

    >>> from capgap.measurement.calibration.table import ReliabilityTable
    >>> table = ReliabilityTable.of([0.5] * 4, [0, 1, 1, 1])
    >>> float(debiased_squared_l2(table))  # 1/16 - (3/16) / 3
    0.0
    """
    n = np.asarray(sums.count, dtype=np.float64)
    used = n > 1
    size = np.where(used, n, 2.0)
    gap = sums.sum_gap / size
    correction = _squared_error(sums, size, spread)
    squares = np.where(used, size * (gap**2 - correction), 0.0)
    return np.asarray(squares.sum(axis=-1) / total(sums, "debiased L2"))


def debiased_l2(sums: Sums, *, spread: Spread = "gap") -> FloatArray:
    """sqrt(max(0, `debiased_squared_l2`)); the root brings a bias back, the square has none."""
    return np.sqrt(np.maximum(debiased_squared_l2(sums, spread=spread), 0.0))


def debiased_ece(sums: Sums, *, spread: Spread = "gap") -> FloatArray:
    """Plug-in ECE minus an estimate of its bias: sum_b w_b (2 |g_b| - E|N(g_b, s_b^2)|).

    s_b^2 = v_b / (n_b - 1) as in `debiased_squared_l2`, and
    E|N(g, s^2)| = s sqrt(2/pi) exp(-g^2 / (2 s^2)) + g erf(g / (s sqrt 2)): the limit of the
    simulation by Kumar, Liang & Ma 2019 (arXiv 1909.10155, app. on L1), which draws from that
    normal law. It takes off a part of the bias only: of a calibrated bin 2 - sqrt 2 = 59% stay.
    Bins with one prediction are left as they are.

    >>> from capgap.measurement.calibration.table import ReliabilityTable
    >>> table = ReliabilityTable.of([0.5] * 5, [0.5] * 5)
    >>> float(debiased_ece(table))
    0.0
    """
    n = np.asarray(sums.count, dtype=np.float64)
    used = n > 1
    size = np.where(used, n, 2.0)
    gap, s = np.abs(sums.sum_gap) / size, np.sqrt(_squared_error(sums, size, spread))
    z = np.divide(gap, s, out=np.full(gap.shape, np.inf), where=s > 0)
    folded = s * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + gap * erf(z / np.sqrt(2))
    bias = np.where(used, size * (folded - gap), 0.0)
    return np.asarray(ece(sums) - bias.sum(axis=-1) / total(sums, "debiased ECE"))


def _squared_error(sums: Sums, size: FloatArray, spread: Spread) -> FloatArray:
    """Estimated variance of the mean of o - c (or of o) in each bin."""
    if spread == "gap":
        mean, squares = sums.sum_gap / size, sums.sum_gap_squared / size
    elif spread == "outcome":
        mean, squares = sums.sum_outcome / size, sums.sum_outcome_squared / size
    else:
        raise InputError(f"debiased: spread = {spread!r} must be 'gap' or 'outcome'")
    return np.asarray(np.maximum(squares - mean**2, 0.0) / (size - 1))
