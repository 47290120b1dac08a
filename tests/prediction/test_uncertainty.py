"""Intervals over draws: against closed forms, and draw by draw against the laws themselves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.prediction.question import Question
from capgap.prediction.uncertainty import (
    LawDraws,
    Spread,
    draw_laws,
    over_draws,
    plan_spread,
    prediction_spread,
)
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import Laws, LawSet, coefficients_of
from capgap.theory.supervised import SupervisedLaw

LAWS = law_set("reconstructed")
ONLY_E = replace(LAWS, intervals={"supervised.E": (1.19, 1.247)})


def test_the_interval_of_a_shifted_loss_is_that_of_its_shift() -> None:
    """Closed form: only E is uncertain and the loss is E plus a constant.

    E is lognormal with the given 90% interval: quantiles E0 exp(+-ln(1.247/1.19)/2). With
    4000 draws a 5% quantile has a standard error of 0.036 of the interval; 4 of them are
    allowed.
    """
    draws = draw_laws(ONLY_E, 4000, seed=1)
    found = prediction_spread(draws, 1e9, 2e10, 2.1).interval("supervised_loss", 0.9)
    center = float(LAWS.supervised.loss(1e9, 2e10)) - 1.22
    half = np.exp(0.5 * np.log(1.247 / 1.19))
    expected = (center + 1.22 / half, center + 1.22 * half)
    tolerance = 4 * 0.036 * (expected[1] - expected[0])
    assert found == pytest.approx(expected, abs=tolerance)
    # Negative control: an interval of another level is not that one.
    other = prediction_spread(draws, 1e9, 2e10, 2.1).interval("supervised_loss", 0.7)
    assert other != pytest.approx(expected, abs=tolerance)


def test_intervals_cover_at_their_level() -> None:
    """Of uniform values the central interval holds the share it says, to one draw."""
    values = np.random.default_rng(0).permutation(np.arange(1000.0))
    for level in (0.5, 0.8, 0.9, 0.99):
        low, high = Spread({"x": values}, 0).interval("x", level) or (0, 0)
        assert abs((high - low + 1) / 1000 - level) <= 0.002 + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(0.05, 0.95))
def test_the_interval_of_the_negative_is_mirrored(values: list[float], level: float) -> None:
    x = np.array(values)
    low, high = Spread({"x": x}, 0).interval("x", level) or (0, 0)
    assert Spread({"x": -x}, 0).interval("x", level) == (-high, -low)
    assert low <= np.median(x) <= high


def test_infinite_and_missing_values_keep_their_place() -> None:
    x = np.array([np.nan, 1.0, 2.0, np.inf, np.inf, np.inf])
    assert Spread({"x": x}, 0).interval("x", 0.9) == (1.0, np.inf)
    assert Spread({"x": np.array([np.nan, 1.0])}, 0).interval("x") is None
    assert Spread({"x": x}, 0).share("x", np.isinf) == pytest.approx(0.6)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, np.nan, 90.0])
def test_levels_are_refused(level: float) -> None:
    with pytest.raises(InputError, match="level"):
        Spread({"x": np.arange(5.0)}, 0).interval("x", level)


def test_draws_are_fixed_by_their_seed_and_do_not_depend_on_their_count() -> None:
    few, many, other = draw_laws(LAWS, 5, 7), draw_laws(LAWS, 20, 7), draw_laws(LAWS, 5, 8)
    assert few.laws == many.laws[:5]
    assert few.laws != other.laws


def test_joint_draws_of_a_fit_are_used_as_they_are() -> None:
    joint = tuple(
        Laws(SupervisedLaw(E=1.0 + 0.01 * i, A=1e3, B=1e4, alpha=0.4, beta=0.4)) for i in range(9)
    )
    fit = LawSet("fit", joint[4], "a test", draws=joint)
    draws = draw_laws(fit, 200, seed=0)
    assert set(draws.laws) == set(joint)
    assert draws.note == ""
    assert "independently" in draw_laws(LAWS, 2, 0).note
    assert "nothing is known" in draw_laws(law_set("chinchilla"), 2, 0).note


def test_impossible_draws_are_counted() -> None:
    """B = 2085 +- 1293 (standard error) is below zero in 5.3% of normal draws."""
    draws = draw_laws(law_set("chinchilla-replicated"), 2000, seed=0)
    assert len(draws.laws) + draws.impossible == 2000
    # Binomial: 4 standard errors of 0.5%.
    assert draws.impossible / 2000 == pytest.approx(0.0534, abs=0.02)
    refusing = over_draws(LawDraws(draws.laws[:10], 3), lambda laws: _refuse())
    assert (refusing.impossible, dict(refusing.values)) == (13, {})


def _refuse() -> dict[str, float]:
    raise InputError("no")


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (0, 0), (-3, 0), (10, -1)])
def test_counts_and_seeds_are_refused(count: int, seed: int) -> None:
    with pytest.raises(InputError, match="draws"):
        draw_laws(LAWS, count, seed)


def test_the_gain_is_taken_within_each_draw() -> None:
    draws = draw_laws(LAWS, 100, 0)
    for teacher in (2.1, (7.75e9, 1.55e11)):
        values = prediction_spread(draws, 1e9, 2e10, teacher).values
        assert values["gain"] == pytest.approx(
            values["supervised_loss"] - values["student_loss"], abs=1e-15
        )
    # The two losses share E: their difference is far surer than independent errors would be.
    spread = prediction_spread(draw_laws(ONLY_E, 400, 0), 1e9, 2e10, 2.1)
    width = {k: np.ptp(spread.interval(k) or (0, 0)) for k in spread.values}
    assert width["teacher_loss"] == 0
    assert width["gain"] < np.hypot(width["student_loss"], width["supervised_loss"])


def test_without_errors_of_coefficients_there_is_no_width() -> None:
    exact = replace(LAWS, intervals={})
    spread = prediction_spread(draw_laws(exact, 10, 0), 1e9, 2e10, (2e9, 4e10))
    law = LAWS.taught
    L_T = LAWS.supervised.loss(2e9, 4e10)
    assert spread.interval("student_loss") == (law.loss(1e9, 2e10, L_T),) * 2
    assert spread.interval("teacher_loss") == (L_T,) * 2


@pytest.mark.parametrize("scenario", ["best", "inference", "pretraining", "both"])
def test_the_optimum_of_each_draw_and_the_kept_plan(scenario: str) -> None:
    """Each draw's optimum is what `allocate` finds; the kept plan is never better than it.

    1e-7 nats: positions are solved to 1e-4, losses to the square of it.
    """
    question = Question(1e9, 1e22, scenario)  # type: ignore[arg-type]
    draws = draw_laws(LAWS, 12, 3)
    plan = question.allocate(LAWS)
    spread = plan_spread(draws, LAWS, question, plan)
    fine = [question.allocate(laws, family=LAWS.family) for laws in draws.laws]
    assert spread.values["best_loss"] == pytest.approx(
        [float(f.student_loss) for f in fine], abs=1e-7
    )
    # Flat: an error of 1e-7 in the loss is one of about 1% in the position.
    for name in ("L_T", "D_S") if scenario == "best" else ("N_T", "L_T", "D_S"):
        found = spread.values[f"best_{name}"]
        assert found == pytest.approx([float(getattr(f, name)) for f in fine], rel=0.02)
    assert np.all(spread.values["student_loss"] >= spread.values["best_loss"] - 1e-9)
    own_tokens = float(Question(1e9, 1e22, "supervised").allocate(LAWS).D_S)
    alone = [float(laws.supervised.loss(1e9, own_tokens)) for laws in draws.laws]
    assert spread.values["supervised_loss"] == pytest.approx(alone, rel=1e-14)
    assert ("best_N_T" in spread.values) == (scenario != "best")


def test_progress_counts_every_draw() -> None:
    seen: list[int] = []
    over_draws(draw_laws(LAWS, 4, 0), lambda laws: {"x": 1.0}, seen.append)
    assert seen == [1, 2, 3, 4]


def test_zero_width_intervals_leave_a_coefficient_alone() -> None:
    """c1's printed interval has no width: no draw moves it."""
    found = {coefficients_of(laws)["taught.c1"] for laws in draw_laws(LAWS, 20, 0).laws}
    assert found == {522.6}
