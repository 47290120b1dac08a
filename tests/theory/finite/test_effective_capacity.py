"""Theorem 2c from the chain, its optimum, the best teacher, and the law it implies."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from theory.finite.finite_models import SPECTRA, spectra, stages

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite import PowerLawStudent, capacity, chain, hinge
from capgap.theory.finite.moments import Moments
from capgap.theory.finite.ridge_chain import ridge_step


@st.composite
def students(draw: st.DrawFn) -> tuple[Spectrum, Stage]:
    spectrum = draw(spectra())
    return spectrum, draw(stages(spectrum.size))


def risk_under(spectrum: Spectrum, b: np.ndarray, student: Stage) -> float:
    return ridge_step(spectrum, Moments.of_teacher(spectrum, b), student).moments.risk(spectrum)


@given(students())
def test_every_perfect_teacher_as_a_chain(case) -> None:
    """2c from 2b: a perfect teacher of m modes is a stage with infinitely many samples."""
    spectrum, student = case
    found = capacity(spectrum, student)
    for m in range(1, spectrum.size + 1):
        both = chain(spectrum, [Stage(m, inf), student]).risk
        expected = (found.teacher_risk[m], found.student_risk[m])
        assert both == pytest.approx(expected, rel=1e-10, abs=1e-300)


@given(students())
def test_falls_to_its_capacity_and_rises_after(case) -> None:
    spectrum, student = case
    found = capacity(spectrum, student)
    steps, scale = np.diff(found.student_risk), 1e-12 * found.student_risk.max()
    assert 1 <= found.size <= student.features
    assert np.all(steps[: found.size] <= scale)
    assert np.all(steps[found.size :] >= -scale)
    # E_S >= E_T for every perfect teacher and every ridge student.
    assert np.all(found.student_risk >= found.teacher_risk * (1 - 1e-12))
    np.testing.assert_array_equal(found.slopes > 0, np.arange(spectrum.size) < found.size)
    np.testing.assert_allclose(steps, -found.slopes * spectrum.alpha**2, atol=scale + 1e-300)


@given(students(), st.integers(0, 11), st.floats(-0.5, 0.5))
def test_no_linear_teacher_is_better_than_the_best(case, mode: int, change: float) -> None:
    spectrum, student = case
    found = capacity(spectrum, student)
    least = risk_under(spectrum, found.best_teacher, student)
    assert least == pytest.approx(found.best_teacher_risk, rel=1e-9, abs=1e-12)
    other = np.array(found.best_teacher)
    other[mode % spectrum.size] += change
    assert risk_under(spectrum, other, student) >= least * (1 - 1e-12)
    assert found.student_risk.min() >= least * (1 - 1e-9)


@given(students())
def test_amplifies_only_modes_that_the_best_perfect_teacher_keeps(case) -> None:
    spectrum, student = case
    found = capacity(spectrum, student)
    assert not np.any(found.amplified[found.size :])
    ratio = np.abs(found.best_teacher[: student.features])
    target = np.abs(spectrum.coefficients[: student.features])
    clear = (np.abs(found.s - found.gamma) > 1e-9) & (1 - found.s > 1e-9) & (target > 0)
    np.testing.assert_array_equal((ratio > target)[clear], found.amplified[clear])


def test_least_squares_students_have_the_hinge() -> None:
    spectrum = SPECTRA["power"]
    found = capacity(spectrum, Stage(5, 25))
    assert found.theta == pytest.approx(5 / 20, rel=1e-14)
    assert found.size == 5
    corner = hinge(found.teacher_risk, spectrum.tail(5), 0.25)
    np.testing.assert_allclose(found.student_risk, corner, rtol=1e-12)


def test_gap_vanishes_with_samples() -> None:
    spectrum = SPECTRA["power"]
    heights, sizes = [], []
    for n in (20, 200, 2000, 20000):
        found = capacity(spectrum, Stage(8, n, 1.0 / n))
        heights.append(found.student_risk[-1] - found.student_risk[found.size])
        sizes.append(found.size)
    assert sizes == sorted(sizes)
    assert sizes[-1] == 8
    ratio = np.array(heights[:-1]) / np.array(heights[1:])
    assert ratio[-1] == pytest.approx(10, rel=0.01)


@given(students(), st.floats(0.1, 3))
def test_label_noise_shifts_every_risk_alike(case, noise: float) -> None:
    spectrum, s = case
    quiet = capacity(spectrum, Stage(s.features, s.samples, s.ridge))
    loud = capacity(spectrum, Stage(s.features, s.samples, s.ridge, noise))
    shift = loud.student_risk - quiet.student_risk
    scale = quiet.student_risk + quiet.theta * noise
    assert np.all(np.abs(shift - quiet.theta * noise) <= 1e-12 * scale)


def test_fifty_digits() -> None:
    lam, beta, student = [1.0, 0.5, 0.25, 0.125], [1.0, -2.0, 3.0, 0.5], Stage(3, 5, 0.125)
    found = capacity(Spectrum(lam, beta), student)
    with mpmath.workdps(50):
        kappa = mpmath.findroot(
            lambda x: 1 - student.ridge / x - mpmath.fsum(u / (u + x) for u in lam[:3]) / 5,
            (0.1, 1),
            solver="anderson",
            tol=1e-80,
        )
        s = [u / (u + kappa) for u in lam[:3]]
        gamma = mpmath.fsum(x**2 for x in s) / 5
        theta = gamma / (1 - gamma)
        power = [u * x**2 for u, x in zip(lam, beta, strict=True)]
        risk = (
            power[2]
            + power[3]
            + mpmath.fsum((1 - s[i]) ** 2 * power[i] for i in (0, 1)) / (1 - gamma)
        )
        best = power[3] + mpmath.fsum(
            theta * (1 - x) ** 2 / (x**2 + theta * (1 - x) ** 2) * p
            for x, p in zip(s, power, strict=False)
        )
    assert found.student_risk[2] == pytest.approx(float(risk), rel=1e-14)
    assert found.best_teacher_risk == pytest.approx(float(best), rel=1e-14)
    assert found.theta == pytest.approx(float(theta), rel=1e-14)


@pytest.mark.parametrize(
    ("spectrum", "student", "message"),
    [
        (Spectrum([1.0, 2.0], [1.0, 1.0]), Stage(1, 5), "eigenvalues must not rise"),
        (SPECTRA["power"], Stage(4, 4), "samples = 4 must not equal features"),
        (SPECTRA["power"], Stage(4, 9, random_features=3), "random_features must be None"),
        (SPECTRA["power"], Stage(13, 9), "features = 13 must be at most"),
    ],
)
def test_bad_input_is_refused(spectrum, student, message) -> None:
    with pytest.raises(InputError, match=message):
        capacity(spectrum, student)


laws = st.builds(
    lambda a, b, n, share: PowerLawStudent(a, 1 + (b - 1) * 2 * a * 0.95 + 0.02, n, share),
    st.floats(1.05, 4),
    st.floats(1.0, 2.0),
    st.floats(1, 1e6),
    st.just(0.0) | st.floats(0, 0.99),
)


@settings(max_examples=40)
@given(laws, st.floats(-2, 2))
def test_law_is_the_integral_of_its_slope(law: PowerLawStudent, log_ratio: float) -> None:
    """Oracle: quadrature of the stated slope from the corner."""
    ratio = 10**log_ratio
    rise = law.student_risk(law.corner * ratio) - law.student_risk(law.corner)
    # In log E_T the slope turns over a width 1/p: no narrow step to miss.
    area, _ = quad(
        lambda z: float(law.slope(law.corner * np.exp(z))) * np.exp(z),
        0.0,
        np.log(ratio),
        epsabs=1e-11,
        epsrel=1e-9,
        limit=500,
    )
    assert float(rise) / law.corner == pytest.approx(area, rel=1e-7, abs=1e-9)


@given(laws)
def test_law_has_slopes_one_and_minus_theta_and_one_optimum(law: PowerLawStudent) -> None:
    assert float(law.slope(law.corner * 1e-60 ** (1 / law.sharpness))) == pytest.approx(
        -law.theta, rel=1e-6, abs=1e-9
    )
    far = law.corner * min(1e300, 1e12 ** (1 / law.sharpness))
    assert float(law.slope(far)) == pytest.approx(1, abs=1e-6 * (1 + law.theta) + 1e-9)
    best = law.best_teacher_risk
    if 0 < best < inf:
        assert float(law.slope(best)) == pytest.approx(0, abs=1e-9 * (1 + law.theta))
    assert law.theta == pytest.approx(law.gamma / (1 - law.gamma), rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(4.0, 3.0), (3.0, 2.5), (2.5, 2.2)])
def test_law_is_reached_by_many_samples(a: float, b: float) -> None:
    """Sums become integrals like 1/i_0: error falls as samples grow."""
    off = []
    for n in (30, 120, 480):
        spectrum = power_law(200_000, a, b)
        found, law = capacity(spectrum, Stage(200_000, n)), PowerLawStudent(a, b, n)
        sizes = [found.size // 2, found.size, found.size * 4]
        predicted = law.student_risk(found.teacher_risk[sizes])
        off.append(float(np.max(np.abs(predicted / found.student_risk[sizes] - 1))))
        assert found.theta == pytest.approx(a - 1, rel=0.5 / n**0.5)
    assert off[0] > 2.5 * off[1] > 6 * off[2]
    assert off[2] < 0.01


def test_samples_move_the_corner_and_not_the_slopes() -> None:
    few, many = PowerLawStudent(1.5, 1.8, 100), PowerLawStudent(1.5, 1.8, 1600)
    assert few.theta == many.theta == 0.5
    assert few.softness == many.softness
    assert few.corner / many.corner == pytest.approx(16**0.8, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": 1.0}, "a = 1 must be finite and > 1"),
        ({"b": 5.0}, r"b = 5 must be in \(1, 2 a \+ 1\)"),
        ({"n": 0.0}, "n = 0 must be finite and > 0"),
        ({"share": 1.0}, r"share = 1 must be in \[0, 1\)"),
    ],
)
def test_law_refuses_bad_input(change, message) -> None:
    with pytest.raises(InputError, match=message):
        PowerLawStudent(**({"a": 2.0, "b": 2.0, "n": 10.0} | change))


def test_law_keeps_its_digits_under_a_sharp_corner() -> None:
    """Oracle: 50 digits. With p = 100 the incomplete beta function is all but a step."""
    law = PowerLawStudent(a=2.0, b=1.02, n=10.0)
    with mpmath.workdps(50):
        p, theta, corner = 2 / mpmath.mpf("0.02"), mpmath.mpf(1), mpmath.mpf(law.corner)
        for ratio in ("1e-6", "0.1", "0.6", "0.9", "1.0", "1.1", "3.0"):
            # Integral of (1 + x^p)^-2 from the ratio: below 1/2 all of it but the ratio itself,
            # to 2^-100 of that, else by substitution of v.
            v = 1 / (1 + mpmath.mpf(ratio) ** p)
            area = mpmath.betainc(2 - 1 / p, 1 / p, 0, v) / p
            if float(ratio) < 0.5:
                area = mpmath.beta(2 - 1 / p, 1 / p) / p - mpmath.mpf(ratio)
            exact = corner * (mpmath.mpf(ratio) + (1 + theta) * area)
            found = float(law.student_risk(law.corner * float(ratio)))
            # b - 1 = 0.02 as a double is off by 1e-15 of itself times 50 of its inverse.
            assert found == pytest.approx(float(exact), rel=1e-12)
