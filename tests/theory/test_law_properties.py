"""What must hold for every law, whatever its coefficients (stated, then searched for breaches)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.members import (
    ALONE,
    CONVEX_GAP_LAWS,
    EQ8,
    GAP_LAWS,
    HINGES,
    PAPER,
    PRODUCT,
    REDUCED,
    TAUGHT,
    distillation_laws,
    reduced_laws,
    sizes,
    supervised_laws,
    tokens,
)

from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law
from capgap.theory.distillation import ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.product_form import ProductForm
from capgap.theory.protocols import SupervisedForm, TaughtForm
from capgap.theory.supervised import SupervisedLaw

teachers = st.floats(1.0, 6.0)
ROUNDING = 1e-13  # of a sum of a few logarithms of size 30


def own_law(law: Any) -> SupervisedLaw:
    return law.student if law in HINGES else law.supervised


@pytest.mark.parametrize("law", [*ALONE, *TAUGHT])
def test_every_law_can_be_asked_the_same(law) -> None:
    assert isinstance(law, SupervisedForm if law in ALONE else TaughtForm)
    if law == PRODUCT:
        assert law.irreducible_loss == PRODUCT.L_min
    else:
        assert law.irreducible_loss == (law if law in ALONE else own_law(law)).E


@pytest.mark.parametrize("law", GAP_LAWS)
@given(N=sizes, D=tokens, L_T=teachers)
@settings(max_examples=60)
def test_student_never_beats_its_teacher_in_the_distillation_laws(law, N, D, L_T) -> None:
    """L_S > L_T; in doubles the gap may round to zero far above the knee, never below."""
    assert law.loss(N, D, L_T) >= L_T * (1 - 1e-15)
    assert law.loss(N, D, 0.8 * law.knee(N, D)) > 0.8 * law.knee(N, D)


@pytest.mark.parametrize("law", TAUGHT)
@given(N=sizes, D=tokens, L_T=teachers, factor=st.floats(1.01, 5.0))
@settings(max_examples=40)
def test_more_parameters_or_tokens_help(law, N, D, L_T, factor) -> None:
    """In total, through the supervised loss too; of the hinges those with constant slopes."""
    if law in HINGES and (law.p or law.q or law.r):
        return
    loss = law.loss(N, D, L_T) * (1 + ROUNDING)
    assert law.loss(N * factor, D, L_T) <= loss
    assert law.loss(N, D * factor, L_T) <= loss


def test_a_hinge_whose_slopes_move_may_rise_with_tokens() -> None:
    """theta falls with D_S: above a soft corner the strong branch fades more slowly."""
    law = HINGES[2]
    assert law.q > 0
    assert law.loss(1e6, 2e13, 4.0) > law.loss(1e6, 1e13, 4.0) * (1 + 1e-4)


@pytest.mark.parametrize("law", GAP_LAWS)
@given(N=sizes, D=tokens, factor=st.floats(1.01, 5.0))
@settings(max_examples=40)
def test_more_parameters_or_tokens_help_at_a_fixed_supervised_loss(law, N, D, factor) -> None:
    """The bracket alone: a supervised law so flat that it does not move; strict below the knee."""
    fixed = replace(law, supervised=SupervisedLaw(2.0, 1e-300, 1e-300, 0.4, 0.4))
    assert fixed.supervised.loss(N, D) == fixed.supervised.loss(N * factor, D * factor) == 2.0
    strong = 0.8 * float(fixed.knee(N, D))
    assert fixed.loss(N * factor, D, strong) < fixed.loss(N, D, strong) * (1 + ROUNDING)
    assert fixed.loss(N, D * factor, strong) < fixed.loss(N, D, strong) * (1 + ROUNDING)
    assert fixed.loss(100 * N, 100 * D, strong) < fixed.loss(N, D, strong)


@pytest.mark.parametrize("law", GAP_LAWS)
def test_limits_of_the_distillation_laws(law) -> None:
    """N, D -> inf gives L_T; L_T -> inf gives L_T; U -> 0 gives L_T; L_T -> 0 gives U L_T^-c0."""
    assert law.loss(1e200, 1e200, 2.0) == pytest.approx(2.0, rel=1e-12)
    assert law.loss(1e9, 2e10, 1e6) == pytest.approx(1e6, rel=1e-12)
    without = replace(law, A=1e-250, B=1e-250)
    assert without.loss(1e9, 2e10, 1.3) == pytest.approx(1.3, rel=1e-12)
    U = (law.A / 1e9**law.alpha + law.B / 2e10**law.beta) ** law.gamma
    assert law.loss(1e9, 2e10, 1e-30) == pytest.approx(U * 1e30**law.c0, rel=1e-9)


@pytest.mark.parametrize("law", TAUGHT)
def test_infinite_data_limit_is_approached(law) -> None:
    """The distance to the limit falls with D_S; slopes with a power of 0.02 take their time."""
    N, L_T = 1e9, 2.4
    slow = law in HINGES and (law.q > 0 or law.r > 0)
    exponents = [100.0, 150.0, 200.0, 280.0] if slow else [12.0, 24.0, 48.0, 280.0]
    limit = float(law.infinite_data_loss(N, L_T))
    distance = np.abs(law.loss(N, 10.0 ** np.array(exponents), L_T) - limit)
    assert np.all(np.diff(distance) <= 1e-14)
    assert distance[-1] < (1e-3 if slow else 1e-12) * limit


@pytest.mark.parametrize("law", TAUGHT)
@given(N=sizes, D=tokens)
@settings(max_examples=20)
def test_best_teacher_is_the_best(law, N: float, D: float) -> None:
    grid = np.geomspace(0.02, 60, 3001)
    loss = law.loss(N, D, grid)
    least = float(law.best_loss(N, D))
    assert least <= loss.min() * (1 + 1e-14)
    best = float(law.best_teacher_loss(N, D))
    if grid[0] < best < grid[-1]:
        assert least == pytest.approx(loss.min(), rel=1e-4)
    if law in HINGES or law.is_convex:  # exactly one minimum
        falls = (np.diff(loss) < 0).astype(int)
        assert np.count_nonzero(np.diff(falls)) <= 1


@pytest.mark.parametrize("laws", [distillation_laws, reduced_laws])
@given(st.data(), sizes, tokens, st.floats(0.05, 4.0))
@settings(max_examples=150)
def test_convex_below_the_limit(laws, data, N: float, D: float, factor: float) -> None:
    """The second derivative in L_T, from the Hessian; below p+ it is never negative."""
    law = data.draw(laws)
    law = replace(law, f1=max(law.f1, 1 / (law.convexity_limit * (1 - 1e-9))))
    found = law.derivatives(N, D, factor * law.knee(N, D))
    gap = law.loss(N, D, factor * law.knee(N, D)) - factor * law.knee(N, D)
    scale = gap / (factor * law.knee(N, D)) ** 2
    assert found.hessian[2, 2] >= -1e-9 * scale


@pytest.mark.parametrize("law", [EQ8, REDUCED, replace(EQ8, c0=0.3, c1=5.0)])
def test_convexity_limit_is_sharp(law) -> None:
    """Just above p+ the second derivative in L_T turns negative somewhere; just below, nowhere."""

    def least(f1: float) -> float:
        # A huge bracket keeps L_S - L_T representable at every L_T of interest.
        other = replace(law, f1=f1, A=1e280, alpha=1e-3, gamma=1.0)
        L_T = other.knee(1e9, 2e10) * np.geomspace(0.2, 1.15, 20001)
        second = other.derivatives(1e9, 2e10, L_T).hessian[:, 2, 2]
        return float(np.min(second * L_T**2 / other.loss(1e9, 2e10, L_T)))

    limit = law.convexity_limit
    assert least(1 / (0.99 * limit)) > 0
    assert least(1 / (1.01 * limit)) < 0
    assert replace(law, f1=1.01 / limit).is_convex
    assert not replace(law, f1=0.99 / limit).is_convex


def test_the_published_law_is_convex() -> None:
    """1/f1 = 11.1 is below p+ = 12.2."""
    assert 1 / EQ8.f1 == pytest.approx(11.1, abs=0.02)
    assert EQ8.convexity_limit == pytest.approx(12.2, abs=0.05)
    assert EQ8.is_convex


def in_other_unit(law: SupervisedLaw, unit: float) -> SupervisedLaw:
    inner = unit ** (1 / law.gamma)
    return replace(law, E=unit * law.E, A=inner * law.A, B=inner * law.B)


@pytest.mark.parametrize("law", GAP_LAWS)
@given(N=sizes, D=tokens, L_T=teachers, unit=st.floats(0.2, 5.0))
@settings(max_examples=40)
def test_change_of_unit(law, N: float, D: float, L_T: float, unit: float) -> None:
    """Nats to bits and the like: (L_T, own loss, U) -> (l L_T, l own loss, l^(1 + c0) U)."""
    inner = unit ** ((1 + law.c0) / law.gamma)
    own = in_other_unit(law.supervised, unit)
    other = replace(law, supervised=own, A=inner * law.A, B=inner * law.B)
    assert other.loss(N, D, unit * L_T) == pytest.approx(unit * law.loss(N, D, L_T), rel=1e-12)
    best = float(law.best_teacher_loss(N, D))
    # The best teacher is where a slope vanishes: right to rounding over curvature.
    assert other.best_teacher_loss(N, D) == pytest.approx(unit * best, rel=1e-9, abs=1e-250)


@pytest.mark.parametrize("law", [*ALONE, *TAUGHT])
def test_predictions_do_not_depend_on_how_a_batch_is_split(law) -> None:
    rng = np.random.default_rng(2)
    N, D, L_T = 10 ** rng.uniform(6, 12, 97), 10 ** rng.uniform(7, 14, 97), rng.uniform(1, 5, 97)
    inputs = (N, D) if law in ALONE else (N, D, L_T)
    whole = law.loss(*inputs)
    derivatives = law.derivatives(*inputs)
    for step in (1, 2, 7, 50):
        pieces = [law.loss(*(a[i : i + step] for a in inputs)) for i in range(0, 97, step)]
        np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-15, atol=0)
    one = law.derivatives(*(a[41] for a in inputs))
    np.testing.assert_allclose(one.gradient, derivatives.gradient[41], rtol=1e-13, atol=1e-300)
    scalars = [float(law.loss(*(float(a[i]) for a in inputs))) for i in range(97)]
    np.testing.assert_allclose(scalars, whole, rtol=1e-15, atol=0)


@given(law=supervised_laws, N=sizes, D=tokens)
@settings(max_examples=60)
def test_log_loss_is_the_logarithm_of_the_loss(law, N: float, D: float) -> None:
    assert np.exp(law.log_loss(N, D)) == pytest.approx(float(law.loss(N, D)), rel=1e-13)


def test_reduced_law_is_the_limit_of_large_c1() -> None:
    """At fixed k = c1 f1 d1^(-1/f1) the distance falls like 1/c1 (factor 10 per decade)."""
    N, D, L_T = (a.ravel() for a in np.meshgrid([2e8, 2e9, 2e10], [4e9, 4e11], [1.6, 2.0, 2.4]))
    reduced = REDUCED.loss(N, D, L_T)
    distances = []
    for c1 in (1e3, 1e4, 1e5, 1e6):
        d1 = (c1 * REDUCED.f1 / REDUCED.k) ** REDUCED.f1
        law = replace(EQ8, c1=c1, d1=d1)
        assert law.reduced().k == pytest.approx(REDUCED.k, rel=1e-12)
        distances.append(np.max(np.abs(law.loss(N, D, L_T) - reduced)))
    ratios = np.array(distances[:-1]) / np.array(distances[1:])
    assert np.all((ratios > 9.5) & (ratios < 10.5))
    assert distances[-1] < 1e-5


@pytest.mark.parametrize("law", CONVEX_GAP_LAWS[:3])
def test_knee_is_where_the_factor_falls(law) -> None:
    """At the knee k (L_T/own)^(1/f1) = 1: 0.930 of the supervised loss."""
    own = law.supervised.loss(1e9, 2e10)
    assert law.knee(1e9, 2e10) / own == pytest.approx(0.92984, abs=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SupervisedLaw(-1, 1, 1, 1, 1), "SupervisedLaw: E = -1 must be finite and >= 0"),
        (lambda: SupervisedLaw(1, 0, 1, 1, 1), "SupervisedLaw: A = 0 must be finite and > 0"),
        (lambda: SupervisedLaw(1, 1, 1, np.nan, 1), "alpha = nan must be finite and > 0"),
        (lambda: supervised_law().loss([1e9, 0.0], 1), "SupervisedLaw.loss: N = 0 must be finite"),
        (lambda: supervised_law().loss(1, "many"), "D = 'many' must be numbers"),
        (lambda: EQ8.loss(1, 1, -2), "DistillationLaw.loss: L_T = -2 must be"),
        (lambda: EQ8.best_teacher(0, 1), "DistillationLaw.best_teacher: N_S = 0 must be"),
        (lambda: EQ8.derivatives(1, np.inf, 1), "DistillationLaw.derivatives: D_S = inf must be"),
        (lambda: EQ8.infinite_data_loss(1, 0), "infinite_data_loss: L_T = 0 must be"),
        (lambda: replace(EQ8, c0=-0.1), "DistillationLaw: c0 = -0.1 must be"),
        (lambda: replace(REDUCED, k=0.0), "ReducedDistillationLaw: k = 0 must be"),
        (lambda: replace(EQ8, supervised=3), "supervised = 3 must be a SupervisedLaw"),
        (lambda: HingeLaw(PAPER, 1, 0, 1), "HingeLaw: s = 0 must be finite and > 0"),
        (lambda: HingeLaw(PAPER, 1, 1, 1, p=np.inf), "HingeLaw: p = inf must be finite"),
        (lambda: HingeLaw(2.0, 1, 1, 1), "student = 2.0 must be a SupervisedLaw"),
        (lambda: ProductForm(0, 1, 1, 1, 1), "ProductForm: scale = 0 must be finite and > 0"),
        (lambda: PRODUCT.loss(1, -1), "ProductForm.loss: D = -1 must be"),
    ],
)
def test_bad_input_is_one_clear_line(build, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reduced_law_keeps_the_shared_coefficients() -> None:
    assert isinstance(REDUCED, ReducedDistillationLaw)
    assert (REDUCED.c0, REDUCED.f1, REDUCED.B) == (EQ8.c0, EQ8.f1, EQ8.B)
    assert pytest.approx(EQ8.c1 * EQ8.f1 * EQ8.d1 ** (-1 / EQ8.f1)) == REDUCED.k
