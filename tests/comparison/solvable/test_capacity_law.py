"""The capacity law: its integrals, its limits, its derivatives, and the chain it comes from."""

from collections.abc import Callable
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from capgap.comparison.solvable.capacity import (
    half_learned,
    student_excess,
    student_parts,
    unlearned,
)
from capgap.comparison.solvable.models import tail_spectrum
from capgap.comparison.solvable.resolution import resolution
from capgap.errors import InputError
from capgap.spectrum import Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite.least_squares import hinge
from capgap.theory.finite.power_law_student import PowerLawStudent
from capgap.theory.finite.ridge_chain import chain

NU = st.floats(1.1, 10.0)
LEVEL = st.floats(1e-3, 3.0)
THETA = st.floats(1e-3, 5.0)


@given(z=st.floats(0.0, 20.0), nu=NU)
@settings(max_examples=40, deadline=None)
def test_integrals_are_those_of_the_definition(z: float, nu: float) -> None:
    """Oracle: adaptive quadrature of the integrand, in log y so that the tail is covered.

    It is good to 1e-10 of the value at 0, which bounds the integral.
    """
    start = np.log(max(z, 1e-12))

    def integral(power: int) -> float:
        def integrand(u: float) -> float:
            y = np.exp(u)
            return float(y * (y**nu) ** power / (1 + y**nu) ** 2)

        # Where y^-nu is 1e-13 and below nothing is left of the tail but the last term.
        stop = max(start, 60.0 / nu) + 200.0 / (2 - power) / nu
        points = [start, max(start, 0.0), stop]
        return sum(
            quad(integrand, a, b, epsabs=1e-12, epsrel=1e-12, limit=400)[0]
            for a, b in pairwise(points)
            if b > a
        )

    assert unlearned(z, nu) == pytest.approx(integral(0), abs=1e-8)
    if nu > 1.5:  # near 1 the tail of the second integral hardly falls off
        assert half_learned(z, nu) == pytest.approx(integral(1), abs=1e-8)


@given(x=st.floats(0.0, 5.0), width=LEVEL, theta=THETA)
def test_without_data_limit_it_is_the_hinge_of_least_squares(
    x: float, width: float, theta: float
) -> None:
    found = student_excess(x, width, 1e-12, theta, 3.0)
    assert found == pytest.approx(hinge(x, width, theta), abs=1e-11)


@given(x=LEVEL, width=LEVEL, data=LEVEL, theta=THETA, nu=NU, zeta=st.floats(0.0, 1.0))
def test_a_student_is_worse_than_its_teacher_and_bends_once(
    x: float, width: float, data: float, theta: float, nu: float, zeta: float
) -> None:
    xs = x * np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    parts = student_parts(xs, width, data, theta, nu, zeta)
    assert np.all(parts.value > xs * (1 - 1e-15))
    if zeta <= 0.0:  # blurred students gain once more in between
        assert np.all(np.diff(parts.by_x) >= -1e-12)
    assert parts.by_x.max() <= 1 + 1e-12
    # A perfect teacher's student loses theta for what its teacher gains.
    if zeta == 0 and xs[0] < width:
        assert parts.by_x[0] == pytest.approx(-theta, rel=1e-12)


@pytest.mark.parametrize("zeta", [0.0, 0.6])
def test_derivatives_are_those_of_the_value(zeta: float) -> None:
    """Oracle: central differences with step 1e-6, right to 1e-8 for values of the size of 1."""
    point = {"x": 0.3, "width": 0.2, "data": 0.25, "theta": 0.4, "nu": 2.3, "zeta": zeta}
    for x in (0.3, 0.1):  # on both sides of the student's width
        base = point | {"x": x}
        parts = student_parts(**base)
        for name in [n for n in point if n != "zeta" or zeta > 0]:
            h = 1e-6
            up = student_excess(**(base | {name: base[name] + h}))
            down = student_excess(**(base | {name: base[name] - h}))
            exact = getattr(parts, f"by_{name}")
            assert exact == pytest.approx(float(up - down) / (2 * h), abs=1e-7), name


def ridge_students(alpha: float, ridge: float) -> tuple[FloatArray, FloatArray, dict[str, float]]:
    """Teachers' and students' excess on a spectrum of 4096 modes, with what the law takes."""
    spectrum, stage = tail_spectrum(1.5, alpha), Stage(900, 600, ridge)
    teachers = [Stage(m, inf) for m in (8, 20, 60, 200, 600, 1500, 3500)]
    results = [chain(spectrum, [one, stage]) for one in teachers]
    x, y = np.array([one.risk for one in results]).T
    kappa, gamma = results[0].kappa[1], results[0].gamma[1]
    return x, y, {
        "width": 900.0**-alpha, "data": kappa ** (alpha / 1.5), "theta": gamma / (1 - gamma),
        "nu": 1.5 / alpha, "bend": kappa ** (-1 / 1.5),
    }  # fmt: skip


@pytest.mark.parametrize("ridge", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_it_is_the_chain_of_ridge_students(alpha: float, ridge: float) -> None:
    """Oracle: the deterministic equivalent of the chain, mode by mode.

    The law has integrals for sums. A sum over modes i of f(i) (t_(i-1) - t_i) takes f half a
    mode late; at the bend, mode m = kappa^(-1/a), f changes by 2 a s per m modes, so the
    relative error is about a/m and must shrink as the bend moves out.
    """
    x, y, parts = ridge_students(alpha, ridge)
    bend = parts.pop("bend")
    found = student_excess(x, **parts)
    assert np.max(np.abs(found / y - 1)) < 1.5 / bend


@pytest.mark.parametrize("change", [{"nu": 1.5}, {"theta": 1.3}, {"data": 1.2}, {"width": 1.2}])
def test_another_law_is_seen(change: dict[str, float]) -> None:
    """Negative control of the test above: each part moved by a factor."""
    x, y, parts = ridge_students(0.5, 1e-4)
    bend = parts.pop("bend")
    wrong = student_excess(x, **{k: v * change.get(k, 1.0) for k, v in parts.items()})
    assert np.max(np.abs(wrong / y - 1)) > 1.5 / bend


def test_it_is_the_chain_of_random_features() -> None:
    """Oracle: the chain with random features; theta and zeta are read off its own formulas.

    As above the error is about a/m, m = kappa^(-1/a); without zeta it is larger.
    """
    spectrum, P, D = tail_spectrum(2.0, 0.5), 300, 450
    student = Stage(4096, D, 1e-5, random_features=P)
    results = [chain(spectrum, [Stage(m, inf), student]) for m in (5, 20, 100, 1000, 4000)]
    x, y = np.array([one.risk for one in results]).T
    kappa = results[0].kappa[1]
    s = spectrum.eigenvalues / (spectrum.eigenvalues + kappa)
    d1, d2 = float(s.sum()), float((s**2).sum())
    zeta = (d1 - d2) / (P - d2)
    gamma = (d2 + zeta * (d1 - d2)) / D
    arguments = (x, 0.0, kappa**0.25, gamma / (1 - gamma), 4.0)
    bend = kappa**-0.5
    assert np.max(np.abs(student_excess(*arguments, zeta) / y - 1)) < 2 / bend
    assert np.max(np.abs(student_excess(*arguments) / y - 1)) > 6 / bend


def test_it_contains_the_kernel_student_in_closed_form() -> None:
    """Oracle: `PowerLawStudent`, derived and coded apart from this law, for a wide student."""
    student = PowerLawStudent(a=1.8, b=1.7, n=300.0, share=0.2)
    x = np.geomspace(1e-3, 2.0, 9)
    found = student_excess(x, 0.0, student.corner, student.theta, student.sharpness)
    assert found == pytest.approx(student.student_risk(x), rel=1e-12)
    # All but 1e12 modes are missing: (1e12/300)^(1 - a), 2e-8, of the integral.
    kappa, gamma = resolution(1e12, 300.0, 1.8, 0.2 * student.kappa)
    assert gamma / (1 - gamma) == pytest.approx(student.theta, rel=1e-6)
    assert kappa == pytest.approx(student.kappa, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unlearned(1.0, 0.5), "nu = 0.5 must be > 1/2"),
        (lambda: half_learned(1.0, 1.0), "nu = 1 must be > 1"),
        (lambda: unlearned(-1.0, 2.0), "z = -1 must be finite and >= 0"),
        (lambda: unlearned(inf, 2.0), "z = inf must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
