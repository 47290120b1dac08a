"""Brier score and its decomposition within bins."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from capgap.errors import InputError
from capgap.measurement.calibration.predictions import (
    check_labels,
    check_probabilities,
    row_chunks,
    same_length,
)
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["BrierParts", "brier", "brier_parts", "multiclass_brier"]


@dataclass(frozen=True)
class BrierParts:
    """score = reliability - resolution + uncertainty + within_variance - 2 within_covariance."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float


def brier(table: ReliabilityTable) -> float:
    """Mean of (c - o)^2 over the predictions of a table, shape (bins,); bins do not matter.

    >>> brier(ReliabilityTable.of([0.5, 1.0], [0, 1]))
    0.125
    """
    return float(table.sum_gap_squared.sum() / _size(table))


def brier_parts(table: ReliabilityTable) -> BrierParts:
    """Exact decomposition of the Brier score of a table, shape (bins,).

    With w_b = n_b / N, means c_b and o_b, o the mean outcome of all:
    reliability = sum w_b (c_b - o_b)^2, resolution = sum w_b (o_b - o)^2,
    uncertainty = mean (o_i - o)^2 (= o (1 - o) for labels), and within the bins
    within_variance = sum w_b var_b(c), within_covariance = sum w_b cov_b(c, o), with
    score = reliability - resolution + uncertainty + within_variance - 2 within_covariance.

    The first three are Murphy's (1973, J. Appl. Meteorol. 12), alone only where the confidence is
    constant in each bin; the last two are those of Stephenson, Coelho & Jolliffe (2008, Weather
    and Forecasting 23), which make it exact for any confidences. A reference probability as
    outcome decomposes the same way.

    Raises
    ------
    InputError
        The table is empty.

    Examples
    --------
    >>> parts = brier_parts(ReliabilityTable.of([0.25, 0.25, 0.75, 0.75], [0, 0, 1, 0]))
    >>> parts.score, parts.reliability, parts.resolution, parts.uncertainty
    (0.1875, 0.0625, 0.0625, 0.1875)
    """
    N = _size(table)
    n = np.maximum(table.count, 1)
    rate = float(table.sum_outcome.sum() / N)
    mean_c, mean_o = table.sum_confidence / n, table.sum_outcome / n
    within = table.sum_confidence_squared - mean_c * table.sum_confidence
    return BrierParts(
        score=brier(table),
        reliability=float((table.sum_gap**2 / n).sum() / N),
        resolution=float((table.count * (mean_o - rate) ** 2).sum() / N),
        uncertainty=float(table.sum_outcome_squared.sum() / N - rate**2),
        within_variance=float(within.sum() / N),
        within_covariance=float((table.sum_product - mean_c * table.sum_outcome).sum() / N),
    )


def multiclass_brier(probabilities: Any, labels: Any, *, tolerance: float | None = None) -> float:
    """Mean over rows of sum_k (p_k - [k = y])^2, in [0, 2] (Brier 1950).

    Equal to mean (1 - 2 p_y + sum_k p_k^2), which is how it is computed, chunk by chunk.

    >>> multiclass_brier([[0.5, 0.5], [0.0, 1.0]], [0, 1])
    0.25
    """
    n = same_length("brier", probabilities=probabilities, labels=labels)
    if n == 0:
        raise InputError("brier: 0 predictions, must be at least 1")
    total = 0.0
    for rows in row_chunks(probabilities):
        p = check_probabilities(probabilities, "brier", rows, tolerance=tolerance)
        y = check_labels(labels, p.shape[1], "brier", rows)
        total += float((1 - 2 * p[np.arange(y.size), y] + (p * p).sum(axis=1)).sum())
    return total / n


def _size(table: ReliabilityTable) -> int:
    if table.count.ndim != 1 or not table.count.any():
        raise InputError(f"brier: counts of shape {table.count.shape} must be one filled table")
    return int(table.count.sum())
