"""The threshold of each draw against the solver of thresholds, and its two extremes."""

from dataclasses import replace

import numpy as np
import pytest

from capgap.prediction.budget_spread import threshold_spread
from capgap.prediction.scenario import ScenarioName
from capgap.prediction.thresholds import Thresholds, thresholds
from capgap.prediction.uncertainty import LawDraws, draw_laws
from capgap.theory.coefficients import law_set

LAWS = law_set("reconstructed")
RANGE = (1e17, 1e26)


def solved(N_S: float, scenario: ScenarioName) -> Thresholds:
    (found,) = thresholds(LAWS, N_S, scenario, budgets=RANGE)
    return found


def by_solver(draws: LawDraws, N_S: float, scenario: ScenarioName) -> list[float]:
    values = []
    for laws in draws.laws:
        (found,) = thresholds(laws, N_S, scenario, budgets=RANGE, family=LAWS.family)
        if found.catch_up is not None:
            values.append(found.catch_up.budget)
        else:
            values.append(0.0 if found.status.startswith("supervised") else np.inf)
    return values


@pytest.mark.parametrize(
    ("scenario", "count"), [("best", 20), ("inference", 4)], ids=["best", "inference"]
)
def test_each_draw_is_what_the_solver_finds(scenario: ScenarioName, count: int) -> None:
    """0.5%, to which a draw is solved; `thresholds` solves to 1e-9."""
    draws = draw_laws(LAWS, count, seed=0)
    found = threshold_spread(draws, LAWS, solved(1e9, scenario))
    expected = by_solver(draws, 1e9, scenario)
    assert found.values["budget"] == pytest.approx(expected, rel=0.005)
    assert len(set(expected)) > count / 2  # the draws differ: an answer for all would fail


def test_the_laws_of_the_set_give_its_own_threshold() -> None:
    exact = replace(LAWS, intervals={})
    for scenario in ("best", "inference"):
        nominal = solved(3e9, scenario)  # type: ignore[arg-type]
        assert nominal.catch_up is not None
        spread = threshold_spread(draw_laws(exact, 2, 0), exact, nominal)
        assert spread.values["budget"] == pytest.approx([nominal.catch_up.budget] * 2, rel=0.005)


def test_never_and_always_are_infinity_and_zero() -> None:
    """Eq. 8 with a bracket scaled up or down by A and B: distillation always or never wins."""
    nominal = solved(1e9, "best")
    law = LAWS.taught
    for factor, expected in ((1e3, 0.0), (1e-3, np.inf)):
        scaled = replace(law, A=law.A * factor, B=law.B * factor)  # type: ignore[type-var, attr-defined]
        laws = replace(LAWS.laws, taught=scaled)
        spread = threshold_spread(LawDraws((laws, laws)), LAWS, nominal)
        assert spread.values["budget"].tolist() == [expected] * 2
        assert spread.interval("budget") == (expected, expected)
