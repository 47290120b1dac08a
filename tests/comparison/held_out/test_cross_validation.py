"""Cross-validation in one batch against refits by hand, fold by fold."""

import numpy as np
import pytest

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import Minima
from capgap.comparison.held_out import cross_validate, cross_validation, leave_one_cell_out
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 4e9, 6), np.geomspace(2e9, 8e10, 5)))
N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.8, 2.8, 6),
                         indexing="ij")
)  # fmt: skip
HINGE = HingeLaw(OWN, rho=0.85, s=0.04, c=2e-3, p=0.25)
FOLD = np.arange(30) * 7 % 5


def supervised(seed: int, **options) -> Fit:
    L = OWN.loss(N, D) * np.exp(0.003 * np.random.default_rng(seed).standard_normal(N.size))
    return fit_supervised(N, D, L, **options)


def taught(kind: str, seed: int, **options) -> Fit:
    truth = HINGE if kind == "hinge" else distillation_law().reduced()
    error = 0.004 * np.random.default_rng(seed).standard_normal(N_S.size)
    L_S = truth.loss(N_S, D_S, L_T) * np.exp(error)
    return fit_distillation(kind, N_S, D_S, L_T, L_S, supervised=OWN, delta=0.01, **options)


@pytest.mark.parametrize("gamma", [1.0, None])
@pytest.mark.parametrize("delta", [1e-3, 1e-2])
def test_folds_are_fits_to_the_other_runs(gamma, delta) -> None:
    """Oracle: `fit_supervised` on the rows of the other folds; tolerance:
    0.7% of the noise, where a step promises less than 1e-10 of the objective."""
    fit = supervised(0, gamma=gamma, delta=delta)
    held = cross_validate(fit, FOLD)
    L = np.exp(fit.problem.log_loss)
    for fold in range(5):
        out = np.equal(FOLD, fold)
        alone = fit_supervised(N[~out], D[~out], L[~out], gamma=gamma, delta=delta)
        error = np.log(alone.law.loss(N[out], D[out]) / L[out])
        np.testing.assert_allclose(held.error[out], error, atol=2e-5)
        assert held.fits[fold].objective <= alone.objective * (1 + 1e-6)
        assert held.fits[fold].degrees_of_freedom == alone.degrees_of_freedom
        assert held.fits[fold].condition == pytest.approx(alone.condition, rel=0.05)
        assert held.fits[fold].gradient_norm < 1e-3


@pytest.mark.parametrize(
    ("kind", "options"), [("eq8-reduced", {}), ("hinge", {}), ("hinge", {"terms": ("p",)})]
)
def test_laws_of_distillation_end_where_searches_from_all_starts_end(kind, options) -> None:
    fit = taught(kind, 1, **options)
    cell = cell_index(fit.problem.inputs)
    warm, cold = cross_validate(fit, cell), leave_one_cell_out(fit)
    np.testing.assert_array_equal(cross_validate(fit, cell, cold=True).error, cold.error)
    for one, other in zip(warm.fits, cold.fits, strict=True):
        assert one.objective <= other.objective * (1 + 1e-5)
    np.testing.assert_allclose(warm.error, cold.error, atol=1e-4)
    assert warm.status == cold.status


def test_a_warm_search_that_falls_short_is_given_up(monkeypatch) -> None:
    """Searches that do not move from the fit to all runs: every fold is done from all starts."""
    fit = supervised(2, gamma=1.0, delta=0.01)
    cold = cross_validate(fit, FOLD, cold=True)

    def stay(model, y, weights, starts, delta) -> Minima:
        return Minima(starts, np.arange(float(len(starts))), np.ones(len(starts), dtype=bool))

    monkeypatch.setattr(cross_validation, "minimize_huber", stay)
    np.testing.assert_array_equal(cross_validate(fit, FOLD).error, cold.error)
    # Negative control: without the check the errors would be those of the fit to all runs.
    np.testing.assert_allclose(cross_validate(fit, FOLD, checked=0).error, fit.residual)


def test_a_fold_that_did_not_converge_is_searched_from_all_starts(monkeypatch) -> None:
    fit = supervised(3, gamma=1.0, delta=0.01)
    cold = cross_validate(fit, FOLD, cold=True)
    real = cross_validation.minimize_huber

    def tired(*args) -> Minima:
        end = real(*args)
        return Minima(end.x, end.objective, np.zeros_like(end.converged))

    def idle(model, y, weights, x, delta) -> Minima:
        end = real(model, y, weights, x[None], delta)
        return Minima(end.x, end.objective, np.array([False]))

    monkeypatch.setattr(cross_validation, "minimize_huber", tired)
    monkeypatch.setattr(cross_validation, "polish", idle)
    np.testing.assert_array_equal(cross_validate(fit, FOLD).error, cold.error)


def test_labels_of_folds_do_not_matter() -> None:
    fit = supervised(4, delta=0.01)
    names = np.array(["a", "q", "c", "x", "b"])[FOLD]
    np.testing.assert_array_equal(cross_validate(fit, names).error, cross_validate(fit, FOLD).error)


def test_per_run_thresholds_and_weights_are_kept() -> None:
    weights = np.where(np.arange(30) % 4 == 0, 0.3, 1.0)
    fit = supervised(5, gamma=1.0, delta=0.01, weights=weights)
    held = cross_validate(fit, FOLD)
    L = np.exp(fit.problem.log_loss)
    out = np.equal(FOLD, 2)
    alone = fit_supervised(N[~out], D[~out], L[~out], gamma=1.0, delta=0.01, weights=weights[~out])
    np.testing.assert_allclose(held.fits[2].objective, alone.objective, rtol=1e-6)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (np.zeros(30), "1 fold, must be at least 2"),
        (np.arange(4), "fold of shape (4,) must be (30,)"),
        (np.arange(30) < 26, "4 runs without fold 1, must be at least the 5 coefficients"),
        (N > 1.1e8, "N = 1e+08 in every run without fold 1, must vary"),
    ],
)
def test_refusals(fold, message: str) -> None:
    with pytest.raises(InputError) as caught:
        cross_validate(supervised(0, gamma=1.0), fold)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
