"""Closed forms of the kernel capacity gap against constrained least squares solved numerically."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from capgap.errors import InputError
from capgap.theory.kernel_population import kernel_population


def constrained_least_squares(target: np.ndarray, size: int, limit: float) -> np.ndarray:
    """min ||g - target|| over g supported on the first `size` functions with ||g|| <= limit.

    Oracle: the Lagrange condition (X'X + nu) g = X' target with X the first columns of the
    identity, and nu found by root search; it knows nothing of radial shrinkage.
    """
    X = np.eye(target.size)[:, :size]

    def solution(nu: float) -> np.ndarray:
        return np.linalg.solve(X.T @ X + nu * np.eye(size), X.T @ target)

    if np.linalg.norm(solution(0.0)) > limit:
        high = 1.0
        while np.linalg.norm(solution(high)) > limit:
            high *= 4
        nu = brentq(lambda v: np.linalg.norm(solution(v)) - limit, 0.0, high, xtol=1e-14)
        return X @ solution(nu)
    return X @ solution(0.0)


def brute_force(alpha: np.ndarray, n: int, T: float, D: float) -> tuple[np.ndarray, np.ndarray]:
    teacher, student = [], []
    for m in range(1, alpha.size + 1):
        g = constrained_least_squares(alpha, m, T)
        h = constrained_least_squares(g, n, D)
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


coefficients = st.lists(
    st.one_of(st.just(0.0), st.floats(0.01, 3.0), st.floats(-3.0, -0.01)), min_size=2, max_size=12
)


@given(coefficients, st.data(), st.floats(0.1, 6.0), st.one_of(st.just(np.inf), st.floats(0.1, 6)))
@settings(max_examples=300)
def test_best_teachers_are_exactly_the_stated_ones(alpha, data, T: float, D: float) -> None:
    """The argmin set, n among it, decrease before, increase after, and no weak-to-strong."""
    alpha = np.array(alpha)
    n = data.draw(st.integers(1, alpha.size))
    errors = kernel_population(alpha, n, T, D)
    E_S, first, last = errors.student_squared_error, errors.first_best, errors.last_best
    assert first <= n <= last
    tolerance = 1e-12 * np.sum(alpha**2)
    floor = E_S[first - 1 : last]
    assert np.all(np.abs(floor - E_S[n - 1]) <= tolerance)
    assert np.all(E_S[n - 1] - tolerance <= E_S)
    assert np.all(np.diff(E_S[:first]) <= tolerance)
    assert np.all(np.diff(E_S[last - 1 :]) >= -tolerance)
    assert np.all(errors.teacher_squared_error - tolerance <= E_S)
    if last < alpha.size:  # a strict U: the capacity gap
        norm = np.sqrt(np.cumsum(alpha**2))
        assert norm[last] > max(T, norm[n - 1]) * (1 - 1e-12)


def test_no_gap_when_the_teacher_can_reach_the_target() -> None:
    alpha = np.random.default_rng(3).uniform(-1, 1, 30)
    errors = kernel_population(alpha, 10, T=np.linalg.norm(alpha) * 1.0001)
    assert errors.last_best == 30
    assert np.ptp(errors.student_squared_error[9:]) < 1e-12


def test_the_law_of_this_model() -> None:
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


def test_wrong_cases_of_the_proof_would_be_noticed() -> None:
    """Negative control: Q's two cases exchanged (the proof's slip) is far from the truth."""
    alpha, n, T, D = np.full(40, 0.5), 10, 1.2, 1.0
    m = np.arange(1, 41)
    S = np.cumsum(alpha**2)
    C = np.minimum(1, T / np.sqrt(S))
    S_k = S[np.minimum(m, n) - 1]
    right = np.minimum(1, D / (C * np.sqrt(S_k)))
    wrong = np.maximum(1, D / (C * np.sqrt(S_k)))
    errors = kernel_population(alpha, n, T, D).student_squared_error
    np.testing.assert_allclose((C * right - 1) ** 2 * S_k + S[-1] - S_k, errors, rtol=1e-12)
    assert np.max(np.abs((C * wrong - 1) ** 2 * S_k + S[-1] - S_k - errors)) > 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 1, 1.0), "alpha has shape (0,)"),
        (([1.0, np.nan], 1, 1.0), "alpha has the entry nan"),
        (([1.0], 2, 1.0), "n = 2 must be an integer in 1 .. 1"),
        (([1.0], 1.0, 1.0), "n = 1.0 must be an integer"),
        (([1.0], 1, 0.0), "T = 0 must be finite and > 0"),
        (([1.0], 1, 1.0, -np.inf), "D = -inf must be > 0"),
        (([1.0], 1, 1.0, np.nan), "D = nan must be > 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message: str) -> None:
    with pytest.raises(InputError) as caught:
        kernel_population(*arguments)
    assert message in str(caught.value)
