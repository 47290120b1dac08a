"""Random-feature stages: projections by group theory, Simon's risk, limits, 50 digits."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.finite.finite_models import SPECTRA, spectra, stages

from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite import chain


def wide(stage: Stage, P: int | None) -> Stage:
    return Stage(stage.features, stage.samples, stage.ridge, stage.label_noise, P)


def test_random_projection_by_its_exact_moments() -> None:
    """Oracle: n infinite, no ridge, flat spectrum: the target projected on P random directions.

    For a uniform projection of rank P in m dimensions E Pi_11^2 = P(P+2)/(m(m+2)) and
    E Pi_1i^2 = P(m-P)/((m-1) m (m+2)); the equivalent is off by O(1/m), measured by doubling.
    """
    off = []
    for m in (80, 160, 320):
        P = m // 4
        beta = np.zeros(m)
        beta[0] = 1.0
        found = chain(Spectrum(np.ones(m), beta), [Stage(m, inf, 0.0, 3.0, random_features=P)])
        assert found.risk[0] == pytest.approx(1 - P / m, rel=1e-12)
        assert found.mean[0][0] == pytest.approx(P / m, rel=1e-12)
        own, other = P * (P + 2) / (m * (m + 2)), P * (m - P) / ((m - 1) * m * (m + 2))
        off.append([found.square[0][0] / own - 1, found.square[0][1] / other - 1])
    ratio = np.array(off[:-1]) / np.array(off[1:])
    assert np.all((ratio > 1.85) & (ratio < 2.15))


@given(spectra(2), st.data())
def test_one_stage_is_the_published_risk(spectrum, data) -> None:
    """Oracle: Simon et al. 2311.14646, risk = [sum (..) + noise]/(1 - (q(k-2z)+z^2)/(n(k-q)))."""
    m, n = spectrum.size, data.draw(st.integers(1, 40))
    k, ridge = data.draw(st.integers(1, 40)), data.draw(st.floats(0.01, 10))
    found = chain(spectrum, [Stage(m, n, ridge, 0.3, random_features=k)])
    lam, g = spectrum.eigenvalues, found.kappa[0]
    z, q = np.sum(lam / (lam + g)), np.sum((lam / (lam + g)) ** 2)
    # Their kappa k is gamma (k - z), put in.
    bracket = g / (lam + g) - g * lam / (lam + g) ** 2 * (k - z) / (k - q)
    denominator = 1 - (q * (k - 2 * z) + z**2) / (n * (k - q))
    expected = (np.sum(bracket * spectrum.alpha**2) + 0.3) / denominator
    assert found.error[0] == pytest.approx(expected, rel=1e-6)


@given(spectra(), st.data())
def test_many_random_features_are_the_features(spectrum, data) -> None:
    plan = [data.draw(stages(spectrum.size)) for _ in range(3)]
    plain = chain(spectrum, plan)
    previous = None
    for P in (10**8, 10**11):
        found = chain(spectrum, [wide(stage, P) for stage in plan])
        off = np.abs(np.array(found.risk) / np.maximum(plain.risk, 1e-300) - 1)
        previous = off if previous is None else previous
    # The first correction is of order m/(P (1 - gamma)^2) in each stage.
    assert found.risk == pytest.approx(plain.risk, rel=1e-6, abs=1e-14)
    assert np.all(off <= previous + 1e-9)


def test_first_correction_is_one_over_P() -> None:
    spectrum, plan = SPECTRA["power"], [Stage(12, 30, 0.1, 0.5), Stage(8, 20, 0.05)]
    plain = np.array(chain(spectrum, plan).risk)
    off = [
        np.array(chain(spectrum, [wide(s, P) for s in plan]).risk) - plain
        for P in (2000, 4000, 8000)
    ]
    ratio = np.array(off[:-1]) / np.array(off[1:])
    assert ratio == pytest.approx(2, rel=0.02)


@given(spectra(), st.integers(1, 30), st.integers(0, 20))
def test_features_that_span_everything_are_least_squares(spectrum, more, extra) -> None:
    m = spectrum.size
    spanning = Stage(m, m + more, 0.0, 1.0, random_features=m + extra)
    assert chain(spectrum, [spanning]).risk == chain(spectrum, [wide(spanning, None)]).risk


def test_double_descent_at_P_equal_n_only_without_ridge() -> None:
    spectrum = power_law(60, 1.2, 1.5)
    risk = {
        P: chain(spectrum, [Stage(60, 30, 0.0, 0.1, random_features=P)]).risk[0]
        for P in (10, 29, 30, 31, 300)
    }
    assert risk[30] == inf
    assert min(risk[29], risk[31]) > 5 * max(risk[10], risk[300])
    assert chain(spectrum, [Stage(60, 30, 0.1, 0.1, random_features=30)]).risk[0] < 3


def test_fifty_digits_second_stage() -> None:
    """A random-feature student of a plain teacher, the stated formulas with 50 digits."""
    lam, beta, n, P, ridge = [1.0, 0.5, 0.25, 0.125], [1.0, -2.0, 3.0, 0.5], 6, 5, 0.125
    spectrum = Spectrum(lam, beta)
    teacher = Stage(3, inf, 0.25)
    found = chain(spectrum, [teacher, Stage(4, n, ridge, 0.5, random_features=P)])
    with mpmath.workdps(50):
        b = [x * y / (x + mpmath.mpf("0.25")) for x, y in zip(lam[:3], beta, strict=False)] + [0]
        q = [x**2 for x in b]

        def residual(x):
            d = mpmath.fsum(u / (u + x) for u in lam)
            return x * (1 - d / n) * (1 - d / P) - ridge

        kappa = mpmath.findroot(residual, (0.2, 2), solver="anderson", tol=1e-80)
        d1 = mpmath.fsum(u / (u + kappa) for u in lam)
        d2 = mpmath.fsum((u / (u + kappa)) ** 2 for u in lam)
        g2 = d2 / P
        rho = mpmath.fsum(u / (u + kappa) ** 2 for u in lam) / (P * (1 - g2))
        c = kappa**2 * mpmath.fsum(u**2 * y / (u + kappa) ** 2 for u, y in zip(lam, q, strict=True))
        top = kappa**2 * mpmath.fsum(u * y / (u + kappa) ** 2 for u, y in zip(lam, q, strict=True))
        error = (top + rho * c + 0.5) / (1 - (d2 + (d1 - d2) ** 2 / (P - d2)) / n)
        lost = kappa**2 * mpmath.fsum(u / (u + kappa) ** 2 for u in lam)
        risk = mpmath.mpf(0)
        for u, x, a, y in zip(lam, beta, b, q, strict=True):
            w = 1 / ((u + kappa) ** 2 * P * (1 - g2))
            s = u / (u + kappa)
            y_new = s**2 * y + w * c + error / n * (u / (u + kappa) ** 2 + w * lost)
            risk += u * (x**2 - 2 * x * s * a + y_new)
    assert found.kappa[1] == pytest.approx(float(kappa), rel=1e-13)
    assert found.error[1] == pytest.approx(float(error), rel=1e-13)
    assert found.risk[1] == pytest.approx(float(risk), rel=1e-13)
