"""Planted laws are named as often as the design allows, and the planting is what it says."""

import numpy as np
import pytest

from capgap.comparison.fitting.fit import Fit, fit_supervised
from capgap.comparison.held_out import clustered_mean, cross_validate, law_recovery, planted
from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 4e9, 5), np.geomspace(2e9, 8e10, 4)))
L = OWN.loss(N, D)


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    return {
        "plain": fit_supervised(N, D, L, gamma=1.0, delta=0.01),
        "gamma": fit_supervised(N, D, L, gamma=OWN.gamma, delta=0.01),
    }


@pytest.mark.parametrize("truth", ["plain", "gamma"])
def test_little_noise_names_the_planted_law_and_much_noise_none(fits, truth: str) -> None:
    """At 0.01% noise all 8 sets must be right. At 5%, far above the difference of the
    laws, verdicts are rare and a wrong one rarer (1% of sets where it was measured)."""
    easy = law_recovery(planted(fits, truth, 1e-4), truth, replications=8, seed=0)
    assert (easy.right, easy.abstained, easy.wrong) == (8, 0, 0)
    assert np.all(easy.difference < 0)
    hard = law_recovery(planted(fits, truth, 0.05), truth, replications=8, seed=0)
    assert hard.abstained >= 5
    assert hard.wrong <= 1
    assert hard.replications == 8
    low, high = hard.interval()
    assert low <= hard.right / 8 <= high


def test_intervals_of_cross_validation_hold_the_mean_difference(fits) -> None:
    """Statistic: share of 95% intervals, over 40 planted sets, that hold the mean difference
    over all sets; standard error 3.4%, so at least 0.95 - 3 of these. Negative control: a
    fifth of the width."""
    plant = planted(fits, "gamma", 0.01)
    fold = np.arange(20) % 5
    found = []
    for seed in range(40):
        made = plant(np.random.default_rng(seed))
        errors = [cross_validate(made[name], fold, checked=0).error for name in made]
        values = np.abs(errors[0]) - np.abs(errors[1])
        found.append(clustered_mean(values, np.arange(20), cross_validated=True))
    means = np.array([one.mean for one in found])
    reach = np.array([one.high - one.mean for one in found])
    off = np.abs(means - means.mean())
    assert np.mean(off <= reach) > 0.95 - 0.103
    assert np.mean(off <= 0.2 * reach) < 0.7


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_planted_runs_have_the_noise_and_the_shared_part_asked_for(fits, shared: float) -> None:
    """40 draws of 20 runs in 5 groups. Relative standard errors: of the variance within,
    sqrt(2/600) = 6%, of the total at most sqrt(2/200) = 10%; bands of 3 of these."""
    plant = planted({"gamma": fits["gamma"]}, "gamma", 0.02, shared=shared,
                    groups=np.arange(20) // 4)  # fmt: skip
    drawn = np.array([
        plant(np.random.default_rng(seed))["gamma"].problem.log_loss for seed in range(40)
    ]) - np.log(L)  # fmt: skip
    assert np.var(drawn) == pytest.approx(4e-4, rel=0.3)
    within = np.mean(np.var(drawn.reshape(40, 5, 4), axis=2, ddof=1))
    assert within == pytest.approx((1 - shared) * 4e-4, rel=0.18, abs=1e-12)


def test_every_law_is_fitted_to_the_planted_runs(fits) -> None:
    """Oracle: `fit_supervised` on the same losses."""
    made = planted(fits, "gamma", 0.003)(np.random.default_rng(1))
    losses = np.exp(made["plain"].problem.log_loss)
    np.testing.assert_allclose(made["gamma"].problem.log_loss, np.log(losses), rtol=1e-14)
    for name, gamma in (("plain", 1.0), ("gamma", OWN.gamma)):
        by_hand = fit_supervised(N, D, losses, gamma=gamma, delta=0.01)
        assert made[name].objective == pytest.approx(by_hand.objective, rel=1e-8)


def test_the_noise_of_the_fit_is_the_default(fits) -> None:
    same = planted(fits, "plain")(np.random.default_rng(2))["plain"].problem.log_loss
    named = planted(fits, "plain", fits["plain"].noise)(np.random.default_rng(2))
    np.testing.assert_array_equal(same, named["plain"].problem.log_loss)


def test_refusals(fits) -> None:
    plant = planted(fits, "gamma", 0.01)
    for call, message in (
        (lambda: planted(fits, "hinge"), "truth = 'hinge' must be among plain, gamma"),
        (lambda: planted(fits, "gamma", -1.0), "noise = -1 must be"),
        (lambda: planted(fits, "gamma", np.nan), "noise = nan must be"),
        (lambda: planted(fits, "gamma", shared=1.5), "shared = 1.5 must be"),
        (lambda: law_recovery(plant, "gamma", replications=0, seed=0), "replications = 0"),
        (lambda: law_recovery(plant, "hinge", replications=1, seed=0), "truth = 'hinge'"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert message in str(caught.value)
