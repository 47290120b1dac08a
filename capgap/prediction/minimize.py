"""Global minimum of many functions on boxes at once: a grid, then descent from its basins."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

__all__ = ["Minimum", "minimize_on_boxes"]

FloatArray = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
# f(row, x): values at points x, shape (rows, points, dims), of the functions `row`.
Objective = Callable[[Index, FloatArray], FloatArray]

_CANDIDATES = 6
_CHUNK = 2**17  # grid points evaluated at once: arrays that stay in the cache
_SHRINK = 0.25
_REACH = 8.0  # a model is trusted over this many widths of the stencil it was made from
_MOST_STEPS = 400
_ROUNDING = 1e-14  # of a value: gains below it are not worth a step


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where each function is least, shape (rows, dims), its value, and the last half-width."""

    x: FloatArray
    value: FloatArray
    half_width: FloatArray


def minimize_on_boxes(
    function: Objective,
    low: FloatArray,
    high: FloatArray,
    *,
    points: int = 49,
    tolerance: float = 3e-9,
) -> Minimum:
    """Minimize function(row, x) over low[row] <= x <= high[row], for every row.

    A grid of `points` per axis finds the basins: points that no neighbor undercuts. From the
    six lowest of each row, independently: a 3-point stencil per axis gives a quadratic
    model; the best of the stencil and of the model's minimum becomes the new center, and the
    stencil shrinks to a quarter whenever its center is not left, until it is narrower than
    `tolerance`. A basin narrower than a grid step can be missed; kinks must lie on the edges
    of boxes (split them there), where the descent goes along the edge.

    Parameters
    ----------
    function : callable
        Takes the indices of rows, shape (r,), and points (r, m, dims); returns (r, m).
        May return inf, not NaN.
    low, high : arrays (rows, dims)
        One or two dims. A side of no width is kept fixed.
    points : int
        Grid points per axis, >= 2.
    tolerance : float
        Half-width at which the descent ends. Values are then exact to rounding, positions to
        about the square root of it (1e-7 of the box), as in any minimization by values.

    Examples
    --------
    The global one of two minima, in two functions at once:

    >>> centers = np.array([[0.5], [-2.0]])
    >>> def f(row, x):
    ...     u = x[..., 0] - centers[row]
    ...     return np.minimum(u**2, (u - 3) ** 2 + 1)
    >>> found = minimize_on_boxes(f, np.full((2, 1), -5.0), np.full((2, 1), 5.0))
    >>> np.round(found.x[:, 0], 6).tolist()
    [0.5, -2.0]
    """
    if len(low) == 0:
        return Minimum(low.copy(), np.empty(0), np.empty(0))
    width = high - low

    def inside(row: Index, u: FloatArray) -> FloatArray:
        return function(row, low[row][:, None] + u * width[row][:, None])

    row, u, value = _basins(inside, len(low), low.shape[1], points)
    widest = np.max(width, axis=1)[row]
    u, value, half = _descend(inside, row, u, value, 1.0 / (points - 1), widest, tolerance)

    order = np.lexsort((value, row))
    first = order[np.searchsorted(row[order], np.arange(len(low)))]
    x = np.clip(low + u[first] * width, low, high)
    return Minimum(x, value[first], half[first] * widest[first])


def _basins(
    function: Objective, rows: int, dims: int, points: int
) -> tuple[Index, FloatArray, FloatArray]:
    """Row, place and value of grid points that no neighbor undercuts, a few per row."""
    grid = _lattice(np.linspace(0.0, 1.0, points), dims)
    step = max(1, _CHUNK // len(grid))
    parts = []
    for start in range(0, rows, step):
        row = np.arange(start, min(start + step, rows))
        values = function(row, grid[None]).reshape((len(row),) + (points,) * dims)
        inner, place = _lowest(values)
        parts.append((row[inner], grid[place], values.reshape(len(row), -1)[inner, place]))
    row, u, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    return row, u, value


def _lattice(axis: FloatArray, dims: int) -> FloatArray:
    return np.array(list(product(axis, repeat=dims)))


def _lowest(values: FloatArray) -> tuple[Index, Index]:
    """Row and flat place of the lowest points per row that no neighbor undercuts.

    Of equal neighbors only the last counts, so that a plateau is one basin, not hundreds.
    """
    sizes = values.shape[1:]
    lowest = np.ones(values.shape, dtype=bool)
    for shift in product((-1, 0, 1), repeat=len(sizes)):
        if shift <= (0,) * len(sizes):
            continue
        ahead = (slice(None), *(slice(max(s, 0), size + min(s, 0))
                                for s, size in zip(shift, sizes, strict=True)))  # fmt: skip
        behind = (slice(None), *(slice(max(-s, 0), size + min(-s, 0))
                                 for s, size in zip(shift, sizes, strict=True)))  # fmt: skip
        under = values[behind] < values[ahead]
        lowest[behind] &= under
        lowest[ahead] &= ~under
    flat = np.where(lowest, values, np.inf).reshape(len(values), -1)
    count = min(_CANDIDATES, flat.shape[1])
    place = np.argpartition(flat, count - 1, axis=1)[:, :count]
    row = np.repeat(np.arange(len(values)), count)
    chosen = place.ravel()
    keep = np.isfinite(flat[row, chosen])
    # The least is always kept, so that no row is lost where nothing is finite.
    least_place = np.argmin(values.reshape(len(values), -1), axis=1)
    size = flat.shape[1]
    both = [row[keep] * size + chosen[keep], np.arange(len(values)) * size + least_place]
    return np.divmod(np.unique(np.concatenate(both)), size)


def _descend(
    function: Objective,
    row: Index,
    u: FloatArray,
    value: FloatArray,
    step: float,
    widest: FloatArray,
    tolerance: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower every u (candidates, dims) in the unit cube; also its value and half-width."""
    stencil = _lattice(np.array([-1.0, 0.0, 1.0]), u.shape[1])
    u, value, half = u.copy(), value.copy(), np.full(len(row), min(step, 0.5))
    for _ in range(_MOST_STEPS):
        at = np.flatnonzero(half * widest > tolerance)
        if len(at) == 0:
            break
        h = half[at, None]
        center = np.clip(u[at], h, 1 - h)  # the whole stencil is within the cube
        x = center[:, None] + stencil * h[:, None]
        values = function(row[at], x)
        model = center + np.clip(_model_step(values, u.shape[1]), -_REACH, _REACH) * h
        model = np.clip(model, 0.0, 1.0)
        x = np.concatenate([x, model[:, None]], axis=1)
        values = np.concatenate([values, function(row[at], model[:, None])], axis=1)
        every = np.arange(len(at))
        pick = np.argmin(values, axis=1)
        new, lowest = x[every, pick], values[every, pick]
        better = lowest < value[at]
        # Without a real gain the search would follow the rounding of the function.
        gain = better & (lowest + _ROUNDING * np.abs(lowest) < value[at])
        far = np.max(np.abs(new - u[at]), axis=1) > 0.5 * half[at]
        half[at] = np.where(gain & far, half[at], _SHRINK * half[at])
        u[at] = np.where(better[:, None], new, u[at])
        value[at] = np.where(better, lowest, value[at])
    return u, value, half


def _model_step(values: FloatArray, dims: int) -> FloatArray:
    """From the stencil's center to the minimum of a quadratic through it, in half-widths.

    Downhill too where the quadratic has no minimum: along each principal axis the step is
    slope / |bend| (as in saddle-free Newton methods). Zero where a value is infinite.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if dims == 1:
            before, here, after = values.T
            step = 0.5 * (before - after) / np.abs(before - 2 * here + after)
            step = np.nan_to_num(step, nan=0.0, posinf=_REACH, neginf=-_REACH)
            return np.asarray(step[:, None], dtype=np.float64)
        f = values.reshape(-1, 3, 3)
        middle = f[:, 1, 1]
        slope = 0.5 * np.stack([f[:, 2, 1] - f[:, 0, 1], f[:, 1, 2] - f[:, 1, 0]], axis=1)
        xx = f[:, 2, 1] - 2 * middle + f[:, 0, 1]
        yy = f[:, 1, 2] - 2 * middle + f[:, 1, 0]
        xy = 0.25 * (f[:, 2, 2] - f[:, 2, 0] - f[:, 0, 2] + f[:, 0, 0])
        # Eigenvalues mean +- radius, eigenvectors (cos, sin) and (-sin, cos) of the half angle.
        mean, half_gap = 0.5 * (xx + yy), 0.5 * (xx - yy)
        radius, angle = np.hypot(half_gap, xy), 0.5 * np.arctan2(xy, half_gap)
        cos, sin = np.cos(angle), np.sin(angle)
        along = -(cos * slope[:, 0] + sin * slope[:, 1]) / np.abs(mean + radius)
        across = -(cos * slope[:, 1] - sin * slope[:, 0]) / np.abs(mean - radius)
        step = np.stack([cos * along - sin * across, sin * along + cos * across], axis=1)
        step /= np.maximum(1.0, np.max(np.abs(step), axis=1, keepdims=True) / _REACH)
    return np.where(np.all(np.isfinite(step), axis=1, keepdims=True), step, 0.0)
