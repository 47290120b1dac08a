"""Minimizer of a weighted Huber loss of log residuals, many problems at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from capgap.comparison.fitting.log_models import FloatArray, LogModel

__all__ = ["Minima", "gradient_norm", "huber", "minimize_huber", "polish"]

_DECREMENT = 1e-10  # stop when a step promises less than this share of the objective
_AT_BOUND = 1e-7  # of a coordinate's range
_ROUNDING = 1e-30  # ... or less than what residuals of 1e-15 contribute
_LEAST_CAUTION = 1e-3  # keeps the step finite where fewer residuals than coordinates are inside
_PIECE = 2**18  # numbers in the Jacobian of one piece of a batch
_FLAT = 1e-4  # largest slope of a polished end, in units of its own curvature


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
    workers: int | None = None,
) -> Minima:
    """Levenberg-Marquardt steps, from the majorant's curvature to that of the Huber loss.

    The quadratic in which a residual counts w min(1, delta/|r|) touches the Huber loss from
    above: its steps are safe from afar, and crawl at the end where most residuals exceed
    delta. The loss itself curves only through residuals inside delta: Newton's steps, fast at
    the end and wild from afar. Curvatures are blended, and the majorant's share (`caution`)
    falls with every accepted step and rises with every refused one. Coordinates at a bound
    whose gradient points outwards are held. A search has converged when a step promises less
    than `tolerance` of the objective. The problems of a batch, shape (S, ...), are separate:
    targets `y` and `weights` have shape (S, n) or (n,).

    A batch is cut into pieces whose Jacobians take about 2 MB, so that memory does not grow
    with S and a piece stays in the processor's cache; `workers` threads (by default one per
    core that this process may use) take pieces in turn. Results do not depend on `workers`.
    """
    low, high = model.bounds.T
    x = np.clip(starts, low, high)
    y, weights = (a[0] if a.ndim == 2 and len(a) == 1 else a for a in (y, weights))
    runs = max(y.shape[-1], weights.shape[-1])
    size = max(1, _PIECE // max(1, runs * x.shape[1]))
    pieces = [slice(first, first + size) for first in range(0, len(x), size)]

    def search(piece: slice) -> Minima:
        own_y, own_weights = _rows(y, piece), _rows(weights, piece)
        return _search(model, own_y, own_weights, x[piece], delta, max_iterations, tolerance)

    threads = min(available_cores() if workers is None else workers, len(pieces))
    if threads <= 1:
        found = [search(piece) for piece in pieces]
    else:
        # A thread does not inherit the caller's np.errstate, which lives in the context.
        contexts = [copy_context() for _ in pieces]
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda c, p: c.run(search, p), contexts, pieces))
    return Minima(
        np.concatenate([x[:0], *(end.x for end in found)]),
        np.concatenate([np.zeros(0), *(end.objective for end in found)]),
        np.concatenate([np.zeros(0, dtype=bool), *(end.converged for end in found)]),
    )


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rows(values: FloatArray, which: slice | npt.NDArray[np.intp]) -> FloatArray:
    """Rows of values that differ between problems; values that all share stay as they are."""
    return values if values.ndim == 1 else values[which]


def _search(
    model: LogModel,
    y: FloatArray,
    weights: FloatArray,
    starts: FloatArray,
    delta: float | FloatArray,
    max_iterations: int,
    tolerance: float,
) -> Minima:
    """`minimize_huber` for one piece of a batch."""
    low, high = model.bounds.T
    x = starts.copy()
    runs = max(y.shape[-1], weights.shape[-1])
    damping, caution = np.full(len(x), 1e-3), np.ones(len(x))
    objective, gradient, majorant, newton = _local(model, x, y, weights, delta)
    converged = np.zeros(len(x), dtype=bool)
    active = np.arange(len(x))
    for _ in range(max_iterations):
        held = _held(x[active], gradient[active], low, high)
        share = caution[active, None, None]
        blend = share * majorant[active] + (1 - share) * newton[active]
        curvature, slope = _free(blend, gradient[active], held)
        decrement = 0.5 * np.sum(slope * _solve(curvature, slope, 1e-12), axis=-1)
        done = decrement <= tolerance * objective[active] + _ROUNDING * runs
        converged[active[done]] = True
        stuck = damping[active] > 1e12
        keep = ~(done | stuck)
        active = active[keep]
        if not active.size:
            break
        step = _solve(curvature[keep], slope[keep], damping[active])
        trial = np.clip(x[active] - step, low, high)
        rows = _local(model, trial, _rows(y, active), _rows(weights, active), delta)
        better = rows[0] < objective[active]
        moved, failed = active[better], active[~better]
        x[moved], objective[moved] = trial[better], rows[0][better]
        gradient[moved] = rows[1][better]
        majorant[moved], newton[moved] = rows[2][better], rows[3][better]
        damping[moved] = np.maximum(0.2 * damping[moved], 1e-10)
        caution[moved] = np.maximum(0.6 * caution[moved], _LEAST_CAUTION)
        damping[failed] *= 4.0
        caution[failed] = np.minimum(4.0 * caution[failed], 1.0)
    return Minima(x, objective, converged)


def polish(
    model: LogModel, y: FloatArray, weights: FloatArray, x: FloatArray, delta: float | FloatArray
) -> Minima:
    """L-BFGS-B on the Huber loss itself, in coordinates where its majorant is a sphere.

    Reweighted steps slow down where most residuals exceed delta; this ends the search. Where
    it runs into a bound, the coordinate is held there and the rest goes on.
    """
    low, high = model.bounds.T
    best = np.clip(x, low, high)
    for _ in range(1 + best.size):
        end, flat, hit = _polish_free(model, y, weights, best, delta)
        best = end.x
        if not hit:
            break
    return Minima(best[None], end.objective, np.array([flat and not hit]))


def _polish_free(
    model: LogModel, y: FloatArray, weights: FloatArray, x: FloatArray, delta: float | FloatArray
) -> tuple[Minima, bool, bool]:
    """One L-BFGS-B run; whether its gradient vanished, and whether it ran into a new bound."""
    low, high = model.bounds.T
    start = x[None]
    objective, gradient, curvature, _ = _local(model, start, y, weights, delta)
    value = float(objective[0])
    unchanged = Minima(x, objective, np.array([True]))
    free = ~_held(start, gradient, low, high)[0]
    if value <= _ROUNDING * y.size or not free.any():
        return unchanged, True, False
    # The transform T has T' H T = 1 on the free coordinates.
    values, vectors = np.linalg.eigh(curvature[0][np.ix_(free, free)])
    transform = np.sqrt(value) * vectors / np.sqrt(np.maximum(values, 1e-14 * values.max()))

    def point(z: FloatArray) -> FloatArray:
        moved = start.copy()
        moved[0, free] += transform @ z
        return moved

    def scaled(z: FloatArray) -> tuple[float, FloatArray]:
        moved = point(z)
        inside = np.clip(moved, low, high)
        f, g = _local(model, inside, y, weights, delta)[:2]
        slope = np.where(inside == moved, g, 0.0)[0, free]
        return float(f[0]) / value, np.asarray(transform.T @ slope / value)

    result = minimize(
        scaled,
        np.zeros(int(free.sum())),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 400, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20},
    )
    moved = point(result.x)
    inside = np.clip(moved, low, high)
    flat = bool(np.max(np.abs(result.jac), initial=0.0) <= _FLAT)
    if not result.fun < 1:
        return unchanged, flat, False
    end = Minima(inside[0], np.array([float(result.fun) * value]), np.array([True]))
    return end, flat, bool(np.any(inside != moved))


def gradient_norm(
    model: LogModel, y: FloatArray, weights: FloatArray, x: FloatArray, delta: float | FloatArray
) -> float:
    """Largest slope per unit of a coordinate's own curvature, over the objective's root.

    0.1 promises that moving this coordinate alone gains about 0.5 x 0.1^2 of the objective.
    """
    low, high = model.bounds.T
    objective, gradient, curvature, _ = _local(model, x, y, weights, delta)
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
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Objective (S,), gradient (S, P), and two curvatures (S, P, P): majorant's, Newton's."""
    prediction, jacobian = model.evaluate(x)
    residual = prediction - y
    clipped = np.clip(residual, -np.asarray(delta), delta)
    # c (r - c/2) is r^2/2 inside delta and delta (|r| - delta/2) outside.
    objective = np.sum(weights * clipped * (residual - 0.5 * clipped), axis=-1)
    gradient = np.matmul((weights * clipped)[:, None, :], jacobian)[:, 0]
    pull = weights * (delta / np.maximum(np.abs(residual), delta))
    majorant = np.matmul(np.swapaxes(jacobian * pull[..., None], 1, 2), jacobian)
    inside = weights * (clipped == residual)
    newton = np.matmul(np.swapaxes(jacobian * inside[..., None], 1, 2), jacobian)
    return objective, gradient, majorant, newton


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
