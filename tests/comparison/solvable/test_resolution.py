"""What a student resolves: integrals against sums over modes, and the limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from capgap.comparison.solvable.models import tail_spectrum
from capgap.comparison.solvable.resolution import random_resolution, resolution
from capgap.spectrum import Stage
from capgap.theory.finite.kappa import implicit_ridge
from capgap.theory.finite.ridge_chain import chain

A = st.floats(1.1, 4.0)
RATIO = st.floats(0.05, 20.0)
RIDGE = st.floats(1e-6, 1e3)


@given(ratio=RATIO, a=A, ridge=RIDGE)
def test_kappa_solves_its_equation(ratio: float, a: float, ridge: float) -> None:
    """Oracle: the two integrals by quadrature (1e-10), at N = 1 mode, D = ratio samples."""
    kappa, gamma = (float(v) for v in resolution(1.0, ratio, a, ridge))

    def degrees(power: int) -> float:
        # i = e^u: the bend at kappa i^a = 1 may lie anywhere.
        def integrand(u: float) -> float:
            return float(np.exp(u) / (1 + kappa * np.exp(a * u)) ** power)

        bend = min(-np.log(kappa) / a, 0.0)
        parts = (quad(integrand, low, high, epsabs=0, epsrel=1e-11, limit=200)[0]
                 for low, high in ((bend - 40.0, bend), (bend, 0.0)) if high > low)  # fmt: skip
        return sum(parts)

    assert kappa == pytest.approx(ridge + kappa * degrees(1) / ratio, rel=1e-8)
    assert gamma == pytest.approx(degrees(2) / ratio, rel=1e-8)
    assert 0 < gamma < 1


@given(ratio=RATIO, a=A, ridge=RIDGE)
def test_random_features_solve_their_equation(ratio: float, a: float, ridge: float) -> None:
    kappa, gamma, zeta = (float(v) for v in random_resolution(1.0, ratio, a, ridge))
    d1 = np.pi / a / np.sin(np.pi / a) * kappa ** (-1 / a)
    assert 0 < d1 < min(1.0, ratio) * (1 + 1e-12)
    if ridge > 1e-2:  # below, the difference from full degrees is rounding
        assert kappa * (1 - d1 / ratio) * (1 - d1) == pytest.approx(ridge, rel=1e-6)
    assert 0 < zeta <= 1 + 1e-9
    assert 0 < gamma < 1 + 1e-9


@given(ratio=RATIO, a=st.floats(1.2, 3.0), ridge=st.floats(1e-2, 1e2))
def test_many_random_features_are_the_modes(ratio: float, a: float, ridge: float) -> None:
    """With P and N both without end; kappa rises by about d1/P, here below 1e-6."""
    ends = 1e12
    kappa, gamma = resolution(ends, ratio, a, ridge)
    found = random_resolution(ends, ratio, a, ridge)
    # N^(1-a) of the modes lie beyond the end.
    assert found[0] == pytest.approx(kappa, rel=1e-2)
    assert found[1] == pytest.approx(gamma, rel=1e-2)
    assert found[2] < 1e-6


def test_integrals_are_sums_over_modes() -> None:
    """Oracle: `implicit_ridge` on 900 modes; an integral takes half a mode too many."""
    unit = np.arange(1.0, 901) ** -1.5
    for D, ridge in ((3000.0, 1e-3), (500.0, 1e-4), (500.0, 1e-9)):
        exact = float(implicit_ridge(unit, D, ridge).kappa)
        share = unit / (unit + exact)
        kappa, gamma = resolution(900.0, D, 1.5, ridge)
        half = 1.5 / float(share.sum())  # relative, and times a for kappa
        assert kappa == pytest.approx(exact, rel=1.5 * half)
        assert gamma == pytest.approx(float(np.sum(share**2)) / D, rel=half)


def test_random_features_are_those_of_the_chain() -> None:
    """Oracle: kappa of the chain, 4096 modes."""
    spectrum = tail_spectrum(2.0, 1.0)
    for P, D, ridge in ((100, 300, 1e-4), (300, 100, 1e-4), (100, 2000, 1e-3)):
        stage = Stage(4096, D, ridge, random_features=P)
        exact = chain(spectrum, [stage]).kappa[0]
        assert random_resolution(P, D, 2.0, ridge)[0] == pytest.approx(exact, rel=0.05)
