"""Leave one cell out: fit without the runs of one cell, predict them, and so on."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, Status, solve
from capgap.comparison.intervals import bootstrap
from capgap.errors import InputError

__all__ = ["HeldOut", "held_out_coverage", "held_out_inside", "leave_one_cell_out"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Errors of runs predicted without their cell.

    Attributes
    ----------
    error : array, shape (n,)
        Log predicted minus log observed loss.
    cell : array of int, shape (n,)
    fits : tuple of Fit, one per cell
        The fits to the other cells.
    """

    error: FloatArray
    cell: npt.NDArray[np.int64]
    fits: tuple[Fit, ...]

    @property
    def status(self) -> tuple[Status, ...]:
        """Status of each fit."""
        return tuple(fit.status for fit in self.fits)

    @property
    def root_mean_square(self) -> float:
        """Root mean square of the log errors; about the relative error."""
        return float(np.sqrt(np.mean(self.error**2)))

    @property
    def median_absolute(self) -> float:
        """Median size of the log errors."""
        return float(np.median(np.abs(self.error)))


def leave_one_cell_out(fit: Fit, groups: npt.ArrayLike | None = None) -> HeldOut:
    """Fit without each cell in turn, from all starts anew, and predict its runs.

    Two laws fitted to the same runs are compared by these errors: unlike the objective they
    do not favor the law with more coefficients. A supervised law that was given to the fit
    stays as it is, so if it was fitted to runs of the held-out cell, that knowledge remains.

    Parameters
    ----------
    fit : Fit
    groups : array_like, shape (n,), optional
        Cell of each run; runs of equal (N, D) by default.

    Returns
    -------
    HeldOut

    Raises
    ------
    InputError
        A single cell, or too few runs without one of the cells.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 3), np.tile([1e9, 1e10, 1e11], 3)
    >>> held = leave_one_cell_out(fit_supervised(N, D, law.loss(N, D), gamma=1.0))
    >>> held.root_mean_square < 1e-9
    True
    """
    problem = fit.problem
    cells = cell_index(problem.inputs, groups)
    count = int(cells.max()) + 1
    if count < 2:
        raise InputError("leave_one_cell_out: 1 cell, must be at least 2")
    error = np.empty_like(problem.log_loss)
    fits: list[Fit] = []
    for cell in range(count):
        out = cells == cell
        weights = np.where(out, 0.0, problem.weights)
        if np.count_nonzero(weights) < fit.x.size:
            raise InputError(
                f"leave_one_cell_out: {np.count_nonzero(weights)} runs without cell {cell}, must"
                f" be at least the {fit.x.size} coefficients"
            )
        without = solve(replace(problem, weights=weights))
        error[out] = without.residual[out]
        fits.append(without)
    return HeldOut(error, cells, tuple(fits))


def held_out_coverage(
    held_out: HeldOut, level: float = 0.9, *, seed: int, n: int = 200, shared: bool = False
) -> float:
    """Share of held-out runs inside the prediction intervals of the fits without their cell.

    It tests what an interval claims, wrong form of the law and extrapolation included, on
    the runs there are. A run whose fit did not converge counts as missed.

    Parameters
    ----------
    held_out : HeldOut
        From `leave_one_cell_out`.
    level : float
        Nominal coverage.
    seed, n, shared
        As in `capgap.comparison.intervals.bootstrap`.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
    >>> wiggle = np.tile([1.004, 0.996, 0.997, 1.003], 3)
    >>> held = leave_one_cell_out(fit_supervised(N, D, law.loss(N, D) * wiggle, gamma=1.0))
    >>> held_out_coverage(held, 0.99, seed=0) >= held_out_coverage(held, 0.2, seed=0)
    True
    """
    return float(held_out_inside(held_out, level, seed=seed, n=n, shared=shared).mean())


def held_out_inside(
    held_out: HeldOut, level: float = 0.9, *, seed: int, n: int = 200, shared: bool = False
) -> npt.NDArray[np.bool_]:
    """Which held-out runs lie inside their prediction intervals; as `held_out_coverage`."""
    inside = np.zeros(held_out.error.shape, dtype=np.bool_)
    for cell, fit in enumerate(held_out.fits):
        if fit.status == "not-converged":
            continue
        out = held_out.cell == cell
        inputs = {name: values[out] for name, values in fit.problem.inputs.items()}
        refits = bootstrap(fit, seed=seed, n=n, shared=shared)
        interval = refits.prediction_interval(level, **inputs)
        observed = np.exp(fit.problem.log_loss[out])
        inside[out] = (interval.low <= observed) & (observed <= interval.high)
    return inside
