"""What must hold for every law, whatever its coefficients (stated, then searched for breaches)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from capgap.errors import InputError
from capgap.theory.coefficients import coefficient_set, distillation_law, supervised_law
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

EQ8 = distillation_law("reconstructed")
REDUCED = EQ8.reduced()
GAP_LAWS = [distillation_law("printed"), EQ8, REDUCED]
sizes = st.floats(6, 12).map(lambda e: 10.0**e)
tokens = st.floats(7, 14).map(lambda e: 10.0**e)
teachers = st.floats(1.0, 6.0)


@pytest.mark.parametrize("law", GAP_LAWS)
@given(N=sizes, D=tokens, L_T=teachers)
@settings(max_examples=60)
def test_student_never_beats_its_teacher(law, N: float, D: float, L_T: float) -> None:
    """L_S > L_T; in doubles the gap may round to zero far above the knee, never below."""
    assert law.loss(N, D, L_T) >= L_T * (1 - 1e-15)
    assert law.loss(N, D, 0.8 * law.knee(N, D)) > 0.8 * law.knee(N, D)


@pytest.mark.parametrize("law", GAP_LAWS)
@given(N=sizes, D=tokens, L_T=teachers, factor=st.floats(1.01, 5.0))
@settings(max_examples=60)
def test_student_loss_falls_in_size_and_tokens(law, N, D, L_T, factor) -> None:
    rounding = 1 + 1e-14
    assert law.loss(N * factor, D, L_T) <= law.loss(N, D, L_T) * rounding
    assert law.loss(N, D * factor, L_T) <= law.loss(N, D, L_T) * rounding
    strong = 0.8 * float(law.knee(N, D))
    assert law.loss(N * factor, D, strong) < law.loss(N, D, strong)


@given(N=sizes, D=tokens, L_T=teachers, unit=st.floats(0.2, 5.0))
@settings(max_examples=60)
def test_change_of_unit(N: float, D: float, L_T: float, unit: float) -> None:
    """Nats to bits and the like: (L_T, own loss, U) -> (l L_T, l own loss, l^(1 + c0) U)."""

    def scaled(law: SupervisedLaw, factor: float) -> SupervisedLaw:
        inner = factor ** (1 / law.gamma)
        return replace(law, E=factor * law.E, A=inner * law.A, B=inner * law.B)

    own = scaled(EQ8.supervised, unit)
    inner = unit ** ((1 + EQ8.c0) / EQ8.gamma)
    other = replace(EQ8, supervised=own, A=inner * EQ8.A, B=inner * EQ8.B)
    assert other.loss(N, D, unit * L_T) == pytest.approx(unit * EQ8.loss(N, D, L_T), rel=1e-12)
    hinge = HingeLaw(EQ8.supervised, rho=0.8, s=0.05, c=0.4)
    hinge_other = replace(hinge, student=own)
    expected = unit * hinge.loss(N, D, L_T)
    assert hinge_other.loss(N, D, unit * L_T) == pytest.approx(expected, rel=1e-12)


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


@pytest.mark.parametrize("law", GAP_LAWS)
def test_knee_and_its_side(law) -> None:
    """At the knee k (L_T/own)^(1/f1) = 1; the paper's knee is at 0.93, not at d1 = 1.315."""
    own = law.supervised.loss(1e9, 2e10)
    assert law.knee(1e9, 2e10) / own == pytest.approx(0.92984, abs=1e-5)


def test_best_teacher_of_the_distillation_laws_against_scipy() -> None:
    for law in GAP_LAWS:
        for N, D in [(1.43e8, 2.86e9), (1e9, 1e12), (1e10, 2.5e11), (1e8, 1e8)]:
            best = float(law.best_teacher_loss(N, D))
            found = minimize_scalar(
                lambda x, law=law, N=N, D=D: float(law.loss(N, D, x)),
                bounds=(0.5 * best, 2 * best), method="bounded", options={"xatol": 1e-10},
            )  # fmt: skip
            assert best == pytest.approx(found.x, rel=2e-6)  # flat to second order
            grid = law.loss(N, D, np.geomspace(0.05, 30, 4001))
            assert law.loss(N, D, best) <= grid.min() * (1 + 1e-15)


def test_two_minima_are_refused() -> None:
    """Beyond p+ the law can have two minima (c0 = .5, c1 = 2, 1/f1 = 40): no single optimum."""
    own = SupervisedLaw(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    law = DistillationLaw(own, 0.5, 2.0, 1 / 40, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="1/f1 = 40 must be < "):
        law.best_teacher_loss(1e9, 1e9)


hinges = st.builds(
    HingeLaw,
    student=st.just(supervised_law()),
    rho=st.floats(0.05, 1.5),
    s=st.floats(0.005, 0.8),
    c=st.floats(0.01, 2.0),
)


@given(law=hinges, N=sizes, D=tokens)
@settings(max_examples=60)
def test_hinge_optimum_against_scipy(law: HingeLaw, N: float, D: float) -> None:
    own = float(law.student.log_loss(N, D))
    best = float(law.best_teacher_loss(N, D))
    # In log L_T the curve is convex; a wide bracket contains the minimum.
    width = 3 * law.s * abs(np.log(law.c / law.rho)) / (law.rho + law.c) + 1
    found = minimize_scalar(
        lambda t: float(law.loss(N, D, np.exp(t))),
        bounds=(own - width, own + width), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    assert float(law.best_loss(N, D)) == pytest.approx(found.fun, rel=1e-9)
    assert float(law.best_loss(N, D)) <= found.fun * (1 + 1e-14)
    assert float(law.loss(N, D, best)) == pytest.approx(float(law.best_loss(N, D)), rel=1e-13)


def test_hinge_slopes_and_limits() -> None:
    """d log L_S / d log L_T is rho far above l and -theta far below; s -> 0 is the hinge."""
    law = HingeLaw(supervised_law(), rho=0.8, s=0.02, c=1e-3, p=0.3, q=0.05)
    own, theta = float(law.student.loss(1e9, 2e10)), float(law.theta(1e9, 2e10))
    assert theta == pytest.approx(1e-3 * 1e9**0.3 * 2e10**-0.05, rel=1e-13)

    def slope(L_T: float) -> float:
        h = 1e-5
        pair = law.loss(1e9, 2e10, [L_T * np.exp(-h), L_T * np.exp(h)])
        return float(np.diff(np.log(pair))[0] / (2 * h))

    assert slope(3 * own) == pytest.approx(0.8, abs=1e-8)
    assert slope(own / 3) == pytest.approx(-theta, abs=1e-8)
    sharp = replace(law, s=1e-6)
    assert sharp.loss(1e9, 2e10, 1.5 * own) == pytest.approx(own * 1.5**0.8, rel=1e-12)
    assert law.loss(1e9, 2e10, own) == pytest.approx(own * 2**0.02, rel=1e-13)
    assert law.loss(1e9, 2e10, 1.5 * own) < 1.5 * own  # it can beat a weak teacher


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SupervisedLaw(-1, 1, 1, 1, 1), "SupervisedLaw: E = -1 must be finite and >= 0"),
        (lambda: SupervisedLaw(1, 0, 1, 1, 1), "SupervisedLaw: A = 0 must be finite and > 0"),
        (lambda: SupervisedLaw(1, 1, 1, np.nan, 1), "alpha = nan must be finite and > 0"),
        (lambda: supervised_law().loss([1e9, 0.0], 1), "SupervisedLaw.loss: N = 0 must be finite"),
        (lambda: supervised_law().loss(1, "many"), "D = 'many' must be numbers"),
        (lambda: EQ8.loss(1, 1, -2), "DistillationLaw.loss: L_T = -2 must be"),
        (lambda: replace(EQ8, c0=-0.1), "DistillationLaw: c0 = -0.1 must be"),
        (lambda: replace(REDUCED, k=0.0), "ReducedDistillationLaw: k = 0 must be"),
        (lambda: replace(EQ8, supervised=3), "supervised = 3 must be a SupervisedLaw"),
        (lambda: HingeLaw(supervised_law(), 1, 0, 1), "HingeLaw: s = 0 must be finite and > 0"),
        (lambda: HingeLaw(supervised_law(), 1, 1, 1, p=np.inf), "HingeLaw: p = inf must be finite"),
        (lambda: HingeLaw(2.0, 1, 1, 1), "student = 2.0 must be a SupervisedLaw"),
        (lambda: coefficient_set("best"), "'best' must be one of printed, reconstructed"),
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
