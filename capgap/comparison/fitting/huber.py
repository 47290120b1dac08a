"""Minimizer of a weighted Huber loss of log residuals, many problems at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from capgap.comparison.fitting.log_models import FloatArray, LogModel

__all__ = ["Minima", "gradient_norm", "huber", "minimize_huber", "polish"]

_DECREMENT = 1e-10  # stop when a step promises less than this share of the objective
_AT_BOUND = 1e-7  # of a coordinate's range
_ROUNDING = 1e-30  # ... or less than what residuals of 1e-15 contribute


@dataclass(frozen=True, slots=True)
class Minima:
    """End points of a batch of searches: coordinates (S, P), objectives (S,), status (S,)."""

    x: FloatArray
    objective: FloatArray
    converged: npt.NDArray[np.bool_]


def huber(residual: FloatArray, delta: float | FloatArray) -> FloatArray:
    """r^2/2 up to |r| = delta, then delta (|r| - delta/2).

    >>> huber(np.array([0.5, 3.0]), 1.0)
    array([0.125, 2.5  ])
    """
    size = np.abs(residual)
    return np.where(size <= delta, 0.5 * residual**2, delta * (size - 0.5 * delta))


def minimize_huber(
    model: LogModel,
    y: FloatArray,
    weights: FloatArray,
    starts: FloatArray,
    delta: float | FloatArray,
    max_iterations: int = 200,
    tolerance: float = _DECREMENT,
) -> Minima:
    """Levenberg-Marquardt steps on the reweighted quadratic that lies above the Huber loss.

    Each residual counts with weight w min(1, delta/|r|), whose quadratic touches the Huber
    loss from above, so an accepted step always lowers it. Coordinates at a bound whose
    gradient points outwards are held. The problems of a batch, shape (S, ...), are separate:
    targets `y` and `weights` have shape (S, n) or broadcast to it.
    """
    low, high = model.bounds.T
    x = np.clip(starts, low, high)
    shape = (len(x), np.broadcast_shapes(y.shape, weights.shape)[-1])
    y, weights = np.broadcast_to(y, shape), np.broadcast_to(weights, shape)
    damping = np.full(len(x), 1e-3)
    objective, gradient, curvature = _local(model, x, y, weights, delta)
    converged = np.zeros(len(x), dtype=bool)
    active = np.arange(len(x))
    for _ in range(max_iterations):
        if not active.size:
            break
        held = _held(x[active], gradient[active], low, high)
        free_curvature, slope = _free(curvature[active], gradient[active], held)
        decrement = 0.5 * np.sum(slope * _solve(free_curvature, slope, 1e-12), axis=-1)
        done = decrement <= tolerance * objective[active] + _ROUNDING * shape[1]
        converged[active[done]] = True
        stuck = damping[active] > 1e12
        keep = ~(done | stuck)
        active = active[keep]
        if not active.size:
            break
        step = _solve(free_curvature[keep], slope[keep], damping[active])
        trial = np.clip(x[active] - step, low, high)
        rows = _local(model, trial, y[active], weights[active], delta)
        better = rows[0] < objective[active]
        moved = active[better]
        x[moved], objective[moved] = trial[better], rows[0][better]
        gradient[moved], curvature[moved] = rows[1][better], rows[2][better]
        damping[active] *= np.where(better, 0.2, 6.0)
        damping = np.maximum(damping, 1e-10)
    return Minima(x, objective, converged)


def polish(
    model: LogModel, y: FloatArray, weights: FloatArray, x: FloatArray, delta: float | FloatArray
) -> Minima:
    """L-BFGS-B on the Huber loss itself, in coordinates where its majorant is a sphere.

    Reweighted steps slow down where most residuals exceed delta; this ends the search.
    Held coordinates stay; a step across a bound is refused.
    """
    low, high = model.bounds.T
    start = x[None]
    objective, gradient, curvature = _local(model, start, y, weights, delta)
    best, value = start.copy(), float(objective[0])
    if value <= _ROUNDING * y.size:
        return Minima(best, np.array([value]), np.array([True]))
    free = ~_held(start, gradient, low, high)[0]
    # The transform T has T' H T = 1 on the free coordinates.
    values, vectors = np.linalg.eigh(curvature[0][np.ix_(free, free)])
    transform = vectors / np.sqrt(np.maximum(values, 1e-14 * values.max()))

    def scaled(z: FloatArray) -> tuple[float, FloatArray]:
        point = start.copy()
        point[0, free] += transform @ z * np.sqrt(value)
        inside = np.clip(point, low, high)
        f, g, _ = _local(model, inside, y, weights, delta)
        return float(f[0]) / value, np.asarray(transform.T @ g[0, free] / np.sqrt(value))

    result = minimize(
        scaled,
        np.zeros(int(free.sum())),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 400, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
    )
    end = start.copy()
    end[0, free] += transform @ result.x * np.sqrt(value)
    inside = bool(np.all((end >= low) & (end <= high)))
    if inside and result.fun < 1:
        best, value = end, float(result.fun) * value
    flat = bool(np.max(np.abs(result.jac), initial=0.0) <= 1e-4)
    return Minima(best, np.array([value]), np.array([inside and flat]))


def gradient_norm(
    model: LogModel, y: FloatArray, weights: FloatArray, x: FloatArray, delta: float | FloatArray
) -> float:
    """Largest slope per unit of a coordinate's own curvature, over the objective's root.

    0.1 promises that moving this coordinate alone gains about 0.5 x 0.1^2 of the objective.
    """
    low, high = model.bounds.T
    objective, gradient, curvature = _local(model, x, y, weights, delta)
    held = _held(x, gradient, low, high)
    scale = np.sqrt(np.maximum(np.diagonal(curvature, axis1=1, axis2=2), 1e-300))
    slope = np.where(held, 0.0, np.abs(gradient) / scale)
    floor = _ROUNDING * y.size
    return float(np.max(slope, initial=0.0) / np.sqrt(max(float(objective[0]), floor)))


def _local(
    model: LogModel,
    x: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    delta: float | FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Objective (S,), gradient (S, P) and majorant's curvature (S, P, P)."""
    prediction, jacobian = model.evaluate(x)
    residual = prediction - y
    pull = weights * np.minimum(1.0, delta / np.maximum(np.abs(residual), delta))
    objective = np.sum(weights * huber(residual, delta), axis=-1)
    gradient = np.einsum("sn,snp->sp", pull * residual, jacobian)
    curvature = np.matmul(np.swapaxes(jacobian * pull[..., None], 1, 2), jacobian)
    return objective, gradient, curvature


def _held(
    x: FloatArray, gradient: FloatArray, low: FloatArray, high: FloatArray
) -> npt.NDArray[np.bool_]:
    # A coordinate that stops a rounding error short of its bound would block every step.
    near = _AT_BOUND * (high - low)
    return ((x <= low + near) & (gradient > 0)) | ((x >= high - near) & (gradient < 0))


def _free(
    curvature: FloatArray, gradient: FloatArray, held: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """Curvature and gradient without the held coordinates (unit rows, zero slope)."""
    loose = ~held
    matrix = curvature * loose[:, :, None] * loose[:, None, :]
    index = np.arange(held.shape[1])
    matrix[:, index, index] += held
    return matrix, gradient * loose


def _solve(matrix: FloatArray, slope: FloatArray, damping: FloatArray | float) -> FloatArray:
    """Damped step, with the damping in units of each coordinate's own curvature."""
    scale = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), 1e-300))
    unit = matrix / (scale[:, :, None] * scale[:, None, :])
    index = np.arange(unit.shape[1])
    unit[:, index, index] += np.broadcast_to(damping, len(unit))[:, None] + 1e-13
    return np.asarray(np.linalg.solve(unit, (slope / scale)[..., None])[..., 0] / scale)
