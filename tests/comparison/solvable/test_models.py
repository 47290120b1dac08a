"""The sets of exact runs, and what was derived of them, against the chain."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.solvable.capacity import student_parts
from capgap.comparison.solvable.derived import (
    hinge_softness,
    least_squares_powers,
    ridgeless_theta,
    sgd_theta,
    tuned_power,
    variance_slope,
    width_slope,
)
from capgap.comparison.solvable.evidence import (
    compare_softness,
    compare_strong_slopes,
    compare_weak_slopes,
    exact_hinge,
)
from capgap.comparison.solvable.models import (
    SETTINGS,
    Setting,
    solvable_runs,
    stage_risks,
    student_ridge,
    tail_spectrum,
)
from capgap.comparison.solvable.slopes import fit_powers, strong_slopes, student_corners
from capgap.errors import InputError
from capgap.spectrum import Stage
from capgap.theory.finite.least_squares import least_squares_pair
from capgap.theory.finite.ridge_chain import chain

NAMED = {one.name: one for one in SETTINGS}
LS = NAMED["LS, slow tail"]


def test_settings_cover_what_they_say() -> None:
    assert len(SETTINGS) >= 12
    assert len(NAMED) == len(SETTINGS)
    assert {one.student for one in SETTINGS} == {
        "least squares", "ridge", "tuned ridge", "random features", "sgd",
    }  # fmt: skip
    assert {one.teachers for one in SETTINGS} == {
        "perfect", "width", "samples", "trained", "stopped",
    }  # fmt: skip


def test_least_squares_runs_are_the_exact_pair() -> None:
    """Oracle: `least_squares_pair`, another implementation."""
    setting = NAMED["LS, overfitting teachers"]
    taught = solvable_runs(setting).taught
    spectrum = tail_spectrum(setting.a, setting.alpha)
    cell = (taught.N == 40) & (taught.D == 1024)
    widths = [3, 5, 10, 20, 48, 90, 180, 400, 900, 2000]
    pair = least_squares_pair(spectrum, widths, 40, 4096, 1024, setting.noise)
    assert taught.L_T is not None
    assert taught.L_T[cell] == pytest.approx(setting.noise + pair.teacher_risk, rel=1e-12)
    assert taught.loss[cell] == pytest.approx(setting.noise + pair.student_risk, rel=1e-12)


def test_a_floor_is_the_noise_and_nothing_else() -> None:
    setting = NAMED["ridge, bend 3"]
    small = replace(setting, N=(64,), D=(128, 320))
    whole, excess = solvable_runs(small), solvable_runs(small, excess=True)
    assert whole.taught.loss == pytest.approx(excess.taught.loss + setting.noise, rel=1e-12)
    assert whole.alone.loss == pytest.approx(excess.alone.loss + setting.noise, rel=1e-12)


def test_a_tuned_ridge_is_the_best_one() -> None:
    setting = NAMED["tuned ridge, bend 3"]
    best = student_ridge(setting, 160, 320)
    spectrum = tail_spectrum(setting.a, setting.alpha)
    risks = [
        chain(spectrum, [Stage(160, 320, best * f, setting.noise)]).risk[0]
        for f in (0.7, 0.97, 1.0, 1.03, 1.4)
    ]
    assert np.argmin(risks) == 2


def test_the_additive_hinge_is_exact_for_least_squares_and_the_fitter_finds_it() -> None:
    """In degrees of freedom; with plain samples (negative control) the same law is not."""
    fit = exact_hinge(solvable_runs(LS))
    assert np.max(np.abs(fit.residual)) < 1e-12
    for name in ("scale", "rho", "c", "p", "q"):
        assert fit.coefficients[name] == pytest.approx(1.0, abs=1e-9), name
    assert fit.coefficients["s"] < 1e-3
    runs = solvable_runs(LS)
    plain = replace(runs, taught=replace(runs.taught, D=runs.taught.D + runs.taught.N + 1))
    assert np.max(np.abs(exact_hinge(plain).residual)) > 1e-5


@pytest.mark.parametrize(
    ("name", "largest"),
    [("LS, few samples", 1e-9), ("ridge, bend 3", 0.02), ("tuned ridge, bend 2", 0.05),
     ("ridgeless, wide", 0.06)],
)  # fmt: skip
def test_theta_is_gamma_over_one_less_gamma(name: str, largest: float) -> None:
    """Exact for least squares; else integrals for sums over some 30 modes and more."""
    assert compare_strong_slopes(NAMED[name]).largest_error < largest


def test_theta_without_ridge_tends_to_a_minus_1() -> None:
    """The wider the student, the nearer; at 125 modes per sample within 4%."""
    slopes = compare_strong_slopes(NAMED["ridgeless, wide"])
    ratio, away = slopes.N / slopes.D, np.abs(slopes.measured / ridgeless_theta(1.5) - 1)
    assert away[np.argmax(ratio)] < 0.04
    widest = slopes.N == 4000
    assert np.all(np.diff(away[widest][np.argsort(ratio[widest])]) < 0)


def test_powers_of_least_squares_are_the_derivatives() -> None:
    N, D, h = 100.0, 700.0, 1e-6

    def log_theta(n: float, d: float) -> float:
        return float(np.log(n / (d - n - 1)))

    p, q = least_squares_powers(N, D)
    grow = np.exp(h)
    assert (log_theta(N * grow, D) - log_theta(N / grow, D)) / (2 * h) == pytest.approx(p, 1e-6)
    assert (log_theta(N, D / grow) - log_theta(N, D * grow)) / (2 * h) == pytest.approx(q, 1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_a_tuned_ridge_makes_theta_fall_as_derived(alpha: float) -> None:
    """Wide students, 125 to 2000 samples; what the asymptotics leave out is allowed 0.04.

    A fixed ridge (negative control) gives another power.
    """
    tuned = Setting("", "tuned ridge", "perfect", alpha=alpha, N=(3000, 3500), D=(125, 500, 2000))
    found = fit_powers(tuned, strong_slopes(tuned))
    assert found.q == pytest.approx(tuned_power(alpha), abs=0.04)
    fixed = replace(tuned, student="ridge", ridge=0.01)
    assert abs(fit_powers(fixed, strong_slopes(fixed)).q - tuned_power(alpha)) > 0.2


def test_sgd_with_a_constant_step_keeps_its_gap() -> None:
    """Exact recursion against the stationary noise: after 20000 steps all 16 modes are learned.

    A tenth of the step (negative control) has a tenth of the gap.
    """
    setting = Setting("", "sgd", "perfect", N=(16,), D=(2000, 20000))
    slopes = compare_strong_slopes(setting)
    assert slopes.measured[1] == pytest.approx(slopes.derived[1], rel=1e-6)
    unit = tail_spectrum(1.5, 0.5).eigenvalues[:16]
    assert sgd_theta(unit, 0.02) < 0.15 * slopes.measured[1]
    with pytest.raises(InputError, match="samples = 30 must be infinite"):
        stage_risks(setting, [Stage(3, 30), Stage(16, 30)])
    with pytest.raises(InputError, match="step_size = 1 must be smaller"):
        sgd_theta(unit, 1.0)


def test_variance_passes_as_derived() -> None:
    """Oracle: the chain, with noisier and noisier labels of the teacher.

    The teacher's variance at mode i is (R/n) s_i^2, R linear in the noise; the student's risk
    rises by the mean of `variance_slope` with these weights.
    """
    spectrum = tail_spectrum(1.5, 0.5, 300)
    student = Stage(200, 150, 1e-3)
    teachers = [Stage(300, 500, 2e-3, noise) for noise in (0.5, 1.5)]
    one, other = (chain(spectrum, [teacher, student]) for teacher in teachers)
    unit = spectrum.eigenvalues
    weight = (unit / (unit + one.kappa[0])) ** 2
    s = np.where(np.arange(300) < 200, unit / (unit + one.kappa[1]), 0.0)
    slopes = variance_slope(s, one.gamma[1] / (1 - one.gamma[1]))
    expected = float(np.sum(weight * slopes) / np.sum(weight))
    measured = (other.risk[1] - one.risk[1]) / (other.risk[0] - one.risk[0])
    assert measured == pytest.approx(expected, rel=1e-9)
    assert measured < 1


def test_weak_slopes_grow_with_the_students_width() -> None:
    runs = solvable_runs(NAMED["LS, teachers of more samples"])
    assert compare_weak_slopes(runs) < 1e-12
    assert np.all(np.diff(width_slope([16, 40, 100, 250], 512, 0.1)) > 0)


def test_softness_is_where_both_slopes_turn_alike() -> None:
    """Oracle: numerical derivatives of both slopes at the student's halfway point."""
    theta, K, nu = 0.3, 0.2, 2.5
    s = float(hinge_softness(theta, K, nu))
    half = K * (np.sqrt(2) - 1) ** (1 / nu)

    def student(x: float) -> float:
        return float(student_parts(x, 0.0, K, theta, nu).by_x)

    def hinge(x: float) -> float:
        return 1 - (1 + theta) / (1 + np.exp((1 + theta) * x / s))

    h = 1e-5
    turning = (student(half + h) - student(half - h)) / (2 * h)
    assert student(half) == pytest.approx(0.5 * (1 - theta), rel=1e-12)
    assert (hinge(h) - hinge(-h)) / (2 * h) == pytest.approx(turning, rel=1e-6)


def test_least_squares_corners_are_sharp_and_kernel_corners_are_soft() -> None:
    sharp = student_corners(replace(LS, N=(100,), D=(1024,)))[0]
    assert sharp.level == pytest.approx(0.1, rel=1e-3)
    assert sharp.theta == pytest.approx(100 / 923, rel=1e-2)
    soft = student_corners(replace(NAMED["ridge, bend 3"], N=(1000,), D=(320,)))[0]
    assert soft.s > 20 * sharp.s
    found = compare_softness(replace(NAMED["ridge, bend 3"], N=(1000,), D=(320, 2000)))
    # The hinge's bend is symmetric, the student's is not: theta is paid for a better bend.
    assert found["theta of the fitted hinge over true, median"] > 1.5
    assert 0.5 < found["softness over derived, median"] < 2.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridgeless_theta(1.0), "a = 1 must be > 1"),
        (lambda: tuned_power(0.0), "alpha = 0 must be > 0"),
        (lambda: width_slope(9, 8, 0.1), "N/N_T = 1.125 must be at most 1"),
        (lambda: least_squares_powers(5, 6), "must be"),
        (lambda: fit_powers(LS, np.ones(3)), "values must be 16, all > 0"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
