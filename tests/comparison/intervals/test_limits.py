"""How limits are read off refits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.intervals.limits import Scale, limits, scales
from capgap.theory.coefficients import supervised_law

DRAWS = np.random.default_rng(0).standard_normal((200_000, 1))


@pytest.mark.parametrize("method", ["t", "percentile", "basic", "bca"])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_every_method_agrees_on_even_normal_draws(method, level) -> None:
    """Oracle: center -+ t sd; 200,000 draws have quantiles good to about 0.01."""
    low, high = limits(np.zeros(1), 3 * DRAWS, level, 7, method)
    # bca moves tail probabilities, so it takes the t quantile for a normal one's argument.
    expected = 3 * t.ppf(0.5 + level / 2, 7)
    np.testing.assert_allclose([low[0], high[0]], [-expected, expected], rtol=0.02)


def test_methods_by_hand_on_skewed_draws() -> None:
    """Log-normal draws about 1: quantiles for `percentile`, reflected ones for `basic`."""
    draws, wide = np.exp(0.4 * DRAWS), t.ppf(0.95, 10) / norm.ppf(0.95)
    low, high = np.quantile(draws - 1, [0.05, 0.95])
    found = {m: limits(np.ones(1), draws, 0.9, 10, m) for m in ("percentile", "basic", "t", "bca")}
    np.testing.assert_allclose(np.ravel(found["percentile"]), 1 + wide * np.array([low, high]))
    np.testing.assert_allclose(np.ravel(found["basic"]), 1 - wide * np.array([high, low]))
    reach = t.ppf(0.95, 10) * np.sqrt(np.mean((draws - 1) ** 2))
    np.testing.assert_allclose(np.ravel(found["t"]), [1 - reach, 1 + reach])
    # The median is the center, so without acceleration bca is the quantiles at the t's place.
    places = norm.cdf([-t.ppf(0.95, 10), t.ppf(0.95, 10)])
    np.testing.assert_allclose(np.ravel(found["bca"]), np.quantile(draws, places), rtol=0.02)


def test_bca_is_exact_where_its_theory_is() -> None:
    """Efron 1987, section 3: an estimate phi + (1 + a phi)(Z - z0) has the exact limits
    phi + (1 + a phi)(z0 + z)/(1 - a (z0 + z)). At phi = 0, draws are Z - z0."""
    a, z0, level = 0.1, 0.2, 0.9
    draws = DRAWS - z0
    low, high = limits(np.zeros(1), draws, level, 10**8, "bca", acceleration=a)
    z = norm.ppf([0.05, 0.95])
    np.testing.assert_allclose([low[0], high[0]], (z0 + z) / (1 - a * (z0 + z)), atol=0.02)


@given(
    factor=st.floats(0.1, 10.0),
    shift=st.floats(-5.0, 5.0),
    method=st.sampled_from(["t", "percentile", "basic", "bca"]),
)
@settings(max_examples=40, deadline=None)
def test_limits_move_with_their_units(factor: float, shift: float, method) -> None:
    draws = DRAWS[:300] + 0.3 * DRAWS[:300] ** 2
    low, high = limits(np.zeros(1), draws, 0.9, 12, method, 0.05)
    moved = limits(np.full(1, shift), factor * draws + shift, 0.9, 12, method, 0.05)
    np.testing.assert_allclose(np.ravel(moved), factor * np.ravel([low, high]) + shift, atol=1e-9)


@given(level=st.floats(0.05, 0.98), more=st.floats(1e-3, 0.01))
@settings(max_examples=40, deadline=None)
def test_higher_levels_are_wider(level: float, more: float) -> None:
    for method in ("t", "percentile", "basic", "bca"):
        (a, b), (c, d) = (
            limits(np.zeros(1), DRAWS[:500], p, 5, method) for p in (level, level + more)
        )
        assert c <= a <= b <= d


def test_scales_follow_the_coordinates() -> None:
    """E enters as it is, bounded by zero; levels, powers and gamma by their logarithms."""
    law = supervised_law()
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 4), np.geomspace(1e9, 1e11, 4)))
    fit = fit_supervised(N, D, law.loss(N, D))
    found = scales(fit.problem.model, fit.x)
    assert {name: scale.logarithm for name, scale in found.items()} == {
        "E": False, "A": True, "B": True, "alpha": True, "beta": True, "gamma": True,
    }  # fmt: skip
    assert found["E"].bounds[0] == 0.0
    assert float(found["E"].back(-0.3)) == 0.0
    assert float(found["A"].back(found["A"].to(355.0))) == pytest.approx(355.0, rel=1e-12)


def test_a_scale_takes_what_under_or_overflowed() -> None:
    log = Scale(True, (0.0, np.inf))
    assert np.isfinite(log.to(np.array([0.0, np.inf]))).all()
    assert log.back(1e6) == np.inf
