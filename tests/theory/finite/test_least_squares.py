"""Least squares twice: exact risks, the hinge, weak-to-strong, and limits."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi2
from theory.finite.finite_models import SPECTRA, flipped, scaled, spectra

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite import (
    best_teacher_size,
    hinge,
    least_squares_chain,
    least_squares_pair,
    student_beats_teacher_above,
    student_risk_of,
    theta,
    weak_slope,
)

# Sums of up to 15 terms of one sign, a few operations each: rounding stays below 1e-12.
EXACT = 1e-12


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Spectrum, int, int, int, float]:
    spectrum = draw(spectra(2))
    n = draw(st.integers(1, spectrum.size))
    n_T = spectrum.size + draw(st.integers(2, 40))
    return spectrum, n, n_T, n + draw(st.integers(2, 40)), draw(st.floats(0, 3))


def risks(spectrum: Spectrum, n: int, n_T: float, n_S: float, noise: float):
    return least_squares_pair(spectrum, np.arange(spectrum.size + 1), n, n_T, n_S, noise)


def test_one_feature_by_quadrature() -> None:
    """Oracle: the spread of one coefficient is E 1/chi^2, integrated over the density."""
    spectrum, n_T, n_S, noise = Spectrum([0.5, 2.0], [1.0, -1.0]), 9, 7, 0.4
    inverse = [quad(lambda x, k=k: chi2.pdf(x, k) / x, 0, np.inf)[0] for k in (n_T, n_S)]
    t_1 = 2.0
    teacher = t_1 + (noise + t_1) * inverse[0]
    pair = least_squares_pair(spectrum, 1, 1, n_T, n_S, noise)
    # quad's own tolerance is 1.5e-8.
    assert float(pair.teacher_risk) == pytest.approx(teacher, rel=1e-7)
    perfect = least_squares_pair(spectrum, 2, 1, inf, n_S, noise)
    assert float(perfect.student_risk) == pytest.approx(t_1 + t_1 * inverse[1], rel=1e-7)


@given(pairs())
def test_pair_is_a_chain_of_two(case) -> None:
    spectrum, n, n_T, n_S, noise = case
    pair = risks(spectrum, n, n_T, n_S, noise)
    for m in range(1, spectrum.size + 1):
        both = least_squares_chain(spectrum, [Stage(m, n_T, 0.0, noise), Stage(n, n_S)]).risk
        expected = (pair.teacher_risk[m], pair.student_risk[m])
        assert both == pytest.approx(expected, rel=EXACT, abs=1e-300)


@given(pairs())
def test_small_teacher_is_copied_and_a_perfect_one_makes_a_hinge(case) -> None:
    spectrum, n, n_T, n_S, noise = case
    pair = risks(spectrum, n, n_T, n_S, noise)
    np.testing.assert_array_equal(pair.student_risk[: n + 1], pair.teacher_risk[: n + 1])
    perfect = risks(spectrum, n, inf, n_S, noise)
    corner = hinge(perfect.teacher_risk, perfect.teacher_risk[n], float(theta(n, n_S)))
    np.testing.assert_allclose(perfect.student_risk, corner, rtol=EXACT)
    assert np.all(perfect.student_risk >= perfect.teacher_risk)
    steps = np.diff(perfect.student_risk)
    assert np.all(steps[:n] <= 0)
    assert np.all(steps[n:] >= 0)
    assert perfect.student_risk[n] == perfect.student_risk.min()


@given(pairs())
def test_student_beats_its_teacher_exactly_above_the_stated_spread(case) -> None:
    spectrum, n, n_T, n_S, noise = case
    pair = risks(spectrum, n, n_T, n_S, noise)
    for m in range(1, spectrum.size + 1):
        v = (noise + spectrum.tail(m)) / (n_T - m - 1)
        border = student_beats_teacher_above(spectrum, m, n, n_S)
        if abs(v - border) > 1e-9 * border:
            assert (v > border) == (pair.student_risk[m] < pair.teacher_risk[m])
    if theta(n, n_S) >= 1:
        assert np.all(pair.student_risk >= pair.teacher_risk * (1 - EXACT))


def test_weak_to_strong_happens() -> None:
    """Counterexample to E_S >= E_T: a noisy teacher, a smaller student with many samples."""
    pair = least_squares_pair(SPECTRA["power"], 12, 4, 20, 400, 5.0)
    assert float(pair.student_risk) < 0.5 * float(pair.teacher_risk)


@given(pairs(), st.integers(1, 60))
def test_slope_of_a_teacher_that_sees_more(case, more: int) -> None:
    spectrum, n, n_T, n_S, noise = case
    noise += 0.1
    few, many = risks(spectrum, n, n_T, n_S, noise), risks(spectrum, n, n_T + more, n_S, noise)
    m = np.arange(1, spectrum.size + 1)
    rise = (few.teacher_risk - many.teacher_risk)[1:]
    # Differences of risks cancel; what is left of their digits is compared.
    scale = few.teacher_risk[1:] + few.student_risk[1:]
    left = (few.student_risk - many.student_risk)[1:] - weak_slope(m, n, n_S) * rise
    assert np.all(np.abs(left) <= 1e-12 * scale * np.maximum(weak_slope(m, n, n_S), 1))


@given(pairs(), st.floats(-3, 3), st.floats(-3, 3))
def test_units_and_signs_do_not_matter(case, log_units: float, log_labels: float) -> None:
    spectrum, n, n_T, n_S, noise = case
    units, labels = 10**log_units, 10**log_labels
    plain = risks(spectrum, n, n_T, n_S, noise)
    other = risks(scaled(spectrum, units, labels), n, n_T, n_S, noise * labels**2)
    np.testing.assert_allclose(other.student_risk, labels**2 * plain.student_risk, rtol=1e-11)
    turned = risks(flipped(spectrum), n, n_T, n_S, noise)
    np.testing.assert_array_equal(turned.student_risk, plain.student_risk)


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_limits_of_many_samples(spectrum: Spectrum) -> None:
    M = spectrum.size
    for n in range(1, M + 1):
        unlimited = risks(spectrum, n, M + 20, inf, 1.0)
        m = np.arange(M + 1)
        v = (1.0 + np.array([spectrum.tail(k) for k in m])) / (M + 20 - m - 1)
        floor = spectrum.tail(n) + n * v
        np.testing.assert_allclose(unlimited.student_risk[n:], floor[n:], rtol=EXACT)
        nearly = risks(spectrum, n, 10**9, 10**9, 1.0)
        best = np.maximum(risks(spectrum, n, inf, inf, 1.0).student_risk, 0)
        # Both corrections are at most M (sigma^2 + F^2)/1e9.
        assert np.all(nearly.student_risk - best <= 4e-8 * (1 + spectrum.tail(0)) + 1e-15)
        assert np.all(nearly.student_risk >= best * (1 - EXACT))


@given(pairs())
def test_any_teacher_beyond_the_student_only_hurts(case) -> None:
    spectrum, n, _, n_S, _ = case
    b = np.linspace(1.0, 2.0, spectrum.size)
    inside = np.where(np.arange(spectrum.size) < n, b, 0.0)
    assert student_risk_of(spectrum, b, n, n_S) >= student_risk_of(spectrum, inside, n, n_S)
    truth = np.where(np.arange(spectrum.size) < n, spectrum.coefficients, 0.0)
    best = student_risk_of(spectrum, truth, n, n_S)
    assert best == pytest.approx(spectrum.tail(n), rel=EXACT, abs=1e-300)
    pair = risks(spectrum, n, inf, n_S, 0.0)
    for m in range(spectrum.size + 1):
        cut = np.where(np.arange(spectrum.size) < m, spectrum.coefficients, 0.0)
        assert student_risk_of(spectrum, cut, n, n_S) == pytest.approx(
            pair.student_risk[m], rel=1e-11, abs=1e-300
        )


def test_best_teacher_can_be_below_at_and_above_the_student() -> None:
    power, slow = SPECTRA["power"], SPECTRA["slow target"]
    assert best_teacher_size(power, 8, 20, 30, 3.0).size < 8
    assert best_teacher_size(power, 3, inf, 10, 0.0).size == 3
    assert best_teacher_size(slow, 3, 20, 10**4, 0.1).size == 15


def test_fifty_digits() -> None:
    """The pair with 50 digits, from decimal inputs."""
    with mpmath.workdps(50):
        lam = [mpmath.mpf(1), mpmath.mpf(1) / 2, mpmath.mpf(1) / 3, mpmath.mpf(1) / 7]
        beta = [mpmath.mpf(1), mpmath.mpf(-2), mpmath.mpf(3), mpmath.mpf(1) / 3]
        t = [
            mpmath.fsum(x * y**2 for x, y in zip(lam[k:], beta[k:], strict=True)) for k in range(5)
        ]
        m, n, n_T, n_S, noise = 3, 2, 11, 8, mpmath.mpf("0.25")
        v = (noise + t[m]) / (n_T - m - 1)
        slope = mpmath.mpf(n) / (n_S - n - 1)
        teacher = t[m] + m * v
        student = t[n] + n * v + slope * (t[n] - t[m] + (m - n) * v)
        spectrum = Spectrum([float(x) for x in lam], [float(x) for x in beta])
    pair = least_squares_pair(spectrum, m, n, n_T, n_S, 0.25)
    assert float(pair.teacher_risk) == pytest.approx(float(teacher), rel=4e-16 * 4)
    assert float(pair.student_risk) == pytest.approx(float(student), rel=4e-16 * 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 13}, "m = 13 must be counts between 0 and 12"),
        ({"m": 1.5}, "m = 1.5 must be counts"),
        ({"n": 0}, "n = 0 must be a count between 1 and 12"),
        ({"n_T": 7}, "n_T = 7 must be > 7"),
        ({"n_S": 5}, "n_S = 5 must be > 5"),
        ({"n_S": 7.5}, "n_S = 7.5 must be counts or infinity"),
        ({"noise": -1.0}, "noise = -1 must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(change: dict, message: str) -> None:
    good = {"m": 6, "n": 4, "n_T": 30, "n_S": 20, "noise": 0.1}
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        least_squares_pair(SPECTRA["power"], **(good | change))
