"""The gain identity: what a student gains on its teacher."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.kernel.oracles import instances

from capgap.errors import InputError
from capgap.theory.kernel import (
    distillation_gain,
    fit_in_ball,
    kernel_population,
    noisy_teacher_gain,
    subspace_population,
)


def random_problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 10))
    n = int(rng.integers(1, M))
    return rng.normal(size=M), rng.normal(size=M), np.linalg.qr(rng.normal(size=(M, n)))[0]


@given(st.integers(0, 2**32 - 1))
def test_gain_is_misfit_minus_twice_the_cross_term(seed: int) -> None:
    g, f, U = random_problem(seed)
    gain = distillation_gain(g, f, U)
    scale = np.sum(g**2) + np.sum(f**2)
    assert gain.total == pytest.approx(gain.misfit - 2 * gain.cross, abs=1e-13 * scale)
    assert abs(gain.cross) <= np.sqrt(gain.misfit * gain.limit) * (1 + 1e-12)


@given(st.integers(0, 2**32 - 1))
def test_realizable_gain_is_the_misfit(seed: int) -> None:
    g, f, U = random_problem(seed)
    gain = distillation_gain(g, U @ (U.T @ f), U)
    assert gain.total == pytest.approx(gain.misfit, rel=1e-10, abs=1e-12)
    assert gain.limit < 1e-25 * max(1.0, np.sum(f**2))


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 1.0))
def test_with_a_ball_of_students_realizable_gain_is_at_least_the_misfit(seed, share) -> None:
    """Charikar et al.: a convex set of students that holds the target."""
    rng = np.random.default_rng(seed)
    M = int(rng.integers(2, 8))
    n = int(rng.integers(1, M + 1))
    f = fit_in_ball(rng.normal(size=M), n)
    D = np.linalg.norm(f) / share  # the target is inside
    g = f + rng.normal(size=M)
    h = fit_in_ball(g, n, D)
    gain = np.sum((g - f) ** 2) - np.sum((h - f) ** 2)
    assert gain >= np.sum((g - h) ** 2) * (1 - 1e-12) - 1e-12


@given(instances())
def test_nested_students_never_gain(instance) -> None:
    """C.1 without a limit on the student: gain = -(2/C - 1) ||v||^2."""
    alpha, n, T, _ = instance
    errors = kernel_population(alpha, n, T)
    U = np.eye(alpha.size)[:, :n]
    for m in range(1, alpha.size + 1):
        gain = distillation_gain(fit_in_ball(alpha, m, T), alpha, U)
        expected = -(2 / errors.C[m - 1] - 1) * gain.misfit
        assert gain.total == pytest.approx(expected, rel=1e-9, abs=1e-12 * np.sum(alpha**2))
        own = errors.teacher_squared_error[m - 1] - errors.student_squared_error[m - 1]
        assert gain.total == pytest.approx(own, abs=1e-12 * np.sum(alpha**2))


@given(st.integers(0, 2**32 - 1))
def test_gain_agrees_with_general_subspaces(seed: int) -> None:
    _, f, U = random_problem(seed)
    errors = subspace_population(f, U)
    for m in range(1, f.size + 1):
        teacher = np.where(np.arange(f.size) < m, f, 0.0)
        expected = errors.teacher_squared_error[m - 1] - errors.student_squared_error[m - 1]
        assert distillation_gain(teacher, f, U).total == pytest.approx(expected, abs=1e-11)


def simulated_gain(alpha: np.ndarray, n: int, variance: float, draws: int) -> np.ndarray:
    """Teacher's minus student's error for m = 1 .. M, shape (draws, M)."""
    noise = np.random.default_rng(0).normal(size=(draws, 1, alpha.size)) * np.sqrt(variance)
    m = np.arange(1, alpha.size + 1)
    teacher = np.where(np.arange(alpha.size) < m[:, None], alpha + noise, 0.0)
    student = np.where(np.arange(alpha.size) < n, teacher, 0.0)
    return np.sum((teacher - alpha) ** 2, axis=-1) - np.sum((student - alpha) ** 2, axis=-1)


def z_scores(gain: np.ndarray, expected: np.ndarray) -> np.ndarray:
    error = gain.std(axis=0, ddof=1) / np.sqrt(len(gain))
    return (gain.mean(axis=0) - expected) / error


def test_noisy_teachers_against_simulation() -> None:
    """z-test of the mean over 4000 drawn teachers; a noise 5% off must fail it."""
    alpha, n, variance = 1 / np.arange(1, 13.0), 4, 0.02
    gain = simulated_gain(alpha, n, variance, 4000)
    assert np.all(np.abs(gain[:, :n]) < 1e-12)
    larger = slice(n, None)
    z = z_scores(gain[:, larger], noisy_teacher_gain(alpha, n, variance)[larger])
    assert np.all(np.abs(z) < 4)
    control = z_scores(gain[:, larger], noisy_teacher_gain(alpha, n, 1.05 * variance)[larger])
    assert np.max(np.abs(control)) > 4


def test_noise_decides_whether_the_student_beats_the_teacher() -> None:
    alpha = 1 / np.arange(1, 101.0)
    gain = noisy_teacher_gain(alpha, 10, [0.0, 1.0])
    assert gain.shape == (2, 100)
    assert np.all(gain[0, 10:] < 0)
    assert np.all(gain[1, 10:] > 0)


def test_bad_input_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="noise must be finite and >= 0"):
        noisy_teacher_gain([1.0], 1, -1.0)
    with pytest.raises(InputError, match="teacher has 2 coefficients, must be 1"):
        distillation_gain([1.0, 2.0], [1.0], [[1.0]])
