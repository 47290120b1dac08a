"""Knee, regime and reachable gap, and the corrections they carry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.members import CONVEX_GAP_LAWS, EQ8, GAP_LAWS, HINGES, TAUGHT, sizes, tokens

from capgap.errors import InputError
from capgap.theory.regimes import gap_reachable, regime


def test_knee_of_the_paper_is_not_at_d1() -> None:
    """Correction: the transition sits at 0.930 of the supervised loss, not at d1 = 1.315."""
    own = EQ8.supervised.loss(1e9, 2e10)
    assert EQ8.knee(1e9, 2e10) / own == pytest.approx(0.92984, abs=1e-5)
    assert EQ8.d1 == 1.315
    # At the knee log(gap x L_T^c0) has fallen by 1 (to 1/(2 c1 f1)), at d1 by 33.
    fall = EQ8.c1 * EQ8.f1 * np.log1p((0.92984 / EQ8.d1) ** (1 / EQ8.f1))
    assert fall == pytest.approx(1.0, abs=0.02)
    assert EQ8.c1 * EQ8.f1 * np.log(2) > 32


def test_regimes_are_not_reversed() -> None:
    """Correction: below the knee the gap L_S - L_T opens as the teacher improves.

    The document's rule calls L_T < d1 x supervised loss "the student is the stronger learner".
    There, on the contrary, the student falls behind; above it follows its teacher.
    """
    own = float(EQ8.supervised.loss(1e9, 2e10))
    strong, weak = 0.7 * own, 1.3 * own  # both below d1 x own
    found = regime(EQ8, 1e9, 2e10, [strong, weak])
    assert found.name.tolist() == ["capacity gap", "imitation"]
    gap = EQ8.loss(1e9, 2e10, [strong, weak]) - [strong, weak]
    assert gap[0] > 0.5
    assert gap[1] < 1e-6
    assert weak < EQ8.d1 * own


@pytest.mark.parametrize("law", TAUGHT)
@given(N=sizes, D=tokens, factor=st.floats(0.5, 2.0))
@settings(max_examples=30)
def test_regime_reports_what_the_law_says(law, N: float, D: float, factor: float) -> None:
    L_T = factor * float(law.knee(N, D))
    found = regime(law, N, D, L_T)
    assert found.capacity_gap == (law.knee(N, D) > L_T)
    assert found.too_strong == (law.best_teacher_loss(N, D) > L_T)
    assert found.slope == law.slope(N, D, L_T)
    if law not in GAP_LAWS or law.is_convex:  # one minimum: too strong is a negative slope
        distance = abs(L_T / float(found.best_teacher_loss) - 1) if found.best_teacher_loss else 1
        if distance > 1e-9:
            assert found.too_strong == (found.slope < 0)


def test_arrays_broadcast() -> None:
    found = regime(EQ8, [[1e9], [1e10]], 2e10, [1.8, 2.2, 2.6])
    for name in ("knee", "best_teacher_loss", "capacity_gap", "too_strong", "slope", "name"):
        assert getattr(found, name).shape == (2, 3)


@pytest.mark.parametrize("law", [*CONVEX_GAP_LAWS, *HINGES])
def test_reachable_gap_is_a_falling_loss_at_the_limit(law) -> None:
    """h(E) > 1, that is dL_S/dL_T < 0 at L_T = E, iff the best teacher is above E."""
    rng = np.random.default_rng(3)
    N, D = 10 ** rng.uniform(6, 12, 400), 10 ** rng.uniform(7, 14, 400)
    limit = 1.22
    reachable = gap_reachable(law, N, D, limit)
    np.testing.assert_array_equal(reachable, law.slope(N, D, limit) < 0)
    np.testing.assert_array_equal(reachable, law.best_teacher_loss(N, D) > limit)


def test_both_answers_occur_in_the_published_law() -> None:
    """A small student can be given too strong a teacher, a huge one on much data cannot."""
    E = EQ8.irreducible_loss
    assert gap_reachable(EQ8, [1e8, 1e12], [2e9, 1e15], E).tolist() == [True, False]


@pytest.mark.parametrize("limit", [-0.1, np.nan, np.inf])
def test_bad_limit_is_one_clear_line(limit: float) -> None:
    with pytest.raises(InputError, match=r"teacher_limit = .* must be finite and >= 0"):
        gap_reachable(EQ8, 1e9, 2e10, limit)
    with pytest.raises(InputError, match="regime: L_T = 0 must be finite and > 0"):
        regime(EQ8, 1e9, 2e10, 0.0)
