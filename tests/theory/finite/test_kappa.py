"""The implicit ridge: residual, bounds, monotonicity, corners, extreme spectra."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.finite.finite_models import spectra

from capgap.errors import InputError
from capgap.theory.finite import Regime, implicit_ridge
from capgap.theory.finite.kappa import feature_kappa, learned_shares

RIDGES = st.just(0.0) | st.floats(-8, 6).map(lambda x: 10.0**x)


@given(spectra(), st.integers(1, 40), RIDGES)
def test_conservation_and_bounds(spectrum, n: int, ridge: float) -> None:
    """sum s_i + n lambda/kappa = n, and lambda <= kappa <= lambda + trace/n."""
    unit = spectrum.eigenvalues
    shares = learned_shares(unit, n, ridge)
    assert ridge <= shares.kappa <= (ridge + unit.sum() / n) * (1 + 1e-14)
    if shares.kappa > 0:
        total = shares.s.sum() + n * ridge / shares.kappa
        # One Newton step from the root: the conditioning is 1/(1 - gamma), at most 1e4 here.
        assert total == pytest.approx(n, rel=1e-11)
        assert shares.fit == pytest.approx(ridge / shares.kappa, rel=1e-7, abs=1e-11)
    assert shares.room == pytest.approx(1 - shares.gamma, abs=1e-12)
    assert shares.gamma <= shares.s.max() * (1 + 1e-12)


@given(spectra(), st.integers(1, 40), RIDGES, st.floats(1, 10))
def test_grows_with_ridge_and_falls_with_samples(spectrum, n, ridge, factor) -> None:
    unit = spectrum.eigenvalues
    kappa = implicit_ridge(unit, [n, n + 1, inf], ridge).kappa
    assert np.all(np.diff(kappa) <= 1e-14 * kappa[0])
    assert implicit_ridge(unit, n, ridge * factor).kappa >= kappa[0] * (1 - 1e-14)


@given(spectra(), st.integers(1, 40), RIDGES, st.floats(-3, 3))
def test_scales_with_the_features(spectrum, n, ridge, log_units) -> None:
    unit, c = spectrum.eigenvalues, 10**log_units
    plain = float(implicit_ridge(unit, n, ridge).kappa)
    other = float(implicit_ridge(c * unit, n, c * ridge).kappa)
    # Near n = m with a small ridge, kappa is a root of a nearly double equation.
    assert other == pytest.approx(c * plain, rel=1e-9)


def test_regimes_are_named() -> None:
    found = implicit_ridge(np.ones(4), [3, 4, 5, inf, 3, inf], [0, 0, 0, 0, 1, 1])
    named = [Regime(int(code)).name for code in found.regime]
    assert named == ["INTERPOLATING", "CRITICAL", "DETERMINED", "POPULATION", "RIDGE", "POPULATION"]
    assert found.kappa[1:4].tolist() == [0.0, 0.0, 0.0]
    assert found.kappa[5] == 1


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("n", [3, 10, 60])
def test_flat_spectrum_is_a_quadratic(n: int, ridge: float) -> None:
    """m equal eigenvalues: kappa^2 + kappa (1 - lambda - m/n) - lambda = 0."""
    m = 10
    half = (1 - ridge - m / n) / 2
    root = (half**2 + ridge) ** 0.5 - half
    exact = ridge / ((half**2 + ridge) ** 0.5 + half) if half > 0 else root
    assert float(implicit_ridge(np.ones(m), n, ridge).kappa) == pytest.approx(exact, rel=1e-13)


def test_spectra_over_hundreds_of_decades() -> None:
    """Steps stay few, and the conserved sum holds, where eigenvalues span 1e-150..1e150."""
    unit = 10.0 ** np.linspace(150, -150, 301)
    found = implicit_ridge(unit, [1, 10, 100, 300, 301, 1000], [0, 0, 0, 0, 1e-140, 1e-140])
    assert found.steps <= 12
    for n, ridge, kappa in zip(
        [1, 10, 100, 300, 301, 1000], [0] * 4 + [1e-140] * 2, found.kappa, strict=True
    ):
        assert np.sum(unit / (unit + kappa)) + n * ridge / kappa == pytest.approx(n, rel=1e-11)


def test_fifty_digits_near_the_threshold() -> None:
    """n = m with a tiny ridge, where kappa is about the square root of it."""
    unit, n, ridge = [1.0, 0.5, 0.25, 0.125], 4, 2.0**-40
    with mpmath.workdps(50):

        def residual(k: mpmath.mpf) -> mpmath.mpf:
            return k - ridge - k / n * mpmath.fsum(x / (x + k) for x in unit)

        exact = mpmath.findroot(residual, (1e-7, 1e-5), solver="anderson", tol=1e-90)
    assert float(implicit_ridge(unit, n, ridge).kappa) == pytest.approx(float(exact), rel=1e-14)


@given(spectra(), st.integers(1, 30), st.integers(1, 30), RIDGES)
def test_random_features_and_samples_trade_places(spectrum, n, P, ridge) -> None:
    """lambda = kappa (1 - d1/n)(1 - d1/P) holds, is even in n and P, and tends to P = inf."""
    unit = spectrum.eigenvalues
    kappa = feature_kappa(unit, n, P, ridge)
    assert kappa == pytest.approx(feature_kappa(unit, P, n, ridge), rel=1e-12)
    assert kappa >= float(implicit_ridge(unit, min(n, P), ridge).kappa) * (1 - 1e-12)
    if kappa > 0:
        d1 = np.sum(unit / (unit + kappa))
        # Differences n - d1 and P - d1 carry the rounding of d1, relative to themselves.
        left = kappa * (n - d1) * (P - d1) / (n * P)
        assert left == pytest.approx(ridge, rel=1e-9, abs=1e-12 * kappa)
    wide = feature_kappa(unit, n, 10**13, ridge)
    assert wide == pytest.approx(float(implicit_ridge(unit, n, ridge).kappa), rel=1e-5, abs=1e-300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 3), r"eigenvalues of shape \(0,\) must be one or more"),
        (([1.0, -1.0], 3), "eigenvalues = -1 must be finite and > 0"),
        (([1.0], 0), "n = 0 must be > 0"),
        (([1.0], 2.5), "n = 2.5 must be counts or infinity"),
        (([1.0], 2, -1.0), "ridge = -1 must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        implicit_ridge(*arguments)
