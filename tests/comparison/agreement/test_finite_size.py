"""Larger copies of a model, extrapolation, and the order of finite-size errors."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.comparison.agreement.finite_size import (
    error_order,
    larger_spectrum,
    larger_stages,
    limit,
)
from capgap.errors import InputError
from capgap.spectrum import Stage, power_law
from capgap.theory.finite.ridge_chain import chain

STAGES = [
    [Stage(16, 24, 0.05, 0.2), Stage(10, 14, 0.03)],
    [Stage(16, 10, 0.0, 0.2), Stage(10, inf), Stage(6, 14, 0.0)],
    [Stage(16, 24, 0.05, 0.2, 20), Stage(12, 10, 0.02, 0.0, 8)],
]


@given(st.sampled_from(STAGES), st.integers(1, 9))
def test_deterministic_equivalents_do_not_depend_on_scale(stages: list[Stage], scale: int) -> None:
    """So a simulation's distance from the one number is its finite-size error alone."""
    spectrum = power_law(16, 1.0, 1.5)
    larger = chain(larger_spectrum(spectrum, scale), larger_stages(stages, scale))
    assert larger.risk == pytest.approx(chain(spectrum, stages).risk, rel=1e-9)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_limit_recovers_a_line_in_one_over_scale(value: float, slope: float) -> None:
    s = np.array([2.0, 4.0, 8.0])
    found = limit([2, 4, 8], value + slope / s, np.array([0.3, 0.1, 0.2]))
    assert (found.value, found.slope) == pytest.approx((value, slope), abs=1e-11)


def test_standard_error_of_the_limit_is_that_of_repeated_fits() -> None:
    rng = np.random.default_rng(0)
    errors = np.array([0.3, 0.1, 0.2])
    fits = [limit([2, 4, 8], errors * rng.standard_normal(3), errors) for _ in range(4000)]
    spread = np.std([fit.value for fit in fits])
    # 4000 fits know their spread to 1.1%; 5% is more than four of these.
    assert spread == pytest.approx(fits[0].standard_error, rel=0.05)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_order_is_found_and_others_are_not(p: float) -> None:
    rng = np.random.default_rng(1)
    s = np.array([2.0, 4.0, 8.0])
    factors = np.array([0.3, -0.2, 0.25, 0.4, 0.0])
    noise = np.full((5, 3), 0.001)
    found = error_order(
        [2, 4, 8], factors[:, None] * s**-p + noise * rng.standard_normal((5, 3)), noise
    )
    assert found.low < p < found.high
    assert found.high - found.low < 0.2
    assert found.freedom == 10
    # 99.9% of a chi-square of 10 degrees of freedom lies below 29.6.
    assert (found.chi_square < 29.6) == (p == 1.0)
    assert (found.square < 29.6) == (p == 2.0)
    assert found.flat > 29.6


def test_one_scale_has_no_limit() -> None:
    with pytest.raises(InputError, match="must be at least two"):
        limit([2, 2], np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="scale = 0"):
        larger_spectrum(power_law(3, 1, 1), 0)
