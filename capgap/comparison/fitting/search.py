"""The search behind a fit: screened starts, refinement, polish, and an honest status."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.huber import Minima, gradient_norm, huber, minimize_huber, polish
from capgap.comparison.fitting.log_models import FloatArray, Law, LogModel
from capgap.comparison.fitting.paper_grid import paper_grid, screen
from capgap.comparison.fitting.projection import projected_starts

__all__ = ["Fit", "Problem", "Status", "solve"]

Status = Literal["converged", "at-bound", "not-identified", "not-converged"]

_REFINED = 16  # starts of our own that survive the screening
_ENOUGH = 0.75  # share in the best basin; below it more starts are refined,
_RESERVE = 3  # so many times the first ones
_PROJECTED = 256  # shapes with their linear coefficients solved for, screened besides
_FROM_PAPER = 32  # and of the paper's grid, where that is asked for
_SHORTLIST = 4096  # of the paper's starts screened again, in double precision
_PATIENT = 4  # of them, if the best has not arrived after the usual number of steps
_SAME_START = 0.01  # of each coordinate's range
_SAME_BASIN = 1e-4  # relative difference in objective
_NO_ERROR = 0.5e-20  # objective per weight: residuals of 1e-10 are as good as none
_FLAT = 1e-3  # largest gradient norm that counts as vanished
_LARGEST_CONDITION = 1e7  # of the Jacobian with unit columns
_SCREENED_RUNS = 300  # more do not decide which starts are good
_SEARCHED_RUNS = 20_000  # nor which basin is the best
_BLOCK = 2**18  # predictions screened at a time


@dataclass(frozen=True, slots=True)
class Problem:
    """A law's coordinates, the runs it is fitted to and the loss function.

    Attributes
    ----------
    model : LogModel
    inputs : mapping of arrays, shape (n,)
        N and D, or N_S, D_S and L_T.
    log_loss, weights : array, shape (n,)
    delta : float, or array of shape (n,)
        Where the Huber loss turns from quadratic to linear, in log loss; per run where
        residuals are counted in measured standard errors.
    start : array, shape (P,), or None
        Coordinates to search from besides the grid.
    grid : {"own", "paper"}
        Where to search from: our own starts, or the paper's grid (Busbridge et al., arXiv
        2502.08606, appendix F: 9,600 or 216,000 starts) besides. A law that the paper does not
        fit has our own starts only.
    """

    model: LogModel
    inputs: Mapping[str, FloatArray]
    log_loss: FloatArray
    weights: FloatArray
    delta: float | FloatArray
    start: FloatArray | None = None
    grid: Literal["own", "paper"] = "own"


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted law.

    Attributes
    ----------
    law : SupervisedLaw, DistillationLaw, ReducedDistillationLaw or HingeLaw
    coefficients : dict
        What was fitted, by name; of a given supervised law only the hinge's scale.
    objective : float
        Weighted sum of Huber losses of the log residuals.
    status : str
        `converged`; `at-bound`: a coefficient sits at the limit of its search range, so the
        data do not decide it; `not-identified`: the runs cannot tell coefficients apart;
        `not-converged`: do not use the numbers.
    message : str
        The reason, one line.
    best_basin_share : float
        Share of the refined starts that ended at the best objective (within 0.01%).
    gradient_norm : float
        Largest derivative of the objective in a coordinate scaled to its own curvature, over
        the square root of the objective; coordinates held at a bound are left out. Far below
        one at a minimum.
    condition : float
        Condition number of the residuals' Jacobian with unit columns; infinite where a
        coordinate moves no prediction.
    residual : array, shape (n,)
        Log predicted minus log observed loss.
    x : array, shape (P,)
        The coordinates of `problem.model`.
    problem : Problem
    screened, refined : int
        How many starts were tried, and how many of them were followed to their end.
    """

    law: Law
    coefficients: dict[str, float]
    objective: float
    status: Status
    message: str
    best_basin_share: float
    gradient_norm: float
    condition: float
    residual: FloatArray
    x: FloatArray
    problem: Problem
    screened: int = 0
    refined: int = 0

    @property
    def degrees_of_freedom(self) -> int:
        """Runs with a weight, less fitted coefficients."""
        return int(np.count_nonzero(self.problem.weights)) - self.x.size

    @property
    def noise(self) -> float:
        """Root mean square log residual over the degrees of freedom; NaN if there are none."""
        used = self.problem.weights > 0
        if self.degrees_of_freedom < 1:
            return float("nan")
        return float(np.sqrt(np.sum(self.residual[used] ** 2) / self.degrees_of_freedom))


def solve(problem: Problem) -> Fit:
    """Search from screened starts, refine, polish and judge the end point.

    Half of the refined starts come from the model's own grid and half from shapes whose
    linear coefficients were solved for, where it has any; with `grid` "paper" more from the
    paper's. If less than three quarters end at the best objective, three times as many of our
    own follow. Beyond 20,000 runs the search is made on so many of them, evenly spread, and its
    best end points are followed on all runs.
    """
    few = _thinned(problem, _SEARCHED_RUNS)
    starts, reserve, screened = _starts(few)
    ends = _refine(few, starts)
    if _share(few, ends, ends.objective.min()) < _ENOUGH:
        ends = _joined(ends, _refine(few, reserve))
    best = _refine(problem, ends.x[_order(ends)[:2]]) if few is not problem else ends
    winner = int(_order(best)[0])
    end = polish(problem.model, problem.log_loss, problem.weights, best.x[winner], problem.delta)
    found = Minima(end.x[0], end.objective, end.converged | best.converged[winner])
    lowest = ends.objective.min() if few is not problem else found.objective[0]
    return _judge(problem, found, _share(few, ends, lowest), screened, len(ends.x))


def _share(problem: Problem, ends: Minima, lowest: float) -> float:
    """Share of the ends whose objective is as good as the lowest."""
    limit = lowest * (1 + _SAME_BASIN) + _NO_ERROR * problem.weights.sum()
    return float(np.mean(ends.objective <= limit))


def _joined(first: Minima, second: Minima) -> Minima:
    return Minima(
        np.concatenate([first.x, second.x]),
        np.concatenate([first.objective, second.objective]),
        np.concatenate([first.converged, second.converged]),
    )


def _thinned(problem: Problem, most: int) -> Problem:
    """The problem itself, or the problem on about so many of its runs, evenly spread."""
    used = np.flatnonzero(problem.weights > 0)
    if used.size <= most:
        return problem
    # Multiples of the golden ratio: in step with no order of the runs.
    spread = np.arange(most) * (0.5 * (np.sqrt(5.0) - 1.0)) % 1.0
    keep = used[np.unique((spread * used.size).astype(np.intp))]
    inputs = {name: values[keep] for name, values in problem.inputs.items()}
    delta = problem.delta if np.ndim(problem.delta) == 0 else np.asarray(problem.delta)[keep]
    return replace(
        problem,
        model=problem.model.at(inputs),
        inputs=inputs,
        log_loss=problem.log_loss[keep],
        weights=problem.weights[keep],
        delta=delta,
    )


def _starts(problem: Problem) -> tuple[FloatArray, FloatArray, int]:
    """Starts to be refined, more of them if need be, shapes (K, P); how many were screened."""
    model, y, w = problem.model, problem.log_loss, problem.weights
    few = _thinned(problem, _SCREENED_RUNS)
    lists = [model.starts(y), projected_starts(model, y, w, _PROJECTED)]
    lists = [x for x in lists if len(x)]
    screened = sum(len(x) for x in lists)
    count = _REFINED // len(lists)
    ranked = [_best(few, x, (1 + _RESERVE) * count) for x in lists]
    chosen = [x[:count] for x in ranked]
    grid = paper_grid(model) if problem.grid == "paper" else None
    if grid is not None:
        objective = screen(grid, y, w, problem.delta)
        shortlist = np.argsort(objective, kind="stable")[:_SHORTLIST]
        chosen.append(_best(few, grid.coordinates(shortlist), _FROM_PAPER))
        screened += len(grid)
    if problem.start is not None:
        chosen.insert(0, np.atleast_2d(problem.start))
        screened += len(chosen[0])
    return np.vstack(chosen), np.vstack([x[count:] for x in ranked]), screened


def _best(problem: Problem, x: FloatArray, count: int) -> FloatArray:
    """The best starts of a list, no two of them nearly the same, shape (count, P) or fewer."""
    width = np.ptp(problem.model.bounds, axis=1)
    place = x / np.where(width > 0, width, 1.0)
    left = np.argsort(_objectives(problem, x), kind="stable")
    kept: list[int] = []
    while left.size and len(kept) < count:
        kept.append(int(left[0]))
        left = left[np.max(np.abs(place[left] - place[left[0]]), axis=1) > _SAME_START]
    return x[kept]


def _objectives(problem: Problem, x: FloatArray) -> FloatArray:
    """Objective of every start, shape (K,)."""
    used = problem.weights > 0
    rows = max(1, _BLOCK // problem.log_loss.size)
    found = []
    for first in range(0, len(x), rows):
        residual = problem.model.predict(x[first : first + rows]) - problem.log_loss
        found.append(np.sum((problem.weights * huber(residual, problem.delta))[:, used], axis=-1))
    return np.concatenate(found)


def _refine(problem: Problem, starts: FloatArray) -> Minima:
    """Ends of the searches; the best few go on for much longer if the best has not arrived."""
    model, y, w = problem.model, problem.log_loss, problem.weights
    ends = minimize_huber(model, y, w, starts, problem.delta)
    if not len(starts):
        return ends
    few = _order(ends)[:_PATIENT]
    if not ends.converged[few[0]]:
        # A narrow curved valley.
        late = minimize_huber(model, y, w, ends.x[few], problem.delta, max_iterations=3000)
        ends.x[few], ends.objective[few] = late.x, late.objective
        ends.converged[few] = late.converged
    return ends


def _order(ends: Minima) -> npt.NDArray[np.intp]:
    return np.argsort(ends.objective, kind="stable")


def _judge(problem: Problem, end: Minima, share: float, screened: int, refined: int) -> Fit:
    model, x, used = problem.model, end.x, problem.weights > 0
    prediction, jacobian = model.evaluate(x[None])
    condition, flat = _condition(model, jacobian[0][used])
    slope = gradient_norm(model, problem.log_loss, problem.weights, x[None], problem.delta)
    exact = end.objective[0] <= _NO_ERROR * problem.weights.sum()
    converged = bool(exact or (end.converged[0] and slope <= _FLAT))
    status, message = _status(model, x, converged, condition, flat)
    return Fit(
        law=model.law(x),
        coefficients=model.coefficients(x),
        objective=float(end.objective[0]),
        status=status,
        message=message,
        best_basin_share=share,
        gradient_norm=slope,
        condition=condition,
        residual=prediction[0] - problem.log_loss,
        x=x,
        problem=replace(problem, start=None),
        screened=screened,
        refined=refined,
    )


def _condition(model: LogModel, jacobian: FloatArray) -> tuple[float, list[str]]:
    """Condition number with unit columns, and coordinates that move no prediction."""
    norms = np.linalg.norm(jacobian, axis=0)
    flat = [name for name, norm in zip(model.names, norms, strict=True) if norm < 1e-12]
    return (np.inf if flat else float(np.linalg.cond(jacobian / norms))), flat


def _status(
    model: LogModel, x: FloatArray, converged: bool, condition: float, flat: list[str]
) -> tuple[Status, str]:
    low, high = model.bounds.T
    near = 1e-3 * (high - low)
    at_bound = [
        n
        for n, v, a, b, e in zip(model.names, x, low, high, near, strict=True)
        if v <= a + e or v >= b - e
    ]
    if not converged:
        return "not-converged", "the search stopped before the gradient vanished"
    if at_bound:
        return "at-bound", f"at the limit of the search range: {', '.join(at_bound)}"
    if condition > _LARGEST_CONDITION:
        which = ", ".join(flat) if flat else f"condition number {condition:.1e}"
        return "not-identified", f"the runs cannot tell the coefficients apart: {which}"
    return "converged", f"gradient vanished; condition number {condition:.1e}"
