"""The law of C.1: E_S as a function of E_T, against the errors themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from theory.kernel.oracles import instances

from capgap.errors import InputError
from capgap.theory.kernel import (
    kernel_population,
    student_error_law,
    student_error_slope,
)


@given(instances())
@settings(max_examples=300)
def test_law_gives_every_student_from_its_teacher(instance) -> None:
    """Tolerance: a is a square root of F^2 - E_T, which keeps half the digits near 0."""
    alpha, n, T, D = instance
    errors = kernel_population(alpha, n, T, D)
    F, own = np.linalg.norm(alpha), np.linalg.norm(alpha[:n])
    if F == 0:
        return
    E_S = student_error_law(errors.teacher_squared_error, F, min(own, F), T, D)
    np.testing.assert_allclose(E_S, errors.student_squared_error, rtol=1e-7, atol=1e-7 * F**2)


def test_law_is_explicit_where_the_teacher_s_limit_binds() -> None:
    """T binding, D loose, m >= n: s = 2 T^2/(F^2 + T^2 - E_T) turns E_T into E_S."""
    alpha = np.random.default_rng(4).uniform(-1, 1, 200)
    T, n = 3.0, 60
    errors = kernel_population(alpha, n, T)
    F2, A2 = np.sum(alpha**2), np.sum(alpha[:n] ** 2)
    assert T**2 < A2
    E_T = errors.teacher_squared_error[n - 1 :]
    s = 2 * T**2 / (F2 + T**2 - E_T)
    expected = F2 - A2 * s * (2 - s)
    np.testing.assert_allclose(errors.student_squared_error[n - 1 :], expected, rtol=1e-12)
    assert np.all(np.diff(expected[::-1]) < 0)  # the better teacher has the worse student


CASES = [(7.0, 4.0, 3.0, np.inf), (7.0, 4.0, 5.0, np.inf), (7.0, 4.0, 3.0, 2.0),
         (7.0, 4.0, 5.0, 3.0), (7.0, 7.0, 3.0, 2.0), (7.0, 4.0, np.inf, 3.0)]  # fmt: skip


@pytest.mark.parametrize(("F", "own", "T", "D"), CASES)
def test_slope_is_the_derivative(F: float, own: float, T: float, D: float) -> None:
    """Oracle: central differences away from the corners, where teachers reach a = T, A_n ..."""
    least = max(F - T, 0.0) ** 2
    E_T = np.linspace(least, F**2, 203)[1:-1]
    step = 1e-5
    numeric = (
        student_error_law(E_T + step, F, own, T, D) - student_error_law(E_T - step, F, own, T, D)
    ) / (2 * step)
    away = np.abs(numeric - student_error_slope(E_T, F, own, T, D)) < 1e-6
    corners = 3  # at most: a = T, a = A_n, a = D or a = T A_n/D
    assert np.count_nonzero(~away) <= corners
    assert np.count_nonzero(away) > 190


def test_slopes_of_the_three_parts() -> None:
    """D = 1 < T = 2 < A_n = 3: D/T up to m = n, 0 on the floor up to a = 6, then falling."""
    a = np.array([2.5, 4.0, 8.0])
    E_T = 10.0**2 + 2.0**2 - 2 * 2.0 * a
    slope = student_error_slope(E_T, 10.0, 3.0, 2.0, 1.0)
    np.testing.assert_allclose(slope, [0.5, 0.0, -((3 / 8) ** 2) * (1 - 2 / 8)], rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3.0, 5.0, 6.0, 1.0), "F = 5, A_n = 6"),
        ((3.0, 0.0, 0.0, 1.0), "F = 0"),
        ((3.0, 5.0, 1.0, 1.0), "E_T = 3 must be in 16 .. 25"),
        ((26.0, 5.0, 1.0, 1.0), "E_T = 26 must be in 16 .. 25"),
        ((20.0, 5.0, 1.0, 0.0), "T = 0 must be > 0"),
        ((np.nan, 5.0, 1.0, 1.0), "E_T = nan"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message: str) -> None:
    with pytest.raises(InputError) as caught:
        student_error_law(*arguments)
    assert message in str(caught.value)
