"""Intervals: they cover planted truths at their nominal rate, and refuse what they cannot do."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from capgap.comparison.bootstrap import _mixture_quantile, bootstrap
from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.held_out import leave_one_cell_out
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw

OWN = supervised_law()
N = np.repeat(np.geomspace(1e7, 1e9, 5), 4)
D = np.tile(np.geomspace(4e8, 2e10, 4), 5)
NEW = {"N": np.array([1.5e8, 3e7, 2e9, 2e9]), "D": np.array([3e9, 1e10, 2e10, 4e10])}
NOISE = 0.005
N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.7, 2.8, 6),
                         indexing="ij")
)  # fmt: skip
CELL = np.repeat(np.arange(9), 6)
HINGE = HingeLaw(OWN, rho=0.85, s=0.04, c=2e-3, p=0.25)


def noisy_fit(seed: int, delta: float = 0.01):
    error = NOISE * np.random.default_rng(seed).standard_normal(N.size)
    return fit_supervised(N, D, OWN.loss(N, D) * np.exp(error), delta=delta)


def test_prediction_intervals_cover_new_runs() -> None:
    """Statistic: mean coverage of four new runs inside and up to 2x outside the design.

    200 replications; one replication's mean has a standard deviation of at most 0.3 (its four
    intervals share a fit), so the mean has 0.021 and the band is 3 of these about 0.90.
    Negative control: intervals that leave out the new run's noise must fail the band.
    """
    hits, bare = [], []
    for seed in range(200):
        fit = noisy_fit(seed)
        truth = np.log(OWN.loss(**NEW))
        run = np.exp(truth + NOISE * np.random.default_rng(10_000 + seed).standard_normal(4))
        refits = bootstrap(fit, seed=seed, n=60)
        new, mean = refits.prediction_interval(0.9, **NEW), refits.mean_interval(0.9, **NEW)
        hits.append((new.low <= run) & (run <= new.high))
        bare.append((mean.low <= run) & (run <= mean.high))
    assert abs(np.mean(hits) - 0.9) < 0.063
    assert np.mean(bare) < 0.9 - 0.063


def test_shared_errors_need_the_shared_option() -> None:
    """Statistic: coverage of the law's own value at a new point, 90% intervals, 100 planted
    designs whose cells share half of the variance; standard error 0.03. Negative control:
    without `shared` the coverage is beyond three of them below 0.90.
    """
    new = {"N_S": 4e8, "D_S": 8e9, "L_T": 2.0}
    truth = HINGE.loss(**new)
    covered = {True: [], False: []}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        error = 0.002 * rng.standard_normal(54) + (0.004 * rng.standard_normal(9))[CELL]
        L_S = HINGE.loss(N_S, D_S, L_T) * np.exp(error)
        fit = fit_distillation(
            "hinge", N_S, D_S, L_T, L_S, supervised=OWN, terms=("scale", "p"), delta=0.01
        )
        for shared, hits in covered.items():
            mean = bootstrap(fit, seed=seed, n=60, shared=shared).mean_interval(0.9, **new)
            hits.append(bool(mean.low <= truth <= mean.high))
    assert 0.81 < np.mean(covered[True]) <= 0.99
    assert np.mean(covered[False]) < 0.81


def test_noise_estimates_are_unbiased() -> None:
    """Statistic: mean of noise^2 over 60 fits over the planted variance; sd 2/sqrt(2*14*60)."""
    ratio = [(noisy_fit(seed).noise / NOISE) ** 2 for seed in range(60)]
    assert abs(np.mean(ratio) - 1) < 3 * np.sqrt(2 / 14 / 60) + 0.02


@pytest.mark.parametrize("kind", ["noise", "cells"])
def test_same_seed_same_refits_and_all_converge(kind) -> None:
    fit = noisy_fit(3)
    first, again = (bootstrap(fit, seed=7, n=50, kind=kind) for _ in range(2))
    other = bootstrap(fit, seed=8, n=50, kind=kind)
    np.testing.assert_array_equal(first.x, again.x)
    assert np.any(first.x != other.x)
    assert first.converged_share > 0.95
    for name, (low, high) in first.interval(0.9).items():
        assert low < fit.coefficients[name] < high
        assert first.coefficients[name].shape == (50,)


def test_refits_by_hand() -> None:
    """Oracle: fits anew, with all starts, to the same resampled weights."""
    fit = noisy_fit(4)
    refits = bootstrap(fit, seed=5, n=5, kind="cells")
    rng, cells = np.random.default_rng(5), cell_index(fit.problem.inputs)
    kept = 0
    while kept < 5:
        draw = rng.multinomial(20, np.full(20, 1 / 20))[cells]
        if len(set(N[draw > 0])) < 2 or len(set(D[draw > 0])) < 2 or np.sum(draw > 0) < 6:
            continue
        fresh = fit_supervised(
            N, D, np.exp(fit.problem.log_loss), weights=draw.astype(float), delta=0.01
        )
        here = refits.fit.problem.model.predict(refits.x[kept][None])[0]
        used = draw > 0
        np.testing.assert_allclose(here[used], (fresh.residual + fit.problem.log_loss)[used],
                                   atol=2e-4)  # fmt: skip
        kept += 1


def test_mixture_quantile_of_one_normal_is_the_normal_quantile() -> None:
    value = _mixture_quantile(np.full((3, 2), 1.5), 0.25, 0.95)
    np.testing.assert_allclose(value, 1.5 + 0.25 * norm.ppf(0.95), rtol=1e-12)


def test_exact_fit_has_intervals_of_rounding_width() -> None:
    fit = fit_supervised(N, D, OWN.loss(N, D))
    new = bootstrap(fit, seed=0, n=20).prediction_interval(0.9, **NEW)
    np.testing.assert_allclose(new.high / new.low, 1.0, atol=1e-9)
    np.testing.assert_allclose(new.center, OWN.loss(**NEW), rtol=1e-8)


def test_interval_keeps_the_shape_and_widens_with_the_level() -> None:
    refits = bootstrap(noisy_fit(6), seed=0, n=60)
    grid = refits.prediction_interval(0.9, N=np.array([[1e8], [1e9]]), D=[1e9, 1e10, 1e11])
    assert grid.low.shape == grid.center.shape == grid.high.shape == (2, 3)
    wide = refits.prediction_interval(0.99, N=1e8, D=1e10)
    narrow = refits.prediction_interval(0.5, N=1e8, D=1e10)
    assert wide.low < narrow.low < narrow.center < narrow.high < wide.high
    # The new run's noise is a floor under the width.
    floor = 2 * refits.noise * t.ppf(0.95, refits.degrees_of_freedom)
    assert np.log(grid.high / grid.low).min() > 0.98 * floor


def test_held_out_errors_tell_the_right_law_from_the_wrong_one() -> None:
    truth = replace(HINGE, rho=0.6)
    L_S = truth.loss(N_S, D_S, L_T) * np.exp(0.002 * np.random.default_rng(0).standard_normal(54))
    options = {"supervised": OWN}
    right = fit_distillation("hinge", N_S, D_S, L_T, L_S, terms=("scale", "p"), **options)
    wrong = fit_distillation("eq8-reduced", N_S, D_S, L_T, L_S, **options)
    held_right, held_wrong = leave_one_cell_out(right), leave_one_cell_out(wrong)
    assert held_right.root_mean_square < 0.003
    assert held_wrong.root_mean_square > 2 * held_right.root_mean_square
    assert held_right.status == ("converged",) * 9
    np.testing.assert_array_equal(np.unique(held_right.cell), np.arange(9))


def test_held_out_runs_do_not_touch_their_prediction() -> None:
    """A run 50% off changes its own error by log 1.5 and no other of its fold."""
    law = distillation_law().reduced()
    L_S = law.loss(N_S, D_S, L_T) * np.exp(0.002 * np.random.default_rng(1).standard_normal(54))
    spoiled = np.where(np.arange(54) == 8, 1.5 * L_S, L_S)
    fits = [fit_distillation("eq8-reduced", N_S, D_S, L_T, y, supervised=OWN)
            for y in (L_S, spoiled)]  # fmt: skip
    clean, dirty = (leave_one_cell_out(fit).error for fit in fits)
    np.testing.assert_allclose(clean[6:12] - dirty[6:12], np.log(1.5) * (np.arange(6) == 2),
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: bootstrap(fit, seed=0, n=1), "n = 1 must be at least 2"),
        (lambda fit: bootstrap(fit, seed=0, kind="wild"), "kind = 'wild'"),
        (lambda fit: bootstrap(replace(fit, status="not-converged"), seed=0), "not-converged"),
        (lambda fit: bootstrap(fit, seed=0, groups=[1, 2]), "groups of shape (2,)"),
        (lambda fit: bootstrap(fit, seed=0, kind="cells", groups=N > 1e8), "2 cells, must be"),
        (lambda fit: bootstrap(fit, seed=0).prediction_interval(0.9, N=1e9), "inputs ['N'] must"),
        (lambda fit: bootstrap(fit, seed=0).interval(1.0), "level = 1 must be between"),
        (lambda fit: leave_one_cell_out(fit, groups=np.zeros(20)), "1 cell"),
        (lambda fit: leave_one_cell_out(fit, groups=np.arange(20) < 17), "3 runs without cell"),
    ],
)
def test_refusals(call, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call(noisy_fit(0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fit_without_degrees_of_freedom_has_no_intervals() -> None:
    six = np.array([0, 3, 6, 9, 13, 16])
    saturated = fit_supervised(N[six], D[six], OWN.loss(N[six], D[six]))
    assert np.isnan(saturated.noise)
    with pytest.raises(InputError, match="0 degrees of freedom"):
        bootstrap(saturated, seed=0)
