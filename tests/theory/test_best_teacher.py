"""The best teacher of the distillation laws: brackets, number of minima, global minimum."""

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.exact_laws import EQUATIONS, variables
from theory.members import EQ8, GAP_LAWS, REDUCED, sizes, tokens

from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.supervised import SupervisedLaw

OWN = SupervisedLaw(E=1.0, A=1e-20, B=1e-20, alpha=1.0, beta=1.0)  # supervised loss 1
GRID = np.geomspace(1e-8, 1e3, 40001)


def law_with(U: float, c0: float, c1: float, f1: float) -> DistillationLaw:
    """K = 1 and a bracket of U, for N_S = D_S = 1."""
    return DistillationLaw(OWN, c0, c1, f1, 1.0, U / 2, U / 2, 1.0, 1.0, 1.0)


def reduced_with(U: float, c0: float, k: float, f1: float) -> ReducedDistillationLaw:
    return ReducedDistillationLaw(OWN, c0, k, f1, U / 2, U / 2, 1.0, 1.0, 1.0)


def exact_slope(law: object, N_S: float, D_S: float, L_T: float) -> mp.mpf:
    """dL_S/dL_T by a central difference in 80 digits."""
    with mp.workdps(80):
        v = {name: mp.mpf(float(x)) for name, x in variables(law, N_S, D_S, L_T).items()}
        h = v["L_T"] * mp.mpf(10) ** -25
        equation = EQUATIONS[type(law)]
        high, low = (equation({**v, "L_T": v["L_T"] + sign * h}) for sign in (1, -1))
        return (high - low) / (2 * h)


def local_minima(law: object, grid: np.ndarray) -> np.ndarray:
    """Brute force: grid points lower than both neighbors."""
    loss = law.loss(1.0, 1.0, grid)
    return grid[1:-1][(loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])]


def test_two_minima_of_one_law_and_the_better_one() -> None:
    """c0 = .5, c1 = 2, 1/f1 = 40, U = .7878, K = 1: minima at .537 and 1.214, by brute force."""
    law = law_with(0.7878, 0.5, 2.0, 1 / 40)
    assert 1 / law.f1 > law.convexity_limit
    minima = local_minima(law, np.geomspace(0.1, 10, 200001))
    np.testing.assert_allclose(minima, [0.537, 1.214], atol=1e-3)
    best = law.best_teacher(1.0, 1.0)
    assert best.minima == 2
    losses = law.loss(1.0, 1.0, minima)
    assert pytest.approx(minima[np.argmin(losses)], rel=1e-4) == best.L_T
    assert losses.min() * (1 - 1e-8) < best.L_S <= losses.min()
    assert law.best_teacher_loss(1.0, 1.0) == best.L_T
    assert law.best_loss(1.0, 1.0) == best.L_S


def test_the_global_minimum_jumps_between_the_two() -> None:
    """Between U = .5 and U = 1.2 the best teacher jumps once, at equal losses of both minima."""
    U = np.linspace(0.5, 1.2, 701)
    found = [law_with(u, 0.5, 2.0, 1 / 40).best_teacher(1.0, 1.0) for u in U]
    L_T, L_S = (np.array([float(getattr(b, name)) for b in found]) for name in ("L_T", "L_S"))
    minima = np.array([int(b.minima) for b in found])
    jumps = np.flatnonzero(np.diff(L_T) > 0.1)
    assert len(jumps) == 1
    assert minima[jumps[0]] == minima[jumps[0] + 1] == 2
    assert set(minima.tolist()) == {1, 2}
    assert np.all(np.diff(L_T) > 0)  # a worse student wants a weaker teacher, jump included
    assert np.max(np.diff(L_S)) < 0.01  # the loss itself does not jump


shapes = st.tuples(
    st.floats(-3.0, 3.0).map(lambda e: 10.0**e),  # U
    st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.just(1e-9)),  # c0
    st.floats(-2.0, 3.0).map(lambda e: 10.0**e),  # c1 or k
    st.one_of(st.just(1.0), st.floats(0.01, 2.0)),  # f1
)


@pytest.mark.parametrize("build", [law_with, reduced_with])
@given(shape=shapes)
@settings(max_examples=300)
def test_no_teacher_on_a_dense_grid_is_better(build, shape) -> None:
    """Brute force over 11 decades of L_T, at any 1/f1, with c0 = 0 among the cases."""
    law = build(*shape)
    best = law.best_teacher(1.0, 1.0)
    assert law.loss(1.0, 1.0, GRID).min() * (1 + 1e-14) >= best.L_S
    if best.L_T > 0:
        assert law.loss(1.0, 1.0, best.L_T) == pytest.approx(float(best.L_S), rel=1e-14)
    else:
        assert law.c0 == 0.0
        assert law.loss(1.0, 1.0, 1e-12) == pytest.approx(float(best.L_S), rel=1e-6)
    if law.is_convex:
        assert best.minima == 1


@pytest.mark.parametrize("build", [law_with, reduced_with])
@given(shape=shapes)
@settings(max_examples=60)
def test_bracket_holds_the_exact_minimum(build, shape) -> None:
    """The slope, in 80 digits, is negative at `low` and positive at `high`."""
    law = build(*shape)
    best = law.best_teacher(1.0, 1.0)
    if best.L_T < 1e-100:  # a perfect teacher, or as good as one: nothing to bracket
        return
    assert best.low <= best.L_T <= best.high
    assert exact_slope(law, 1.0, 1.0, float(best.low)) < 0
    assert exact_slope(law, 1.0, 1.0, float(best.high)) > 0


@given(N=sizes, D=tokens)
@settings(max_examples=60)
def test_bracket_is_as_narrow_as_rounding(N: float, D: float) -> None:
    """Published law: relative width below 1e-11, and the exact slope changes sign within."""
    for law in (EQ8, REDUCED):
        best = law.best_teacher(N, D)
        assert best.high / best.low - 1 < 1e-11
        assert exact_slope(law, N, D, float(best.low)) < 0
        assert exact_slope(law, N, D, float(best.high)) > 0


@pytest.mark.parametrize("build", [law_with, reduced_with])
def test_number_of_minima_against_brute_force(build) -> None:
    """Minima within the grid are counted by hand; c0 = 0 adds the one at L_T = 0."""
    counts = set()
    for c0, c1, f1 in [(0.5, 2.0, 1 / 40), (0.5, 20.0, 1 / 40), (0.0, 2.0, 0.3), (2.0, 5.0, 0.5)]:
        for U in np.geomspace(0.02, 50.0, 60):
            law = build(U, c0, c1, f1)
            interior = local_minima(law, GRID).size
            expected = interior + (c0 == 0.0)
            assert law.best_teacher(1.0, 1.0).minima == expected
            counts.add((expected, c0 == 0.0))
    assert {(1, False), (2, False), (1, True), (2, True)} == counts


def test_touching_case_without_strong_exponent() -> None:
    """c0 = 0, f1 = 1 (K = 1): h = U c1 (1 + x)^(-c1 - 1), so x = (U c1)^(1/(c1 + 1)) - 1."""
    for U, c1 in [(2.0, 1.0), (50.0, 3.0), (1.0 + 1e-9, 1.0)]:
        best = law_with(U, 0.0, c1, 1.0).best_teacher(1.0, 1.0)
        assert best.minima == 1
        assert pytest.approx((U * c1) ** (1 / (c1 + 1)) - 1, rel=1e-6) == best.L_T
    flat = law_with(0.4, 0.0, 1.0, 1.0).best_teacher(1.0, 1.0)
    assert (flat.L_T, flat.L_S, flat.minima) == (0.0, pytest.approx(0.4, rel=1e-15), 1)
    # The reduced form: h = U k e^(-k x), so x = log(U k)/k.
    best = reduced_with(5.0, 0.0, 2.0, 1.0).best_teacher(1.0, 1.0)
    assert pytest.approx(np.log(10.0) / 2, rel=1e-12) == best.L_T
    assert reduced_with(0.4, 0.0, 2.0, 1.0).best_teacher(1.0, 1.0).L_T == 0.0


@pytest.mark.parametrize("law", GAP_LAWS)
def test_result_does_not_depend_on_the_batch(law) -> None:
    rng = np.random.default_rng(11)
    N, D = 10 ** rng.uniform(6, 12, 101), 10 ** rng.uniform(7, 14, 101)
    whole = law.best_teacher(N, D)
    assert whole.L_T.shape == (101,)
    for part in (slice(0, 1), slice(1, 40), slice(40, 101)):
        some = law.best_teacher(N[part], D[part])
        for name in ("L_T", "L_S", "low", "high"):
            np.testing.assert_allclose(
                getattr(some, name), getattr(whole, name)[part], rtol=1e-15, atol=0
            )
    grid = law.best_teacher(N[:3, None], D[:4])
    assert grid.L_T.shape == (3, 4)
    assert grid.L_T[2, 1] == law.best_teacher(N[2], D[1]).L_T


def test_dependence_on_the_bracket() -> None:
    """dx*/dU > 0 for a convex law: a student with a larger gap wants a weaker teacher."""
    found = [float(replace(EQ8, A=A).best_teacher_loss(1e9, 2e10)) for A in (500, 2243, 9000)]
    assert found[0] < found[1] < found[2]
