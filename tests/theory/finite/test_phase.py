"""The best teacher against the student's samples: the envelope, its jumps and its threshold."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.finite.finite_models import SPECTRA, spectra

from capgap.errors import InputError
from capgap.spectrum import Spectrum, power_law
from capgap.theory.finite import (
    best_teacher_size,
    critical_theta,
    least_squares_pair,
    phases,
    samples_for_larger_teacher,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Spectrum, int, int, float]:
    spectrum = draw(spectra(2))
    n = draw(st.integers(1, spectrum.size))
    return spectrum, n, spectrum.size + draw(st.integers(2, 30)), draw(st.floats(0, 3))


@given(cases(), st.integers(2, 3000))
def test_phases_name_a_best_size(case, extra: int) -> None:
    """Oracle: every size tried (`best_teacher_size`)."""
    spectrum, n, n_T, noise = case
    found, n_S = phases(spectrum, n, n_T, noise), n + extra
    tried = best_teacher_size(spectrum, n, n_T, n_S, noise)
    named = least_squares_pair(spectrum, found.best(n_S), n, n_T, n_S, noise)
    assert float(named.student_risk) == pytest.approx(tried.student_risk, rel=1e-9, abs=1e-300)


@given(cases())
def test_sizes_grow_and_both_sides_of_a_border_are_equal(case) -> None:
    spectrum, n, n_T, noise = case
    found = phases(spectrum, n, n_T, noise)
    assert len(found.sizes) == len(found.samples) + 1
    assert all(m > n for m in found.sizes[1:])
    assert found.sizes[0] <= n
    assert list(found.samples) == sorted(found.samples)
    for k, at in enumerate(found.thetas):
        for m in found.sizes[k : k + 2]:
            v = (noise + spectrum.tail(m)) / (n_T - m - 1)
            extra = spectrum.tail(n) - spectrum.tail(m) + (m - n) * v
            copied = spectrum.tail(m) + m * v
            risk = copied if m <= n else spectrum.tail(n) + n * v + at * extra
            assert risk == pytest.approx(found.risks[k], rel=1e-9)


@given(cases(), st.integers(2, 400))
def test_larger_teacher_wins_exactly_above_its_threshold(case, extra: int) -> None:
    spectrum, n, n_T, noise = case
    if n == spectrum.size:
        return
    m = np.arange(n + 1, spectrum.size + 1)
    border, n_S = samples_for_larger_teacher(spectrum, m, n, n_T, noise), n + extra
    assert np.all(border >= n_T)
    larger = least_squares_pair(spectrum, m, n, n_T, n_S, noise).student_risk
    equal = float(least_squares_pair(spectrum, n, n, n_T, n_S, noise).student_risk)
    clear = np.abs(larger - equal) > 1e-9 * equal
    np.testing.assert_array_equal((larger < equal)[clear], (n_S > border)[clear])


@given(cases())
def test_no_teacher_above_the_student_while_it_saw_as_much(case) -> None:
    spectrum, n, n_T, noise = case
    least = phases(spectrum, n, n_T, noise).samples
    # Where a border is n_T itself, rounding may put it a little below.
    assert all(at >= n_T * (1 - 1e-9) for at in least)


def test_jump_over_sizes_or_one_mode_at_a_time() -> None:
    """A target whose power falls slowly makes the best teacher leap, one that falls fast not."""
    slow = phases(power_law(60, 1.0, 0.0), 10, 100, 0.1)
    assert slow.sizes == (10, 60)
    fast = phases(power_law(200, 1.0, 1.5), 10, 100, 0.01)
    assert fast.sizes[:4] == (10, 11, 12, 13)


def test_perfect_teacher_has_one_phase() -> None:
    for spectrum in SPECTRA.values():
        for n in range(1, spectrum.size + 1):
            found = phases(spectrum, n, inf, 1.0)
            assert found.thetas == ()
            assert spectrum.tail(found.sizes[0]) == spectrum.tail(n)


def test_border_against_the_best_copied_teacher_not_against_n() -> None:
    """A teacher of n features that overfits is beaten below n, and the border moves."""
    spectrum, n, n_T, noise = Spectrum([1.0] * 4, [1.0, 0.0, 0.0, 3.0]), 3, 12, 1.0
    found = phases(spectrum, n, n_T, noise)
    assert found.sizes == (0, 4) or found.sizes == (1, 4)
    v = [(noise + spectrum.tail(m)) / (n_T - m - 1) for m in (3, 4)]
    extra = spectrum.tail(3) - spectrum.tail(4) + v[1]
    against_n = n * (v[0] - v[1]) / extra
    assert critical_theta(spectrum, n, n_T, noise) < 0.9 * against_n


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="m must be > n = 3 and n_T finite"):
        samples_for_larger_teacher(SPECTRA["power"], [3, 4], 3, 30, 0.0)
