"""Influence: warm refits agree with searches from all starts, and the odd cell stands out."""

from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.diagnosis.influence import influence
from capgap.comparison.diagnosis.local import coefficient_slopes, least_squares
from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.search import solve
from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

LAW = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e10, 5), np.geomspace(1e9, 1e11, 4)))
LOSS = LAW.loss(N, D) * np.exp(0.005 * np.random.default_rng(0).standard_normal(N.size))
QUERY = {"N": [1e9, 1e11], "D": [1e10, 1e12]}


def fitted(loss: np.ndarray = LOSS, delta: float = 1.0):
    return fit_supervised(N, D, loss, gamma=1.0, delta=delta)


@pytest.mark.parametrize("delta", [1.0, 1e-3])
def test_every_warm_refit_is_the_fit_without_the_cell(delta: float) -> None:
    """Oracle: `solve` from all starts on the other runs.

    Objectives agree to 1e-6; coefficients to 1e-3 of their spread with a smooth objective
    (a nearly absolute one is flat about its minimum, so only its objective is compared).
    """
    fit = fitted(delta=delta)
    moved = influence(fit, query=QUERY)
    for cell in range(N.size):
        weights = np.where(moved.cell == cell, 0.0, 1.0)
        cold = solve(replace(fit.problem, weights=weights))
        prediction = cold.problem.model.at({k: np.array(v) for k, v in QUERY.items()})
        change = np.expm1(prediction.predict(cold.x[None]) - prediction.predict(fit.x[None]))[0]
        if delta == 1.0:
            for name, value in cold.coefficients.items():
                warm = moved.coefficients[name][cell] + fit.coefficients[name]
                assert abs(warm - value) <= 1e-3 * moved.spread[name]
            np.testing.assert_allclose(moved.predictions[cell], change, atol=1e-6)
        else:
            np.testing.assert_allclose(moved.predictions[cell], change, atol=2e-4)
    assert all(abs(above) < 1e-6 for above in moved.checked.values())
    assert len(moved.checked) == 2


def test_the_odd_cell_stands_out() -> None:
    loss = LOSS.copy()
    loss[17] *= 1.05
    moved = influence(fitted(loss))
    assert moved.strongest.cell == moved.cell[17]
    assert moved.inputs["N"][moved.cell[17]] == N[17]
    assert abs(moved.strongest.in_spread) > 1
    assert moved.strongest.change == moved.coefficients[moved.strongest.name][moved.cell[17]]


def test_an_exact_fit_hangs_on_no_cell() -> None:
    """Negative control: noise-free losses come back whatever is left out."""
    moved = influence(fitted(LAW.loss(N, D)), query=QUERY)
    assert np.max(np.abs(moved.predictions)) < 1e-8


def test_the_default_spread_is_that_of_least_squares() -> None:
    """Oracle: standard deviations of 200 refits to new noise about the truth.

    Each is known to 5%; the first-order spread must agree within 15%, which leaves the
    curvature of the law in E and the exponents; A and B are compared by their logs' spread.
    """
    fit = fitted()
    rng = np.random.default_rng(1)
    truth = LAW.loss(N, D)
    size = fit.noise
    draws = [
        fitted(truth * np.exp(size * rng.standard_normal(N.size))).coefficients for _ in range(200)
    ]
    spread = influence(fit).spread
    for name in ("E", "alpha", "beta"):
        assert spread[name] == pytest.approx(np.std([d[name] for d in draws]), rel=0.15)
    for name in ("A", "B"):
        logs = np.std([np.log(d[name]) for d in draws])
        assert spread[name] / fit.coefficients[name] == pytest.approx(logs, rel=0.25)


def test_given_spread_and_groups() -> None:
    fit = fitted()
    by_size = influence(fit, groups=N, spread={"alpha": 0.5})
    assert by_size.essential.size == 5
    np.testing.assert_allclose(
        by_size.in_spread["alpha"], by_size.coefficients["alpha"] / 0.5, rtol=1e-12
    )


def test_cells_that_cannot_be_left_out() -> None:
    """Two token counts: without either the rest has a single D."""
    keep = np.isin(D, np.unique(D)[:2])
    fit = fit_supervised(N[keep], D[keep], LOSS[keep], gamma=None)
    moved = influence(fit, groups=D[keep], query={"N": 1e9, "D": 1e10})
    assert moved.essential.tolist() == [True, True]
    assert np.all(np.isnan(moved.predictions))
    assert all(np.all(np.isnan(change)) for change in moved.coefficients.values())


def test_any_law_will_do() -> None:
    own = supervised_law()
    law = HingeLaw(own, rho=0.8, s=0.05, c=0.2)
    N_S, D_S, L_T = (
        a.ravel() for a in np.meshgrid([2e8, 1e9], [4e9, 2e10, 1e11], np.linspace(1.8, 2.8, 5))
    )
    loss = law.loss(N_S, D_S, L_T) * np.exp(
        0.003 * np.random.default_rng(0).standard_normal(N_S.size)
    )
    fit = fit_distillation("hinge", N_S, D_S, L_T, loss, supervised=own, terms=())
    moved = influence(fit, query={"N_S": 5e8, "D_S": 1e10, "L_T": 2.2})
    assert moved.predictions.shape == (6, 1)
    assert set(moved.coefficients) == set(fit.coefficients)


def test_slopes_of_coefficients() -> None:
    """alpha = exp(log a)/gamma moves by alpha per log a, E by one; the rest by hand as well."""
    fit = fitted()
    slopes = coefficient_slopes(fit.problem.model, least_squares(fit).x)
    np.testing.assert_allclose(slopes["E"], [0, 0, 0, 0, 1], atol=1e-9)
    alpha = fit.problem.model.coefficients(least_squares(fit).x)["alpha"]
    np.testing.assert_allclose(slopes["alpha"], [0, 0, alpha, 0, 0], atol=1e-8)


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="not-converged"):
        influence(replace(fitted(), status="not-converged"))
    n = 10.0 ** np.linspace(7, 10, 8000)
    many = fit_supervised(n, n[::-1], LAW.loss(n, n[::-1]), gamma=1.0)
    with pytest.raises(InputError, match="give groups"):
        influence(many)
    with pytest.raises(InputError, match="1 cell"):
        influence(fitted(), groups=np.zeros(N.size))
    with pytest.raises(InputError, match="must be N, D"):
        influence(fitted(), query={"N": 1e9})
