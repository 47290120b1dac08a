"""Same data twice: given data against direct fits, averages against random-matrix integrals."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from theory.finite.finite_models import SPECTRA, scaled
from theory.finite.test_ridge_chain import marchenko_pastur

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.finite import RidgePath, best_mixing, chain, same_data

RIDGE = st.floats(-3, 2).map(lambda x: 10.0**x)


@st.composite
def paths(draw: st.DrawFn) -> RidgePath:
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    entries = st.integers(-20, 20).map(lambda x: x / 8)
    return RidgePath(
        draw(arrays(float, (n, m), elements=entries)), draw(arrays(float, n, elements=entries))
    )


def direct(X: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge as least squares on an augmented system: no normal equations, no formula."""
    n, m = X.shape
    stacked = np.vstack([X, np.sqrt(n * ridge) * np.eye(m)])
    return np.linalg.lstsq(stacked, np.append(y, np.zeros(m)), rcond=None)[0]


@given(paths(), RIDGE, RIDGE, st.floats(-1, 3))
def test_student_is_the_fit_to_mixed_labels(path, first, second, mix) -> None:
    teacher = direct(path.X, path.y, first)
    labels = (1 - mix) * path.y + mix * path.X @ teacher
    expected = direct(path.X, labels, second)
    # lstsq of the augmented system: condition at most 1e3, labels of order 10.
    np.testing.assert_allclose(path.student(first, second, mix), expected, rtol=1e-9, atol=1e-10)


@given(paths(), RIDGE, RIDGE)
def test_student_is_a_difference_quotient(path, first, second) -> None:
    if abs(first - second) < 0.1 * max(first, second):
        return
    b_T, b_S = path.fit(first), path.fit(second)
    expected = (second * b_S - first * b_T) / (second - first)
    np.testing.assert_allclose(path.student(first, second), expected, rtol=1e-8, atol=1e-10)


@given(paths(), RIDGE, st.floats(-1, 3))
def test_equal_ridges_move_along_the_slope(path, ridge, mix) -> None:
    expected = path.fit(ridge) + mix * ridge * path.fit_slope(ridge)
    np.testing.assert_allclose(path.student(ridge, ridge, mix), expected, rtol=1e-9, atol=1e-10)
    h = 1e-4 * ridge
    slope = (path.fit(ridge + h) - path.fit(ridge - h)) / (2 * h)
    scale = np.abs(path.fit(ridge)).max() / ridge
    np.testing.assert_allclose(path.fit_slope(ridge), slope, atol=1e-6 * scale + 1e-12)


@given(paths(), RIDGE)
def test_best_mixing_is_the_bottom_of_a_parabola(path, ridge) -> None:
    m = path.X.shape[1]
    target, Sigma = np.linspace(-1, 1, m) + 0.3, np.diag(np.linspace(1, 2, m))
    if not np.any(path.X.T @ path.y):
        with pytest.raises(InputError, match=r"X\^T y = 0"):
            best_mixing(path, ridge, target, Sigma)
        return
    found = best_mixing(path, ridge, target, Sigma)

    def risk(xi: float) -> float:
        off = path.student(ridge, ridge, xi) - target
        return float(off @ Sigma @ off)

    scale = 1 + risk(0.0)
    assert risk(found.xi) == pytest.approx(found.risk, rel=1e-8, abs=1e-8 * scale)
    assert risk(0.0) - found.risk == pytest.approx(found.gain, rel=1e-8, abs=1e-9 * scale)
    for other in (-0.5, 0.5):
        assert risk(found.xi + other) >= found.risk - 1e-9 * scale
    step = 1e-4 * ridge
    off = [path.fit(r) - target for r in (ridge - step, ridge + step)]
    slope = float((off[1] @ Sigma @ off[1] - off[0] @ Sigma @ off[0]) / (2 * step))
    if abs(slope) * ridge > 1e-5 * scale:
        assert (found.xi > 0) == (slope < 0)


@given(paths(), RIDGE, st.floats(0, 0.9))
def test_distilling_for_ever_is_one_larger_ridge(path, ridge, mix) -> None:
    """Borup and Andersen 2102.13088: the limit is b(lambda/(1 - xi))."""
    # Each round shrinks the distance by xi C/(C + lambda) <= 0.9: after 300 rounds 2e-14.
    found = path.repeated(ridge, mix, 300)
    limit = path.repeated_limit(ridge, mix)
    np.testing.assert_allclose(found, limit, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        limit, direct(path.X, path.y, ridge / (1 - mix)), rtol=1e-8, atol=1e-9
    )


@given(paths(), RIDGE, st.floats(-1, 2), st.integers(0, 4))
def test_rounds_by_direct_fits(path, ridge, mix, rounds) -> None:
    b = direct(path.X, path.y, ridge)
    for _ in range(rounds):
        b = direct(path.X, (1 - mix) * path.y + mix * path.X @ b, ridge)
    np.testing.assert_allclose(path.repeated(ridge, mix, rounds), b, rtol=1e-8, atol=1e-9)


@given(paths(), RIDGE, st.integers(0, 5))
def test_pure_distillation_keeps_shrinking(path, ridge, rounds) -> None:
    """Mobahi et al. 2020: with xi = 1 every round multiplies by C/(C + lambda) < 1."""
    before = np.linalg.norm(path.X @ path.repeated(ridge, 1.0, rounds))
    after = np.linalg.norm(path.X @ path.repeated(ridge, 1.0, rounds + 1))
    assert after <= before * (1 + 1e-12)


@pytest.mark.parametrize("ridge", [0.05, 0.5, 3.0])
def test_average_risk_by_marchenko_pastur(ridge: float) -> None:
    """Oracle: the student's filter f(x) = x/(x+r) - xi r x/(x+r)^2 over the sample spectrum."""
    m, n, noise, size = 12, 30, 0.8, 2.5
    beta = np.full(m, (size / m) ** 0.5)
    found = same_data(Spectrum(np.ones(m), beta), Stage(m, n, ridge, noise), Stage(m, n, ridge))
    for xi in (0.0, 0.4, 1.0, found.best_mixing):

        def share(x: float, xi: float = xi) -> float:
            return x / (x + ridge) - xi * ridge * x / (x + ridge) ** 2

        bias = size * marchenko_pastur(m / n, lambda x: (1 - share(x)) ** 2)
        spread = noise * m / n * marchenko_pastur(m / n, lambda x: share(x) ** 2 / x)
        assert found.risk(xi) == pytest.approx(bias + spread, rel=1e-9)


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_average_is_the_ridge_fit_without_mixing(spectrum: Spectrum) -> None:
    for m in range(1, spectrum.size + 1):
        fit = Stage(m, 20, 0.1, 0.5)
        found = same_data(spectrum, fit, Stage(m, 20, 0.1))
        assert found.risk(0.0) == pytest.approx(chain(spectrum, [fit]).risk[0], rel=1e-12)
        assert found.risk(found.best_mixing) == pytest.approx(
            found.risk(0.0) - found.gain, rel=1e-12
        )
        # The slope in xi is lambda R'(lambda): differences of the one-stage risk.
        h = 1e-4
        near = [chain(spectrum, [Stage(m, 20, 0.1 + d, 0.5)]).risk[0] for d in (-h, h)]
        slope = (near[1] - near[0]) / (2 * h)
        assert found.linear == pytest.approx(0.1 * slope, rel=1e-4, abs=1e-7)
        units = same_data(scaled(spectrum, 8.0, 3.0), Stage(m, 20, 0.8, 4.5), Stage(m, 20, 0.8))
        assert units.best_mixing == pytest.approx(found.best_mixing, rel=1e-8)
        assert units.gain == pytest.approx(9 * found.gain, rel=1e-8)


def test_average_with_fifty_digits() -> None:
    """The two-point risk at two ridges, differentiated by mpmath."""
    lam, beta, n, ridge, noise = [1.0, 0.5, 0.25], [1.0, -2.0, 3.0], 5, 0.125, 0.5
    with mpmath.workdps(50):

        def kappa(r):
            def residual(x):
                return 1 - r / x - mpmath.fsum(u / (u + x) for u in lam) / n

            return mpmath.findroot(residual, (0.15, 0.5), solver="anderson", tol=1e-80)

        def two_point(r, r_other):
            x, y = kappa(r), kappa(r_other)
            top = mpmath.fsum(
                u * b**2 * x * y / ((u + x) * (u + y)) for u, b in zip(lam, beta, strict=True)
            )
            shared = mpmath.fsum(u**2 / ((u + x) * (u + y)) for u in lam) / n
            return (top + noise) / (1 - shared) - noise

        linear = 2 * ridge * mpmath.diff(two_point, (ridge, ridge), (1, 0))
        square = ridge**2 * mpmath.diff(two_point, (ridge, ridge), (1, 1))
    found = same_data(Spectrum(lam, beta), Stage(3, n, ridge, noise), Stage(3, n, ridge))
    assert found.linear == pytest.approx(float(linear), rel=1e-12)
    assert found.square == pytest.approx(float(square), rel=1e-12)


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (Stage(6, 20, 0.1), Stage(4, 20, 0.1), "no closed form is known"),
        (Stage(6, 20, 0.1), Stage(6, 21, 0.1), "samples must be finite and equal"),
        (Stage(6, 20, 0.0), Stage(6, 20, 0.0), "ridge must be > 0 and equal"),
        (Stage(6, 20, 0.1), Stage(6, 20, 0.1, 1.0), "student label_noise = 1 must be 0"),
        (Stage(6, 20, 0.1), Stage(6, 20, 0.1, random_features=4), "random_features must be None"),
        (Stage(13, 20, 0.1), Stage(13, 20, 0.1), "features = 13 must be at most"),
    ],
)
def test_averages_without_closed_form_are_refused(teacher, student, message) -> None:
    with pytest.raises(InputError, match=message):
        same_data(SPECTRA["power"], teacher, student)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RidgePath(np.ones((2, 2)), np.ones(3)), "must match X of shape"),
        (lambda: RidgePath(np.ones((1, 1)), np.array([np.nan])), "must be finite"),
        (lambda: RidgePath(np.ones((1, 1)), np.ones(1)).fit(0.0), "ridge = 0 must be finite"),
        (lambda: RidgePath(np.ones((1, 1)), np.ones(1)).repeated(1.0, 0.5, -1), "rounds = -1"),
        (lambda: RidgePath(np.ones((1, 1)), np.ones(1)).repeated_limit(1.0, 1.0), "mix = 1 must"),
    ],
)
def test_bad_data_are_refused(call, message) -> None:
    with pytest.raises(InputError, match=message):
        call()
