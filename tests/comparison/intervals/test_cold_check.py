"""Refits in the wrong basin are found out."""

from dataclasses import replace

import numpy as np
import pytest
from comparison.intervals.line import Wells

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.fitting.huber import huber, minimize_huber
from capgap.comparison.fitting.search import Fit, Problem, solve
from capgap.comparison.intervals import bootstrap
from capgap.theory.coefficients import supervised_law

N, D = (np.exp(a.ravel()) for a in np.meshgrid(*2 * [np.linspace(-1, 1, 6)]))
RUNS = {"N": N, "D": D}


def in_well(a: float) -> Fit:
    """The fit that a search from `a` alone would have given."""
    model = Wells(np.zeros((1, 2))).at(RUNS)
    error = 0.02 * np.random.default_rng(1).standard_normal(36)
    problem = Problem(model, RUNS, 0.1 * np.log(D) + error, np.ones(36), 10.0)
    end = minimize_huber(model, problem.log_loss, problem.weights, np.array([[a, 0.0]]), 10.0)
    x = end.x[0]
    residual = model.predict(x[None])[0] - problem.log_loss
    return replace(solve(problem), x=x, residual=residual, coefficients=model.coefficients(x),
                   objective=float(np.sum(huber(residual, 10.0))))  # fmt: skip


@pytest.mark.parametrize("kind", ["pairs", "cells"])
def test_a_better_basin_is_reported_with_how_much_better_it_is(kind) -> None:
    """The fit is in the worse of two wells, and so are all refits. Oracle for the drop: a
    search from all starts with the same weights."""
    refits = bootstrap(in_well(-1.6), seed=0, n=40, kind=kind)
    assert np.all(refits.x[:, 0] < 0)
    check = refits.cold_check()
    assert (check.checked, check.lower_share) == (16, 1.0)
    cold = [solve(replace(refits.fit.problem, weights=w)).objective for w in refits.sample.weights]
    np.testing.assert_allclose(check.drop, 1 - cold / refits.sample.objective, atol=1e-12)
    assert check.largest_drop == max(check.drop) > 0.3


def test_refits_in_the_best_basin_pass() -> None:
    check = bootstrap(in_well(1.6), seed=0, n=10, kind="pairs").cold_check()
    assert (check.checked, check.lower_share) == (10, 0.0)
    assert check.largest_drop < 1e-4


def test_refits_of_a_law_pass() -> None:
    law = supervised_law()
    n, d = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(1e9, 1e11, 5)))
    error = 0.003 * np.random.default_rng(0).standard_normal(25)
    fit = fit_supervised(n, d, law.loss(n, d) * np.exp(error), gamma=law.gamma)
    assert bootstrap(fit, seed=0, kind="residuals").cold_check().lower_share == 0.0
    exact = bootstrap(fit_supervised(n, d, law.loss(n, d), gamma=law.gamma), seed=0)
    assert exact.cold_check().largest_drop == 0.0
