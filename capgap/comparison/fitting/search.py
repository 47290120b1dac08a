"""The search behind a fit: screened starts, refinement, polish, and an honest status."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from capgap.comparison.fitting.huber import gradient_norm, huber, minimize_huber, polish
from capgap.comparison.fitting.log_models import FloatArray, Law, LogModel

__all__ = ["Fit", "Problem", "Status", "solve"]

Status = Literal["converged", "at-bound", "not-identified", "not-converged"]

_REFINED = 16  # starts that survive the screening
_PATIENT = 4  # of them, if the best has not arrived after the usual number of steps
_SAME_BASIN = 1e-4  # relative difference in objective
_LARGEST_CONDITION = 1e7  # of the Jacobian with unit columns


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
    """

    model: LogModel
    inputs: Mapping[str, FloatArray]
    log_loss: FloatArray
    weights: FloatArray
    delta: float | FloatArray
    start: FloatArray | None = None


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
    """Search from a screened grid, refine, polish and judge the end point."""
    model, y, w = problem.model, problem.log_loss, problem.weights
    grid = model.starts(y)
    used = w > 0
    screen = np.sum((w * huber(model.predict(grid) - y, problem.delta))[:, used], axis=-1)
    starts = grid[np.argsort(screen, kind="stable")[:_REFINED]]
    if problem.start is not None:
        starts = np.vstack([problem.start, starts])
    refined = minimize_huber(model, y, w, starts, problem.delta)
    ends = refined.objective
    if not refined.converged[np.argmin(refined.objective)]:
        # A narrow curved valley: the best few go on for much longer.
        few = refined.x[np.argsort(refined.objective, kind="stable")[:_PATIENT]]
        refined = minimize_huber(model, y, w, few, problem.delta, max_iterations=3000)
    best = int(np.argmin(refined.objective))
    end = polish(model, y, w, refined.x[best], problem.delta)
    objective = float(end.objective[0])
    converged = bool(end.converged[0] or (refined.converged[best]))
    # Residuals of 1e-10 are as good as none: below that, objectives are all the same.
    limit = objective * (1 + _SAME_BASIN) + 0.5e-20 * w.sum()
    share = float(np.mean(ends <= limit))
    return _judge(problem, end.x[0], objective, converged, share)


def _judge(problem: Problem, x: FloatArray, objective: float, converged: bool, share: float) -> Fit:
    model, used = problem.model, problem.weights > 0
    prediction, jacobian = model.evaluate(x[None])
    condition, flat = _condition(model, jacobian[0][used])
    status, message = _status(model, x, converged, condition, flat)
    return Fit(
        law=model.law(x),
        coefficients=model.coefficients(x),
        objective=objective,
        status=status,
        message=message,
        best_basin_share=share,
        gradient_norm=gradient_norm(
            model, problem.log_loss, problem.weights, x[None], problem.delta
        ),
        condition=condition,
        residual=prediction[0] - problem.log_loss,
        x=x,
        problem=replace(problem, start=None),
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
