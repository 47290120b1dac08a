"""What seeds do to a curve of losses over the rate: redrawn curves."""

import numpy as np

from capgap.comparison.learning_rates.optimum import rate_means
from capgap.comparison.learning_rates.sweep import RateCell, RateSweep
from capgap.errors import InputError
from capgap.theory.domain import FloatArray

__all__ = ["draw_curves", "seed_residuals", "shared_noise"]


def seed_residuals(sweep: RateSweep) -> FloatArray:
    r"""How each seed of each cell departs from the cell's mean curve; shape (curves, rates).

    .. math:: e_{rs} = (y_{rs} - m_r) \sqrt{n / (n - 1)}

    with n the seeds of the cell, in log loss. A row is one seed's departure at every rate, so
    that what rates share in a seed (initialization, order of data) and what they do not (large
    rates scatter more) both stay in it. Where a cell lacks a rate, the row takes other rows'
    departures at that rate.

    Raises
    ------
    InputError
        No cell has two seeds.
    """
    rows: list[FloatArray] = []
    for cell in sweep.cells:
        y = np.where(np.isfinite(cell.log_loss), cell.log_loss, np.nan)
        ran = np.isfinite(y).any(axis=0)
        if (n := int(ran.sum())) < 2:
            continue
        means = rate_means(y)
        rows += list((y[:, ran] - means[:, None]).T * np.sqrt(n / (n - 1)))
    if not rows:
        raise InputError("learning rates: some size must have two seeds, to know their noise")
    return _without_gaps(np.array(rows))


def _without_gaps(rows: FloatArray) -> FloatArray:
    everything = rows[np.isfinite(rows)]
    for column in rows.T:
        there = column[np.isfinite(column)]
        gaps = np.isnan(column)
        column[gaps] = np.resize(there if there.size else everything, int(gaps.sum()))
    return rows


def shared_noise(sweep: RateSweep) -> float:
    r"""Correlation of the noise of two cells at the same seed and rate; NaN with runs missing.

    From the variance of the mean over the C cells against the mean of their variances,
    :math:`V / \bar v = (1 + (C - 1) \rho) / C`, of the departures
    :math:`y_{rs} - \bar y_r - \bar y_s + \bar y`, in which what all rates of a seed share
    cancels, as it does in where the optimum lies.
    """
    y = np.array([cell.log_loss for cell in sweep.cells])
    C, _, seeds = y.shape
    if not np.isfinite(y).all() or C < 2 or seeds < 2:
        return float("nan")
    rest = y - y.mean(axis=2, keepdims=True) - y.mean(axis=1, keepdims=True)
    rest += y.mean(axis=(1, 2), keepdims=True)
    ratio = np.mean(rest.mean(axis=0) ** 2) / np.mean(rest**2)
    return float((C * ratio - 1) / (C - 1))


def draw_curves(sweep: RateSweep, n: int, seed: int) -> FloatArray:
    """Mean curves as other seeds would have given them; shape (cells, n, rates), log loss.

    Each is the cell's mean curve plus the mean of as many rows of `seed_residuals` as it has
    seeds, drawn with replacement from all cells' rows: the noise of a seed is taken to be the
    same in log loss for all sizes and kinds, and independent between them. Where sizes share
    noise (`shared_noise`), for they read the same text in the same order, an interval for one
    size stays right, and one for the difference between sizes is too wide.
    """
    rng = np.random.default_rng(seed)
    rows = seed_residuals(sweep)
    return np.array([_draws(cell, rows, n, rng) for cell in sweep.cells])


def _draws(cell: RateCell, rows: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    counts = np.maximum(np.isfinite(cell.log_loss).sum(axis=1), 1)
    drawn = rows[rng.integers(len(rows), size=(n, int(counts.max())))]
    # A rate that only some seeds were run at is the mean of that many.
    sums = np.cumsum(drawn, axis=1)
    mean = sums[:, counts - 1, np.arange(counts.size)] / counts
    return np.asarray(rate_means(cell.log_loss) + mean)
