"""Analytic gradients and Hessians against difference quotients in 200 digits.

Derivatives are compared in relative changes of the variables (u_i = |v_i|, or 1 where v_i is
zero). The tolerance, 1e-11, is relative to the terms that a derivative is a sum of, because
sums may cancel exactly (a hinge with rho = 1 does not depend on l under a weak teacher):

- gradient: S_i = |u_i L_i| + L |u_i (log l)_i| for a variable of the student's supervised
  law l (N_S, D_S among them), |u_i L_i| + L for the others, and for N_S and D_S of a hinge
  because its slopes depend on them; for a supervised law itself |u_i L_i|, so that there the
  tolerance is simply relative;
- Hessian: |u_i u_j L_ij| + S_i S_j / L + S_i on the diagonal, with L replaced by the reducible
  part between two variables of a supervised law.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from theory.exact_laws import exact_derivatives, exact_loss
from theory.members import (
    ALONE,
    ALONE_STRATEGIES,
    EQ8,
    TAUGHT,
    TAUGHT_STRATEGIES,
    counts,
)

from capgap.theory.jets import Derivatives
from capgap.theory.supervised import SupervisedLaw

TOLERANCE = 1e-11
# A failing example costs seconds: it is shown as drawn.
DRAWN = (Phase.explicit, Phase.generate)


def scales(
    law: object, inputs: tuple[float, ...], names: tuple[str, ...], gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """S_i, and S_i S_j / L or its like, as the module says."""
    loss = float(exact_loss(law, *inputs))
    if len(inputs) == 2:
        reducible = float(exact_loss(law, *inputs) - law.irreducible_loss)
        return gradient, np.outer(gradient, gradient) / reducible + np.diag(gradient)
    field = "student" if hasattr(law, "student") else "supervised"
    own = getattr(law, field)
    own_names, _, own_gradient, _ = exact_derivatives(own, *inputs[:2])
    level = exact_loss(own, *inputs[:2])
    of_own = {
        {"N": "N_S", "D": "D_S"}.get(name, f"{field}.{name}"): abs(float(value / level))
        for name, value in zip(own_names, own_gradient, strict=True)
    }
    slopes = [field == "student" and name in ("N_S", "D_S") for name in names]
    terms = gradient + loss * (np.array([of_own.get(name, 1.0) for name in names]) + slopes)
    inside = np.array([name in of_own for name in names])
    share = float(level / (level - mp.mpf(own.E)))
    pairs = np.outer(terms, terms) / loss * np.where(np.outer(inside, inside), share, 1.0)
    return terms, pairs + np.diag(terms)


def worst(law: object, found: Derivatives, *inputs: float) -> tuple[float, float, float]:
    """Largest errors of value, gradient and Hessian, each relative to its scale."""
    names, units, gradient, hessian = exact_derivatives(law, *inputs)
    assert found.names == names
    terms, pairs = scales(law, inputs, names, np.abs(gradient.astype(float)))
    value = abs(float(mp.mpf(float(found.value)) / exact_loss(law, *inputs) - 1))
    scaled, bent = found.gradient * units, found.hessian * units[:, None] * units
    g = [abs(float(mp.mpf(float(a)) - b)) for a, b in zip(scaled, gradient, strict=True)]
    k = len(names)
    h = [
        [abs(float(mp.mpf(float(bent[i, j])) - hessian[i, j])) for j in range(k)] for i in range(k)
    ]
    tiny = 1e-80 * float(found.value)  # what the oracle itself is worth
    return (
        value,
        float(np.max(np.array(g) / (terms + tiny))),
        float(np.max(np.array(h) / (np.abs(hessian.astype(float)) + pairs + tiny))),
    )


@pytest.mark.parametrize("laws", ALONE_STRATEGIES)
@given(st.data(), counts, counts)
@settings(max_examples=40, phases=DRAWN)
def test_supervised_derivatives(laws, data, N: float, D: float) -> None:
    law = data.draw(laws)
    assert max(worst(law, law.derivatives(N, D), N, D)) < TOLERANCE


@pytest.mark.parametrize("laws", TAUGHT_STRATEGIES)
@given(st.data(), counts, counts, st.one_of(st.floats(0.3, 3.0), st.just(1.0)))
@settings(max_examples=50, phases=DRAWN)
def test_taught_derivatives(laws, data, N_S: float, D_S: float, factor: float) -> None:
    """Around the knee, where everything matters; L_T <= 50."""
    law = data.draw(laws)
    L_T = float(np.minimum(factor * law.knee(N_S, D_S), 50.0))
    assert max(worst(law, law.derivatives(N_S, D_S, L_T), N_S, D_S, L_T)) < TOLERANCE


@pytest.mark.parametrize("law", TAUGHT)
@pytest.mark.parametrize("point", [(1e9, 2e10, 2.1), (1e3, 1e30, 50.0), (1e30, 1e3, 0.3)])
def test_derivatives_at_fixed_points(law, point) -> None:
    """Zero coefficients (E = 0, c0 = 0, r = m = p = q = 0) and the far ends of the ranges."""
    found = law.derivatives(*point)
    assert np.all(np.isfinite(found.gradient))
    assert np.all(np.isfinite(found.hessian))
    assert max(worst(law, found, *point)) < TOLERANCE


def test_the_oracle_would_notice_a_small_error() -> None:
    """Negative control: one Hessian entry off by 1e-9 of itself."""
    point = (1e9, 2e10, 2.1)
    found = EQ8.derivatives(*point)
    i, j = found.names.index("c0"), found.names.index("L_T")
    found.hessian[i, j] *= 1 + 1e-9
    assert worst(EQ8, found, *point)[2] > TOLERANCE


@pytest.mark.parametrize("law", [*ALONE, *TAUGHT])
def test_derivatives_agree_with_loss_and_slope_and_are_symmetric(law) -> None:
    rng = np.random.default_rng(5)
    N, D, L_T = 10 ** rng.uniform(6, 12, 50), 10 ** rng.uniform(7, 14, 50), rng.uniform(1, 5, 50)
    inputs = (N, D) if law in ALONE else (N, D, L_T)
    found = law.derivatives(*inputs)
    k = len(found.names)
    assert found.gradient.shape == (50, k)
    assert found.hessian.shape == (50, k, k)
    np.testing.assert_allclose(found.value, law.loss(*inputs), rtol=1e-14)
    np.testing.assert_array_equal(found.hessian, found.hessian.swapaxes(1, 2))
    if law in TAUGHT:
        np.testing.assert_allclose(law.slope(*inputs), found.gradient[:, 2], rtol=1e-13, atol=0)


def test_names_are_inputs_then_coefficients() -> None:
    found = EQ8.derivatives(1e9, 2e10, 2.1)
    assert found.names[:5] == ("N_S", "D_S", "L_T", "c0", "c1")
    assert found.names[-6:] == tuple(
        f"supervised.{name}" for name in ("E", "A", "B", "alpha", "beta", "gamma")
    )
    assert isinstance(EQ8.supervised, SupervisedLaw)
    assert found.gradient.shape == (18,)


def test_one_point_by_hand() -> None:
    """L = E + (A/N + B/D)^2 at E = 1, A = B = N = D = 1: reducible 4, L_A = 2 x 2 = 4."""
    law = SupervisedLaw(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0, gamma=2.0)
    found = law.derivatives(1.0, 1.0)
    by_name = dict(zip(found.names, found.gradient, strict=True))
    assert by_name["E"] == 1.0
    assert by_name["A"] == pytest.approx(4.0, rel=1e-15)
    assert by_name["N"] == pytest.approx(-4.0, rel=1e-15)
    assert by_name["alpha"] == 0.0  # log N = 0
    a, b = found.names.index("A"), found.names.index("B")
    assert found.hessian[a, b] == pytest.approx(2.0, rel=1e-14)
    assert found.hessian[a, found.names.index("E")] == 0.0
