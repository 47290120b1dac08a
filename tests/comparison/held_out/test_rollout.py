"""Rollouts against refits by hand to the runs below the cutoff."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.held_out import Rollout, rollout
from capgap.comparison.held_out.rollout import binomial_interval
from capgap.comparison.intervals import bootstrap
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 4e9, 6), np.geomspace(2e9, 8e10, 5)))
BELOW = 6 * N * D < 1e20
NOISE = 0.003


def losses(seed: int, spread: float | np.ndarray = NOISE) -> np.ndarray:
    error = spread * np.random.default_rng(seed).standard_normal(N.size)
    return np.asarray(OWN.loss(N, D) * np.exp(error))


def fitted(L: np.ndarray, **options) -> Fit:
    return fit_supervised(N, D, L, delta=0.01, **options)


@pytest.fixture(scope="module")
def rolled() -> Rollout:
    return rollout(fitted(losses(0)), "C<1e20", seed=1, draws=60)


@pytest.mark.parametrize("gamma", [1.0, None])
@pytest.mark.parametrize("delta", [1e-3, 1e-2])
def test_predictions_are_those_of_a_fit_to_the_runs_below(gamma, delta) -> None:
    """Oracle: `fit_supervised` on those rows alone. Tolerance: where a flat valley ends."""
    L = losses(2)
    one = rollout(fit_supervised(N, D, L, gamma=gamma, delta=delta), "C<1e20", seed=0, draws=0)
    alone = fit_supervised(N[BELOW], D[BELOW], L[BELOW], gamma=gamma, delta=delta)
    np.testing.assert_array_equal(one.run, np.flatnonzero(~BELOW))
    np.testing.assert_allclose(one.predicted, alone.law.loss(N[~BELOW], D[~BELOW]), rtol=1e-5)
    np.testing.assert_array_equal(one.observed, np.exp(np.log(L[~BELOW])))
    assert one.fit.objective == pytest.approx(alone.objective, rel=1e-8)


def test_a_distillation_law_is_rolled_out_alike() -> None:
    N_S, D_S, L_T = (
        a.ravel() for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], [1.8, 2.1, 2.4, 2.8])
    )
    L = distillation_law().reduced().loss(N_S, D_S, L_T)
    L = L * np.exp(0.002 * np.random.default_rng(0).standard_normal(L.size))
    fit = fit_distillation("eq8-reduced", N_S, D_S, L_T, L, supervised=OWN, delta=0.01)
    below = L >= 2.3
    one = rollout(fit, "L_S>=2.3", seed=0, draws=20)
    alone = fit_distillation(
        "eq8-reduced", N_S[below], D_S[below], L_T[below], L[below], supervised=OWN, delta=0.01
    )
    np.testing.assert_allclose(
        one.predicted, alone.law.loss(N_S[~below], D_S[~below], L_T[~below]), rtol=1e-5
    )
    assert set(one.rows()[0]) >= {"N_S", "D_S", "L_T", "observed", "predicted", "low", "high"}


def test_numbers_by_hand(rolled: Rollout) -> None:
    error = rolled.predicted / rolled.observed - 1
    assert rolled.median == np.median(np.abs(error))
    assert rolled.maximum == np.max(np.abs(error))
    assert rolled.bias == np.mean(error)
    inside = (rolled.low <= rolled.observed) & (rolled.observed <= rolled.high)
    assert 0 < rolled.coverage == inside.mean()
    np.testing.assert_allclose(rolled.factor, (6 * N * D)[~BELOW] / (6 * N * D)[BELOW].max())
    row = rolled.rows()[3]
    place = int(row["run"])
    assert (row["N"], row["D"]) == (N[place], D[place])
    assert row["error"] == error[3]
    few = rolled.where(rolled.factor > 10)
    assert 0 < few.run.size < rolled.run.size
    assert few.median == np.median(np.abs(error[rolled.factor > 10]))


def test_intervals_are_those_of_the_bootstrap_of_the_fit_below(rolled: Rollout) -> None:
    by_hand = bootstrap(rolled.fit, seed=1, n=60).prediction_interval(0.9, N=N[~BELOW], D=D[~BELOW])
    np.testing.assert_array_equal(rolled.low, by_hand.low)
    np.testing.assert_array_equal(rolled.high, by_hand.high)


def test_held_out_losses_do_not_touch_the_predictions() -> None:
    """Spoiled beyond the cutoff: nothing moves. Negative control: below it, everything does."""
    L = losses(3)
    beyond, within = L.copy(), L.copy()
    beyond[~BELOW] *= 1.3
    within[np.flatnonzero(BELOW)[0]] *= 1.3
    clean, far, near = (
        rollout(fitted(y), BELOW, seed=0, draws=0).predicted for y in (L, beyond, within)
    )
    np.testing.assert_allclose(far, clean, rtol=1e-6)
    assert np.max(np.abs(near / clean - 1)) > 1e-5


def test_runs_of_weight_zero_are_neither_fitted_nor_predicted() -> None:
    L = losses(4)
    weights = np.ones(N.size)
    weights[[0, N.size - 1]] = 0.0
    one = rollout(fitted(L, weights=weights), BELOW, seed=0, draws=0)
    assert N.size - 1 not in one.run
    L[0] *= 2.0
    again = rollout(fitted(L, weights=weights), BELOW, seed=0, draws=0)
    np.testing.assert_allclose(again.predicted, one.predicted, rtol=1e-6)


def test_intervals_cover_new_runs_of_a_planted_law() -> None:
    """Statistic: mean coverage of the 90% intervals over 40 planted sets. The runs of a set
    share a fit, so its coverage has a standard deviation of at most 0.3 and the mean 0.047;
    the band is 3 of these. Negative control: runs beyond the cutoff with 4 times the noise."""
    level = {1.0: [], 4.0: []}
    for seed in range(40):
        for factor, found in level.items():
            L = losses(seed, np.where(BELOW, NOISE, factor * NOISE))
            found.append(rollout(fitted(L, gamma=OWN.gamma), BELOW, seed=seed, draws=40).coverage)
    assert abs(np.mean(level[1.0]) - 0.9) < 0.14
    assert np.mean(level[4.0]) < 0.76


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 7), (200, 217)])
def test_binomial_interval_is_that_of_scipy(hits: int, n: int) -> None:
    theirs = binomtest(hits, n).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(binomial_interval(hits, n, 0.95), (theirs.low, theirs.high))


def test_without_intervals_the_coverage_is_not_a_number() -> None:
    one = rollout(fitted(losses(0)), "C<1e20", seed=0, draws=0)
    assert np.all(np.isnan([*one.low, *one.high, one.coverage, *one.coverage_interval()]))
    six = np.isin(np.arange(N.size), [0, 3, 8, 16, 21, 27])  # as many runs as coefficients
    exact = rollout(fitted(losses(0)), six, seed=0)
    assert np.isnan(exact.coverage)
    assert not exact.inside.any()


def test_same_seed_same_intervals() -> None:
    fit = fitted(losses(5))
    first, again, other = (rollout(fit, BELOW, seed=s, draws=20) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.low, again.low)
    assert np.any(first.low != other.low)


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ("C<1e30", "0 runs held out"),
        ("C<1e17", "0 runs below the cutoff, must be at least the 6 coefficients"),
        (np.arange(30) < 5, "5 runs below"),
        (N < 1.1e8, "5 runs below"),
        ((N < 1e9) & (D < 3e9), "4 runs below"),
        (np.ones(30), "below of type float64"),
        (np.ones(3, dtype=bool), "shape (3,) must be bool and (30,)"),
        ("loss~2", "must be a column"),
    ],
)
def test_refusals(below, message: str) -> None:
    with pytest.raises(InputError) as caught:
        rollout(fitted(losses(0)), below, seed=0)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_design_of_one_size_below_the_cutoff_is_refused() -> None:
    fit = fitted(losses(0), gamma=1.0)
    with pytest.raises(InputError, match="N = 1e\\+08 in every run below the cutoff"):
        rollout(fit, N < 1.1e8, seed=0)
    # Five runs are enough for the five coefficients: it is the single size that is refused.
    assert replace(fit).x.size == 5
