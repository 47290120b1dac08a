"""Weighted norms: multipliers, what is proved of the best teacher, and where it fails."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.kernel.oracles import instances, searched_fit

from capgap.errors import InputError
from capgap.theory.kernel import (
    completing_coefficient,
    ellipsoid_multiplier,
    kernel_population,
    weighted_population,
)

weight_lists = st.lists(st.floats(0.05, 20.0), min_size=12, max_size=12)


@st.composite
def weighted_instances(draw) -> tuple[np.ndarray, np.ndarray, int, float, float]:
    alpha, n, T, D = draw(instances())
    return alpha, np.array(draw(weight_lists))[: alpha.size], n, T, D


@pytest.mark.parametrize("seed", range(10))
def test_errors_against_sequential_quadratic_programs(seed: int) -> None:
    """Oracle: scipy's SLSQP, once for the teacher and once for the student."""
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 6))
    alpha, w = rng.normal(size=M), np.exp(rng.uniform(-2, 2, M))
    n, D, T = int(rng.integers(1, M + 1)), *np.exp(rng.uniform(-1, 1, 2)).tolist()
    errors = weighted_population(alpha, w, n, T, D)
    I = np.eye(M)  # noqa: E741
    for m in range(1, M + 1):
        g = searched_fit(alpha, I[:, :m], T, w[:m])
        h = searched_fit(g, I[:, :n], D, w[:n])
        assert errors.teacher_squared_error[m - 1] == pytest.approx(
            np.sum((g - alpha) ** 2), abs=1e-5
        )
        assert errors.student_squared_error[m - 1] == pytest.approx(
            np.sum((h - alpha) ** 2), abs=1e-5
        )


@given(weighted_instances())
def test_multiplier_solves_its_equation(instance) -> None:
    """Oracle: the norm at 40 digits; a multiplier off by 1e-12 of itself would be seen."""
    alpha, w, _, T, _ = instance
    nu = ellipsoid_multiplier(alpha, w, T)
    with mpmath.workdps(40):

        def norm_squared(value: mpmath.mpf) -> mpmath.mpf:
            return mpmath.fsum(
                mpmath.mpf(v) * mpmath.mpf(a) ** 2 / (1 + value * mpmath.mpf(v)) ** 2
                for a, v in zip(alpha.tolist(), w.tolist(), strict=True)
            )

        slack = mpmath.mpf("1e-12") * max(nu, 1e-3)
        if nu == 0:
            assert norm_squared(mpmath.mpf(0)) <= mpmath.mpf(T) ** 2 * (1 + mpmath.mpf("1e-14"))
        else:
            assert norm_squared(nu + slack) < mpmath.mpf(T) ** 2
            assert norm_squared(max(nu - slack, 0)) > mpmath.mpf(T) ** 2


def test_multiplier_over_fifteen_powers_of_ten_of_weights() -> None:
    w = 10.0 ** np.arange(-7, 9)
    for limit in 10.0 ** np.arange(-6, 5):
        nu = ellipsoid_multiplier(np.ones(16), w, limit)
        g = 1 / (1 + nu * w)
        norm = np.sqrt(np.sum(w * g**2))
        assert norm == pytest.approx(min(limit, np.sqrt(w.sum())), rel=1e-13)
        assert nu <= np.sqrt(np.sum(1 / w)) / limit  # the bound that is stated


@given(instances(), st.floats(0.1, 10.0))
@settings(max_examples=60)
def test_equal_weights_are_the_plain_norm(instance, weight: float) -> None:
    """w = c: the norms are sqrt(c) times the plain ones, so T1 holds with T/sqrt(c), D/sqrt(c)."""
    alpha, n, T, D = instance
    c = np.sqrt(weight)
    weighted = weighted_population(alpha, np.full(alpha.size, weight), n, c * T, c * D)
    plain = kernel_population(alpha, n, T, D)
    tolerance = {"rtol": 1e-12, "atol": 1e-13 * np.sum(alpha**2)}
    np.testing.assert_allclose(
        weighted.student_squared_error, plain.student_squared_error, **tolerance
    )
    np.testing.assert_allclose(
        weighted.teacher_squared_error, plain.teacher_squared_error, **tolerance
    )
    assert weighted.equal_is_best


@given(weighted_instances())
@settings(max_examples=200)
def test_what_is_proved_for_every_limit(instance) -> None:
    alpha, w, n, T, D = instance
    errors = weighted_population(alpha, w, n, T, D)
    student, teacher = errors.student_squared_error, errors.teacher_squared_error
    tolerance = 1e-12 * np.sum(alpha**2)
    assert np.all(np.diff(errors.nu) >= 0)
    assert np.all(np.diff(teacher) <= tolerance)
    assert np.min(student) >= errors.direct_squared_error - tolerance
    assert np.min(student - teacher) >= -tolerance
    if errors.equal_is_best:
        assert np.min(student) >= student[n - 1] - tolerance


@given(weighted_instances())
@settings(max_examples=200)
def test_without_a_limit_on_the_student_the_curve_is_a_U(instance) -> None:
    alpha, w, n, T, _ = instance
    errors = weighted_population(alpha, w, n, T)
    tolerance = 1e-12 * np.sum(alpha**2)
    assert np.all(np.diff(errors.student_squared_error[:n]) <= tolerance)
    assert np.all(np.diff(errors.student_squared_error[n - 1 :]) >= -tolerance)
    norms = np.cumsum(w * alpha**2)
    own = norms[n - 1]
    end = max(own, T**2) if own > 0 else np.inf
    on_floor = (norms >= own) & (norms <= end)
    excess = errors.student_squared_error - errors.student_squared_error[n - 1]
    assert np.all(np.abs(excess[on_floor]) <= tolerance)
    # Away from rounding (a norm just past its end moves the error by its square) all others rise.
    clear = (norms < own * 0.999) | (norms > end * 1.001)
    assert np.all(excess[clear] > 0)


@given(weighted_instances(), st.integers(-20, 20), st.integers(-10, 10))
@settings(max_examples=60)
def test_scaling_scales(instance, power: int, weight_power: int) -> None:
    """(c alpha, c b T, c b D, b^2 w) gives c^2 E; exact for powers of two."""
    alpha, w, n, T, D = instance
    c, b = 2.0**power, 2.0**weight_power
    one = weighted_population(alpha, w, n, T, D)
    other = weighted_population(c * alpha, b**2 * w, n, c * b * T, c * b * D)
    np.testing.assert_allclose(
        other.student_squared_error, c**2 * one.student_squared_error, rtol=1e-12
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_one_more_function_makes_the_teacher_perfect(seed: int) -> None:
    """Where D < T < ||alpha|| and weights differ m = n fails for a suitable next coefficient."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    alpha, w = rng.uniform(0.3, 2.0, n), np.exp(rng.uniform(-1.5, 1.5, n))
    whole = np.sqrt(np.sum(w * alpha**2))
    T = float(rng.uniform(0.3, 0.9) * whole)
    D = float(rng.uniform(0.3, 0.9) * T)
    w_next = float(np.exp(rng.uniform(-1, 2)))
    following = completing_coefficient(alpha, w, w_next, T, D)
    errors = weighted_population(np.append(alpha, following), np.append(w, w_next), n, T, D)
    scale = errors.direct_squared_error
    assert errors.nu[n] == pytest.approx(errors.kappa, rel=1e-9)
    assert errors.student_squared_error[n] == pytest.approx(scale, rel=1e-9)
    assert errors.student_squared_error[n - 1] > scale * (1 + 1e-9)
    assert not errors.equal_is_best


def test_error_between_and_beyond_the_perfect_multipliers() -> None:
    """Statement 3: E* at nu = 0 and nu = kappa, more between and beyond, from many teachers."""
    M, n = 400, 60
    w = np.arange(1, M + 1) / n
    whole = float(np.sqrt(w[:n].sum()))
    errors = weighted_population(np.ones(M), w, n, T=whole, D=0.6 * whole)
    beyond = errors.m >= n
    nu, extra = errors.nu[beyond], errors.student_squared_error[beyond]
    extra = extra - errors.direct_squared_error
    assert nu[0] < 1e-9
    assert extra[0] == pytest.approx(0, abs=1e-9)
    inside = (nu > 0.02 * errors.kappa) & (nu < 0.98 * errors.kappa)
    outside = nu > 1.02 * errors.kappa
    assert inside.sum() > 10
    assert outside.sum() > 10
    assert np.all(extra[inside | outside] > 1e-9)
    last = np.flatnonzero(nu <= errors.kappa)[-1]  # the error rises steeply just beyond
    assert extra[last] < 0.05 * extra[inside].max()
    assert np.argmax(extra[inside]) not in (0, inside.sum() - 1)  # a bump, not a slope


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0], 1, 1.0), "1 weights must be one for each of the 2"),
        (([1.0], [0.0], 1, 1.0), "w = 0 must be finite and > 0"),
        (([1.0], [1.0], 2, 1.0), "n = 2"),
        (([1.0], [1.0], 1, 1.0, 0.0), "D = 0 must be > 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message: str) -> None:
    with pytest.raises(InputError) as caught:
        weighted_population(*arguments)
    assert message in str(caught.value)


def test_completing_coefficient_refuses_limits_in_the_wrong_order() -> None:
    with pytest.raises(InputError, match="must be 0 < D < T < 2"):
        completing_coefficient([2.0], [1.0], 1.0, 1.0, 1.5)
    with pytest.raises(InputError, match="must be 0 < D < T < 2"):
        completing_coefficient([2.0], [1.0], 1.0, 3.0, 1.5)
