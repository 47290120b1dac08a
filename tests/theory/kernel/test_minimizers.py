"""The closed-form minimizer against two searches that know only the problem."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.kernel.oracles import instances, multiplier_fit, searched_fit

from capgap.errors import InputError
from capgap.theory.kernel import fit_in_ball
from capgap.theory.kernel.minimizers import shrinkage


@pytest.mark.parametrize("seed", range(12))
def test_minimizer_against_sequential_quadratic_programs(seed: int) -> None:
    """Oracle: scipy's SLSQP; it is accurate to about 1e-6 in the coefficients."""
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 7))
    target, size = rng.normal(size=M), int(rng.integers(1, M + 1))
    limit = float(rng.uniform(0.2, 2.5))
    found = searched_fit(target, np.eye(M)[:, :size], limit)
    np.testing.assert_allclose(fit_in_ball(target, size, limit), found, atol=3e-6)


@given(instances())
def test_minimizer_against_lagrange_multipliers(instance) -> None:
    alpha, n, T, D = instance
    teacher = fit_in_ball(alpha, alpha.size, T)
    np.testing.assert_allclose(teacher, multiplier_fit(alpha, alpha.size, T), atol=1e-10)
    np.testing.assert_allclose(
        fit_in_ball(teacher, n, D), multiplier_fit(teacher, n, D), atol=1e-10
    )


@given(instances(), st.integers(0, 2**32 - 1))
def test_nothing_allowed_is_closer(instance, seed: int) -> None:
    """First principles: random members of the ball, and steps from the minimizer into it."""
    alpha, n, T, _ = instance
    best = fit_in_ball(alpha, n, T)
    assert np.linalg.norm(best) <= T * (1 + 1e-12)
    rng = np.random.default_rng(seed)
    other = np.zeros((50, alpha.size))
    other[:, :n] = best[:n] + rng.normal(size=(50, n)) * 10.0 ** rng.uniform(-4, 0, (50, 1))
    other *= shrinkage(T, np.linalg.norm(other, axis=1))[:, None]
    distance = np.sum((other - alpha) ** 2, axis=1)
    assert np.all(distance >= np.sum((best - alpha) ** 2) * (1 - 1e-12) - 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1), "target"),
        (([1.0], 0), "size = 0 must be an integer in 1 .. 1"),
        (([1.0], 1, 0.0), "limit = 0 must be > 0"),
        (([1.0], True), "size = True must be an integer"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_in_ball(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
