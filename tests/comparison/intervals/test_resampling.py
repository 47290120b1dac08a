"""What the refits are made of."""

import numpy as np
import pytest
from comparison.intervals.line import fitted, inputs

from capgap.comparison.intervals.linear import linearize
from capgap.comparison.intervals.resampling import (
    drawn_cells,
    new_losses,
    noise_between_cells,
    wild_weights,
)
from capgap.errors import InputError

RUNS = inputs(0, 30)
FIT = fitted(RUNS, 0.1 * np.random.default_rng(1).standard_normal(30))
FITTED = FIT.residual + FIT.problem.log_loss
SINGLE, TRIPLES = np.arange(30), np.arange(30) // 3


@pytest.mark.parametrize("cells", [4, 11, 12, 40])
def test_wild_weights_have_mean_zero_and_variance_one(cells: int) -> None:
    """Statistic: moments of 40,000 draws per cell, within 5 standard errors; odd moments
    vanish, and the fourth is 1 for Rademacher and (1/4 + 1 + 9/4)/3 = 7/6 for Webb."""
    drawn = wild_weights(cells, 40_000, np.random.default_rng(0))
    assert drawn.shape == (40_000, cells)
    expected = {1: 0.0, 2: 1.0, 3: 0.0, 4: 1.0 if cells >= 12 else 7 / 6}
    for power, value in expected.items():
        np.testing.assert_allclose((drawn**power).mean(axis=0), value, atol=5 * 1.5 / 200)
    assert np.unique(np.abs(drawn).round(12)).size == (1 if cells >= 12 else 3)


def test_wild_losses_keep_each_cells_own_residuals() -> None:
    linear = linearize(FIT, TRIPLES)
    y = new_losses(FIT, linear, "wild", TRIPLES, (0.0, 0.0), 50, np.random.default_rng(0))
    ratio = (y - FITTED) / linear.corrected
    np.testing.assert_allclose(ratio, np.repeat(ratio[:, ::3], 3, axis=1), rtol=1e-9)
    assert set(np.abs(ratio).ravel().round(9)) <= {0.707106781, 1.0, 1.224744871}  # 10 cells


def test_residual_losses_come_from_the_standardized_pool() -> None:
    linear = linearize(FIT, SINGLE)
    y = new_losses(FIT, linear, "residuals", SINGLE, (0.0, 0.0), 400, np.random.default_rng(0))
    drawn = np.abs(y - FITTED)
    nearest = np.abs(drawn[..., None] - np.abs(linear.standard)).min(axis=-1)
    assert nearest.max() < 1e-12
    assert abs(np.mean(y - FITTED)) < 5 * 0.1 / np.sqrt(400 * 30)


def test_noise_losses_share_what_they_should() -> None:
    """Statistic: variance and covariance within cells over 4,000 draws."""
    linear = linearize(FIT, TRIPLES)
    y = new_losses(FIT, linear, "noise", TRIPLES, (0.3, 0.4), 4000, np.random.default_rng(0))
    covariance = np.cov((y - FITTED).T)
    expected = 0.16 * (TRIPLES[:, None] == TRIPLES) + 0.09 * np.eye(30)
    np.testing.assert_allclose(covariance, expected, atol=5 * 0.25 * np.sqrt(2 / 4000))


def test_noise_of_runs_and_cells_is_found_without_bias() -> None:
    """Statistic: mean of both variances over 200 planted sets of 30 cells of 4 runs, 5 standard
    errors; the moments are exact for a line. Cells of one run have one variance."""
    given = {name: np.repeat(v, 4) for name, v in inputs(2, 30).items()}
    cells, found = np.repeat(np.arange(30), 4), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        error = 0.03 * rng.standard_normal(120) + 0.04 * np.repeat(rng.standard_normal(30), 4)
        fit = fitted(given, error)
        found.append(np.square(noise_between_cells(fit, linearize(fit, cells), cells)))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(200)
    np.testing.assert_array_less(np.abs(mean - [9e-4, 16e-4]), 5 * error)
    single = noise_between_cells(FIT, linearize(FIT, SINGLE), SINGLE)
    assert single == (pytest.approx(FIT.noise, rel=1e-9), 0.0)


def test_drawn_cells_keep_the_design_identifiable() -> None:
    counts = drawn_cells(FIT, TRIPLES, 300, np.random.default_rng(0))
    np.testing.assert_array_equal(counts, np.repeat(counts[:, ::3], 3, axis=1))
    np.testing.assert_array_equal(counts[:, ::3].sum(axis=1), 10)
    assert all(np.unique(RUNS["N"][row > 0]).size > 1 for row in counts)
    with pytest.raises(InputError, match="3 cells, must be at least 5"):
        drawn_cells(FIT, np.arange(30) % 3, 2, np.random.default_rng(0))
