"""Which runs a fit hangs on: refits without each cell in turn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.cells import cell_index
from capgap.comparison.diagnosis.local import coefficient_slopes, linearized
from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, solve
from capgap.errors import InputError
from capgap.theory.domain import positive_array

__all__ = ["Influence", "Strongest", "influence"]

_ITERATIONS = 1000
_LARGEST = 50_000_000  # weights of all refits together, 400 MB
_CHECKED = 2  # refits that are repeated from all starts, those that moved the most
_SAME = 1e-3  # relative difference in objective up to which the two count as one


@dataclass(frozen=True, slots=True)
class Strongest:
    """The largest change: which cell, of what, by how much, and in standard deviations."""

    cell: int
    name: str
    change: float
    in_spread: float


@dataclass(frozen=True, slots=True)
class Influence:
    """Changes of a fit when a cell is left out.

    Attributes
    ----------
    cell : array of int, shape (n,)
        Cell of each run, 0 .. G-1.
    inputs : dict of arrays, shape (G,)
        Inputs of each cell's first run.
    coefficients : dict of arrays, shape (G,)
        Coefficient without the cell, less that of the fit; NaN where the rest cannot
        identify the law.
    predictions : array, shape (G, Q)
        Relative change of the predicted loss at the query points.
    spread : dict
        Standard deviation of each coefficient: as given, or to first order from the fit.
    essential : array of bool, shape (G,)
        Cells without which the law cannot be fitted.
    checked : dict
        Of the refits that were repeated from all starts: cell to the relative amount by
        which the warm refit's objective is above the repeated one's. Above 0.1% the cell has
        a better optimum elsewhere, and its changes are those of the better one.
    """

    cell: npt.NDArray[np.int64]
    inputs: dict[str, FloatArray]
    coefficients: dict[str, FloatArray]
    predictions: FloatArray
    spread: dict[str, float]
    essential: npt.NDArray[np.bool_]
    checked: dict[int, float]

    @property
    def in_spread(self) -> dict[str, FloatArray]:
        """Changes of the coefficients in their standard deviations; NaN where that is zero."""
        return {
            name: change / (self.spread[name] if self.spread[name] > 0 else np.nan)
            for name, change in self.coefficients.items()
        }

    @property
    def strongest(self) -> Strongest:
        """The cell that moves a coefficient the most, in that coefficient's own spread."""
        names = list(self.coefficients)
        sizes = np.stack([np.abs(self.in_spread[name]) for name in names])
        sizes = np.where(np.isfinite(sizes), sizes, -1.0)
        which, cell = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
        name = names[which]
        change = float(self.coefficients[name][cell])
        return Strongest(int(cell), name, change, float(self.in_spread[name][cell]))


def influence(
    fit: Fit,
    *,
    groups: npt.ArrayLike | None = None,
    query: Mapping[str, npt.ArrayLike] | None = None,
    spread: Mapping[str, float] | None = None,
    check: int = _CHECKED,
) -> Influence:
    """Refit without each cell, all at once from the fit's own optimum.

    Parameters
    ----------
    fit : Fit
        With a status other than `not-converged`.
    groups : array_like, shape (n,), optional
        Cell of each run; runs of equal (N, D) by default.
    query : mapping of arrays, optional
        Inputs, by name, at which the change of the prediction is wanted.
    spread : mapping, optional
        Standard deviation of each coefficient, of a bootstrap for example; by default to
        first order from the Jacobian and the residuals.
    check : int
        How many refits, of those that changed the most, are searched again from all starts.

    Returns
    -------
    Influence

    Raises
    ------
    InputError
        A fit that did not converge, fewer than two cells, more cells than fit in memory
        (cells x runs beyond 5e7), or inputs of the wrong names.

    Examples
    --------
    One run is 5% off; leaving it out moves the fit the most.

    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
    >>> loss = 1.5 + 400 / N**0.35 + 1e3 / D**0.37
    >>> loss[8] *= 1.05
    >>> moved = influence(fit_supervised(N, D, loss, gamma=1.0, delta=1.0))
    >>> moved.strongest.cell
    8
    """
    if fit.status == "not-converged":
        raise InputError("influence: fit.status = not-converged, must be a fit that ended")
    problem, model = fit.problem, fit.problem.model
    cells = cell_index(problem.inputs, groups)
    count = int(cells.max()) + 1
    if count < 2:
        raise InputError("influence: 1 cell, must be at least 2")
    if count * cells.size > _LARGEST:
        raise InputError(
            f"influence: {count} cells of {cells.size} runs, cells x runs must be at most"
            f" {_LARGEST:.0e}: give groups"
        )
    without = np.where(cells[None] == np.arange(count)[:, None], 0.0, problem.weights)
    essential = np.array([not _identifiable(fit, row) for row in without])
    starts = np.repeat(fit.x[None], count, axis=0)
    end = minimize_huber(
        model, problem.log_loss, without, starts, problem.delta, max_iterations=_ITERATIONS
    )
    x = end.x.copy()
    known = _spread(fit) if spread is None else {**_spread(fit), **spread}
    first = _changes(fit, x, essential)
    checked = {}
    for cell in _most_moved(first, known, check):
        again = solve(replace(problem, weights=without[cell], start=fit.x))
        above = float(end.objective[cell]) - again.objective
        floor = max(again.objective, 1e-20)
        checked[cell] = above / floor
        if checked[cell] > _SAME:
            x[cell] = again.x
    places = np.unique(cells, return_index=True)[1]
    return Influence(
        cell=cells,
        inputs={name: value[places] for name, value in problem.inputs.items()},
        coefficients=_changes(fit, x, essential),
        predictions=_predictions(fit, x, essential, query),
        spread=known,
        essential=essential,
        checked=checked,
    )


def _identifiable(fit: Fit, weights: FloatArray) -> bool:
    used = weights > 0
    varied = all(np.unique(value[used]).size > 1 for value in fit.problem.inputs.values())
    return varied and int(np.count_nonzero(used)) >= fit.x.size


def _changes(fit: Fit, x: FloatArray, essential: npt.NDArray[np.bool_]) -> dict[str, FloatArray]:
    model = fit.problem.model
    center = model.coefficients(fit.x)
    rows = [model.coefficients(row) for row in x]
    return {
        name: np.where(essential, np.nan, np.array([row[name] for row in rows]) - value)
        for name, value in center.items()
    }


def _predictions(
    fit: Fit,
    x: FloatArray,
    essential: npt.NDArray[np.bool_],
    query: Mapping[str, npt.ArrayLike] | None,
) -> FloatArray:
    if query is None:
        return np.zeros((len(x), 0))
    model = fit.problem.model.at(query_points("influence", fit.problem.inputs, query))
    change = np.expm1(model.predict(x) - model.predict(fit.x[None]))
    return np.where(essential[:, None], np.nan, change)


def query_points(
    operation: str, inputs: Mapping[str, FloatArray], query: Mapping[str, npt.ArrayLike]
) -> dict[str, FloatArray]:
    """Named inputs as flat arrays of one length."""
    if sorted(query) != sorted(inputs):
        raise InputError(f"{operation}: inputs {sorted(query)} must be {', '.join(inputs)}")
    values = [positive_array(operation, name, query[name]) for name in inputs]
    arrays = np.broadcast_arrays(*values)
    return {name: array.reshape(-1) for name, array in zip(inputs, arrays, strict=True)}


def _spread(fit: Fit) -> dict[str, float]:
    """Standard deviation of every coefficient, to first order; zero along unseen directions."""
    near = linearized(fit)
    variance = near.variance
    if not variance > 0:
        return dict.fromkeys(fit.coefficients, 0.0)
    covariance = np.zeros((near.free.size, near.free.size))
    covariance[np.ix_(near.free, near.free)] = variance * np.linalg.pinv(
        near.jacobian.T @ near.jacobian, rcond=1e-13, hermitian=True
    )
    slopes = coefficient_slopes(fit.problem.model, fit.x)
    return {name: float(np.sqrt(max(float(g @ covariance @ g), 0.0))) for name, g in slopes.items()}


def _most_moved(
    changes: Mapping[str, FloatArray], spread: Mapping[str, float], count: int
) -> list[int]:
    sizes = [np.abs(change) / (spread[name] or np.inf) for name, change in changes.items()]
    most = np.max(np.nan_to_num(np.stack(sizes), nan=-1.0), axis=0)
    return [int(cell) for cell in np.argsort(-most)[:count] if most[cell] >= 0]
