"""Measured runs to laws to forecasts, on planted records."""

import dataclasses
import math

import numpy as np
import pytest
from planted import OWN, TAUGHT, record, records

from capgap.comparison.forecast import LawForecast, digest_of_runs, forecast, judge
from capgap.comparison.held_out import held_out_coverage
from capgap.comparison.measured import (
    MeasuredLaws,
    distillation_runs,
    fit_measured,
    seed_noise,
    supervised_runs,
)
from capgap.comparison.paired import paired_difference
from capgap.errors import InputError

NOISE = 0.003


@pytest.fixture(scope="module")
def laws() -> MeasuredLaws:
    return fit_measured(records(NOISE), refits=100)


def test_tables_hold_the_usable_runs_and_only_those() -> None:
    made = records(0.0)
    failed = dataclasses.replace(made[0], status="failed", loss=None)
    softened = dataclasses.replace(
        made[-1], config=dataclasses.replace(made[-1].config, temperature=2.0)
    )
    own, taught = supervised_runs([*made, failed]), distillation_runs([*made, softened])
    assert len(own.L) == 24 + 4 + 7
    assert own.layers.min() == 1
    assert len(taught.L_S) == 42
    assert np.array_equal(taught.L_T, [r.L_T for r in made if r.config.teacher is not None])


def test_intervals_hold_on_held_out_runs(laws: MeasuredLaws) -> None:
    """30 supervised and 42 taught runs of the planted laws: 90% nominal; three standard
    errors of a share of 30 are 16%. Runs of the cells at the edge are extrapolated."""
    assert laws.supervised.coverage >= 0.74
    assert laws.distilled[0].coverage >= 0.74
    narrow = held_out_coverage(laws.supervised.held_out, 0.2, seed=0)
    assert narrow < 0.5 < laws.supervised.coverage  # a narrow interval must miss


def test_one_layer_models_are_not_fitted_but_shown(laws: MeasuredLaws) -> None:
    assert set(laws.shallow_runs.layers) == {1.0}
    assert len(laws.shallow_runs.L) == 5
    assert set(laws.supervised_runs.layers) == {2.0, 3.0, 4.0, 5.0, 6.0}
    # Here they do lie on the planted law, so leaving them out costs nothing and gains nothing.
    assert laws.held_out_with_shallow < 3 * NOISE


def test_noise_of_seeds_is_recovered() -> None:
    """400 sets with 4 degrees of freedom: the mean of s^2 has relative error
    sqrt(2/4/400) = 3.5%; tolerance 4 of these."""
    found = [seed_noise(records(0.01, seed)) for seed in range(400)]
    assert {n.degrees_of_freedom for n in found} == {4}
    mean = np.mean([n.standard_deviation**2 for n in found])
    assert mean == pytest.approx(0.01**2, rel=0.14)


def test_without_repeats_there_is_no_noise_to_state() -> None:
    noise = seed_noise(records(0.01)[:1])
    assert math.isnan(noise.standard_deviation)
    assert noise.degrees_of_freedom == 0


def test_planted_laws_are_found_and_named(laws: MeasuredLaws) -> None:
    """The hinge planted the runs, so it must win on held-out runs, within the noise."""
    assert [law.name for law in laws.distilled] == ["hinge", "eq8-reduced"]
    best = laws.distilled[0]
    assert best.held_out.root_mean_square < 3 * NOISE
    assert laws.distilled[1].held_out.root_mean_square > 2 * best.held_out.root_mean_square
    assert laws.noise.standard_deviation == pytest.approx(NOISE, rel=0.9)
    assert laws.failed == 0


def test_runs_on_different_texts_are_not_fitted_together(laws: MeasuredLaws) -> None:
    made = records(NOISE)
    other = dataclasses.replace(made[0], config=dataclasses.replace(made[0].config, corpus="b"))
    with pytest.raises(InputError, match="runs on 2 texts"):
        fit_measured([*made, other])
    with pytest.raises(InputError, match="runs on 0 texts"):
        fit_measured([])
    assert (laws.corpus, laws.validation_documents) == (made[0].config.corpus, 3)


def test_a_law_that_the_runs_do_not_allow_is_left_out_with_the_reason() -> None:
    """Six distillations from a single teacher say nothing about teachers."""
    made = records(NOISE)
    alone = [r for r in made if r.config.teacher is None]
    taught = [r for r in made if r.config.teacher is not None]
    found = fit_measured([*alone, *taught[:6]], refits=10)
    assert found.distilled == ()
    assert [name for name, _ in found.left_out] == ["eq8-reduced", "hinge"]
    assert all(reason for _, reason in found.left_out)
    assert found.supervised.fit.status == "converged"


def test_forecast_covers_the_planted_truth(laws: MeasuredLaws) -> None:
    N_S, D_S, L_T = 83_376.0, 2.0**21, 1.4
    made = forecast(laws, N_S, D_S, L_T, ["b", "a"])
    assert made.primary.law == "hinge"
    for row, truth in (
        (made.primary, float(TAUGHT.loss(N_S, D_S, L_T))),
        (made.supervised, float(OWN.loss(N_S, D_S))),
    ):
        assert judge(row, truth).inside
        # A new run errs by about the noise; the interval must not be idle either.
        assert row.high - row.low < 12 * NOISE * truth
    assert not judge(made.primary, made.primary.loss * 1.05).inside
    assert (made.runs, made.runs_digest) == (2, digest_of_runs(["a", "b"]))
    assert made.to_dict()["distilled"][0]["law"] == "hinge"


def test_error_of_the_supervised_law_widens_the_forecast_in_quadrature(
    laws: MeasuredLaws,
) -> None:
    """By hand from the laws refitted under other draws; without them, the plain interval."""
    inputs = {"N_S": 83_376.0, "D_S": 2.0**21, "L_T": 1.4}
    best = laws.distilled[0]
    assert len(best.under_other_laws) >= 38
    with_it = forecast(laws, *inputs.values(), []).primary
    alone = dataclasses.replace(best, under_other_laws=())
    without = forecast(dataclasses.replace(laws, distilled=(alone,)), *inputs.values(), []).primary
    plain = best.refits.prediction_interval(0.9, **inputs)
    assert without.high == pytest.approx(float(plain.high), rel=1e-12)
    assert without.low == pytest.approx(float(plain.low), rel=1e-12)
    spread = np.std([np.log(law.loss(**inputs)) for law in best.under_other_laws], ddof=1)
    assert spread > 0
    for end in ("low", "high"):
        wide, narrow = (abs(np.log(getattr(row, end) / row.loss)) for row in (with_it, without))
        assert wide == pytest.approx(np.hypot(narrow, 1.6448536 * spread), rel=1e-6)


def test_forecast_refuses_what_is_not_positive(laws: MeasuredLaws) -> None:
    with pytest.raises(InputError, match="L_T = 0"):
        forecast(laws, 1e5, 1e6, 0.0, [])


def test_verdict_states_the_signed_error() -> None:
    verdict = judge(LawForecast("hinge", 1.5, 1.4, 1.6), 1.3)
    assert verdict.error == pytest.approx(0.2)
    assert not verdict.inside


def test_paired_difference_is_that_of_a_ratio_estimator() -> None:
    """By hand: weights 1, 3; differences 0.1, 0.3; d = 0.25; SE^2 = 2 (0.15^2 + 0.15^2) / 16."""
    base = records(0.0)[0]
    one = dataclasses.replace(base, document_losses=(1.1, 1.3), document_tokens=(1, 3))
    other = dataclasses.replace(base, document_losses=(1.0, 1.0), document_tokens=(1, 3))
    found = paired_difference(one, other)
    assert found.difference == pytest.approx(0.25)
    assert found.standard_error == pytest.approx(math.sqrt(2 * 2 * 0.15**2 / 16))
    back = paired_difference(other, one)
    assert back.difference == pytest.approx(-found.difference)


def test_paired_difference_needs_the_same_documents() -> None:
    one = records(0.0)[0]
    other = dataclasses.replace(record(one.config, 1.0), document_tokens=(1, 2, 3))
    with pytest.raises(InputError, match="share two documents"):
        paired_difference(one, other)
