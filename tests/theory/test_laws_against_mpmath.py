"""The laws against their equations in 50-digit arithmetic (mpmath), over wide ranges.

N, D in [1e3, 1e30] and L_T in (0, 50], coefficients as drawn in `members`. Tolerance 1e-12,
relative to the exact loss, wherever that is a float64.
"""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.exact_laws import DIGITS, EQUATIONS, exact_loss, power_sum, variables
from theory.members import (
    ALONE_STRATEGIES,
    PRODUCT,
    TAUGHT,
    TAUGHT_STRATEGIES,
    counts,
    supervised_laws,
    teachers,
)

from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import DistillationLaw

TOLERANCE = 1e-12
LARGEST = float(np.finfo(np.float64).max)


def close(value: float, exact: mp.mpf) -> bool:
    """Right to the tolerance; beyond float64 only infinity is right."""
    if abs(exact) > LARGEST * (1 - TOLERANCE):
        return value == np.inf or abs(value) > LARGEST * (1 - 2 * TOLERANCE)
    return bool(abs(mp.mpf(float(value)) - exact) <= TOLERANCE * abs(exact))


@pytest.mark.parametrize("laws", ALONE_STRATEGIES)
@given(st.data(), counts, counts)
@settings(max_examples=150)
def test_supervised_losses(laws, data, N: float, D: float) -> None:
    law = data.draw(laws)
    assert close(law.loss(N, D), exact_loss(law, N, D))
    # log L to 1e-12 of L: an absolute error of log L.
    assert abs(mp.mpf(float(law.log_loss(N, D))) - mp.log(exact_loss(law, N, D))) < TOLERANCE


@given(supervised_laws, counts)
@settings(max_examples=100)
def test_infinite_data_loss_of_the_supervised_law(law, N: float) -> None:
    with mp.workdps(DIGITS):
        v = {name: mp.mpf(value) for name, value in variables(law, N, 1.0).items()}
        limit = v["E"] + (v["A"] / v["N"] ** v["alpha"]) ** v["gamma"]
    assert close(law.infinite_data_loss(N), limit)


@pytest.mark.parametrize("laws", TAUGHT_STRATEGIES)
@given(st.data(), counts, counts, teachers)
@settings(max_examples=250)
def test_taught_losses(laws, data, N_S: float, D_S: float, L_T: float) -> None:
    law = data.draw(laws)
    assert close(law.loss(N_S, D_S, L_T), exact_loss(law, N_S, D_S, L_T))


@pytest.mark.parametrize("laws", TAUGHT_STRATEGIES)
@given(st.data(), counts, counts, st.floats(0.1, 3.0))
@settings(max_examples=250)
def test_taught_losses_near_the_knee(laws, data, N_S: float, D_S: float, factor: float) -> None:
    """Where the teacher term, the gap and the corner all matter."""
    law = data.draw(laws)
    L_T = float(np.minimum(factor * law.knee(N_S, D_S), 50.0))
    assert close(law.loss(N_S, D_S, L_T), exact_loss(law, N_S, D_S, L_T))


@pytest.mark.parametrize("law", TAUGHT)
def test_infinite_data_loss_of_the_taught_laws(law) -> None:
    """The exact loss at D_S = 10^5000, where every data term is below 1e-12 of the rest."""
    for N_S, L_T in [(1.43e8, 2.2), (1e10, 1.7), (1e12, 0.4), (1e6, 9.0)]:
        with mp.workdps(DIGITS):
            v = {name: mp.mpf(value) for name, value in variables(law, N_S, 1.0, L_T).items()}
            v["D_S"] = mp.mpf(10) ** 5000
            assert close(law.infinite_data_loss(N_S, L_T), EQUATIONS[type(law)](v))


@pytest.mark.parametrize("name", ["printed", "reconstructed"])
def test_published_law_at_its_published_coefficients(name: str) -> None:
    law = distillation_law(name)
    for N, D, L_T in [(1.43e8, 2.86e9, 2.2), (1e10, 2.5e11, 1.7), (3e8, 1e13, 2.9)]:
        assert close(law.loss(N, D, L_T), exact_loss(law, N, D, L_T))
        assert close(supervised_law(name).loss(N, D), exact_loss(law.supervised, N, D))


def test_the_oracle_would_notice_a_wrong_exponent() -> None:
    """Negative control: f1 changed in the eleventh digit is beyond the tolerance."""
    law = distillation_law()
    off = DistillationLaw(
        law.supervised, law.c0, law.c1, law.f1 * (1 + 1e-10), law.d1, law.A, law.B, law.alpha,
        law.beta, law.gamma,
    )  # fmt: skip
    assert not close(off.loss(1e9, 2e10, 2.2), exact_loss(law, 1e9, 2e10, 2.2))


def test_losses_beyond_float64_are_infinite_and_silent() -> None:
    law = distillation_law()
    assert law.loss(1e9, 2e10, 1e-200) == np.inf
    assert exact_loss(law, 1e9, 2e10, 1e-200) > LARGEST


def test_the_product_form_needs_no_data() -> None:
    """What is wrong with it: an infinite model on one token, a small one on all data."""
    N = 10.0 ** np.arange(9, 301, 10)
    excess = PRODUCT.loss(N, 1.0) - PRODUCT.L_min
    assert np.all(np.diff(excess) < 0) or excess[-1] == 0
    assert PRODUCT.loss(1e300, 1.0) == pytest.approx(PRODUCT.L_min, rel=1e-12)
    assert PRODUCT.loss(1e3, 1e300) == pytest.approx(PRODUCT.L_min, rel=1e-12)
    assert PRODUCT.infinite_data_loss([1e3, 1e9]).tolist() == [PRODUCT.L_min] * 2
    paper = supervised_law()
    assert paper.loss(1e300, 1.0) > 10 * paper.E  # Eq. 1 keeps its data term
    assert paper.infinite_data_loss(1e6) > paper.E + 1


def test_bracket_of_the_oracle_by_hand() -> None:
    """(8/2^1 + 10/2^0)^2 with A = 8, N = 2, alpha = 1 is (4 + 10)^2 = 196 at D = 1."""
    v = {"A": 8, "B": 10, "alpha": 1, "beta": 3, "gamma": 2}
    assert power_sum({k: mp.mpf(x) for k, x in v.items()}, mp.mpf(2), mp.mpf(1)) == 196


def test_scalars_and_arrays_broadcast() -> None:
    for law in TAUGHT:
        values = law.loss(np.array([[1e9], [1e10]]), 2e11, np.array([1.8, 2.0, 2.2]))
        assert values.shape == (2, 3)
        assert values[1, 2] == law.loss(1e10, 2e11, 2.2)
