"""The gap that is a power of the teacher's loss: exact values, its optimum, limits, saving.

Oracles: the equation in 50-digit arithmetic, a fine grid, and the reduced law with k = 1e-300.
"""

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.exact_laws import exact_derivatives, exact_loss
from theory.members import bracket, counts, powers_of_strong, sizes, teachers, tokens

from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import ReducedDistillationLaw
from capgap.theory.law_set import Laws, LawSet, coefficients_of, load_law_set, save_law_set
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.protocols import TaughtForm
from capgap.theory.regimes import regime

EQ8 = distillation_law()
NAMES = ("c0", "A", "B", "alpha", "beta", "gamma")
LAW = PowerDistillationLaw(**{name: getattr(EQ8, name) for name in NAMES})
laws = st.builds(PowerDistillationLaw, c0=powers_of_strong, **bracket)


@given(laws, counts, counts, teachers)
@settings(max_examples=300)
def test_against_mpmath(law: PowerDistillationLaw, N: float, D: float, L_T: float) -> None:
    """1e-12 relative, the tolerance of the other laws."""
    exact = exact_loss(law, N, D, L_T)
    if exact < 1e308:
        assert abs(mp.mpf(float(law.loss(N, D, L_T))) - exact) <= 1e-12 * exact


@given(laws, sizes, tokens, st.floats(0.5, 6.0))
@settings(max_examples=20, deadline=None)
def test_derivatives_against_200_digits(law, N: float, D: float, L_T: float) -> None:
    """In relative changes; relative to S_i = |u_i L_i| + L, as for the other laws: 1e-11."""
    found = law.derivatives(N, D, L_T)
    names, units, gradient, hessian = exact_derivatives(law, N, D, L_T)
    assert found.names == names
    terms = np.abs(gradient.astype(float)) + float(found.value)
    np.testing.assert_array_less(
        np.abs(found.gradient * units - gradient.astype(float)), 1e-11 * terms
    )
    pairs = np.outer(terms, terms) / float(found.value) + np.abs(hessian.astype(float))
    bent = found.hessian * units[:, None] * units
    np.testing.assert_array_less(np.abs(bent - hessian.astype(float)), 1e-11 * pairs)
    assert law.slope(N, D, L_T) == pytest.approx(found.gradient[2], rel=1e-12)


@given(laws, sizes, tokens)
@settings(max_examples=100)
def test_best_teacher_is_the_best(law: PowerDistillationLaw, N: float, D: float) -> None:
    """The grid is 0.4% fine, so its least loss lies less than (1 + c0)/2 x .004^2 above."""
    best, least = float(law.best_teacher_loss(N, D)), float(law.best_loss(N, D))
    U = float(law.loss(N, D, 1.0)) - 1.0
    if law.c0 == 0:
        assert best == 0
        assert least == pytest.approx(U, rel=1e-9, abs=1e-13)
        return
    grid = best * np.exp(np.linspace(-2, 2, 1001))
    loss = law.loss(N, D, grid)
    assert least <= loss.min() * (1 + 1e-12)
    assert least == pytest.approx(loss.min(), rel=1e-4)
    assert np.all(np.diff(np.sign(np.diff(loss))) >= 0)  # falls, then rises: one minimum
    assert law.loss(N, D, best) == pytest.approx(least, rel=1e-11)


def test_it_is_the_reduced_law_without_its_transition() -> None:
    N, D, L_T = (a.ravel() for a in np.meshgrid([2e8, 1e10], [4e9, 4e11], [1.4, 2.0, 3.0]))
    without = ReducedDistillationLaw(
        EQ8.supervised, k=1e-300, f1=1.0, **{name: getattr(LAW, name) for name in NAMES}
    )
    np.testing.assert_allclose(LAW.loss(N, D, L_T), without.loss(N, D, L_T), rtol=1e-14)
    with_it = replace(without, k=0.1)
    assert np.all(with_it.loss(N, D, L_T) < LAW.loss(N, D, L_T) * (1 - 1e-6))


def test_limits_and_what_every_law_can_be_asked() -> None:
    assert isinstance(LAW, TaughtForm)
    assert np.all(np.isinf(LAW.knee([1e8, 1e9], 1e10)))
    assert LAW.knee([1e8, 1e9], 1e10).shape == (2,)
    assert LAW.loss(1e200, 1e200, 2.0) == pytest.approx(2.0, rel=1e-12)
    assert LAW.infinite_data_loss(1e9, 2.0) == pytest.approx(float(LAW.loss(1e9, 1e200, 2.0)))
    found = regime(LAW, 1e9, 2e10, [1.2, 3.0])
    assert found.capacity_gap.tolist() == [True, True]
    assert found.too_strong.tolist() == (np.array([1.2, 3.0]) < found.best_teacher_loss).tolist()


def test_saved_sets_come_back_bit_for_bit(tmp_path) -> None:
    own = supervised_law()
    draws = tuple(Laws(own, replace(LAW, c0=c0)) for c0 in (2.4, 2.6))
    saved = LawSet("mine", Laws(own, LAW), "made up", {"taught.c0": (2.4, 2.6)}, draws)
    save_law_set(saved, tmp_path / "mine.json")
    read = load_law_set(tmp_path / "mine.json")
    assert read.laws == saved.laws
    assert read.draws == draws
    assert coefficients_of(read.laws)["taught.c0"] == LAW.c0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: replace(LAW, c0=-1.0), "PowerDistillationLaw: c0 = -1 must be finite and >= 0"),
        (lambda: replace(LAW, A=0.0), "PowerDistillationLaw: A = 0 must be finite and > 0"),
        (lambda: LAW.loss(1e9, 1e10, 0), "PowerDistillationLaw.loss: L_T = 0 must be"),
        (lambda: LAW.best_loss(-1, 1e10), "PowerDistillationLaw.best_loss: N_S = -1 must be"),
    ],
)
def test_bad_input_is_one_clear_line(build, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build()
    assert message in str(caught.value)
