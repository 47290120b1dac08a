"""The paper's grids: every start is where the paper has it, and is screened by the law itself.

Oracles: the grids of Busbridge et al., arXiv 2502.08606, appendix F, written out here a second
time, and the laws of capgap.theory.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from capgap.comparison.fitting.distillation_models import Eq8Model, ReducedModel
from capgap.comparison.fitting.fit import fit_distillation
from capgap.comparison.fitting.huber import huber
from capgap.comparison.fitting.log_models import LogModel, SupervisedModel
from capgap.comparison.fitting.paper_grid import StartGrid, paper_grid, screen
from capgap.comparison.fitting.power_model import PowerModel
from capgap.comparison.fitting.search import solve
from capgap.theory.coefficients import distillation_law, supervised_law

OWN = supervised_law()
N, D, L_T = (
    a.ravel() for a in np.meshgrid([2e8, 7e8, 4e9], [4e9, 3e10, 1e11], [1.7, 2.1, 2.8])
)  # fmt: skip
L_S = distillation_law().loss(N, D, L_T)
FIVE = np.array([0.0, 5.0, 10.0, 15.0, 20.0])
THREE = np.array([0.0, 0.5, 1.0])
FOUR = np.array([0.0, 0.5, 1.0, 1.5])
SUPERVISED = list(product(FIVE, FIVE, FOUR, FOUR, FOUR, np.arange(-1, 1.6, 0.5)))
DISTILLED = list(
    product(FIVE, FIVE, THREE, THREE, THREE, FOUR, FOUR, FOUR, np.arange(-1, 1.1, 0.5))
)
MODELS: dict[str, tuple[LogModel, int]] = {
    "plain": (SupervisedModel.build(N, D, L_S, 1.0), 2_400),
    "supervised": (SupervisedModel.build(N, D, L_S, None), 9_600),
    "power": (PowerModel.build(N, D, L_T, None), 2_700),
    "reduced": (ReducedModel.build(N, D, L_T, OWN), 216_000),
    "eq8": (Eq8Model.build(N, D, L_T, OWN), 216_000),
}


def grid_of(name: str) -> StartGrid:
    grid = paper_grid(MODELS[name][0])
    assert grid is not None
    return grid


@pytest.mark.parametrize("name", MODELS)
def test_size_and_bounds(name: str) -> None:
    grid = grid_of(name)
    assert len(grid) == MODELS[name][1]
    x = grid.coordinates(np.arange(0, len(grid), 7))
    low, high = MODELS[name][0].bounds.T
    assert np.all(np.isfinite(x))
    assert np.all((low <= x) & (x <= high))


def test_supervised_starts_are_the_papers() -> None:
    """All starts without a zero power whose coordinates lie inside the bounds."""
    grid, checked = grid_of("supervised"), 0
    model = MODELS["supervised"][0]
    low, high = model.bounds.T
    for number in range(0, len(grid), 17):
        log_A, log_B, alpha, beta, gamma, log_E = SUPERVISED[number]
        x = grid.coordinates(np.array([number]))[0]
        if min(alpha, beta, gamma) == 0 or np.any((x <= low) | (x >= high)):
            continue
        expected = {"A": np.exp(log_A), "B": np.exp(log_B), "E": np.exp(log_E),
                    "alpha": alpha, "beta": beta, "gamma": gamma}  # fmt: skip
        assert model.coefficients(x) == pytest.approx(expected, rel=1e-9)
        checked += 1
    assert checked > 50


def test_distillation_starts_are_the_papers() -> None:
    grid, checked = grid_of("eq8"), 0
    model = MODELS["eq8"][0]
    low, high = model.bounds.T
    for number in range(0, len(grid), 211):
        log_A, log_B, alpha, beta, gamma, c0, c1, f1, log_d1 = DISTILLED[number]
        x = grid.coordinates(np.array([number]))[0]
        free = np.arange(9) != 5
        inside = np.all((low < x)[free] & (x < high)[free])
        if min(alpha, beta, gamma, c1, f1) == 0 or not inside:
            continue
        expected = {"A": np.exp(log_A), "B": np.exp(log_B), "alpha": alpha, "beta": beta,
                    "gamma": gamma, "c0": c0, "c1": c1, "f1": f1, "d1": np.exp(log_d1)}  # fmt: skip
        assert model.coefficients(x) == pytest.approx(expected, rel=1e-9)
        checked += 1
    assert checked > 50


def test_zeros_are_moved_to_the_nearest_bound() -> None:
    """The first start of each grid is all zeros, but for log d1 = -1 and log E = -1."""
    x = grid_of("supervised").coordinates(np.array([0]))[0]
    assert np.exp(x[2:5]) == pytest.approx([1e-3, 1e-3, 0.15])
    x = grid_of("eq8").coordinates(np.array([0]))[0]
    c1_f1, f1 = np.exp(x[8]), np.exp(x[7])
    assert [c1_f1, f1, x[5]] == pytest.approx([0.01, 0.005, 0.0])
    assert np.log(MODELS["eq8"][0].coefficients(x)["d1"]) == pytest.approx(-1.0)


@pytest.mark.parametrize("name", MODELS)
def test_screening_says_what_the_law_says(name: str) -> None:
    """Best 40 starts and 100 others, with weights; single precision loses about 1e-6.

    Starts whose levels are clipped are screened before, not after: they are left out.
    """
    model, grid = MODELS[name][0], grid_of(name)
    weights = np.random.default_rng(1).uniform(0, 2, N.size)
    y = np.log(L_S)
    said = screen(grid, y, weights, 1e-3)
    chosen = np.concatenate(
        [np.argsort(said)[:40], np.random.default_rng(2).integers(len(grid), size=100)]
    )
    x = grid.coordinates(chosen)
    inside = np.all((x[:, :2] > -25) & (x[:, :2] < 10), axis=1)
    inputs = (N, D) if isinstance(model, SupervisedModel) else (N, D, L_T)
    for number, start in zip(chosen[inside], x[inside], strict=True):
        loss = model.law(start).loss(*inputs)  # type: ignore[union-attr]
        exact = np.sum(weights * huber(np.log(loss) - y, 1e-3))
        assert said[number] == pytest.approx(exact, rel=5e-6)
    assert np.count_nonzero(inside) > 60


def test_screening_does_not_depend_on_threads() -> None:
    grid, y, w = grid_of("eq8"), np.log(L_S), np.ones(N.size)
    few = replace(grid, tails=grid.tails[::5])
    one, two = (screen(few, y, w, 1e-3, workers=k) for k in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_laws_that_the_paper_does_not_fit_have_no_grid() -> None:
    """grid = "paper" is then our own grid, and the fit the same."""
    fit = fit_distillation("hinge", N, D, L_T, L_S, supervised=OWN)
    assert paper_grid(fit.problem.model) is None
    again = solve(replace(fit.problem, grid="paper"))
    assert (again.objective, again.screened) == (fit.objective, fit.screened)


def test_paper_grid_is_searched_besides_our_own() -> None:
    """Noise-free Eq. 8 comes back from either; the starts are counted."""
    law = replace(distillation_law(), c1=30.0, f1=0.2, d1=1.2)
    own = fit_distillation("eq8", N, D, L_T, law.loss(N, D, L_T), supervised=OWN)
    both = solve(replace(own.problem, grid="paper"))
    assert both.status == own.status == "converged"
    assert both.screened == own.screened + 216_000
    assert both.refined > own.refined == 16
    for name, value in both.coefficients.items():
        assert value == pytest.approx(getattr(law, name), rel=1e-6)
