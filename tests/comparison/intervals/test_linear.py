"""The linearization against regressions done again without a cell."""

from dataclasses import replace

import numpy as np
import pytest
from comparison.intervals.line import fitted, inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.comparison.intervals.linear import linearize

RUNS = inputs(0, 24)
ERROR = 0.1 * np.random.default_rng(1).standard_normal(24)


@pytest.mark.parametrize("cells", [np.arange(24), np.arange(24) // 3, np.arange(24) % 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_corrected_residuals_are_those_of_fits_without_the_cell(cells, weighted) -> None:
    """Oracle: numpy's least squares on the other cells. Exact for a line and least squares;
    1e-7 for the end of the fit's own search."""
    w = np.random.default_rng(2).uniform(0.5, 2.0, 24) if weighted else np.ones(24)
    fit = fitted(RUNS, ERROR, weights=w)
    X, y = fit.problem.model.design, fit.problem.log_loss
    expected = np.empty(24)
    for cell in np.unique(cells):
        rest = cells != cell
        root = np.sqrt(w[rest])
        x = np.linalg.lstsq(X[rest] * root[:, None], y[rest] * root, rcond=None)[0]
        expected[~rest] = (X @ x - y)[~rest]
    np.testing.assert_allclose(linearize(fit, cells).corrected, expected, atol=1e-7)


def test_variance_is_the_textbook_one_for_least_squares() -> None:
    """Mean of r^2/(1 - h) times (X'X)^-1 (HC2's variance with one noise for all runs)."""
    fit = fitted(RUNS, ERROR)
    linear, X = linearize(fit, np.arange(24)), fit.problem.model.design
    own = 1 - np.sum(np.linalg.qr(X)[0] ** 2, axis=1)
    covariance = np.linalg.inv(X.T @ X) * np.mean(fit.residual**2 / own)
    found = linear.variance(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]]))
    expected = [covariance[0, 0], covariance[1, 1], np.array([2, 3]) @ covariance @ [2, 3]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert linear.slope == pytest.approx(1.0, abs=1e-12)


def test_influence_is_what_a_run_does_to_the_fit() -> None:
    """Oracle: the jackknife's sum of squares is the HC3 variance (Efron 1982), exactly so for
    a line: leaving run i out moves the fit by (X'X)^-1 x_i r_i / (1 - h_i)."""
    fit = fitted(RUNS, ERROR)
    linear = linearize(fit, np.arange(24))
    without = []
    for i in range(24):
        weights = np.ones(24)
        weights[i] = 0
        without.append(fitted(RUNS, ERROR, weights=weights).x - fit.x)
    np.testing.assert_allclose(linear.influence(np.eye(2)), np.array(without).T, atol=1e-7)


@pytest.mark.parametrize("delta", [10.0, 0.02])
def test_standard_residuals_have_the_size_of_the_noise(delta: float) -> None:
    """Statistic: mean square over 200 planted sets of 12 runs, 5 standard errors of a chi-squared
    of 10; exact in the mean for least squares, within 10% for a fit near to least absolute
    deviations. Negative control: the corrected ones carry the fit's own error too."""
    given, standard, corrected = inputs(7, 12), [], []
    for seed in range(200):
        error = 0.1 * np.random.default_rng(seed).standard_normal(12)
        linear = linearize(fitted(given, error, delta=delta), np.arange(12))
        standard.append(np.mean(linear.standard**2) / 0.01)
        corrected.append(np.mean(linear.corrected**2) / 0.01)
    error = 5 * np.sqrt(2 / 10 / 200) + (0.1 if delta < 1 else 0.0)
    assert np.mean(standard) == pytest.approx(1.0, abs=error)
    assert np.mean(corrected) > 1.0 + error


@given(scale=st.floats(0.01, 100.0), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_units_of_the_noise_do_not_matter(scale: float, seed: int) -> None:
    """Errors, delta and nothing else times a factor: variances times its square."""
    error = 0.02 * np.random.default_rng(seed).standard_normal(24)
    small, large = (
        linearize(fitted(RUNS, k * error, delta=0.01 * k), np.arange(24)) for k in (1.0, scale)
    )
    # 1e-3: fits with half of the residuals beyond delta end that near to their minimum.
    np.testing.assert_allclose(
        large.variance(np.eye(2)), scale**2 * small.variance(np.eye(2)), rtol=1e-3
    )


def test_known_standard_errors_enter_as_weights_and_thresholds() -> None:
    """Errors of run i in proportion to s_i, weights 1/s_i^2, delta_i = k s_i: the variance is
    (X'S^-2 X)^-1 times the mean square of residuals in units of s; oracle by numpy."""
    s = np.exp(np.random.default_rng(3).uniform(-1, 1, 24))
    fit = fitted(RUNS, 0.05 * s * ERROR / 0.1, delta=50 * s, weights=s**-2)
    linear, X = linearize(fit, np.arange(24)), fit.problem.model.design / s[:, None]
    expected = np.linalg.inv(X.T @ X) * np.mean((linear.standard / s) ** 2)
    np.testing.assert_allclose(linear.variance(np.eye(2)), np.diag(expected), rtol=1e-9)
    np.testing.assert_allclose(linear.unit, s / np.exp(np.mean(np.log(s))), rtol=1e-12)


def test_runs_without_weight_do_not_enter() -> None:
    weights = np.where(np.arange(24) < 4, 0.0, 1.0)
    wild = ERROR.copy()
    wild[:4] = 100.0
    kept = {name: values[4:] for name, values in RUNS.items()}
    linear = linearize(fitted(RUNS, wild, weights=weights), np.arange(24))
    alone = linearize(fitted(kept, ERROR[4:]), np.arange(20))
    np.testing.assert_allclose(linear.corrected, alone.corrected, atol=1e-7)
    assert linear.scale == pytest.approx(alone.scale, rel=1e-6)


@pytest.mark.parametrize("delta", [0.1, 0.5, 2.0])
def test_scale_of_the_objective_far_below_the_noise(delta: float) -> None:
    """Statistic: lambda = E psi^2/E psi' of standard normal noise, 4,000 runs; the oracle is
    the integral in closed form, the tolerance 3 standard errors of an estimate whose slope
    rests on about 2 delta f(0) n runs."""
    from scipy.stats import norm

    n = 4000
    fit = fitted(inputs(4, n), np.random.default_rng(5).standard_normal(n), delta=delta)
    inside = norm.cdf(delta) - norm.cdf(-delta)
    square = inside - 2 * delta * norm.pdf(delta) + delta**2 * (1 - inside)
    spread = 3 / np.sqrt(n * inside)
    assert linearize(fit, np.arange(n)).scale == pytest.approx(square / inside, rel=spread)


def test_shared_errors_inflate_the_variance_of_what_cells_decide() -> None:
    """20 cells of 10 runs at one place each, all variance shared: ten times the variance.
    Statistic: mean inflation over 40 designs, its spread about 0.3 each. Negative control:
    without a shared error it is one."""
    given = {name: np.repeat(v, 10) for name, v in inputs(6, 20).items()}
    cells = np.repeat(np.arange(20), 10)
    found = {True: [], False: []}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        for shared, ratios in found.items():
            error = np.repeat(rng.standard_normal(20), 10) if shared else rng.standard_normal(200)
            linear = linearize(fitted(given, 0.1 * error), cells)
            ratios.append(linear.inflation(np.array([1.0, 0.0]), cells))
    assert np.mean(found[True]) == pytest.approx(10, rel=0.05)
    assert np.mean(found[False]) == pytest.approx(1.0, abs=0.3)


def test_a_coordinate_that_moves_nothing_has_no_variance() -> None:
    fit = fitted(RUNS, ERROR)
    flat = fit.problem.model.design * [1.0, 0.0]
    problem = replace(fit.problem, model=replace(fit.problem.model, design=flat))
    linear = linearize(replace(fit, problem=problem), np.arange(24))
    assert np.isfinite(linear.variance(np.eye(2))).all()
