"""Counterexamples in rational numbers: m = n fails with both limits in a weighted norm."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.theory.kernel import (
    EARLIER_IS_BETTER,
    LATER_IS_BETTER,
    W_SHAPE,
    RationalInstance,
    exact_student_errors,
    weighted_population,
)

ALL = [EARLIER_IS_BETTER, LATER_IS_BETTER, W_SHAPE]


def floats(p: RationalInstance) -> np.ndarray:
    return weighted_population(
        np.sqrt(np.array(p.alpha_squared, dtype=float)), np.array(p.w, dtype=float), p.n,
        float(p.T_squared) ** 0.5, float(p.D_squared) ** 0.5,
    ).student_squared_error  # fmt: skip


def test_larger_teacher_beats_the_student_s_size() -> None:
    one, two, three = exact_student_errors(LATER_IS_BETTER)
    assert three.low == three.high == Fraction(4367, 300)
    assert three < two < one
    assert float(two.low) == pytest.approx(14.56409, abs=5e-6)
    assert float(one.low) == pytest.approx(14.796, abs=5e-4)


def test_first_student_of_that_instance_by_hand() -> None:
    """m = 1: the teacher is exact, the student shrinks 1 to sqrt(41/100)."""
    one = exact_student_errors(LATER_IS_BETTER)[0]
    root = Fraction(41, 100)
    for bound, side in ((one.low, 1), (one.high, -1)):
        # E = (1 - sqrt(r))^2 + 44/3, so sqrt(r) = 1 - sqrt(E - 44/3); compare squares.
        rest = bound - Fraction(44, 3)  # (1 - sqrt r)^2 = 1 + r - 2 sqrt r
        assert side * ((1 + root - rest) ** 2 - 4 * root) >= 0


def test_smaller_teacher_beats_the_student_s_size() -> None:
    one, two = exact_student_errors(EARLIER_IS_BETTER)
    assert one.low == one.high == Fraction(159, 16) ** 2 + 1  # the student is (1/16, 0)
    assert one < two


def test_two_valleys_the_second_deeper() -> None:
    E = exact_student_errors(W_SHAPE)
    assert E[1] < E[0]
    assert E[1] < E[2]
    assert E[3] < E[2]
    assert E[3] < E[4]
    assert E[3] < E[1]


@pytest.mark.parametrize("instance", ALL)
def test_enclosures_hold_the_computed_errors(instance: RationalInstance) -> None:
    """Tolerance: rounding of a sum of at most 155."""
    for bound, value in zip(exact_student_errors(instance), floats(instance), strict=True):
        assert float(bound.high - bound.low) < 1e-11
        assert float(bound.low) - 1e-12 <= value <= float(bound.high) + 1e-12


@pytest.mark.parametrize("instance", ALL)
def test_more_bits_only_narrow(instance: RationalInstance) -> None:
    for wide, narrow in zip(
        exact_student_errors(instance, 12), exact_student_errors(instance, 40), strict=True
    ):
        assert wide.low <= narrow.low <= narrow.high <= wide.high


@pytest.mark.parametrize("instance", ALL)
def test_with_one_limit_only_or_equal_weights_the_counterexamples_vanish(instance) -> None:
    """Negative control: T2 and T1 say that m = n is best then, and it is, in rationals."""
    generous = max(a * w for a, w in zip(instance.alpha_squared, instance.w, strict=True)) * 10
    for changed in (
        replace(instance, D_squared=generous),
        replace(instance, T_squared=generous),
        replace(instance, w=tuple(Fraction(1) for _ in instance.w)),
    ):
        E = exact_student_errors(changed)
        assert not any(e < E[changed.n - 1] for e in E)


rationals = st.fractions(min_value=Fraction(1, 8), max_value=8, max_denominator=8)


@given(st.data(), st.integers(2, 4), rationals, rationals)
@settings(max_examples=40)
def test_floats_lie_in_the_enclosures(data, M: int, T_squared, D_squared) -> None:
    several = st.lists(rationals, min_size=M, max_size=M).map(tuple)
    p = RationalInstance(
        data.draw(several), data.draw(several), data.draw(st.integers(1, M)), T_squared, D_squared
    )
    for bound, value in zip(exact_student_errors(p, 44), floats(p), strict=True):
        assert float(bound.low) - 1e-11 <= value <= float(bound.high) + 1e-11


def test_bad_input_is_one_clear_line() -> None:
    one = Fraction(1)
    with pytest.raises(InputError, match="1 weights must be one for each of the 2"):
        RationalInstance((one, one), (one,), 1, one, one)
    with pytest.raises(InputError, match="squares must be >= 0"):
        RationalInstance((one,), (one,), 1, Fraction(0), one)
    with pytest.raises(InputError, match="n = 2"):
        RationalInstance((one,), (one,), 2, one, one)
