"""How flat an optimum is: the range of allocations that cost almost nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.prediction.allocation import Problem
from capgap.prediction.minimize import minimize_on_boxes
from capgap.theory.domain import FloatArray

__all__ = ["SLACK", "FlatRanges", "flat_ranges"]

Range = tuple[float, float]
BoolArray = npt.NDArray[np.bool_]

SLACK = 0.001  # nats per token; seeds alone move a loss by more
_SCAN = 193  # points that look for the outermost parts of the set along one axis
_NODES = 97  # teacher sizes at which the set's other extents are taken
_HALVINGS = 45


@dataclass(frozen=True, slots=True)
class FlatRanges:
    """Least and greatest value of each quantity among all allocations within `slack` nats.

    N_T in non-embedding parameters, D_T and D_S in tokens, L_T in nats per token; N_T and D_T
    are None where only the teacher's loss is decided. The ranges belong to each quantity by
    itself: not every combination within them is good.
    """

    slack: float
    L_T: Range
    D_S: Range
    N_T: Range | None = None
    D_T: Range | None = None

    def factor(self, name: str) -> float:
        """Greatest over least value; 1 where the quantity is fixed or undecided.

        >>> FlatRanges(0.001, L_T=(2.0, 2.1), D_S=(1e9, 4e9)).factor("D_S")
        4.0
        """
        found: Range | None = getattr(self, name)
        return 1.0 if found is None else found[1] / found[0]


def flat_ranges(
    problem: Problem, least: float | None = None, *, slack: float = SLACK
) -> FlatRanges:
    r"""Extents of :math:`\{x : L_S(x) \le \min L_S + slack\}` in every quantity.

    All of the set counts, in one piece or several. Along log N_T it is found from the
    profile, the least loss over all D_T at each N_T: a scan of the whole range, every dip of
    the scan refined, then bisection of the two outermost crossings. At 97 teacher sizes
    between them the outermost D_T are found in the same way, and D_T, D_S and L_T, which are
    monotone in D_T at a given N_T, are extreme there. Edges are exact to rounding in N_T and
    to about 0.1% in the others. As in `allocate`, the budget is spent up to the limits.

    Parameters
    ----------
    problem : Problem
        Of one row.
    least : float, optional
        The minimum, where it is known already; nats per token.
    slack : float
        Nats per token, > 0.

    Raises
    ------
    InputError
        `slack` is not finite and positive, or the problem has several rows.

    Notes
    -----
    Source: ours. The paper (Busbridge et al., arXiv 2502.08606, section 5) prints the optima
    alone, and many are flat: see the example.

    Examples
    --------
    >>> from capgap.prediction.question import Question
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set()
    >>> problem = Question(1e9, 1e22, "both").problem(laws.laws, laws.family)
    >>> flat_ranges(problem).factor("N_T") > 1.5
    True
    """
    if not (np.isfinite(slack) and slack > 0):
        raise InputError(f"flat_ranges: slack = {slack:g} must be finite and > 0")
    if len(problem.N_S) != 1:
        raise InputError(f"flat_ranges: problem has {len(problem.N_S)} rows and must have 1")
    found = problem.solve(tolerance=1e-8)
    ceiling = (float(found.value[0]) if least is None else least) + slack
    if problem.free:
        return _free_ranges(problem, found.x, ceiling, slack)
    low, high = _outer_sizes(problem, float(found.x[0, 0]), ceiling)
    # Nodes crowd at both ends, where the set narrows like a square root.
    turn = 0.5 * (1 - np.cos(np.linspace(0, np.pi, _NODES)))
    sizes = np.append(low + (high - low) * turn, found.x[0, 0])
    values, along = _profile(problem, sizes)
    inside = values <= ceiling
    sizes, along = sizes[inside], along[inside]

    def contains(x: FloatArray) -> BoolArray:
        return _values(problem, sizes, x) <= ceiling

    ends = _extent(contains, *_side(problem, 1), along[:, None])
    points = np.stack([np.broadcast_to(sizes, ends.shape), ends], axis=-1)
    N_T, D_T, D_S, L_T = problem.unpack(np.zeros(2, dtype=np.intp), points)
    return FlatRanges(slack, L_T=_range(L_T), D_S=_range(D_S), N_T=_range(N_T), D_T=_range(D_T))


def _free_ranges(problem: Problem, x: FloatArray, ceiling: float, slack: float) -> FlatRanges:
    row = np.zeros(1, dtype=np.intp)

    def contains(points: FloatArray) -> BoolArray:
        return problem.objective(row, points[..., None]) <= ceiling

    ends = _extent(contains, *_side(problem, 0), x)
    _, _, D_S, L_T = problem.unpack(row, ends.T[..., None])
    return FlatRanges(slack, L_T=_range(L_T), D_S=_range(D_S))


def _outer_sizes(problem: Problem, best: float, ceiling: float) -> Range:
    """The least and greatest log N_T in the set."""
    low, high = _side(problem, 0)
    grid = np.unique(np.append(np.linspace(low, high, _SCAN), best))
    values, _ = _profile(problem, grid)
    before = np.concatenate([[np.inf], values[:-1]])
    after = np.concatenate([values[1:], [np.inf]])
    dips = np.flatnonzero((values <= before) & (values <= after) & np.isfinite(values))
    # A dip between two points of the scan may reach the set although neither point does.
    left, right = grid[np.maximum(dips - 1, 0)], grid[np.minimum(dips + 1, len(grid) - 1)]
    bottom, top = _side(problem, 1)
    boxes = [np.column_stack([side, np.full(len(dips), end)])
             for side, end in ((left, bottom), (right, top))]  # fmt: skip

    def objective(row: npt.NDArray[np.intp], x: FloatArray) -> FloatArray:
        return problem.objective(np.zeros_like(row), x)

    refined = minimize_on_boxes(objective, *boxes, points=25, tolerance=1e-6)
    seeds = np.append(refined.x[refined.value <= ceiling, 0], best)

    def contains(x: FloatArray) -> BoolArray:
        return (_profile(problem, x.ravel())[0] <= ceiling).reshape(x.shape)

    ends = _extent(contains, low, high, seeds[None])
    return float(ends[0, 0]), float(ends[1, 0])


def _profile(problem: Problem, sizes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least loss at each log N_T over the second coordinate, and where it is."""
    low, high = (np.full((len(sizes), 1), end) for end in _side(problem, 1))

    def along(row: npt.NDArray[np.intp], x: FloatArray) -> FloatArray:
        return _values(problem, sizes[row], x[..., 0])

    found = minimize_on_boxes(along, low, high, points=_NODES, tolerance=1e-6)
    return found.value, found.x[:, 0]


def _values(problem: Problem, sizes: FloatArray, x: FloatArray) -> FloatArray:
    """Losses at log N_T = sizes (rows) and second coordinates x (rows, points)."""
    points = np.stack([np.broadcast_to(sizes[:, None], x.shape), x], axis=-1)
    return problem.objective(np.zeros(len(sizes), dtype=np.intp), points)


def _extent(
    contains: Callable[[FloatArray], BoolArray], low: float, high: float, seeds: FloatArray
) -> FloatArray:
    """Outermost points, shape (2, rows), of a set that holds `seeds` (rows, any number)."""
    grid = np.linspace(low, high, _SCAN)
    inside = contains(np.tile(grid, (len(seeds), 1)))
    least = np.minimum(seeds.min(axis=1), np.where(inside, grid, np.inf).min(axis=1))
    most = np.maximum(seeds.max(axis=1), np.where(inside, grid, -np.inf).max(axis=1))
    # The nearest point of the scan beyond is outside; where there is none, the end is in.
    below = grid[np.maximum(np.searchsorted(grid, least) - 1, 0)]
    above = grid[np.minimum(np.searchsorted(grid, most, side="right"), _SCAN - 1)]
    kept = np.stack([least, most], axis=1)
    beyond = np.stack([np.minimum(below, least), np.maximum(above, most)], axis=1)
    for _ in range(_HALVINGS):
        middle = 0.5 * (kept + beyond)
        hit = contains(middle)
        kept, beyond = np.where(hit, middle, kept), np.where(hit, beyond, middle)
    return np.asarray(kept.T)


def _side(problem: Problem, axis: int) -> Range:
    low, high = problem.box()
    return float(low[0, axis]), float(high[0, axis])


def _range(values: FloatArray) -> Range:
    return float(values.min()), float(values.max())
