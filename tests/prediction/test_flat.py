"""Level sets of allocations against brute force and against sets known by hand."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.prediction.flat import FlatRanges, flat_ranges
from capgap.prediction.problem import Problem
from capgap.prediction.question import Question
from capgap.prediction.scenario import Limits
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import Laws

LAWS = law_set("reconstructed")
NAMES = ("N_T", "D_T", "D_S", "L_T")


def problem_of(question: Question) -> Problem:
    return question.problem(LAWS.laws, LAWS.family)


def brute_force(problem: Problem, ceiling: float) -> dict[str, tuple[float, float]]:
    """Extents over two dense grids: the whole box, then the box around what was found."""
    low, high = (side[0] for side in problem.box())
    row = np.zeros(1, dtype=np.intp)
    for _ in range(2):
        axes = [np.linspace(low[i], high[i], 701) for i in (0, 1)]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(1, -1, 2)
        inside = problem.objective(row, x)[0] <= ceiling
        found = x[0, inside]
        step = (high - low) / 700
        low = np.maximum(found.min(axis=0) - step, problem.box()[0][0])
        high = np.minimum(found.max(axis=0) + step, problem.box()[1][0])
    parts = (part[0][inside] for part in problem.unpack(row, x))
    return {
        name: (float(part.min()), float(part.max()))
        for name, part in zip(NAMES, parts, strict=True)
    }


@pytest.mark.parametrize(
    "question",
    [
        Question(3e8, 1e20, "both"),
        Question(1e9, 1e22, "inference"),
        Question(1e10, 1e24, "pretraining"),
        Question(1e9, 1e26, "both"),  # a very flat one: N_T over a factor 12
        Question(1e9, 1e22, "both", students=10),
        Question(3e9, 1e23, "inference", limits=Limits(D_T=(1e6, 1e12), D_S=2e11)),
    ],
    ids=lambda q: f"{q.N_S:g}-{q.budget:g}-{q.scenario}",
)
def test_against_brute_force(question: Question) -> None:
    """A grid only finds points of the set, so its extents are within; they miss a grid step."""
    problem = problem_of(question)
    found = flat_ranges(problem)
    least = float(problem.solve().value[0])
    for name, (low, high) in brute_force(problem, least + found.slack).items():
        low_found, high_found = getattr(found, name)
        # 0.2%: the set's own 97 nodes; 2%: a step of the second grid.
        assert low_found <= low * 1.002, name
        assert high_found >= high / 1.002, name
        assert low_found >= low / 1.02, name
        assert high_found <= high * 1.02, name


@dataclass(frozen=True)
class TwoWells:
    """L_S = 2 + the lesser of two parabolas in L_T: at 2.2, and at 2.8 raised by `raised`."""

    raised: float

    def loss(
        self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
    ) -> npt.NDArray[np.float64]:
        x = np.asarray(L_T, dtype=np.float64)
        wells = np.minimum((x - 2.2) ** 2, (x - 2.8) ** 2 + self.raised)
        return 2 + wells + 0 * np.asarray(N_S) * np.asarray(D_S)

    def infinite_data_loss(self, N_S: npt.ArrayLike, L_T: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return self.loss(N_S, 1.0, L_T)

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(2.5)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.asarray(2.2)


@pytest.mark.parametrize("scenario", ["best", "inference", "both"])
@pytest.mark.parametrize(
    ("raised", "upper"), [(0.0005, 2.8 + np.sqrt(0.0005)), (0.002, 2.2 + np.sqrt(0.001))]
)
def test_a_set_in_two_pieces(scenario: str, raised: float, upper: float) -> None:
    """By hand: both wells count while the second is within the slack, else the first alone."""
    laws = Laws(LAWS.supervised, TwoWells(raised))
    question = Question(1e9, 1e22, scenario)  # type: ignore[arg-type]
    found = flat_ranges(question.problem(laws, LAWS.family))
    low, high = found.L_T
    assert (low, high) == pytest.approx((2.2 - np.sqrt(0.001), upper), rel=1e-5)


@pytest.mark.parametrize("question", [Question(1e9, 1e22, "best"), Question(3e8, 1e20, "both")])
def test_the_edges_cost_the_slack(question: Question) -> None:
    """At an edge in N_T (or L_T) the best completion is exactly `slack` above the optimum."""
    problem = problem_of(question)
    found = flat_ranges(problem)
    least = float(problem.solve().value[0])
    for edge in found.L_T if found.N_T is None else found.N_T:
        if found.N_T is None:
            x = np.full((1, 1, 1), np.log(edge))
            loss = problem.objective(np.zeros(1, np.intp), x).item()
        else:
            pinned = replace(question, limits=Limits(N_T=(edge, edge * (1 + 1e-12))))
            loss = float(pinned.allocate(LAWS).student_loss)
        assert loss == pytest.approx(least + found.slack, abs=1e-8)


@settings(max_examples=12)  # half a second each
@given(st.floats(8.0, 11.0), st.floats(20.0, 24.0), st.sampled_from(["best", "inference", "both"]))
def test_ranges_hold_the_optimum_and_grow_with_the_slack(
    log_size: float, log_budget: float, scenario: str
) -> None:
    question = Question(10**log_size, 10**log_budget, scenario)  # type: ignore[arg-type]
    plan = question.allocate(LAWS)
    problem = problem_of(question)
    narrow, wide = flat_ranges(problem, slack=0.0005), flat_ranges(problem, slack=0.005)
    for name in NAMES:
        low, high = getattr(wide, name) or (0.0, np.inf)
        low_narrow, high_narrow = getattr(narrow, name) or (0.0, np.inf)
        value = float(getattr(plan, name))
        assert low * (1 - 1e-6) <= low_narrow <= value * (1 + 1e-6)
        assert value * (1 - 1e-6) <= high_narrow <= high * (1 + 1e-6)
    assert wide.factor("L_T") > narrow.factor("L_T") > 1
    assert (narrow.N_T is None) == (scenario == "best")


@pytest.mark.parametrize("slack", [0.0, -1.0, np.nan, np.inf])
def test_slack_is_refused(slack: float) -> None:
    with pytest.raises(InputError, match="slack"):
        flat_ranges(problem_of(Question(1e9, 1e22, "both")), slack=slack)


def test_one_row_at_a_time() -> None:
    two = replace(
        problem_of(Question(1e9, 1e22, "both")), N_S=np.ones(2) * 1e9, budget=np.ones(2) * 1e22
    )
    with pytest.raises(InputError, match="2 rows"):
        flat_ranges(two)


def test_factor_of_what_is_undecided() -> None:
    assert FlatRanges(0.001, L_T=(2.0, 2.0), D_S=(1.0, 1.0)).factor("N_T") == 1
