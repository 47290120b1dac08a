"""Residuals counted in measured standard errors."""

from typing import Any

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import huber
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law
from capgap.theory.hinge import HingeLaw

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 6), np.geomspace(2e9, 2e11, 5)))
SPREAD = np.where(np.arange(N.size) % 3 == 0, 0.02, 0.002)  # of log loss: every third run is bad
TRUE = OWN.loss(N, D)
L = TRUE * np.exp(SPREAD * np.random.default_rng(1).standard_normal(N.size))
ERRORS = SPREAD * L


def test_objective_is_in_standard_errors() -> None:
    """Oracle: the formula, with sigma = SE/L and Huber's 1.345."""
    fit = fit_supervised(N, D, L, standard_errors=ERRORS)
    assert fit.status == "converged"
    assert fit.objective == pytest.approx(np.sum(huber(fit.residual / SPREAD, 1.345)), rel=1e-9)
    wide = fit_supervised(N, D, L, standard_errors=ERRORS, delta=1e3)
    assert wide.objective == pytest.approx(0.5 * np.sum((wide.residual / SPREAD) ** 2), rel=1e-9)
    assert wide.objective >= fit.objective


def test_equal_relative_errors_are_a_threshold_alone() -> None:
    """SE/L = .004 everywhere: the fit without errors and with delta = 1.345 x .004."""
    fit = fit_supervised(N, D, L, standard_errors=0.004 * L)
    plain = fit_supervised(N, D, L, delta=1.345 * 0.004)
    assert fit.coefficients == pytest.approx(plain.coefficients, rel=1e-5)
    assert fit.objective == pytest.approx(plain.objective / 0.004**2, rel=1e-8)


def test_good_runs_decide() -> None:
    """Runs ten times as noisy as the others hardly count. Negative control: without the
    errors, in least squares, they do. Mean square error of the law over 40 draws of noise."""
    rng = np.random.default_rng(5)
    weighed, blind = [], []
    for _ in range(40):
        noisy = TRUE * np.exp(SPREAD * rng.standard_normal(N.size))
        options: dict[str, Any] = {"gamma": OWN.gamma}
        for errors, found in ((SPREAD * noisy, weighed), (None, blind)):
            fit = fit_supervised(N, D, noisy, standard_errors=errors, delta=1e3, **options)
            found.append(np.mean(np.log(fit.law.loss(N, D) / TRUE) ** 2))  # type: ignore
    assert np.mean(weighed) < 0.1 * np.mean(blind)


def test_joint_fit_takes_the_errors_of_both_tables() -> None:
    law = HingeLaw(OWN, rho=0.85, s=0.04, c=0.3)
    N_S, D_S, L_T = (
        a.ravel() for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10], np.linspace(1.7, 3.2, 6))
    )
    rng = np.random.default_rng(2)
    L_S = law.loss(N_S, D_S, L_T) * np.exp(0.003 * rng.standard_normal(N_S.size))
    runs = RunTable(N, D, L, standard_error=ERRORS)
    fit = fit_distillation(
        "hinge", N_S, D_S, L_T, L_S, supervised_runs=runs, standard_errors=0.003 * L_S, terms=()
    )
    sigma = np.concatenate([SPREAD, np.full(N_S.size, 0.003)])
    assert fit.objective == pytest.approx(np.sum(huber(fit.residual / sigma, 1.345)), rel=1e-9)
    np.testing.assert_allclose(fit.problem.delta, 1.345 * sigma, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standard_errors": ERRORS, "weights": np.ones(30)}, "weights must be None where"),
        ({"standard_errors": ERRORS[:9]}, "standard_errors of shape (9,) must be (30,)"),
        ({"standard_errors": 0 * ERRORS}, "standard_errors = 0 must be finite and > 0"),
        ({"standard_errors": ERRORS, "delta": -1.0}, "delta = -1 must be finite and > 0"),
    ],
)
def test_bad_errors_are_one_clear_line(options: dict, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_supervised(N, D, L, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
