"""The best rate of one curve of losses, between the points of its grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.theory.domain import FloatArray

__all__ = ["Optima", "find_optima", "rate_means"]


# Points this far above the lowest, in log loss, have half the weight of the lowest in the fit
# of the parabola: several times the noise of seeds, where a valley is still about a parabola.
HEIGHT = 0.05


@dataclass(frozen=True)
class Optima:
    """Of every curve: arrays without the last axis of what was given.

    `index` is the best grid point; `position` the parabola's vertex, in grid steps from the
    first point, or the best grid point's where the parabola bends downward or has its vertex
    beyond the points. `at_edge` is true in that case, and where the best grid point is the
    first or last, or beside one that has no finite value: the optimum may lie beyond.
    """

    index: npt.NDArray[np.int64]
    position: FloatArray
    at_edge: npt.NDArray[np.bool_]


def find_optima(y: FloatArray, height: float = HEIGHT) -> Optima:
    r"""Vertex of the parabola fitted to each curve, points near its bottom counting most.

    Least squares of :math:`y \approx a + b x + c x^2`, x in grid steps, with weights

    .. math:: w = \frac{1}{1 + ((y - y_\mathrm{min}) / h)^2}, \quad x^* = -b / 2c.

    For curves that are no parabola the vertex is off: where the loss rises faster towards
    large rates, it lies left of the true optimum, by 0.2 to 0.6 steps in simulated valleys.
    Sizes with valleys of one form share that error (to 0.25 steps, wherever on the grid the
    optimum lies), so that it hardly touches how the optimum moves. In the same simulations
    the parabola through the lowest three points has two to four times the noise, one through
    a window of five jumps with the window, and the error of a cubic depends on the grid.

    Parameters
    ----------
    y : array, shape (..., n), n >= 3
        Log losses at even steps of log rate; NaN and infinity have no weight.
    height : float
        h, in units of y.

    Examples
    --------
    >>> best = find_optima(0.02 * (np.arange(6) - 2.25) ** 2)
    >>> int(best.index), round(float(best.position), 9), bool(best.at_edge)
    (2, 2.25, False)
    """
    y = np.where(np.isfinite(y), np.asarray(y, dtype=np.float64), np.inf)
    n = y.shape[-1]
    j = np.argmin(y, axis=-1)
    sides = np.clip(j[..., None] + np.array([-1, 1]), 0, n - 1)
    inside = (j > 0) & (j < n - 1) & np.isfinite(np.take_along_axis(y, sides, -1)).all(-1)
    above = y - np.take_along_axis(y, j[..., None], -1)
    position, is_minimum = _vertex(np.arange(n) - j[..., None], above, height)
    return Optima(j, j + np.where(is_minimum, position, 0.0), ~(inside & is_minimum))


def _vertex(
    x: npt.NDArray[np.int64], above: FloatArray, height: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Vertex of each parabola, and whether it is a minimum among its points."""
    there = np.isfinite(above)
    above = np.where(there, above, 0.0)
    weight = np.where(there, 1 / (1 + (above / height) ** 2), 0.0)
    powers = x[..., None] ** np.arange(3.0)
    moments = np.einsum("...k,...ki,...kj->...ij", weight, powers, powers)
    # Fewer than three points: no parabola, but nothing to stumble over either.
    few = there.sum(-1) < 3
    moments = np.where(few[..., None, None], np.eye(3), moments)
    sums = np.einsum("...k,...ki,...k->...i", weight, powers, above)
    _, b, c = np.moveaxis(np.linalg.solve(moments, sums[..., None])[..., 0], -1, 0)
    upward = (c > 0) & ~few
    position = -b / (2 * np.where(upward, c, 1.0))
    low = np.where(there, x, np.inf).min(-1)
    high = np.where(there, x, -np.inf).max(-1)
    return position, upward & (low <= position) & (position <= high)


def rate_means(log_loss: FloatArray) -> FloatArray:
    r"""Mean log loss of each rate, had every seed been run at every rate; shape (rates,).

    Least squares for :math:`y_{rs} = m_r + b_s`, with the :math:`b_s` averaging 0 over the
    seeds that were run: runs of one seed share initialization and order of data. Without
    gaps it is the plain mean. A rate at which a seed diverged is infinite, one without runs
    NaN.

    Examples
    --------
    >>> y = np.array([[0.0, 2.0], [1.0, np.nan], [np.inf, 3.0]])  # the second seed is 2 worse
    >>> rate_means(y)
    array([ 1.,  2., inf])
    """
    finite = np.isfinite(log_loss)
    means = np.full(log_loss.shape[0], np.nan)
    rates, seeds = np.flatnonzero(finite.any(1)), np.flatnonzero(finite.any(0))
    if rates.size:
        r, s = np.nonzero(finite)
        rows = np.zeros((r.size + 1, rates.size + seeds.size))
        rows[np.arange(r.size), np.searchsorted(rates, r)] = 1.0
        rows[np.arange(r.size), rates.size + np.searchsorted(seeds, s)] = 1.0
        rows[-1, rates.size :] = 1.0
        solution = np.linalg.lstsq(rows, np.append(log_loss[finite], 0.0), rcond=None)[0]
        means[rates] = solution[: rates.size]
    means[np.isposinf(log_loss).any(1)] = np.inf
    return means
