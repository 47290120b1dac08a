"""Cross-validation in one pass: all folds are refined side by side from warm starts.

A fold's fit starts at the optimum of the fit to all runs and at the best points of the
law's own grid, screened on the fold's runs. The folds that lose most are then searched anew
from all starts; if one of them ends lower, so are all the others.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.huber import gradient_norm, huber, minimize_huber, polish
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, Problem, Status, solve
from capgap.comparison.held_out.leave_one_cell_out import HeldOut
from capgap.errors import InputError

__all__ = ["cross_validate"]

_SCREENED = 6  # starts of the grid per fold, besides the optimum of the fit to all runs
_WORSE = 1e-4  # relative excess of a warm fold's objective that sends all back to all starts
_ROUNDING = 1e-30  # objective of a run whose residual is 1e-15
_LARGEST_CONDITION = 1e7  # beyond it a fit is not identified, as in `solve`
_CHUNK = 2_000_000  # numbers in one array of the search: 16 MB


def cross_validate(
    fit: Fit, fold: npt.ArrayLike, *, cold: bool = False, checked: int = 2
) -> HeldOut:
    """Fit without the runs of each fold in turn, and predict them.

    As `leave_one_cell_out`, with folds instead of cells and all of them refined in one batch.

    Parameters
    ----------
    fit : Fit
    fold : array_like, shape (n,)
        Which fold each run is in.
    cold : bool
        Search every fold from all starts; slower, and the oracle of the warm way.
    checked : int
        Folds that are searched from all starts as well. If a warm search ended higher in one
        of them, every fold is searched from all starts.

    Returns
    -------
    HeldOut
        Its `cell` is the fold, numbered from 0 in the order of the labels.

    Raises
    ------
    InputError
        A single fold; or fewer runs than coefficients, or a single value of an input,
        without one of the folds.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
    >>> held = cross_validate(fit_supervised(N, D, law.loss(N, D), gamma=1.0), np.arange(12) % 4)
    >>> held.root_mean_square < 1e-9, held.status
    (True, ('converged', 'converged', 'converged', 'converged'))
    """
    label = _labels(fit, fold)
    weights = np.where(label == np.arange(label.max() + 1)[:, None], 0.0, fit.problem.weights)
    _check(fit, weights)
    fits = _cold(fit, weights) if cold else _warm(fit, weights, checked)
    error = np.empty_like(fit.problem.log_loss)
    for number, without in enumerate(fits):
        error[label == number] = without.residual[label == number]
    return HeldOut(error, label, tuple(fits))


def _labels(fit: Fit, fold: npt.ArrayLike) -> npt.NDArray[np.int64]:
    given = np.asarray(fold)
    if given.shape != fit.problem.log_loss.shape:
        raise InputError(
            f"cross_validate: fold of shape {given.shape} must be {fit.problem.log_loss.shape}"
        )
    label = np.asarray(np.unique(given, return_inverse=True)[1].reshape(-1), dtype=np.int64)
    if label.max() < 1:
        raise InputError("cross_validate: 1 fold, must be at least 2")
    return label


def _check(fit: Fit, weights: FloatArray) -> None:
    for number, row in enumerate(weights):
        used = row > 0
        if used.sum() < fit.x.size:
            raise InputError(
                f"cross_validate: {used.sum()} runs without fold {number}, must be at least the"
                f" {fit.x.size} coefficients"
            )
        for name, values in fit.problem.inputs.items():
            if np.unique(values[used]).size < 2:
                raise InputError(
                    f"cross_validate: {name} = {values[used][0]:g} in every run without fold"
                    f" {number}, must vary"
                )


def _cold(fit: Fit, weights: FloatArray) -> list[Fit]:
    return [solve(replace(fit.problem, weights=row)) for row in weights]


def _warm(fit: Fit, weights: FloatArray, checked: int) -> list[Fit]:
    """Folds from warm starts, or from all starts where the check says so."""
    problem = fit.problem
    starts = _starts(problem, fit.x, weights)
    fold = np.repeat(np.arange(len(weights)), starts.shape[1])
    x, objective, converged = _refine(problem, starts.reshape(fold.size, -1), weights, fold)
    shape = starts.shape[:2]
    best = np.argmin(objective.reshape(shape), axis=1) + np.arange(shape[0]) * shape[1]
    fits = [_end(fit, row, x[b], bool(converged[b])) for row, b in zip(weights, best, strict=True)]
    # Where most weight is held out the optimum moves most.
    for number in np.argsort(weights.sum(axis=1), kind="stable")[:checked]:
        anew = solve(replace(problem, weights=weights[number]))
        floor = _ROUNDING * weights[number].sum()
        if fits[number].objective > anew.objective * (1 + _WORSE) + floor:
            return _cold(fit, weights)
    return [
        solve(replace(problem, weights=row)) if one.status == "not-converged" else one
        for one, row in zip(fits, weights, strict=True)
    ]


def _starts(problem: Problem, x: FloatArray, weights: FloatArray) -> FloatArray:
    """Starts of every fold, shape (K, 1 + _SCREENED, P)."""
    grid = problem.model.starts(problem.log_loss)
    own = np.broadcast_to(x, (len(weights), 1, x.size))
    if not len(grid):
        return own
    rows = max(1, _CHUNK // (problem.log_loss.size * x.size))
    losses = [
        huber(problem.model.predict(grid[i : i + rows]) - problem.log_loss, problem.delta)
        for i in range(0, len(grid), rows)
    ]
    screen = np.concatenate(losses) @ weights.T
    order = np.argsort(screen, axis=0, kind="stable")[:_SCREENED].T
    return np.concatenate([own, grid[order]], axis=1)


def _refine(
    problem: Problem, starts: FloatArray, weights: FloatArray, fold: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    rows = max(1, _CHUNK // (problem.log_loss.size * starts.shape[1]))
    ends = [
        minimize_huber(
            problem.model, problem.log_loss, weights[fold[i : i + rows]],
            starts[i : i + rows], problem.delta,
        )
        for i in range(0, len(starts), rows)
    ]  # fmt: skip
    return (
        np.concatenate([end.x for end in ends]),
        np.concatenate([end.objective for end in ends]),
        np.concatenate([end.converged for end in ends]),
    )


def _end(fit: Fit, weights: FloatArray, x: FloatArray, converged: bool) -> Fit:
    """An end point as a fit; the share of starts that reached it is not known."""
    problem, model = fit.problem, fit.problem.model
    y, delta = problem.log_loss, problem.delta
    if not converged:
        end = polish(model, y, weights, x, delta)
        x, converged = end.x[0], bool(end.converged[0])
    prediction, jacobian = model.evaluate(x[None])
    used = jacobian[0][weights > 0]
    norms = np.maximum(np.linalg.norm(used, axis=0), 1e-300)
    low, high = model.bounds.T
    near = 1e-3 * (high - low)
    free = bool(np.all((x > low + near) & (x < high - near)))
    condition = float(np.linalg.cond(used / norms))
    status: Status = "at-bound"
    if not converged:
        status = "not-converged"
    elif free:
        status = "converged" if condition <= _LARGEST_CONDITION else "not-identified"
    residual = prediction[0] - y
    return replace(
        fit,
        law=model.law(x),
        coefficients=model.coefficients(x),
        objective=float(np.sum(weights * huber(residual, delta))),
        status=status,
        message="refined from the fit to all runs",
        best_basin_share=float("nan"),
        gradient_norm=gradient_norm(model, y, weights, x[None], delta),
        condition=condition,
        residual=residual,
        x=x,
        problem=replace(problem, weights=weights),
    )
