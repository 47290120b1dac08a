"""Case 2 of the paper's proof, evaluated as it is and as it should be."""

import numpy as np
import pytest
from hypothesis import assume, given
from theory.kernel.oracles import instances, multiplier_fit

from capgap.errors import InputError
from capgap.theory.kernel import exchanged_cases, kernel_population


def as_printed(alpha: np.ndarray, n: int, T: float, D: float) -> np.ndarray:
    """The paper's e_student squared, C and Q spelled out: right, and not in question."""
    S = np.cumsum(alpha**2)
    C = np.minimum(1, T / np.sqrt(S))
    S_k = S[np.minimum(np.arange(1, S.size + 1), n) - 1]
    Q = np.minimum(1, D / (C * np.sqrt(S_k)))
    return (C * Q - 1) ** 2 * S_k + S[-1] - S_k


def test_the_paper_s_formulas_are_right() -> None:
    alpha, n, T, D = np.full(40, 0.5), 10, 1.2, 1.0
    errors = kernel_population(alpha, n, T, D).student_squared_error
    np.testing.assert_allclose(as_printed(alpha, n, T, D), errors, rtol=1e-12)


def test_exchanged_cases_put_the_rise_where_the_floor_is() -> None:
    """A_n = 2.74, T = 1.2, D = 1: the floor ends at A_m = 3.29, there the slip's floor begins."""
    alpha, n, T, D = np.full(60, 0.5), 30, 1.2, 1.0
    errors = kernel_population(alpha, n, T, D)
    slip = exchanged_cases(alpha, n, T, D)
    true = errors.student_squared_error[n - 1 :]
    on_floor = slip.m <= errors.last_best
    assert errors.last_best == 43  # 0.25 x 43 <= 1.2^2 x 7.5 < 0.25 x 44
    assert np.all(np.diff(slip.squared_error[on_floor]) > 0)
    assert np.ptp(true[on_floor]) < 1e-12
    # What it claims to be possible is better than the best student.
    assert slip.squared_error[0] < true[0] - 0.01


def test_beyond_the_floor_the_slip_denies_the_gap() -> None:
    rng = np.random.default_rng(0)
    alpha, n, T, D = rng.uniform(-1, 1, 1000), 300, 5.0, 4.5  # the paper's Fig. 10
    errors = kernel_population(alpha, n, T, D)
    slip = exchanged_cases(alpha, n, T, D)
    beyond = slip.m > errors.last_best
    assert beyond.sum() > 500
    np.testing.assert_allclose(
        slip.squared_error[beyond], errors.student_squared_error.min(), rtol=1e-12
    )
    true = errors.student_squared_error[n - 1 :][beyond]
    assert np.all(np.diff(true) > 0)
    assert true[-1] - slip.squared_error[-1] > 10


@given(instances())
def test_exchanged_cases_are_no_minimizer(instance) -> None:
    """Wherever the limit matters they break it, or are farther from the teacher than need be."""
    alpha, n, T, D = instance
    assume(np.isfinite(D) and np.any(alpha[:n] != 0))
    slip = exchanged_cases(alpha, n, T, D)
    for m, norm, distance in zip(slip.m, slip.norm, slip.distance, strict=True):
        teacher = multiplier_fit(alpha, int(m), T)
        student = multiplier_fit(teacher, n, D)
        part = np.linalg.norm(teacher[:n])
        if abs(part - D) < 1e-6:
            continue
        least = np.linalg.norm(student - teacher)
        assert norm > D * (1 + 1e-9) or distance > least


def test_bad_input_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="D = inf, A_n = 1 must be finite and > 0"):
        exchanged_cases([1.0], 1, 1.0, np.inf)
    with pytest.raises(InputError, match="D = 1, A_n = 0 must be finite and > 0"):
        exchanged_cases([0.0, 1.0], 1, 1.0, 1.0)
