"""The laws against their equations in 50-digit arithmetic (mpmath), over wide ranges."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

TOLERANCE = 1e-12


def close(value: float, exact: mp.mpf) -> bool:
    return bool(abs(mp.mpf(value) / exact - 1) < TOLERANCE)


def power_sum(law: object, N: float, D: float) -> mp.mpf:
    names = ("A", "B", "alpha", "beta", "gamma")
    A, B, alpha, beta, gamma = (mp.mpf(getattr(law, name)) for name in names)
    return (A / mp.mpf(N) ** alpha + B / mp.mpf(D) ** beta) ** gamma


def exact_supervised(law: SupervisedLaw, N: float, D: float) -> mp.mpf:
    return mp.mpf(law.E) + power_sum(law, N, D)


def exact_distillation(law: DistillationLaw, N: float, D: float, L_T: float) -> mp.mpf:
    x, c0, c1, f1 = (mp.mpf(v) for v in (L_T, law.c0, law.c1, law.f1))
    ratio = x / (exact_supervised(law.supervised, N, D) * mp.mpf(law.d1))
    return x + x**-c0 * (1 + ratio ** (1 / f1)) ** (-c1 * f1) * power_sum(law, N, D)


def exact_reduced(law: ReducedDistillationLaw, N: float, D: float, L_T: float) -> mp.mpf:
    x = mp.mpf(L_T)
    ratio = x / exact_supervised(law.supervised, N, D)
    decay = mp.exp(-mp.mpf(law.k) * ratio ** (1 / mp.mpf(law.f1)))
    return x + x ** -mp.mpf(law.c0) * decay * power_sum(law, N, D)


def exact_hinge(law: HingeLaw, N: float, D: float, L_T: float) -> mp.mpf:
    own = exact_supervised(law.student, N, D)
    rho, s = mp.mpf(law.rho), mp.mpf(law.s)
    theta = mp.mpf(law.c) * mp.mpf(N) ** mp.mpf(law.p) * mp.mpf(D) ** -mp.mpf(law.q)
    z = mp.mpf(L_T) / own
    return own * (z ** (rho / s) + z ** (-theta / s)) ** s


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def magnitudes(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda exponent: float(10.0**exponent))


sizes, tokens, teachers = magnitudes(3, 14), magnitudes(4, 17), floats(0.05, 20.0)
supervised_laws = st.builds(
    SupervisedLaw,
    E=st.one_of(st.just(0.0), floats(0.01, 3.0)),
    A=magnitudes(-1, 6),
    B=magnitudes(-1, 8),
    alpha=floats(0.05, 1.0),
    beta=floats(0.05, 1.0),
    gamma=floats(0.1, 2.0),
)
bracket = {
    "A": magnitudes(0, 5),
    "B": magnitudes(0, 7),
    "alpha": floats(0.1, 0.9),
    "beta": floats(0.1, 0.9),
    "gamma": floats(0.2, 1.5),
}
distillation_laws = st.builds(
    DistillationLaw,
    supervised=supervised_laws,
    c0=floats(0.0, 4.0),
    c1=magnitudes(-1, 3),
    f1=floats(0.05, 1.0),
    d1=floats(0.5, 2.0),
    **bracket,
)


@pytest.fixture(autouse=True)
def fifty_digits():
    with mp.workdps(50):
        yield


@given(supervised_laws, sizes, tokens)
@settings(max_examples=150)
def test_supervised_loss(law: SupervisedLaw, N: float, D: float) -> None:
    with mp.workdps(50):
        assert close(float(law.loss(N, D)), exact_supervised(law, N, D))
        limit = mp.mpf(law.E) + (mp.mpf(law.A) / mp.mpf(N) ** mp.mpf(law.alpha)) ** mp.mpf(
            law.gamma
        )
        assert close(float(law.infinite_data_loss(N)), limit)


@given(distillation_laws, sizes, tokens, teachers)
@settings(max_examples=150)
def test_distillation_loss(law: DistillationLaw, N: float, D: float, L_T: float) -> None:
    with mp.workdps(50):
        assert close(float(law.loss(N, D, L_T)), exact_distillation(law, N, D, L_T))


@given(supervised_laws, magnitudes(-2, 2), floats(0.05, 1.0), sizes, tokens, teachers)
@settings(max_examples=150)
def test_reduced_loss(
    own: SupervisedLaw, k: float, f1: float, N: float, D: float, L_T: float
) -> None:
    law = ReducedDistillationLaw(own, 1.7, k, f1, 2000.0, 30000.0, 0.33, 0.41, 0.7)
    with mp.workdps(50):
        assert close(float(law.loss(N, D, L_T)), exact_reduced(law, N, D, L_T))


@given(supervised_laws, floats(0.05, 1.5), floats(0.01, 0.5), sizes, tokens, teachers)
@settings(max_examples=150)
def test_hinge_loss(
    own: SupervisedLaw, rho: float, s: float, N: float, D: float, L_T: float
) -> None:
    law = HingeLaw(own, rho=rho, s=s, c=0.02, p=0.1, q=0.02)
    with mp.workdps(50):
        assert close(float(law.loss(N, D, L_T)), exact_hinge(law, N, D, L_T))


@pytest.mark.parametrize("name", ["printed", "reconstructed"])
def test_published_law_at_its_published_coefficients(name: str) -> None:
    law = distillation_law(name)
    for N, D, L_T in [(1.43e8, 2.86e9, 2.2), (1e10, 2.5e11, 1.7), (3e8, 1e13, 2.9)]:
        assert close(float(law.loss(N, D, L_T)), exact_distillation(law, N, D, L_T))
        assert close(float(supervised_law(name).loss(N, D)), exact_supervised(law.supervised, N, D))


def test_the_oracle_would_notice_a_wrong_exponent() -> None:
    """Negative control: f1 changed in the eleventh digit is beyond the tolerance."""
    law = distillation_law()
    off = DistillationLaw(
        law.supervised, law.c0, law.c1, law.f1 * (1 + 1e-10), law.d1, law.A, law.B, law.alpha,
        law.beta, law.gamma,
    )  # fmt: skip
    assert not close(float(off.loss(1e9, 2e10, 2.2)), exact_distillation(law, 1e9, 2e10, 2.2))


def test_scalars_and_arrays_broadcast() -> None:
    law = distillation_law()
    values = law.loss(np.array([[1e9], [1e10]]), 2e11, np.array([1.8, 2.0, 2.2]))
    assert values.shape == (2, 3)
    assert values[1, 2] == law.loss(1e10, 2e11, 2.2)
