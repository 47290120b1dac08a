"""The hinge laws, in logarithms and additive: optimum, slopes, limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from theory.members import HINGES, PAPER, floats, sizes, tokens

from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.hinge import HingeLaw

KINDS = [HingeLaw, AdditiveHingeLaw]


def drawn(kind: type) -> st.SearchStrategy:
    return st.builds(
        kind,
        student=st.just(PAPER),
        rho=floats(0.05, 1.5),
        s=floats(0.005, 0.8),
        c=floats(0.01, 2.0),
    )


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), N=sizes, D=tokens)
@settings(max_examples=60)
def test_optimum_against_scipy(kind, data, N: float, D: float) -> None:
    """One minimum; the curve is convex in log L_T (additive: L_T), so a bounded search finds it."""
    law = data.draw(drawn(kind))
    to, back = (np.exp, np.log) if kind is HingeLaw else (np.asarray, np.asarray)
    center, best = float(back(law.knee(N, D))), float(law.best_teacher_loss(N, D))
    width = 3 * law.s * abs(np.log(law.c / law.rho)) / (law.rho + law.c) + 1
    low = center - width if kind is HingeLaw else max(center - width, 1e-12)
    found = minimize_scalar(
        lambda t: float(law.loss(N, D, to(t))),
        bounds=(low, center + width), method="bounded", options={"xatol": 1e-12},
    )  # fmt: skip
    least = float(law.best_loss(N, D))
    # At an edge of the interval (a best teacher of zero) scipy stops short by its tolerance.
    assert least == pytest.approx(found.fun, rel=1e-9, abs=1e-6 * (best == 0.0))
    assert least <= found.fun * (1 + 1e-14)
    if best > 0:
        assert float(law.loss(N, D, best)) == pytest.approx(least, rel=1e-13)


@pytest.mark.parametrize("law", HINGES)
def test_one_minimum_and_convexity(law) -> None:
    """Second differences on a grid; the loss falls up to the best teacher, then rises."""
    grid = np.geomspace(0.2, 30, 2001) if isinstance(law, HingeLaw) else np.linspace(0.2, 30, 2001)
    for N, D in [(1e8, 2e9), (1e9, 1e12), (1e11, 1e13)]:
        loss = law.loss(N, D, grid)
        curve = np.log(loss) if isinstance(law, HingeLaw) else loss
        assert np.min(np.diff(curve, 2)) > -1e-13 * np.max(np.abs(curve))
        falls = np.diff(loss) < 0
        assert np.all(np.diff(falls.astype(int)) <= 0)
        if np.any(falls) and not np.all(falls):
            turn = grid[np.argmin(falls)]
            assert turn == pytest.approx(float(law.best_teacher_loss(N, D)), rel=0.06)


def test_slopes_on_both_sides_of_the_log_form() -> None:
    """d log L_S / d log L_T is rho far above l and -theta far below; s -> 0 is the hinge."""
    law = HingeLaw(PAPER, rho=0.8, s=0.02, c=1e-3, p=0.3, q=0.05)
    own, theta = float(law.student.loss(1e9, 2e10)), float(law.theta(1e9, 2e10))
    assert theta == pytest.approx(1e-3 * 1e9**0.3 * 2e10**-0.05, rel=1e-13)
    for L_T, slope in [(3 * own, 0.8), (own / 3, -theta)]:
        elasticity = law.slope(1e9, 2e10, L_T) * L_T / law.loss(1e9, 2e10, L_T)
        assert elasticity == pytest.approx(slope, abs=1e-8)
    sharp = replace(law, s=1e-6)
    assert sharp.loss(1e9, 2e10, 1.5 * own) == pytest.approx(own * 1.5**0.8, rel=1e-12)
    assert law.loss(1e9, 2e10, own) == pytest.approx(own * 2**0.02, rel=1e-13)


def test_slopes_on_both_sides_of_the_additive_form() -> None:
    """dL_S/dL_T is rho far above l and -theta far below; at the corner L_S = l + s log 2."""
    law = AdditiveHingeLaw(PAPER, rho=0.8, s=0.02, c=0.5)
    own = float(law.knee(1e9, 2e10))
    assert law.slope(1e9, 2e10, own + 1) == pytest.approx(0.8, abs=1e-12)
    assert law.slope(1e9, 2e10, own - 1) == pytest.approx(-0.5, abs=1e-12)
    assert law.loss(1e9, 2e10, own) == pytest.approx(own + 0.02 * np.log(2), rel=1e-14)
    sharp = replace(law, s=1e-6)
    assert sharp.loss(1e9, 2e10, own + 1) == pytest.approx(own + 0.8, rel=1e-14)
    assert sharp.loss(1e9, 2e10, own - 1) == pytest.approx(own + 0.5, rel=1e-14)


def test_sharp_additive_hinge_is_the_solvable_chain() -> None:
    """max{E_T, (1 + theta) t - theta E_T} with t = l: the least-squares chain's exact law."""
    law = AdditiveHingeLaw(PAPER, rho=1.0, s=1e-9, c=0.7)
    t = float(law.knee(1e9, 2e10))
    E_T = np.linspace(1.3, 4.0, 200)
    expected = np.maximum(E_T, 1.7 * t - 0.7 * E_T)
    np.testing.assert_allclose(law.loss(1e9, 2e10, E_T), expected, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_can_beat_a_weak_teacher_but_never_its_own_level(kind) -> None:
    law = kind(PAPER, rho=0.8, s=0.02, c=0.4)
    own = float(law.knee(1e9, 2e10))
    assert law.loss(1e9, 2e10, 1.5 * own) < 1.5 * own
    assert np.all(law.loss(1e9, 2e10, np.geomspace(0.1, 40, 500)) > own)


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_student_returns_to_its_teacher_only_with_rho_one(kind) -> None:
    """N, D -> inf: L_S = l (L_T/l)^rho (additive l + rho (L_T - l)), L_T itself iff rho = 1."""
    loss, E = kind(PAPER, rho=0.8, s=0.01, c=0.4).loss(1e300, 1e300, 3.0), PAPER.E
    assert loss == pytest.approx(E * (3 / E) ** 0.8 if kind is HingeLaw else E + 0.8 * (3 - E))
    assert loss < 2.7
    assert kind(PAPER, rho=1.0, s=0.01, c=0.4).loss(1e300, 1e300, 3.0) == pytest.approx(3.0)
    growing = kind(PAPER, rho=1.0, s=0.01, c=0.4, r=0.5, m=0.1)
    assert growing.loss(1e300, 1e300, 3.0) == pytest.approx(3.0)
    assert growing.loss(1e300, 1e10, 3.0) < replace(growing, r=0.0).loss(1e300, 1e10, 3.0) - 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_rho_depends_on_tokens_as_stated(kind) -> None:
    """1 - 0.5 x (1e10)^-0.1 = 1 - 0.5 x 0.1 = 0.95."""
    law = kind(PAPER, rho=1.0, s=0.02, c=0.4, r=0.5, m=0.1)
    assert law.rho_at(1e10) == pytest.approx(0.95, rel=1e-14)
    constant = kind(PAPER, rho=0.95, s=0.02, c=0.4)
    assert law.loss(1e9, 1e10, 2.9) == pytest.approx(
        float(constant.loss(1e9, 1e10, 2.9)), rel=1e-14
    )
    assert kind(PAPER, 0.7, 0.1, 0.4).rho_at([1e3, 1e9]).tolist() == [0.7, 0.7]


@pytest.mark.parametrize("kind", KINDS)
def test_limits_that_do_not_exist_are_refused(kind) -> None:
    name = kind.__name__
    base = kind(PAPER, rho=0.8, s=0.02, c=0.4)
    with pytest.raises(InputError, match=f"{name}.infinite_data_loss: q = -0.1 must be >= 0"):
        replace(base, q=-0.1).infinite_data_loss(1e9, 2.0)
    with pytest.raises(InputError, match=r"rho\(D_S\) = rho - r D_S\^-m = -0.2 must be .* > 0"):
        replace(base, r=1.0).loss(1e9, 2e10, 2.0)
    with pytest.raises(InputError, match=r"infinite_data_loss: rho\(infinity\) = rho - r = -0.2"):
        replace(base, r=1.0).infinite_data_loss(1e9, 2.0)
    with pytest.raises(InputError, match=r"theta = c N_S\^p D_S\^-q = inf must be finite"):
        replace(base, p=40.0).loss(1e9, 2e10, 2.0)
    with pytest.raises(InputError, match=f"{name}: r = -1 must be finite and >= 0"):
        replace(base, r=-1.0)
    with pytest.raises(InputError, match=f"{name}: m = -1 must be finite and >= 0"):
        replace(base, m=-1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_limits_in_tokens(kind) -> None:
    """theta vanishes with q > 0: a strong teacher's student is at l (1 + ratio^(rho/s))^s ~ l."""
    law = kind(PAPER, rho=0.8, s=0.02, c=0.4, q=0.1)
    assert law.infinite_data_loss(1e9, 1.3) == pytest.approx(
        float(PAPER.infinite_data_loss(1e9)), rel=1e-3
    )
    assert replace(law, q=0.0).infinite_data_loss(1e9, 1.3) > PAPER.infinite_data_loss(1e9) * 1.1


def test_unit_of_loss() -> None:
    """In bits the log form keeps rho, s, c; the additive one scales s and keeps rho, c."""
    unit = 1 / np.log(2)
    inner = unit ** (1 / PAPER.gamma)
    student = replace(PAPER, E=unit * PAPER.E, A=inner * PAPER.A, B=inner * PAPER.B)
    for law in HINGES:
        if law.student != PAPER:
            continue
        scaled = law.s if isinstance(law, HingeLaw) else unit * law.s
        other = replace(law, student=student, s=scaled)
        for L_T in (1.5, 2.4, 4.0):
            expected = unit * law.loss(1e9, 2e10, L_T)
            assert other.loss(1e9, 2e10, unit * L_T) == pytest.approx(expected, rel=1e-12)
        best = unit * law.best_teacher_loss(1e9, 2e10)
        assert other.best_teacher_loss(1e9, 2e10) == pytest.approx(best, rel=1e-12)


def test_additive_best_teacher_may_be_perfect() -> None:
    """theta far below rho on a soft corner: the loss rises from L_T = 0 on."""
    law = AdditiveHingeLaw(PAPER, rho=1.0, s=2.0, c=0.01)
    assert law.best_teacher_loss(1e9, 2e10) == 0.0
    least = float(law.best_loss(1e9, 2e10))
    assert np.all(law.loss(1e9, 2e10, np.linspace(1e-9, 20, 500)) > least * (1 - 1e-12))
    assert law.loss(1e9, 2e10, 1e-9) == pytest.approx(least, rel=1e-8)
