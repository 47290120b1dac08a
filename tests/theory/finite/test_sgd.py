"""One-pass SGD: enumerated inputs, both ways to many steps, stability, limits, 50 digits."""

from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from theory.finite.finite_models import (
    GAUSSIAN_NODES,
    SIGN_NODES,
    SPECTRA,
    enumerated_sgd,
    flipped,
    scaled,
    spectra,
)

from capgap.errors import InputError
from capgap.spectrum import Spectrum, power_law
from capgap.theory.finite import (
    SgdStage,
    largest_step_size,
    sgd_chain,
    sgd_pair,
    stability,
    stationary_risk,
)

PLANS = {
    "small teacher": [(1, 2, 0.3, 0.25), (2, 1, 0.4, 0.0)],
    "large teacher": [(2, 1, 0.5, 0.5), (1, 2, 0.2, 0.1)],
    "three": [(2, 1, 0.2, 0.0), (1, 1, 0.3, 0.0), (2, 1, 0.9, 0.0)],
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize(
    ("nodes", "kurtosis"), [(GAUSSIAN_NODES, 0.0), (SIGN_NODES, -2.0)], ids=["gaussian", "signs"]
)
def test_every_input_sequence(plan, nodes, kurtosis: float) -> None:
    """Oracle: the mean over all sequences of inputs and noise signs, no moments in it."""
    spectrum = Spectrum([1.0, 0.6], [1.0, -1.5])
    found = sgd_chain(spectrum, [SgdStage(*stage) for stage in plan], kurtosis)
    assert found == pytest.approx(enumerated_sgd(spectrum, plan, nodes), rel=1e-12)
    other = sgd_chain(spectrum, [SgdStage(*stage) for stage in plan], -2.0 - kurtosis)
    assert abs(other[-1] / found[-1] - 1) > 0.01  # the oracle tells the two apart


@given(spectra(1, 4), st.floats(0.05, 0.9), st.floats(0, 2), st.sampled_from([0.0, -2.0]))
def test_many_steps_are_single_steps(spectrum, share: float, noise: float, kurtosis: float) -> None:
    """Oracle: the stated recursion, step by step, across the switch to squared matrices."""
    m, unit = spectrum.size, spectrum.eigenvalues
    eta = share * largest_step_size(unit, kurtosis)
    rho, long = spectrum.coefficients**2, 100 * m
    for step in range(1, long + 4):
        total = np.sum(unit * rho) + noise
        keep = 1 - 2 * eta * unit + (2 + kurtosis) * eta**2 * unit**2
        rho = rho * keep + eta**2 * unit * total
        if step in {1, long - 1, long, long + 1, long + 3}:
            found = sgd_chain(spectrum, [SgdStage(m, step, eta, noise)], kurtosis)[0]
            # Rounding grows with steps: 400 of them.
            assert found == pytest.approx(np.sum(unit * rho), rel=1e-11, abs=1e-300)


@given(spectra(1, 6), st.floats(0, 3), st.sampled_from([0.0, -2.0]))
def test_diverges_exactly_beyond_the_largest_step(spectrum, noise, kurtosis) -> None:
    unit = spectrum.eigenvalues
    eta = largest_step_size(unit, kurtosis)
    assert stability(unit, eta, kurtosis) == pytest.approx(1, rel=1e-9)
    # Growth or decay is slowest in the smallest eigenvalue: give it time by its own scale.
    steps = int(1e4 * unit.max() / unit.min()) + 10
    m = spectrum.size
    above = sgd_chain(spectrum, [SgdStage(m, steps, 1.2 * eta, noise + 0.1)], kurtosis)[0]
    below = sgd_chain(spectrum, [SgdStage(m, steps, 0.8 * eta, noise)], kurtosis)[0]
    assert above > 1e6 * (1 + noise)
    floor = stationary_risk(unit, 0.8 * eta, noise, kurtosis)
    assert below == pytest.approx(floor, rel=1e-6, abs=1e-9)


def test_stationary_risk_of_a_misfit() -> None:
    """Features the model lacks are noise to it."""
    spectrum = SPECTRA["power"]
    long = sgd_chain(spectrum, [SgdStage(4, 10**6, 0.05, 0.3)])[0]
    nu = spectrum.tail(4) + 0.3
    assert stationary_risk(spectrum.eigenvalues[:4], 0.05, nu) == pytest.approx(
        long - spectrum.tail(4), rel=1e-8
    )
    assert stationary_risk(np.ones(4), 0.5, 0.3) == inf


def test_small_steps_are_gradient_flow() -> None:
    """eta -> 0 at eta t fixed: risk sum lam (e^(-lam T) beta)^2; twice as small, half the error."""
    spectrum, T = SPECTRA["power"], 5.0
    exact = np.sum(spectrum.alpha**2 * np.exp(-2 * spectrum.eigenvalues * T))
    off = []
    for eta in (1e-3, 5e-4, 2.5e-4):
        risk = sgd_chain(spectrum, [SgdStage(12, round(T / eta), eta, 0.5)])[0]
        off.append(risk - exact)
    assert off[0] / off[1] == pytest.approx(2, rel=0.02)
    assert off[1] / off[2] == pytest.approx(2, rel=0.02)


@given(spectra(2, 6), st.integers(0, 50), st.integers(0, 50), st.floats(-2, 2))
def test_units_and_signs_do_not_matter(spectrum, t_T, t_S, log_units) -> None:
    units, eta = 10**log_units, 0.5 * largest_step_size(spectrum.eigenvalues)
    plan = [(spectrum.size, t_T, eta, 0.5), (1, t_S, eta, 0.1)]
    plain = sgd_chain(spectrum, [SgdStage(*p) for p in plan])
    other = [SgdStage(m, t, e / units, noise) for m, t, e, noise in plan]
    assert sgd_chain(scaled(spectrum, units, 1.0), other) == pytest.approx(plain, rel=1e-10)
    assert sgd_chain(flipped(spectrum), [SgdStage(*p) for p in plan]) == plain


def test_no_steps_leave_the_zero_model() -> None:
    spectrum = SPECTRA["power"]
    pair = sgd_pair(spectrum, SgdStage(12, 100, 0.1), SgdStage(5, 0, 0.1))
    assert float(pair.student_risk) == pytest.approx(spectrum.tail(0), rel=1e-14)


def test_capacity_gap_and_weak_to_strong_exist() -> None:
    """A larger teacher can make a worse student, and a student can beat a noisy teacher."""
    spectrum = power_law(40, 1.2, 1.0)
    student = SgdStage(5, 3000, 0.15)
    risks = [
        float(sgd_pair(spectrum, SgdStage(m, 200_000, 0.01), student).student_risk)
        for m in (1, 5, 40)
    ]
    assert risks[1] < risks[0]
    assert risks[1] < 0.95 * risks[2]
    fast = power_law(40, 1.2, 2.5)
    noisy = sgd_pair(fast, SgdStage(40, 20_000, 0.2, 3.0), SgdStage(40, 50, 0.02))
    assert float(noisy.student_risk) < 0.5 * float(noisy.teacher_risk)


def test_fifty_digits() -> None:
    lam, beta, eta, noise = [1.0, 0.5], [1.0, -3.0], 0.25, 0.5
    with mpmath.workdps(50):
        q = [mpmath.mpf(x) ** 2 for x in beta]
        rho = list(q)
        for _ in range(40):
            total = mpmath.fsum(u * r for u, r in zip(lam, rho, strict=True)) + noise
            rho = [
                r * (1 - 2 * eta * u + 2 * eta**2 * u**2) + eta**2 * u * total
                for u, r in zip(lam, rho, strict=True)
            ]
        exact = mpmath.fsum(u * r for u, r in zip(lam, rho, strict=True))
    found = sgd_chain(Spectrum(lam, beta), [SgdStage(2, 40, eta, noise)])[0]
    assert found == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SgdStage(0, 1, 0.1), "features = 0 must be at least 1"),
        (lambda: SgdStage(1, -1, 0.1), "steps = -1 must be a count"),
        (lambda: SgdStage(1, 1, 0.0), "step_size = 0 must be finite and > 0"),
        (lambda: sgd_chain(SPECTRA["one"], []), "must be at least one stage"),
        (
            lambda: sgd_chain(SPECTRA["one"], [SgdStage(2, 1, 0.1)]),
            "features = 2 must be at most 1",
        ),
        (lambda: sgd_chain(SPECTRA["one"], [SgdStage(1, 1, 0.1)], -3.0), "kurtosis = -3"),
    ],
)
def test_bad_input_is_refused(call, message) -> None:
    with pytest.raises(InputError, match=message):
        call()
