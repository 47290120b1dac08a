"""What a bootstrap refits a law to: new losses on the same design, or runs drawn anew."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.intervals.linear import LinearFit
from capgap.errors import InputError

__all__ = ["Kind", "drawn_cells", "new_losses", "noise_between_cells", "wild_weights"]

Kind = Literal["noise", "residuals", "wild", "pairs", "cells"]

_FEWEST_CELLS = 5  # fewer say next to nothing about the spread between cells
_FEW_CELLS = 12  # 2^G sign patterns are too few below: Webb's six points instead
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))


def new_losses(
    fit: Fit,
    linear: LinearFit,
    kind: Kind,
    cells: npt.NDArray[np.int64],
    noise: tuple[float, float],
    n: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Log losses around the fitted ones, shape (n, runs), for the kinds that keep the design.

    `noise` holds the standard deviations within and between cells.
    """
    fitted = fit.residual + fit.problem.log_loss
    count, runs = int(cells.max()) + 1, fitted.size
    unit = np.ones(runs)
    unit[linear.used] = linear.unit
    if kind == "noise":
        within, between = noise
        shared = between * rng.standard_normal((n, count))[:, cells]
        return np.asarray(fitted + unit * within * rng.standard_normal((n, runs)) + shared)
    error = np.zeros((n, runs))
    if kind == "residuals":
        pool = linear.standard / linear.unit
        drawn = pool[rng.integers(0, pool.size, (n, runs))]
        return np.asarray(fitted + unit * drawn * rng.choice([-1.0, 1.0], (n, runs)))
    if kind == "wild":
        error[:, linear.used] = linear.corrected
        return np.asarray(fitted + error * wild_weights(count, n, rng)[:, cells])
    raise InputError(f"bootstrap: kind = {kind!r} must be {', '.join(get_args(Kind))}")


def wild_weights(cells: int, n: int, rng: np.random.Generator) -> FloatArray:
    """Weights of mean 0 and variance 1, shape (n, cells): Rademacher, or Webb for few cells.

    Webb's are +-sqrt(1/2), +-1 and +-sqrt(3/2), equally likely (Webb 2023, Canadian Journal of
    Economics 56).

    >>> drawn = wild_weights(3, 1000, np.random.default_rng(0))
    >>> sorted(set(np.abs(drawn).ravel().round(3).tolist()))
    [0.707, 1.0, 1.225]
    """
    sign = rng.choice([-1.0, 1.0], (n, cells))
    return sign if cells >= _FEW_CELLS else sign * rng.choice(_WEBB, (n, cells))


def drawn_cells(
    fit: Fit, cells: npt.NDArray[np.int64], n: int, rng: np.random.Generator
) -> FloatArray:
    """Counts of each run's cell, shape (n, runs), for draws that keep the law identifiable."""
    count = int(cells.max()) + 1
    if count < _FEWEST_CELLS:
        raise InputError(f"bootstrap: {count} cells, must be at least {_FEWEST_CELLS} to be drawn")
    kept: list[FloatArray] = []
    for _ in range(50 * n):
        draw = np.asarray(rng.multinomial(count, np.full(count, 1 / count))[cells], dtype=float)
        used = (draw > 0) & (fit.problem.weights > 0)
        varied = all(_varies(values[used]) for values in fit.problem.inputs.values())
        if varied and np.count_nonzero(used) >= fit.x.size:
            kept.append(draw)
        if len(kept) == n:
            return np.stack(kept)
    raise InputError(
        f"bootstrap: {count} cells, must be enough that drawn ones can still identify the law"
    )


def _varies(values: FloatArray) -> bool:
    """Whether there are two values; runs without a teacher have NaN for its loss."""
    known = values[~np.isnan(values)]
    return bool(known.size and known.min() < known.max())


def noise_between_cells(
    fit: Fit, linear: LinearFit, cells: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Standard deviations within and between cells, of a run of unit noise.

    With M = 1 - J J^+ and Z the cells' indicator: E r'r = w tr M + b tr Z'MZ and
    E |Z'r|^2 = w tr Z'MZ + b tr (Z'MZ)^2, w and b the two variances.
    """
    jacobian = linear.jacobian / linear.unit[:, None]
    residual, label = fit.residual[linear.used] / linear.unit, cells[linear.used]
    freedom = fit.degrees_of_freedom
    alone = float(np.sqrt(residual @ residual / freedom)), 0.0
    groups = np.unique(label)
    if groups.size == label.size:
        return alone
    basis = np.linalg.qr(jacobian)[0]
    indicator = (label[:, None] == groups[None]).astype(np.float64)
    projected = indicator.T @ indicator - (indicator.T @ basis) @ (basis.T @ indicator)
    trace = np.trace(projected)
    system = np.array([[freedom, trace], [trace, np.sum(projected**2)]])
    totals = np.array([residual @ residual, np.sum((indicator.T @ residual) ** 2)])
    if np.linalg.cond(system) > 1e10:
        return alone
    w, b = np.linalg.solve(system, totals)
    if b <= 0:
        return alone
    return float(np.sqrt(max(w, 0.0))), float(np.sqrt(b))
