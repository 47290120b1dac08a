"""Held-out errors: how well a law foretells runs that it has not seen."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.log_models import FloatArray
from capgap.comparison.search import Fit, Status, solve
from capgap.errors import InputError

__all__ = ["HeldOut", "leave_one_cell_out"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Errors of runs predicted without their cell.

    Attributes
    ----------
    error : array, shape (n,)
        Log predicted minus log observed loss.
    cell : array of int, shape (n,)
    status : tuple of str, one per cell
        Status of the fit to the other cells.
    """

    error: FloatArray
    cell: npt.NDArray[np.int64]
    status: tuple[Status, ...]

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
    >>> from capgap.comparison.fit import fit_supervised
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
    status: list[Status] = []
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
        status.append(without.status)
    return HeldOut(error, cells, tuple(status))
