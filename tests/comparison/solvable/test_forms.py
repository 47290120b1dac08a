"""The laws from theory, fitted: derivatives, recovery of planted ones, negative controls."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_law
from capgap.comparison.fitting.user_law import UserModel
from capgap.comparison.solvable.capacity_form import CapacityForm
from capgap.comparison.solvable.models import SETTINGS, solvable_runs
from capgap.comparison.solvable.spectral_form import SpectralForm
from capgap.theory.domain import FloatArray

N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid(
        [64.0, 160.0, 400.0, 1000.0], [128.0, 320.0, 800.0, 2000.0],
        1 + np.geomspace(0.02, 0.6, 8), indexing="ij",
    )
)  # fmt: skip
INPUTS = {"N_S": N_S, "D_S": D_S, "L_T": L_T}
# N_0 = 253 and D_0 = 506 are the middle of the design; E = 1 is 0.98 of the least loss.
CENTER = (253.0, 506.0, 1.02)
FORMS: dict[str, tuple[CapacityForm | SpectralForm, dict[str, float]]] = {
    "capacity": (
        CapacityForm(*CENTER),
        {"E": 0.98, "A": 0.05, "alpha": 0.5, "B": 0.12, "beta": 0.3, "c": 0.2, "p": 0.3,
         "q": 0.6, "nu": 2.5},
    ),
    "capacity, blurred": (
        CapacityForm(*CENTER, blurred=True),
        {"E": 0.98, "A": 0.05, "alpha": 0.8, "B": 0.08, "beta": 0.4, "c": 0.2, "p": 0.3,
         "q": 0.6, "nu": 2.5, "zeta": 0.5},
    ),
    "capacity, excess": (
        CapacityForm(253.0, 506.0, 0.0),
        {"A": 0.05, "alpha": 0.5, "B": 0.12, "beta": 0.3, "c": 0.2, "p": 0.3, "q": 0.6,
         "nu": 2.5},
    ),
    "spectral": (
        SpectralForm(*CENTER),
        {"E": 0.98, "A": 0.06, "a": 1.5, "nu": 2.8, "ridge": 3.0},
    ),
    "spectral, tuned": (
        SpectralForm(*CENTER, ridge="tuned"),
        {"E": 0.98, "A": 0.06, "a": 1.6, "nu": 2.8, "ridge": 10.0},
    ),
    "spectral, random": (
        SpectralForm(*CENTER, features="random"),
        {"E": 0.98, "A": 0.06, "a": 1.5, "nu": 2.8, "ridge": 3.0},
    ),
    "spectral, ratio": (
        SpectralForm(*CENTER, features="random", free_ratio=True),
        {"E": 0.98, "A": 0.06, "a": 1.5, "nu": 2.8, "ridge": 3.0, "ratio": 2.0},
    ),
}  # fmt: skip


def planted(name: str) -> tuple[CapacityForm | SpectralForm, FloatArray, FloatArray]:
    """A form, the logarithms of its planted coefficients, and its losses."""
    form, values = FORMS[name]
    log_params = np.log([values[key] for key in form.names])
    inputs = INPUTS if form.largest_E > 0 else INPUTS | {"L_T": L_T - 1}
    return form, log_params, np.exp(form.log_loss(log_params[None], inputs)[0])


@pytest.mark.parametrize("name", FORMS)
def test_derivatives_are_those_of_the_loss(name: str) -> None:
    """Oracle: central differences of the whole log loss.

    They are right to 1e-9 of derivatives of size 1; kappa comes from an iteration that stops
    at 1e-13, or halving that stops at 1e-16, over a step of 1e-5: 1e-8 more.
    """
    form, x, _ = planted(name)
    inputs = INPUTS if form.largest_E > 0 else INPUTS | {"L_T": L_T - 1}
    model = UserModel(form, inputs)
    exact = model.evaluate(x[None])[1]
    assert np.max(np.abs(exact - model.differences(x[None]))) < 1e-6
    assert np.max(np.abs(exact)) > 1e-2


@pytest.mark.parametrize("name", FORMS)
def test_a_planted_law_is_found(name: str) -> None:
    """Exact runs: to 1e-6, limited by the differences behind the Jacobian."""
    form, x, loss = planted(name)
    inputs = INPUTS if form.largest_E > 0 else INPUTS | {"L_T": L_T - 1}
    fit = fit_law(form, inputs, loss, delta=0.05)
    assert np.max(np.abs(fit.residual)) < 1e-7
    assert fit.x == pytest.approx(x, abs=1e-3)


def test_students_in_another_order_are_not_fitted() -> None:
    """Negative control: the same losses, given to other students."""
    form, _, loss = planted("spectral")
    shuffled = np.random.default_rng(0).permutation(16)
    moved = loss.reshape(16, -1)[shuffled].ravel()
    fit = fit_law(form, INPUTS, moved, delta=0.05)
    assert np.sqrt(np.mean(fit.residual**2)) > 5e-3


@pytest.mark.parametrize(
    ("name", "largest"),
    [("ridge, bend 3", 1e-4), ("ridge, bend 4", 1e-4), ("RF, perfect teachers", 1e-3)],
)
def test_five_coefficients_describe_a_kernel_student_and_name_its_spectrum(
    name: str, largest: float
) -> None:
    """On exact runs of 4096 modes: sums for integrals, 1% of small excesses, are what is left."""
    setting = next(one for one in SETTINGS if one.name == name)
    taught = solvable_runs(setting).taught
    assert taught.L_T is not None
    random = setting.student == "random features"
    form = SpectralForm.at(
        taught.N, taught.D, taught.L_T, taught.loss, features="random" if random else "modes"
    )
    fit = fit_law(form, taught.inputs, taught.loss, delta=0.05)
    assert np.sqrt(np.mean(fit.residual**2)) < largest
    tolerance = 0.1 if random else 0.02  # 1000 features leave 4096 modes hardly continuous
    assert fit.coefficients["a"] == pytest.approx(setting.a, rel=tolerance)
    assert fit.coefficients["nu"] == pytest.approx(setting.a / setting.alpha, rel=tolerance)


def test_without_ridge_three_coefficients_are_least_squares() -> None:
    """theta = N/(D - N) stands for N/(D - N - 1): an error of 1/D of theta."""
    taught = solvable_runs(SETTINGS[0]).taught
    assert taught.L_T is not None
    form = SpectralForm.at(taught.N, taught.D, taught.L_T, taught.loss, ridge="none")
    assert form.names == ("E", "A", "nu")
    fit = fit_law(form, taught.inputs, taught.loss, delta=0.05)
    assert np.max(np.abs(fit.residual)) < 1e-4
    assert 1 / fit.coefficients["nu"] == pytest.approx(SETTINGS[0].alpha, rel=1e-3)


@pytest.mark.parametrize(("scale", "name"), list(product([0.1, 10.0], ["capacity", "spectral"])))
def test_laws_scale_with_the_unit_of_loss(scale: float, name: str) -> None:
    """Levels in other units give the loss in those units (nats and bits)."""
    form, x, loss = planted(name)
    moved = replace(form, largest_E=form.largest_E * scale)
    larger = x.copy()
    for level in ("A", "B"):
        if level in form.names:
            larger[form.names.index(level)] += np.log(scale)
    found = np.exp(moved.log_loss(larger[None], INPUTS | {"L_T": L_T * scale})[0])
    assert found == pytest.approx(scale * loss, rel=1e-12)
