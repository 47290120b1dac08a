"""The package's laws and the formulas that the proofs are about, at the same points.

Oracle: the proofs' own expressions, evaluated by sympy to 40 digits at random points (seeds
fixed by hypothesis). Float64 logarithms and powers of the laws keep about 13 digits there.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.theory import coefficients, slopes
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import distillation_law, law_set, supervised_law
from capgap.theory.distillation import DistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.reduced_distillation import ReducedDistillationLaw
from capgap.theory.regimes import gap_reachable
from capgap.theory.supervised import SupervisedLaw
from proofs import best_teacher_intervals, hinge_optimum, published
from proofs import two_minima as two
from proofs.formulas import (
    convexity_form,
    corner,
    distillation,
    hump_as_product,
    reduced,
    sigma,
    supervised,
)

ACCURACY = 1e-11
DIGITS = 40
few = settings(max_examples=25)


def number(expression: sp.Expr) -> float:
    return float(sp.N(expression, DIGITS))


def digits(value: float) -> sp.Float:
    """A float64 as it is, carried to many digits."""
    return sp.Float(value, DIGITS)


def exact(*values: float) -> tuple[sp.Float, ...]:
    return tuple(map(digits, values))


bracket = st.fixed_dictionaries(
    {
        "A": st.floats(0.5, 5e3),
        "B": st.floats(0.5, 5e4),
        "alpha": st.floats(0.1, 0.8),
        "beta": st.floats(0.1, 0.8),
        "gamma": st.floats(0.3, 1.2),
    }
)
own_laws = st.builds(
    lambda E, v: SupervisedLaw(E=E, **v), st.one_of(st.just(0.0), st.floats(0.1, 2.0)), bracket
)
laws = st.builds(
    lambda own, c0, c1, f1, d1, v: DistillationLaw(own, c0=c0, c1=c1, f1=f1, d1=d1, **v),
    own_laws, st.floats(0.1, 3.0), st.floats(0.5, 600.0), st.floats(0.06, 1.0),
    st.floats(0.7, 1.5), bracket,
)  # fmt: skip
counts = st.tuples(st.floats(1e6, 1e11), st.floats(1e8, 1e13))
teachers = st.floats(0.3, 6.0)


def own_and_gap(law: DistillationLaw, N_S: float, D_S: float) -> tuple[sp.Expr, sp.Expr]:
    """K = d1 times the supervised loss, and U, from the proofs' formulas."""
    own, N, D = law.supervised, *exact(N_S, D_S)
    loss = supervised(N, D, *exact(own.E, own.A, own.B, own.alpha, own.beta, own.gamma))
    U = supervised(N, D, sp.Integer(0), *exact(law.A, law.B, law.alpha, law.beta, law.gamma))
    return loss * digits(law.d1), U


def arguments(law: DistillationLaw, N_S: float, D_S: float, x: float) -> tuple[sp.Expr, ...]:
    K, U = own_and_gap(law, N_S, D_S)
    K, U = sp.N(K, DIGITS), sp.N(U, DIGITS)
    return (*exact(x), K, U, *exact(law.c0, law.c1), 1 / digits(law.f1))


@few
@given(own=own_laws, at=counts)
def test_supervised_law(own: SupervisedLaw, at: tuple[float, float]) -> None:
    values = exact(*at, own.E, own.A, own.B, own.alpha, own.beta, own.gamma)
    assert float(own.loss(*at)) == pytest.approx(number(supervised(*values)), rel=ACCURACY)


@few
@given(law=laws, at=counts, x=teachers)
def test_distillation_law_and_its_slope(
    law: DistillationLaw, at: tuple[float, float], x: float
) -> None:
    values = arguments(law, *at, x)
    assert float(law.loss(*at, x)) == pytest.approx(number(distillation(*values)), rel=ACCURACY)
    h = number(hump_as_product(*values))
    assert float(law.slope(*at, x)) == pytest.approx(1 - h, rel=ACCURACY, abs=ACCURACY * (1 + h))


@few
@given(law=laws, at=counts, x=teachers)
def test_second_derivative_has_the_proved_form(
    law: DistillationLaw, at: tuple[float, float], x: float
) -> None:
    values = arguments(law, *at, x)
    s = sigma(values[0], values[1], values[5])
    form, u = convexity_form(s, *values[3:]), values[3] + values[4] * s
    expected = number(hump_as_product(*values) * form / (u * values[0]))
    found = law.derivatives(*at, x)
    index = found.names.index("L_T")
    scale = number(hump_as_product(*values) * (1 + u + values[5])) / x
    # Terms of size `scale` may cancel; below 1e-300 float64 has fewer digits.
    assert float(found.hessian[index, index]) == pytest.approx(
        expected, rel=1e-9, abs=max(1e-11 * scale, 1e-300)
    )


@few
@given(law=laws, at=counts)
def test_best_teacher_is_stationary_and_knee_is_the_proved_one(
    law: DistillationLaw, at: tuple[float, float]
) -> None:
    if law.is_convex:
        x = float(law.best_teacher_loss(*at))
        h = number(hump_as_product(*arguments(law, *at, x)))
        # h changes by at most (1 + u + p) of x's relative rounding.
        assert h == pytest.approx(1.0, abs=1e-12 * (1 + law.c0 + law.c1 + 1 / law.f1))
    p = 1 / digits(law.f1)
    own = own_and_gap(law, *at)[0] / digits(law.d1)
    ratio = digits(law.d1) * (digits(law.c1) / p) ** (-1 / p)
    assert float(law.knee(*at)) == pytest.approx(number(own * ratio), rel=ACCURACY)


@few
@given(law=laws)
def test_convexity_limit(law: DistillationLaw) -> None:
    c0, c1 = exact(law.c0, law.c1)
    B = 1 + 2 * c0 + 2 * c0 * (1 + c0) / c1
    limit = number(B + sp.sqrt(B**2 - 1))
    assert law.convexity_limit == pytest.approx(limit, rel=ACCURACY)
    # The form is negative somewhere exactly beyond it: at its least point.
    for factor, negative in ((0.98, False), (1.02, True)):
        p = digits(limit * factor)
        s = (p - 1 - 2 * c0) / (2 * (c1 + p))
        assert (number(convexity_form(s, c0, c1, p)) < 0) is negative
        assert replace(law, f1=1 / float(p)).is_convex is not negative


@few
@given(law=laws, at=counts, x=teachers)
def test_reduced_law(law: DistillationLaw, at: tuple[float, float], x: float) -> None:
    k = 1.5 * law.f1
    small = ReducedDistillationLaw(
        law.supervised, law.c0, k, law.f1, law.A, law.B, law.alpha, law.beta, law.gamma
    )
    K, U = own_and_gap(law, *at)
    own = sp.N(K / digits(law.d1), DIGITS)
    values = (*exact(x), own, sp.N(U, DIGITS), *exact(law.c0, k), 1 / digits(law.f1))
    assert float(small.loss(*at, x)) == pytest.approx(number(reduced(*values)), rel=ACCURACY)


@few
@given(
    own=own_laws, at=counts, x=teachers, rho=st.floats(0.3, 1.5), s=st.floats(0.02, 1.0),
    c=st.floats(0.05, 2.0),
)  # fmt: skip
def test_hinge_laws(
    own: SupervisedLaw, at: tuple[float, float], x: float, rho: float, s: float, c: float
) -> None:
    level = float(own.loss(*at))
    shape = exact(rho, c, s)
    symbols = (hinge_optimum.rho, hinge_optimum.theta, hinge_optimum.s)
    best = dict(zip(symbols, shape, strict=True))
    position = number(hinge_optimum.BEST.subs(best))
    height = number(hinge_optimum.CORNER.subs({**best, hinge_optimum.z: digits(position)}))
    log_form, additive = HingeLaw(own, rho, s, c), AdditiveHingeLaw(own, rho, s, c)

    z = sp.log(digits(x)) - sp.log(digits(level))
    expected = digits(level) * sp.exp(corner(z, *shape))
    assert float(log_form.loss(*at, x)) == pytest.approx(number(expected), rel=1e-10)
    assert float(log_form.best_teacher_loss(*at)) == pytest.approx(
        level * math.exp(position), rel=ACCURACY
    )
    assert float(log_form.best_loss(*at)) == pytest.approx(level * math.exp(height), rel=ACCURACY)

    z = digits(x) - digits(level)
    expected = digits(level) + corner(z, *shape)
    assert float(additive.loss(*at, x)) == pytest.approx(number(expected), rel=1e-10)
    assert float(additive.best_teacher_loss(*at)) == pytest.approx(
        max(level + position, 0.0), rel=ACCURACY, abs=ACCURACY
    )
    assert float(slopes.best_rise(np.array(rho), np.array(c), s)) == pytest.approx(
        height, rel=ACCURACY, abs=ACCURACY
    )


def test_published_numbers_are_the_packages() -> None:
    own, taught = law_set("printed").intervals, distillation_law("printed")
    for name, (value, *interval) in published.PUBLISHED.items():
        nested = name in ("E", "A", "B", "alpha", "beta", "gamma")
        key = name.removesuffix("'")
        law = supervised_law("printed") if nested else taught
        assert getattr(law, key) == float(value)
        stored = own[f"{'supervised' if nested else 'taught'}.{key}"]
        assert stored == tuple(map(float, interval))
    assert published.FACTOR_ON_B == coefficients._FACTOR_ON_B


@pytest.mark.parametrize("name", list(published.FACTOR_ON_B))
@pytest.mark.parametrize("student", best_teacher_intervals.STUDENTS, ids=str)
def test_best_teacher_is_inside_its_interval(name: str, student: tuple[int, int]) -> None:
    """Float64 coefficients differ from the printed decimals by 1e-16 relative: 1e-12 in L_T."""
    low, high = best_teacher_intervals.enclosure(name, *student)
    law = distillation_law(name)
    found = float(law.best_teacher_loss(*student))
    assert float(low) - 1e-12 < found < float(high) + 1e-12
    assert law.is_convex
    assert bool(gap_reachable(law, *student, law.irreducible_loss))


def test_the_gap_is_out_of_reach_for_a_student_without_limits() -> None:
    law = distillation_law("reconstructed")
    assert not bool(gap_reachable(law, 1e13, 1e16, law.irreducible_loss))


@given(
    c0=st.floats(2.425, 2.615), f1=st.floats(0.088, 0.093), A=st.floats(1e2, 1e4),
    alpha=st.floats(0.2, 0.5),
)  # fmt: skip
def test_convex_on_the_published_box(c0: float, f1: float, A: float, alpha: float) -> None:
    law = replace(distillation_law("printed"), c0=c0, f1=f1, A=A, alpha=alpha)
    assert law.is_convex
    assert int(law.best_teacher(1e9, 2e10).minima) == 1


def test_two_minima_are_found_where_they_are_proved() -> None:
    """U = .7878 and K = 1 at N_S = D_S = 1."""
    c0, c1, p, U = (float(value) for value in two.numbers())
    own = SupervisedLaw(E=0.0, A=0.5, B=0.5, alpha=1.0, beta=1.0)
    law = DistillationLaw(
        own, c0=c0, c1=c1, f1=1 / p, d1=1.0, A=U / 2, B=U / 2, alpha=1.0, beta=1.0, gamma=1.0
    )
    best = law.best_teacher(1.0, 1.0)
    assert int(best.minima) == 2
    assert 0.5365 < float(best.L_T) < 0.5375
    for x in (0.3, 0.537, 0.7, 0.95, 1.1, 1.214, 2.0):
        assert float(law.loss(1, 1, x)) == pytest.approx(float(two.loss(arb(x))), rel=ACCURACY)
        assert float(law.slope(1, 1, x)) == pytest.approx(
            float(two.slope(arb(x))), rel=1e-10, abs=1e-10
        )
