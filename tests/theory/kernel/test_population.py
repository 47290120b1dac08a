"""Closed forms of the kernel capacity gap against constrained least squares solved numerically."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.kernel.oracles import instances, multiplier_fit, precise_errors

from capgap.errors import InputError
from capgap.theory.kernel import KernelCapacity, fit_in_ball, kernel_population


def brute_force(alpha: np.ndarray, n: int, T: float, D: float) -> tuple[np.ndarray, np.ndarray]:
    teacher, student = [], []
    for m in range(1, alpha.size + 1):
        g = multiplier_fit(alpha, m, T)
        h = multiplier_fit(g, n, D)
        teacher.append(np.sum((g - alpha) ** 2))
        student.append(np.sum((h - alpha) ** 2))
    return np.array(teacher), np.array(student)


@pytest.mark.parametrize(
    ("T", "D"), [(1.2, 0.9), (1.2, np.inf), (0.5, 2.0), (50.0, 0.7), (50.0, 50.0)]
)
@pytest.mark.parametrize("n", [1, 4, 9, 12])
def test_errors_against_constrained_least_squares(n: int, T: float, D: float) -> None:
    alpha = np.random.default_rng(n).uniform(-1, 1, 12)
    errors = kernel_population(alpha, n, T, D)
    teacher, student = brute_force(alpha, n, T, D)
    np.testing.assert_allclose(errors.teacher_squared_error, teacher, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(errors.student_squared_error, student, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(errors.student_error**2, errors.student_squared_error)
    np.testing.assert_allclose(errors.teacher_error**2, errors.teacher_squared_error)


@given(instances())
@settings(max_examples=60)
def test_errors_against_fifty_digits(instance) -> None:
    """Oracle: vectors built one by one in mpmath. Tolerance: rounding of sums of 12 squares."""
    alpha, n, T, D = instance
    errors = kernel_population(alpha, n, T, D)
    exact = [Fraction(a) for a in alpha.tolist()]
    with mpmath.workdps(50):
        teacher, student = precise_errors(
            exact, n, Fraction(T) ** 2, None if np.isinf(D) else Fraction(D) ** 2
        )
    tolerance = 2e-15 * np.sum(alpha**2)
    np.testing.assert_allclose(
        errors.teacher_squared_error, np.array(teacher, dtype=float), rtol=1e-13, atol=tolerance
    )
    np.testing.assert_allclose(
        errors.student_squared_error, np.array(student, dtype=float), rtol=1e-13, atol=tolerance
    )


@given(instances())
def test_factors_build_the_minimizers(instance) -> None:
    alpha, n, T, D = instance
    errors = kernel_population(alpha, n, T, D)
    for m in range(1, alpha.size + 1):
        teacher = fit_in_ball(alpha, m, T)
        student = fit_in_ball(teacher, n, D)
        C, Q = errors.C[m - 1], errors.Q[m - 1]
        np.testing.assert_allclose(teacher[:m], C * alpha[:m], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(student[:n], Q * teacher[:n], rtol=1e-12, atol=1e-15)


@given(instances(), st.integers(0, 2**32 - 1))
def test_signs_of_the_basis_do_not_matter(instance, seed: int) -> None:
    alpha, n, T, D = instance
    sign = np.random.default_rng(seed).choice([-1.0, 1.0], alpha.size)
    one, other = kernel_population(alpha, n, T, D), kernel_population(sign * alpha, n, T, D)
    np.testing.assert_array_equal(one.student_squared_error, other.student_squared_error)
    np.testing.assert_array_equal(one.teacher_squared_error, other.teacher_squared_error)
    assert (one.first_best, one.last_best) == (other.first_best, other.last_best)


@given(instances(), st.integers(-40, 40))
def test_scaling_scales(instance, power: int) -> None:
    """(c alpha, c T, c D) gives c^2 E; exact for powers of two."""
    alpha, n, T, D = instance
    c = 2.0**power
    one, other = kernel_population(alpha, n, T, D), kernel_population(c * alpha, n, c * T, c * D)
    np.testing.assert_array_equal(c**2 * one.student_squared_error, other.student_squared_error)
    np.testing.assert_array_equal(c**2 * one.teacher_squared_error, other.teacher_squared_error)
    np.testing.assert_array_equal(one.Q, other.Q)
    assert (one.first_best, one.last_best) == (other.first_best, other.last_best)


@given(instances())
def test_functions_that_the_target_lacks_change_nothing(instance) -> None:
    """A zero coefficient inserted anywhere repeats an error and moves the rest along."""
    alpha, n, T, D = instance
    more = kernel_population(np.insert(alpha, n, 0.0), n, T, D)
    one = kernel_population(alpha, n, T, D)
    np.testing.assert_allclose(
        np.delete(more.student_squared_error, n), one.student_squared_error, rtol=1e-14
    )
    assert more.student_squared_error[n] == more.student_squared_error[n - 1]


def test_all_pairs_at_once_agree_with_one_student_after_another() -> None:
    alpha = np.random.default_rng(5).uniform(-1, 1, 60)
    model = KernelCapacity(alpha, 3.0, 2.0)
    m = np.arange(1, 61)
    table = model.student_squared_error(m[:, None], m)
    first, last = model.best_teachers(m)
    for n in range(1, 61):
        errors = kernel_population(alpha, n, 3.0, 2.0)
        np.testing.assert_array_equal(table[:, n - 1], errors.student_squared_error)
        assert (first[n - 1], last[n - 1]) == (errors.first_best, errors.last_best)
    assert np.all(np.diff(model.best_squared_error(m)) < 0)  # capacity always helps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1, 1.0), "alpha has shape (0,)"),
        (([1.0, np.nan], 1, 1.0), "alpha has the entry nan"),
        (([1e200], 1, 1.0), "alpha has the entry 1e+200, must be finite, at most 1e150"),
        (([1.0], 2, 1.0), "n = 2 must be an integer in 1 .. 1"),
        (([1.0], 1.0, 1.0), "n = 1.0 must be an integer"),
        (([1.0], 1, 0.0), "T = 0 must be > 0"),
        (([1.0], 1, 1.0, -np.inf), "D = -inf must be > 0"),
        (([1.0], 1, 1.0, np.nan), "D = nan must be > 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message: str) -> None:
    with pytest.raises(InputError) as caught:
        kernel_population(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("m", [0, 4, 1.0, [1, 4], True])
def test_dimensions_outside_are_refused(m) -> None:
    with pytest.raises(InputError, match=r"m = .* must be integers in 1 .. 3"):
        KernelCapacity([3, 4, 12], 5.0).teacher_squared_error(m)
