"""Refits: they cover planted truths at their nominal rate, and refuse what they cannot do."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.held_out import leave_one_cell_out
from capgap.comparison.intervals import bootstrap
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


@pytest.mark.parametrize("kind", ["noise", "residuals", "wild", "pairs", "cells"])
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
        (lambda fit: bootstrap(fit, seed=0, kind="moon"), "kind = 'moon' must be noise, residuals"),
        (lambda fit: bootstrap(fit, seed=0).interval(method="best"), "method = 'best' must be t"),
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


def test_prediction_interval_by_hand() -> None:
    """Oracle: t times the root of the refits' mean square about the fit plus the noise's."""
    refits = bootstrap(noisy_fit(2), seed=1, n=40)
    model = refits.fit.problem.model.at({"N": np.array([3e8]), "D": np.array([5e9])})
    center = model.predict(refits.fit.x[None])[0, 0]
    spread = np.mean((model.predict(refits.x)[:, 0] - center) ** 2)
    for level in (0.5, 0.95):
        wide = t.ppf(0.5 + level / 2, refits.degrees_of_freedom)
        new = refits.prediction_interval(level, N=3e8, D=5e9)
        mean = refits.mean_interval(level, N=3e8, D=5e9)
        assert np.log(new.high / new.center) == pytest.approx(
            wide * np.hypot(np.sqrt(spread), refits.noise), rel=1e-9
        )
        assert np.log(mean.high / mean.center) == pytest.approx(wide * np.sqrt(spread), rel=1e-9)
        assert new.low * new.high == pytest.approx(new.center**2, rel=1e-9)


def test_residuals_and_wild_follow_heavy_tails_and_noise_does_not() -> None:
    """One run in ten has 12 times the error: normal noise of that root mean square spreads the
    refits of a fit that hardly feels them (delta = 0.002) further than they lie apart.
    Statistic: mean over 40 draws of the width over the errors' own root mean square."""
    rng, widths, errors = np.random.default_rng(0), {"noise": [], "residuals": [], "wild": []}, []
    true = np.log(OWN.loss(1.5e8, 3e9))
    for _ in range(40):
        error = 0.002 * rng.standard_normal(N.size) * np.where(rng.random(N.size) < 0.1, 12, 1)
        fit = fit_supervised(N, D, OWN.loss(N, D) * np.exp(error), delta=0.002)
        for kind, found in widths.items():
            mean = bootstrap(fit, seed=1, n=60, kind=kind).mean_interval(0.9, N=1.5e8, D=3e9)
            found.append(float(np.log(mean.high / mean.low)))
        errors.append(float(np.log(mean.center) - true))
    wide = 2 * t.ppf(0.95, 14)
    size = {kind: np.median(found) / wide for kind, found in widths.items()}
    spread = np.median(np.abs(errors)) * 1.4826
    assert size["noise"] > 1.6 * spread
    assert size["residuals"] < 1.5 * spread
    assert size["wild"] < 1.5 * spread


def test_measured_standard_errors_set_the_noise_of_each_run() -> None:
    """Runs whose noise is known to differ by ten: refits with noise in proportion spread as
    much as fits to new noise do (within 25%, 80 of them), and `noise` is the typical run's."""
    s = NOISE * np.where(np.arange(N.size) % 2 == 0, 0.3, 3.0)
    rng, options = np.random.default_rng(4), {"gamma": OWN.gamma, "delta": 5.0}
    fits = [
        fit_supervised(N, D, L, standard_errors=s * L, **options)
        for L in OWN.loss(N, D) * np.exp(s * rng.standard_normal((80, N.size)))
    ]
    truth = np.std([fit.problem.model.predict(fit.x[None])[0, 6] for fit in fits])
    found = [bootstrap(fit, seed=0, n=60) for fit in fits[:20]]
    refits = np.median([np.std(r.fit.problem.model.predict(r.x)[:, 6]) for r in found])
    assert refits == pytest.approx(truth, rel=0.25)
    typical = np.sqrt(np.mean([r.noise**2 for r in found])) / (NOISE * np.sqrt(0.9))
    assert typical == pytest.approx(1.0, abs=4 / np.sqrt(2 * 15 * 20))


def test_joint_fits_predict_runs_without_a_teacher() -> None:
    """A fit to both kinds of runs: NaN for the teacher's loss asks for the law alone."""
    from capgap.comparison.tables.run_table import RunTable

    L_S = HINGE.loss(N_S, D_S, L_T) * np.exp(0.002 * np.random.default_rng(0).standard_normal(54))
    error = 0.002 * np.random.default_rng(1).standard_normal(N.size)
    alone = RunTable(N=N, D=D, loss=OWN.loss(N, D) * np.exp(error))
    fit = fit_distillation(
        "hinge", N_S, D_S, L_T, L_S, supervised_runs=alone, delta=0.01, terms=("p",)
    )
    for kind in ("wild", "cells"):
        refits = bootstrap(fit, seed=0, n=30, kind=kind)
        both = refits.mean_interval(0.99, N_S=[3e8, 3e8], D_S=[8e9, 8e9], L_T=[np.nan, 2.1])
        assert both.low[0] < OWN.loss(3e8, 8e9) < both.high[0]
        assert both.low[1] < HINGE.loss(3e8, 8e9, 2.1) < both.high[1]
