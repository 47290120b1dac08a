"""The theorem of the capacity gap, statement by statement, ties and corners included."""

from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from theory.kernel.oracles import instances, precise_errors

from capgap.theory.kernel import KernelCapacity, kernel_population

whole = st.lists(st.integers(-6, 6), min_size=1, max_size=8)
quarters = st.integers(1, 40).map(lambda k: k / 4)


@given(whole, st.data(), quarters, st.one_of(st.just(np.inf), quarters))
@example([3, 4, 12, 84], None, 5.0, np.inf)  # A_2 = T
@example([3, 4, 12, 84], None, 6.5, 1.5)  # A_3 = T A_1/D
@settings(max_examples=150)
def test_best_teachers_are_the_brute_force_ones(alpha, data, T: float, D: float) -> None:
    """Oracle: errors at 50 digits; those within 1e-40 of the least are ties. No tolerance."""
    n = 1 if data is None else data.draw(st.integers(1, len(alpha)))
    with mpmath.workdps(50):
        _, student = precise_errors(
            [Fraction(a) for a in alpha], n, Fraction(T) ** 2,
            None if np.isinf(D) else Fraction(D) ** 2,
        )  # fmt: skip
        least = min(student)
        best = [m for m, e in enumerate(student, start=1) if e - least < mpmath.mpf("1e-40")]
        steps = [b - a for a, b in pairwise(student)]
    gap = KernelCapacity(alpha, T, D).gap(n)
    assert best == list(range(gap.first_best, gap.last_best + 1))
    assert n in best
    assert gap.onset == (None if best[-1] == len(alpha) else best[-1] + 1)
    assert gap.height == pytest.approx(float(student[-1] - least), rel=1e-12, abs=1e-12)
    assert gap.least_squared_error == pytest.approx(float(least), rel=1e-12, abs=1e-12)
    assert gap.is_U == (any(s < -1e-40 for s in steps) and any(s > 1e-40 for s in steps))


@given(whole, st.data(), quarters, st.one_of(st.just(np.inf), quarters))
@settings(max_examples=150)
def test_each_step_falls_rises_or_rests_as_stated(alpha, data, T: float, D: float) -> None:
    """Statements 1 and 2 with both directions of "if and only if", at 50 digits."""
    n = data.draw(st.integers(1, len(alpha)))
    with mpmath.workdps(50):
        _, student = precise_errors(
            [Fraction(a) for a in alpha], n, Fraction(T) ** 2,
            None if np.isinf(D) else Fraction(D) ** 2,
        )  # fmt: skip
        steps = [b - a for a, b in pairwise(student)]
    squares = np.cumsum(np.square(alpha))
    for m, step in enumerate(steps, start=1):  # from m to m + 1
        nonzero = alpha[m] != 0
        if m < n:
            expected = -1 if nonzero else 0
        else:
            own, reach = int(squares[n - 1]), int(squares[m])
            bound = reach > T * T and (np.isinf(D) or T * T * own < D * D * reach)
            expected = 1 if own > 0 and nonzero and bound else 0
        assert (step > 1e-40) - (step < -1e-40) == expected


@given(instances())
@settings(max_examples=200)
def test_closed_forms_of_both_branches(instance) -> None:
    """F^2 - phi(A_m) and F^2 - A_n^2 s (2 - s), written as in the theorem."""
    alpha, n, T, D = instance
    A = np.sqrt(np.cumsum(alpha**2))
    F2, own, R = A[-1] ** 2, A[n - 1], min(T, D)
    phi = np.where(A <= R, A**2, 2 * R * A - R**2)
    dark = own == 0
    s = np.minimum(1.0, np.minimum(T / np.maximum(A, T), 1.0 if dark else D / max(own, D)
                                   if np.isfinite(D) else 1.0))  # fmt: skip
    expected = np.where(np.arange(1, A.size + 1) <= n, F2 - phi, F2 - own**2 * s * (2 - s))
    errors = kernel_population(alpha, n, T, D)
    np.testing.assert_allclose(
        errors.student_squared_error, expected, rtol=1e-12, atol=1e-13 * max(F2, 1e-300)
    )


@given(instances())
@settings(max_examples=200)
def test_no_student_beats_its_teacher(instance) -> None:
    alpha, n, T, D = instance
    errors = kernel_population(alpha, n, T, D)
    tolerance = 1e-14 * np.sum(alpha**2)
    assert np.all(errors.student_squared_error >= errors.teacher_squared_error - tolerance)
    assert np.all(np.diff(errors.teacher_squared_error) <= tolerance)  # teachers improve


@given(instances(), st.floats(1.0, 3.0))
def test_no_gap_if_the_teacher_can_hold_the_target(instance, room: float) -> None:
    alpha, n, _, D = instance
    T = room * (1 + 1e-12) * max(np.linalg.norm(alpha), 1e-3)
    gap = KernelCapacity(alpha, T, D).gap(n)
    assert gap.last_best == alpha.size
    assert gap.onset is None
    assert gap.height == 0


@given(instances())
def test_when_the_student_s_limit_widens_the_floor(instance) -> None:
    """If and only if D < min(T, A_n); D < A_n alone is not enough."""
    alpha, n, T, D = instance
    own = float(KernelCapacity(alpha, T).norm[n])
    limited, free = (KernelCapacity(alpha, T, limit).gap(n) for limit in (D, np.inf))
    if own > 0 and abs(D - min(T, own)) > 1e-9:
        assert (limited.floor_end > free.floor_end * (1 + 1e-12)) == (min(T, own) > D)
    assert limited.last_best >= free.last_best
    assert limited.height <= free.height * (1 + 1e-12) + 1e-12


def test_a_limit_below_the_student_s_norm_need_not_widen_the_floor() -> None:
    """T = 1 < D = 2 < A_2 = 3: the floor ends at A_n with and without D."""
    alpha = [2.0, 5.0**0.5, 1.0]
    assert KernelCapacity(alpha, 1.0, 2.0).gap(2).floor_end == pytest.approx(3, rel=1e-15)
    assert KernelCapacity(alpha, 1.0).gap(2).floor_end == pytest.approx(3, rel=1e-15)


def test_corners() -> None:
    dark = KernelCapacity([0.0, 0.0, 1.0], T=0.5).gap(2)
    assert (dark.first_best, dark.last_best, dark.onset, dark.height) == (1, 3, None, 0.0)
    assert KernelCapacity([0.0, 0.0], T=1.0, D=0.5).gap(1).last_best == 2
    # A gap without a U: nothing is left of the student's dimension.
    gap = KernelCapacity([3.0, 4.0], T=1.0).gap(1)
    assert (gap.onset, gap.is_U) == (2, False)
    # n = M: no teacher is larger.
    assert KernelCapacity([3.0, 4.0], T=1.0).gap(2).onset is None
    # Zero coefficients beside n are ties on both sides.
    tie = KernelCapacity([3.0, 0.0, 0.0, 4.0], T=1.0).gap(2)
    assert (tie.first_best, tie.last_best, tie.onset) == (1, 3, 4)
    # The onset may lie far beyond n, and a larger T moves it on.
    ends = [KernelCapacity(np.ones(100), T).gap(10).last_best for T in (1.0, 5.0, 9.0, 10.0)]
    assert ends == [10, 25, 81, 100]
