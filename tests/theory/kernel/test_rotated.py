"""General subspaces: the nested case, projections, and what does not hold any more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.kernel.oracles import instances, searched_fit

from capgap.errors import InputError
from capgap.theory.kernel import kernel_population, rotated_basis, subspace_population


def random_basis(rng: np.random.Generator, M: int, n: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(M, n)))[0]


@given(instances())
def test_nested_spans_are_the_plain_theorem(instance) -> None:
    alpha, n, T, D = instance
    plain = kernel_population(alpha, n, T, D)
    errors = subspace_population(alpha, np.eye(alpha.size)[:, :n], T, D)
    tolerance = {"rtol": 1e-12, "atol": 1e-13 * np.sum(alpha**2)}
    np.testing.assert_allclose(
        errors.student_squared_error, plain.student_squared_error, **tolerance
    )
    np.testing.assert_allclose(
        errors.teacher_squared_error, plain.teacher_squared_error, **tolerance
    )


@pytest.mark.parametrize("seed", range(8))
def test_errors_against_sequential_quadratic_programs(seed: int) -> None:
    """Oracle: scipy's SLSQP in both subspaces, unaware of projections."""
    rng = np.random.default_rng(seed)
    M = 5
    f, V, U = rng.normal(size=M), random_basis(rng, M, 4), random_basis(rng, M, 2)
    T, D = rng.uniform(0.4, 2.0, 2).tolist()
    errors = subspace_population(f, U, T, D, V)
    for m in range(1, 5):
        g = searched_fit(f, V[:, :m], T)
        h = searched_fit(g, U, D)
        assert errors.teacher_squared_error[m - 1] == pytest.approx(np.sum((g - f) ** 2), abs=1e-5)
        assert errors.student_squared_error[m - 1] == pytest.approx(np.sum((h - f) ** 2), abs=1e-5)
    direct = searched_fit(f, U, D)
    assert errors.direct_squared_error == pytest.approx(np.sum((direct - f) ** 2), abs=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_only_angles_matter(seed: int) -> None:
    """Turning everything together, or another basis of the student's span, changes nothing."""
    rng = np.random.default_rng(seed)
    M, n = int(rng.integers(2, 9)), 2
    f, V, U = rng.normal(size=M), random_basis(rng, M, M), random_basis(rng, M, n)
    T, D = rng.uniform(0.3, 3.0, 2).tolist()
    one = subspace_population(f, U, T, D, V)
    R, S = random_basis(rng, M, M), random_basis(rng, n, n)
    other = subspace_population(R @ f, R @ U @ S, T, D, R @ V)
    for name in ("teacher_squared_error", "student_squared_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10, atol=1e-13)
    assert np.all(one.student_squared_error >= one.direct_squared_error - 1e-12)


def test_nothing_forces_the_best_teacher_to_the_student_s_size() -> None:
    """One function, (phi_1 + phi_2)/sqrt 2: without a limit m = 2 is best, not m = 1."""
    turned = subspace_population([1, 1, 1], rotated_basis(3, 1, np.pi / 4))
    assert turned.best == 2
    np.testing.assert_allclose(turned.student_squared_error, [1.5, 1.0, 1.0], rtol=1e-12)


def test_best_teacher_can_be_smaller_than_the_student() -> None:
    """Functions 1, 9 and 10 of the teacher: the last two are not worth what they cost T.

    m = 1: 0.5^2 + 2 x 0.09 = 0.43; m = 10: C^2 = 0.25/1.81, (1 - C)^2 x 1.18 = 0.466; and the
    0.63 of the functions that the student lacks.
    """
    f = [1.0] + [0.3] * 9
    errors = subspace_population(f, np.eye(10)[:, [0, 8, 9]], T=0.5)
    assert errors.best == 1
    assert errors.student_squared_error[0] == pytest.approx(0.43 + 0.63)
    expected = (1 - (0.25 / 1.81) ** 0.5) ** 2 * 1.18 + 0.63
    assert errors.student_squared_error[9] == pytest.approx(expected)


def test_error_can_rise_and_fall_again_without_limits_and_before_the_student_s_size() -> None:
    """f = (1, 2, 0, 0); the student has (2, -1, 0, 0)/sqrt 5 and the fourth: P f = 0.

    Teachers take up functions 3, 1, 2: the first knows nothing, the second, (1, 0, 0, 0),
    misleads the student to (4/5, -2/5, 0, 0), the third tells it to say nothing again.
    """
    U = np.array([[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [0.0, 5**0.5]]) / np.sqrt(5)
    V = np.eye(4)[:, [2, 0, 1]]
    E = subspace_population([1, 2, 0, 0], U, teacher_basis=V).student_squared_error
    np.testing.assert_allclose(E, [5.0, 5.8, 5.0], rtol=1e-12)


def test_a_turned_student_can_beat_its_teacher() -> None:
    errors = subspace_population([1, 1], rotated_basis(2, 1, np.pi / 4))
    assert errors.student_squared_error[0] == pytest.approx(0.5)
    assert errors.teacher_squared_error[0] == 1


@given(st.integers(1, 6), st.floats(-7, 7))
def test_rotated_basis_has_one_principal_angle(n: int, angle: float) -> None:
    U = rotated_basis(2 * n + 1, n, angle)
    np.testing.assert_allclose(U.T @ U, np.eye(n), atol=1e-14)
    cosines = np.linalg.svd(np.eye(2 * n + 1)[:, :n].T @ U)[1]
    np.testing.assert_allclose(cosines, abs(np.cos(angle)), atol=1e-12)


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        ([[1.0], [1.0]], "from orthonormal"),
        ([[1.0]], r"shape \(1, 1\), must be \(2, 1 .. 2\)"),
        ([1.0, 0.0], r"shape \(2,\)"),
        ([[np.nan], [1.0]], "nan from orthonormal"),
    ],
)
def test_bad_bases_are_refused(basis, message: str) -> None:
    with pytest.raises(InputError, match=message):
        subspace_population([1.0, 2.0], basis)
