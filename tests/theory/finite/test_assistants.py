"""Does an assistant help: the threshold in counts alone, narrower assistants, real scans."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.finite.finite_models import SPECTRA, spectra

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite import best_assistant, samples_for_assistant


@st.composite
def cases(draw: st.DrawFn) -> tuple[Spectrum, Stage, Stage]:
    spectrum = draw(spectra(3))
    M = spectrum.size
    n_T: float = draw(st.integers(M + 2, M + 40) | st.just(inf))
    n = draw(st.integers(1, M))
    teacher = Stage(draw(st.integers(1, M)), n_T, 0.0, draw(st.floats(0, 2)))
    return spectrum, teacher, Stage(n, n + draw(st.integers(2, 30)))


@given(cases(), st.integers(2, 60))
def test_wider_assistant_helps_exactly_above_the_threshold(case, more: int) -> None:
    """For every spectrum, target, noise and teacher the sign is that of the counts."""
    spectrum, teacher, student = case
    for k in range(student.features, teacher.features):
        scan = best_assistant(spectrum, teacher, student, k + more, widths=[k])
        assert scan.exact
        border = samples_for_assistant(student.features, student.samples, k)
        clear = 1e-11 * scan.direct_risk
        if k + more > border:
            assert scan.gain >= -clear
        else:
            assert scan.gain <= clear
        if abs(scan.gain) > clear:
            assert (scan.gain > 0) == (k + more > border)


@given(cases(), st.integers(2, 60))
def test_assistant_as_wide_as_the_teacher_changes_nothing(case, more: int) -> None:
    spectrum, teacher, student = case
    k = teacher.features
    scan = best_assistant(spectrum, teacher, student, k + more, widths=[k])
    assert abs(scan.gain) <= 1e-12 * scan.direct_risk


@given(cases(), st.integers(2, 60))
def test_narrower_assistant_of_a_perfect_teacher(case, more: int) -> None:
    spectrum, teacher, student = case
    m, n, n_S = teacher.features, student.features, student.samples
    for k in range(1, min(n, m)):
        n_A = k + more
        scan = best_assistant(spectrum, Stage(m, inf), student, n_A, widths=[k])
        t_n, t_k, t_m = spectrum.tail(min(n, m)), spectrum.tail(k), spectrum.tail(m)
        gain = (t_n - t_m) * (n_S - 1) / (n_S - n - 1) - (t_k - t_m) * (n_A - 1) / (n_A - k - 1)
        assert scan.gain == pytest.approx(gain, rel=1e-9, abs=1e-11 * scan.direct_risk)


def test_equal_samples_never_help_a_well_posed_student_but_a_narrow_one_regularizes() -> None:
    spectrum = power_law(60, 1.2, 1.5)
    wide = best_assistant(spectrum, Stage(60, inf), Stage(10, 100), 100)
    assert wide.gain <= 1e-12
    assert wide.width == 10
    starved = best_assistant(spectrum, Stage(60, inf), Stage(40, 44), 44)
    assert starved.width < 40
    assert starved.gain > 0.3 * starved.direct_risk


def test_ridge_students_are_scanned_with_the_equivalent() -> None:
    spectrum = power_law(100, 1.5, 1.5)
    teacher, student = Stage(100, inf), Stage(100, 50)
    poor = best_assistant(spectrum, teacher, student, 50, ridge=0.003)
    rich = best_assistant(spectrum, teacher, student, 2000, ridge=0.0003)
    assert not poor.exact
    assert poor.gain < 0 < rich.gain
    assert poor.student_risk.shape == (100,)
    assert np.min(rich.student_risk) == pytest.approx(rich.direct_risk - rich.gain)


def test_bad_input_is_refused() -> None:
    spectrum = SPECTRA["power"]
    with pytest.raises(InputError, match="samples = 2 must allow some width"):
        best_assistant(spectrum, Stage(12, inf), Stage(3, 9), 2)
    with pytest.raises(InputError, match="k = 3 must be at least n = 4"):
        samples_for_assistant(4, 10, 3)
    with pytest.raises(InputError, match="widths = 13 must be a count"):
        best_assistant(spectrum, Stage(12, inf), Stage(3, 9), 20, widths=[13])
