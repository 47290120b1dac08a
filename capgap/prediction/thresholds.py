"""How much compute it takes until training alone catches up with a scenario of distillation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import Allocations, allocate, laws_and_family, train_alone
from capgap.prediction.minimize import minimize_on_boxes
from capgap.prediction.problem import Problem
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import Limits, ScenarioName, costs, default_budgets, default_limits
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.law_set import Laws, LawSet

__all__ = ["Crossing", "Thresholds", "thresholds"]

Winner = Literal["distillation", "supervised"]
Status = Literal["crosses", "distillation always better in range",
                 "supervised always better in range"]  # fmt: skip
Index = npt.NDArray[np.intp]
Gap = Callable[[Index, FloatArray], FloatArray]

_PER_DECADE = 8
_TIE = 1e-12  # nats: losses that differ by less are taken as equal


@dataclass(frozen=True, slots=True)
class Crossing:
    """A budget at which both ways give the same loss.

    `budget` in FLOPs, `loss` in nats per token. `D_S_alone` are the student's tokens when it
    is trained alone, `D_S_taught` when it has a teacher; `better_above` is the way that
    gives the lower loss just above the budget.
    """

    budget: float
    loss: float
    D_S_alone: float
    D_S_taught: float
    better_above: Winner


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All crossings of one student of N_S non-embedding parameters, by rising budget.

    `budgets` is the range that was searched, in FLOPs: what was asked for, from the least
    budget that buys a token and a teacher.
    """

    N_S: float
    scenario: ScenarioName
    status: Status
    crossings: tuple[Crossing, ...]
    budgets: tuple[float, float]

    @property
    def catch_up(self) -> Crossing | None:
        """The last crossing, if training alone is the better way above it."""
        last = self.crossings[-1] if self.crossings else None
        return last if last is not None and last.better_above == "supervised" else None


def thresholds(
    chosen: LawSet | Laws,
    N_S: npt.ArrayLike,
    scenario: ScenarioName,
    *,
    students: float = 1,
    shared_outputs: bool = False,
    limits: Limits | None = None,
    family: ModelFamily | None = None,
    budgets: tuple[float, float] | None = None,
) -> tuple[Thresholds, ...]:
    r"""Budgets at which distillation and training alone give the same loss.

    .. math:: \{C : \min L_S(C) = L(N_S, C / 3 F(N_S))\}, \quad \min L_S \text{ by } allocate

    for every student size. The difference of the losses is evaluated at 8 budgets per
    decade; every change of its sign is a crossing, and so are the two beside an extremum
    that reaches the other sign between two of them. Crossings are solved to 1e-9 in log C.

    In the scenario `best` the teacher costs nothing, so both ways give the student the same
    tokens: its crossings are the **token-matched** thresholds, D_S_alone = D_S_taught.

    Parameters
    ----------
    chosen : LawSet or Laws
    N_S : array_like
        Non-embedding parameters, one or many.
    scenario : str
        best, inference, pretraining or both; see `allocate`.
    students, shared_outputs, limits, family
        As in `allocate`.
    budgets : (low, high)
        FLOPs to search between; `default_budgets` by default.

    Returns
    -------
    tuple of Thresholds
        One for each student, in the order of N_S.

    Raises
    ------
    InputError
        `budgets` is not a range, `high` is too small for a student, or as in `allocate`.

    Notes
    -----
    Source: the question is that of Busbridge et al., arXiv 2502.08606, section 5. A loss
    term is no threshold: the crossing has to be solved for.

    Examples
    --------
    >>> from capgap.theory.coefficients import law_set
    >>> small, large = thresholds(law_set(), [1e9, 3e9], "best")
    >>> small.status, small.catch_up.budget < large.catch_up.budget
    ('crosses', True)
    """
    laws, family = laws_and_family(chosen, family)
    if laws.taught is None:
        raise InputError(f"thresholds: scenario {scenario!r} needs a distillation law")
    sizes = np.atleast_1d(positive_array("thresholds", "N_S", N_S)).ravel()
    limits = limits or default_limits(chosen)
    low, high = budgets or default_budgets(chosen)
    if not (np.isfinite(high) and 0 < low < high):
        raise InputError(f"thresholds: budgets = ({low:g}, {high:g}) must be 0 < low < high")
    # The problem at the highest budget says whether there is one at all, and from where on.
    problem = Problem(
        laws.supervised, laws.taught, family, sizes, np.full(len(sizes), high),
        costs(scenario, students, shared_outputs=shared_outputs), limits,
    )  # fmt: skip
    start = np.log(np.maximum(low, (1 + 1e-9) * problem.least_budget()))
    end = np.full(len(sizes), np.log(high))

    def both(row: Index, log_C: FloatArray) -> tuple[Allocations, Allocations]:
        C = np.exp(log_C)
        taught = allocate(
            laws, sizes[row], C, scenario, students=students, shared_outputs=shared_outputs,
            limits=limits, family=family,
        )  # fmt: skip
        return train_alone(laws, sizes[row], C, limits=limits, family=family), taught

    def gap(row: Index, log_C: FloatArray) -> FloatArray:
        alone, taught = both(row, log_C)
        return np.asarray(taught.student_loss - alone.student_loss)

    row, at, sign, first = _crossings(gap, start, end)
    alone, taught = both(row, at)
    found: list[list[Crossing]] = [[] for _ in sizes]
    for i, r in enumerate(row):
        found[r].append(
            Crossing(
                float(np.exp(at[i])), float(alone.student_loss[i]), float(alone.D_S[i]),
                float(taught.D_S[i]), "supervised" if sign[i] > 0 else "distillation",
            )
        )  # fmt: skip
    return tuple(
        Thresholds(
            float(size), scenario, _status(crossings, first[r]), tuple(crossings),
            (float(np.exp(start[r])), float(high)),
        )
        for r, (size, crossings) in enumerate(zip(sizes, found, strict=True))
    )  # fmt: skip


def _status(crossings: list[Crossing], first: float) -> Status:
    if crossings:
        return "crosses"
    if first > 0:
        return "supervised always better in range"
    return "distillation always better in range"


def _crossings(
    gap: Gap, start: FloatArray, end: FloatArray
) -> tuple[Index, FloatArray, FloatArray, FloatArray]:
    """Rows, places and signs above of all sign changes, and each row's first sign."""
    rows = len(start)
    count = 2 + int(np.ceil(_PER_DECADE * np.max(end - start) / np.log(10)))
    x = start[:, None] + np.linspace(0, 1, count) * (end - start)[:, None]
    row = np.repeat(np.arange(rows), count)
    values = gap(row, x.ravel()).reshape(rows, count)
    row, inner = _turning_points(values)
    at, extreme = _extremes(gap, row, x[row, inner - 1], x[row, inner + 1], values[row, inner])
    reaches = np.sign(extreme) * np.sign(values[row, inner]) < 0
    reaches &= np.abs(extreme) > _TIE
    all_rows = np.concatenate([np.repeat(np.arange(rows), count), row[reaches]])
    all_x = np.concatenate([x.ravel(), at[reaches]])
    all_values = np.concatenate([values.ravel(), extreme[reaches]])
    kept = np.abs(all_values) > _TIE
    order = np.lexsort((all_x[kept], all_rows[kept]))
    r, t, v = (part[kept][order] for part in (all_rows, all_x, all_values))
    change = np.flatnonzero((r[1:] == r[:-1]) & (np.sign(v[1:]) != np.sign(v[:-1])))
    crossing = r[change]
    root = find_roots(lambda i, at: gap(crossing[i], at), t[change], t[change + 1], tolerance=1e-10)
    first = np.full(rows, -1.0)
    begins = np.flatnonzero(np.append(True, r[1:] != r[:-1])) if len(r) else np.array([], int)
    first[r[begins]] = np.sign(v[begins])
    return crossing, root, np.sign(v[change + 1]), first


def _turning_points(values: FloatArray) -> tuple[Index, Index]:
    """Inner points nearer to zero than both neighbors of their sign, that may lead across it.

    They do if the gap can fall once more by as much as it fell from the farther neighbor.
    """
    size = np.abs(values)
    inner, sign = size[:, 1:-1], np.sign(values)
    near = (inner <= size[:, :-2]) & (inner <= size[:, 2:]) & (inner > _TIE)
    near &= 2 * inner <= np.maximum(size[:, :-2], size[:, 2:])
    near &= (sign[:, 1:-1] == sign[:, :-2]) & (sign[:, 1:-1] == sign[:, 2:])
    row, place = np.nonzero(near)
    return row, place + 1


def _extremes(
    gap: Gap, row: Index, low: FloatArray, high: FloatArray, value: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where the gap comes nearest to the other sign, and its value there."""
    if len(row) == 0:
        return np.empty(0), np.empty(0)
    sign = np.sign(value)

    def signed(i: Index, x: FloatArray) -> FloatArray:
        every = np.repeat(row[i], x.shape[1])
        return sign[i][:, None] * gap(every, x[..., 0].ravel()).reshape(x.shape[:2])

    found = minimize_on_boxes(signed, low[:, None], high[:, None], points=7, tolerance=1e-4)
    return found.x[:, 0], sign * found.value
