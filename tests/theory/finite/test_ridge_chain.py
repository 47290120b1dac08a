"""Chains of ridge stages: random-matrix oracle, limits, conservation, collapse, 50 digits."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from theory.finite.finite_models import SPECTRA, flipped, scaled, spectra, stages

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite import chain, least_squares_chain


@st.composite
def chains(draw: st.DrawFn, *, random: bool = False) -> tuple[Spectrum, list[Stage]]:
    spectrum = draw(spectra())
    count = draw(st.integers(1, 4))
    drawn = [
        draw(stages(spectrum.size, random=random and draw(st.booleans()))) for _ in range(count)
    ]
    return spectrum, drawn


def marchenko_pastur(ratio: float, f) -> float:
    """Mean of f over eigenvalues of a large sample covariance, m/n = ratio < 1."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2

    def density(angle: float) -> float:
        x = low + (high - low) * np.sin(angle) ** 2
        jacobian = (high - low) * np.sin(2 * angle)
        return f(x) * np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * ratio * x) * jacobian

    return quad(density, 0, np.pi / 2, epsabs=1e-13, epsrel=1e-12, limit=200)[0]


@pytest.mark.parametrize("ridge", [0.0, 0.1, 2.0])
def test_two_isotropic_stages_by_marchenko_pastur(ridge: float) -> None:
    """Oracle: averages of the ridge filter over the Marchenko-Pastur law (no kappa in it)."""
    m, n, n_S, noise = 10, 25, 40, 0.7
    beta = np.linspace(1, 2, m)
    size = beta @ beta
    filters = [
        (
            lambda x: x / (x + ridge),
            lambda x: x**2 / (x + ridge) ** 2,
            lambda x: x / (x + ridge) ** 2,
        )
    ]
    once, twice, noisy = filters[0]
    h1, h2, v = (marchenko_pastur(m / n, f) for f in (once, twice, noisy))
    q = h2 * size + noise * m / n * v
    teacher = size - 2 * h1 * size + q
    g1, g2 = (marchenko_pastur(m / n_S, f) for f in (once, twice))
    student = size - 2 * g1 * h1 * size + g2 * q
    found = chain(Spectrum(np.ones(m), beta), [Stage(m, n, ridge, noise), Stage(m, n_S, ridge)])
    assert found.risk == pytest.approx((teacher, student), rel=1e-9)
    assert found.square[0].sum() == pytest.approx(q, rel=1e-9)


@given(chains(random=True))
def test_errors_moments_and_distances_agree(case) -> None:
    """Conserved: the spread of a stage is gamma R, so its error is what its moments say."""
    spectrum, plan = case
    found = chain(spectrum, plan)
    before_a, before_q = spectrum.coefficients, spectrum.coefficients**2
    for k, stage in enumerate(plan):
        a, q = found.mean[k], found.square[k]
        risk = np.sum(
            spectrum.eigenvalues * (spectrum.coefficients * (spectrum.coefficients - 2 * a) + q)
        )
        scale = np.sum(spectrum.eigenvalues * (spectrum.coefficients**2 + q))
        assert risk == pytest.approx(found.risk[k], abs=1e-12 * scale)
        assert np.all(q >= a**2 * (1 - 1e-12))
        assert np.all(a[stage.features :] == 0)
        assert 0 <= found.train_error[k] <= found.error[k] * (1 + 1e-12)
        assert 0 <= found.gamma[k] <= 1 + 1e-12
        # E (b - w)^2 needs E b w = (share learned) q, share = a_k / a_before where that is not 0.
        unit, kappa = spectrum.eigenvalues, found.kappa[k]
        share = np.where(np.arange(unit.size) < stage.features, unit / (unit + kappa), 0)
        apart = np.sum(unit * (before_q - 2 * share * before_q + q)) + stage.label_noise
        scale += np.sum(unit * before_q) + stage.label_noise
        assert apart == pytest.approx(found.error[k], rel=1e-9, abs=1e-10 * scale)
        np.testing.assert_allclose(a, share * before_a, rtol=1e-12)
        before_a, before_q = a, q


@given(chains())
def test_training_error_is_the_squared_ratio_of_ridges(case) -> None:
    spectrum, plan = case
    found = chain(spectrum, plan)
    for k, stage in enumerate(plan):
        if found.kappa[k] > 0:
            expected = (stage.ridge / found.kappa[k]) ** 2 * found.error[k]
            assert found.train_error[k] == pytest.approx(expected, rel=1e-6, abs=1e-20)
        elif stage.samples < inf:
            expected = (1 - stage.features / stage.samples) ** 2 * found.error[k]
            assert found.train_error[k] == pytest.approx(expected, rel=1e-12)


@given(chains(random=True), st.floats(-3, 3), st.floats(-2, 2))
def test_units_and_signs_do_not_matter(case, log_units: float, log_labels: float) -> None:
    spectrum, plan = case
    units, labels = 10**log_units, 10**log_labels
    plain = chain(spectrum, plan).risk
    other = [
        Stage(s.features, s.samples, s.ridge * units, s.label_noise * labels**2, s.random_features)
        for s in plan
    ]
    risk = np.array(chain(scaled(spectrum, units, labels), other).risk) / labels**2
    # Where n is close to m, kappa moves by more than the rounding of its inputs.
    assert risk == pytest.approx(plain, rel=1e-6)
    assert chain(flipped(spectrum), plan).risk == pytest.approx(plain, rel=1e-14)


@given(spectra(), st.floats(0, 3), st.integers(1, 12))
def test_population_limit(spectrum, ridge: float, m: int) -> None:
    """Infinite samples: kappa is the ridge, nothing is spread, noise does not matter."""
    m = min(m, spectrum.size)
    found = chain(spectrum, [Stage(m, inf, ridge, 5.0)])
    left = ridge / (spectrum.eigenvalues[:m] + ridge)
    bias = np.sum(spectrum.alpha[:m] ** 2 * left**2) + spectrum.tail(m)
    assert found.risk[0] == pytest.approx(bias, rel=1e-12, abs=1e-300)
    assert found.gamma == (0.0,)
    large = chain(spectrum, [Stage(m, 10**12, ridge, 5.0)])
    assert large.risk[0] == pytest.approx(bias, rel=1e-6, abs=1e-9)


def test_least_squares_is_reached_like_one_over_n() -> None:
    """Twice the sizes, half the error of the equivalent against the exact chain (2a)."""
    errors = []
    for size in (20, 40, 80):
        spectrum = power_law(2 * size, 0.0, 0.0)
        plan = [Stage(size, 3 * size, 0.0, 1.0), Stage(size // 2, 2 * size)]
        exact, found = least_squares_chain(spectrum, plan).risk, chain(spectrum, plan).risk
        errors.append(np.abs(np.array(found) / np.array(exact) - 1))
    ratio = np.array(errors[:-1]) / np.array(errors[1:])
    assert np.all((ratio > 1.9) & (ratio < 2.1))
    assert np.all(errors[0] > 1e-3)


@given(spectra(2), st.integers(2, 60))
def test_small_ridge_tends_to_none(spectrum, n: int) -> None:
    if n == spectrum.size:
        return
    plan = [Stage(spectrum.size, n, 0.0, 1.0)]
    tiny = [Stage(spectrum.size, n, 1e-12, 1.0)]
    assert chain(spectrum, tiny).risk == pytest.approx(chain(spectrum, plan).risk, rel=1e-5)


def test_interpolation_threshold_is_infinite_only_for_noisy_labels() -> None:
    spectrum = SPECTRA["power"]
    noisy = chain(spectrum, [Stage(6, 6, 0.0, 0.1), Stage(3, 20)])
    assert noisy.risk == (inf, inf)
    misfit = chain(spectrum, [Stage(6, 6)])
    assert misfit.risk == (inf,)
    exact = chain(spectrum, [Stage(12, 12), Stage(4, inf), Stage(4, 4)])
    assert exact.risk[0] == 0
    assert exact.risk[1:] == pytest.approx((spectrum.tail(4),) * 2, rel=1e-14)
    near = [chain(spectrum, [Stage(6, 6, ridge, 0.1)]).risk[0] for ridge in (1e-2, 1e-4, 1e-6)]
    assert near[0] < near[1] < near[2]
    # gamma -> 1 like the square root of the ridge.
    assert near[2] / near[1] == pytest.approx(10, rel=0.15)


@given(st.integers(1, 10), st.integers(2, 30), st.floats(0.1, 3), st.integers(1, 6))
def test_model_collapse_is_linear_in_generations(m, more, noise, generations) -> None:
    """Dohmatob et al. 2402.07712: k equal generations, k times the risk of the first."""
    spectrum = Spectrum(np.linspace(2, 1, m), np.ones(m))
    plan = [Stage(m, m + more, 0.0, noise)] * generations
    k = np.arange(1, generations + 1)
    exact = k * noise * m / (more - 1) if more > 1 else None
    if exact is not None:
        assert least_squares_chain(spectrum, plan).risk == pytest.approx(exact, rel=1e-12)
    assert chain(spectrum, plan).risk == pytest.approx(k * noise * m / more, rel=1e-12)


@given(spectra(2), st.data())
def test_no_student_of_a_perfect_teacher_beats_it(spectrum, data) -> None:
    """E_S >= E_T for a teacher that is the target cut at m, whatever the ridge student."""
    m = data.draw(st.integers(1, spectrum.size))
    student = data.draw(stages(spectrum.size))
    teacher, found = chain(spectrum, [Stage(m, inf), student]).risk
    assert found >= teacher * (1 - 1e-12)


def test_weak_to_strong_happens() -> None:
    """Counterexample: a noisy interpolating teacher, a student with a larger ridge."""
    spectrum = power_law(200, 1.3, 1.6)
    teacher, student = chain(spectrum, [Stage(50, 60, 0.0, 0.3), Stage(150, 200, 0.03)]).risk
    assert student < 0.5 * teacher


def test_fifty_digits_three_stages() -> None:
    """A chain of three with 50 digits: kappa by root finding, moments by the recursion."""
    lam, beta = [1.0, 0.5, 0.25, 0.125, 0.0625], [1.0, -2.0, 3.0, 0.5, -4.0]
    plan = [Stage(5, 4, 0.0, 0.25), Stage(4, 7, 0.125), Stage(3, 6, 0.0625, 0.5)]
    found = chain(Spectrum(lam, beta), plan)
    with mpmath.workdps(50):
        a, q = [mpmath.mpf(x) for x in beta], [mpmath.mpf(x) ** 2 for x in beta]
        for k, stage in enumerate(plan):
            m, n = stage.features, int(stage.samples)

            def residual(x, m=m, n=n, ridge=stage.ridge):
                return 1 - ridge / x - mpmath.fsum(u / (u + x) for u in lam[:m]) / n

            kappa = mpmath.findroot(residual, (1e-3, 10), solver="anderson", tol=1e-80)
            s = [u / (u + kappa) if i < m else mpmath.mpf(0) for i, u in enumerate(lam)]
            top = mpmath.fsum(u * (1 - x) ** 2 * y for u, x, y in zip(lam, s, q, strict=True))
            error = (top + stage.label_noise) / (1 - mpmath.fsum(x**2 for x in s) / n)
            a = [x * y for x, y in zip(s, a, strict=True)]
            q = [x**2 * (y + error / n / u) for x, y, u in zip(s, q, lam, strict=True)]
            risk = mpmath.fsum(
                u * (b**2 - 2 * b * x + y) for u, b, x, y in zip(lam, beta, a, q, strict=True)
            )
            assert found.kappa[k] == pytest.approx(float(kappa), rel=1e-14)
            assert found.error[k] == pytest.approx(float(error), rel=1e-14)
            assert found.risk[k] == pytest.approx(float(risk), rel=1e-14)


@pytest.mark.parametrize(
    ("solve", "plan", "message"),
    [
        (chain, [], "chain: stages = .* must be at least one"),
        (chain, [Stage(13, 20)], "chain: features = 13 must be at most the spectrum's 12"),
        (least_squares_chain, [Stage(6, 7)], "samples = 7 must be > 7"),
        (least_squares_chain, [Stage(6, 20, 0.1)], "ridge = 0.1 must be 0"),
        (least_squares_chain, [Stage(6, 20, random_features=9)], "without random features"),
    ],
)
def test_bad_input_is_refused(solve, plan, message) -> None:
    with pytest.raises(InputError, match=message):
        solve(SPECTRA["power"], plan)
