"""Planted sweeps: what transfers is found to, what moves as one over the width is rejected."""

import dataclasses
import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from planted import CORPUS, record

from capgap.comparison.learning_rates.noise import draw_curves, seed_residuals, shared_noise
from capgap.comparison.learning_rates.sweep import RateSweep, rate_sweep
from capgap.comparison.learning_rates.transfer import judge_transfer, learning_rate_transfer
from capgap.errors import InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunRecord


def planted_rates() -> ModuleType:
    path = Path(__file__).with_name("planted_rates.py")
    spec = importlib.util.spec_from_file_location("planted_rates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLANTED = planted_rates()


def with_cell(sweep: RateSweep, i: int, log_loss: np.ndarray) -> RateSweep:
    cells = list(sweep.cells)
    cells[i] = dataclasses.replace(cells[i], log_loss=log_loss)
    return dataclasses.replace(sweep, cells=tuple(cells))


def test_a_rate_that_transfers_is_found_to() -> None:
    found = judge_transfer(PLANTED.sweep(0.0, noise=0.006))
    for verdict in found.verdicts:
        assert verdict.transfers
        assert verdict.probability > 0.99
        assert abs(verdict.slope) < 4 * verdict.slope_error
        assert verdict.slope_high > -0.5  # and a fall as one over the width is rejected
        assert verdict.moved_passes < 0.05
    for best in found.best:
        assert math.log2(best.rate / 0.012) == pytest.approx(0.0, abs=0.1)
        assert not best.at_edge


def test_a_rate_that_falls_as_the_width_is_rejected() -> None:
    """Negative control: the planted optimum moves as 1/width, with the same noise.

    The widths span a factor 2.5, 1.3 grid steps: the best grid rates alone can be one step
    apart even so, which is why the slope and the parabolas judge too.
    """
    found = judge_transfer(PLANTED.sweep(-1.0, noise=0.006))
    for verdict in found.verdicts:
        assert verdict.slope == pytest.approx(-1.0, abs=4 * verdict.slope_error)
        assert verdict.slope_high < -0.5
        assert verdict.probability < 0.01
        assert not verdict.transfers
        assert verdict.grid_spread <= 1  # the grid's best points alone would have let it pass
        # N goes as the cube of the width in this family.
        assert verdict.slope_N == pytest.approx(verdict.slope / 3, rel=1e-6)
    far = judge_transfer(PLANTED.sweep(-2.0, noise=0.006))
    assert all(verdict.grid_spread > 1 for verdict in far.verdicts)


def test_errors_and_intervals_are_those_of_repetition() -> None:
    """100 sweeps with new noise: scatter of slopes and coverage of 90% intervals.

    Statistic: share of intervals that hold the planted value; with three seeds the noise is
    known to 9%, so 0.82 to 0.93 is expected (standard error of 0.03 for the slope's 200).
    The control, intervals of half the width, covers less.
    """
    slopes, errors, slope_inside, rate_inside, half = [], [], [], [], []
    for seed in range(100):
        found = judge_transfer(PLANTED.sweep(-0.3, noise=0.006, seed=seed), draws=300)
        for verdict in found.verdicts:
            slopes.append(verdict.slope)
            errors.append(verdict.slope_error)
            slope_inside.append(verdict.slope_low <= -0.3 <= verdict.slope_high)
            half.append(abs(verdict.slope + 0.3) < (verdict.slope_high - verdict.slope_low) / 4)
        for best in found.best:
            truth = 0.012 * (best.cell.width / 64) ** -0.3
            rate_inside.append(best.low <= truth <= best.high)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.15)
    assert 0.79 < np.mean(slope_inside) < 0.96
    assert 0.81 < np.mean(rate_inside) < 0.94
    assert np.mean(half) < 0.7


def test_regret_is_what_was_planted() -> None:
    """Without noise: 5% a squared step of the loss, from the lowest grid point."""
    found = judge_transfer(PLANTED.sweep(0.0, noise=1e-9, shared=0.0, best=0.01))
    for best in found.best:
        assert best.grid_rate == 0.01
        steps = np.arange(6) - 2
        np.testing.assert_allclose(
            best.regret, best.loss * np.expm1(0.05 * steps**2.0), rtol=1e-5, atol=1e-7
        )
    assert found.best_common.rate == 0.01
    assert found.best_common.worst < 1e-6
    assert found.common[3].worst == pytest.approx(max(b.regret[3] for b in found.best))


def test_noise_of_seeds_is_found_and_pairing_removes_what_they_share() -> None:
    """Planted: 1% shared by all rates of a seed and 0.4% a run's own; 16 seeds, so within 15%."""
    found = judge_transfer(PLANTED.sweep(0.0, noise=0.004, shared=0.01, seeds=16), draws=10)
    assert found.seed_noise == pytest.approx(math.hypot(0.01, 0.004), rel=0.15)
    assert found.paired_noise == pytest.approx(0.004, rel=0.1)


def test_noise_that_cells_share_is_found() -> None:
    """Planted correlation 0.75 (three parts of four of the variance); and none, the control.

    15 residual degrees x 15 seeds a cell: the correlation is known to about 0.05.
    """
    sweep = PLANTED.sweep(0.0, noise=0.005, shared=0.01, seeds=16)
    assert shared_noise(sweep) == pytest.approx(0.0, abs=0.1)
    common = 0.005 * math.sqrt(3) * np.random.default_rng(1).standard_normal((6, 16))
    for i, cell in enumerate(sweep.cells):
        sweep = with_cell(sweep, i, cell.log_loss + common)
    assert shared_noise(sweep) == pytest.approx(0.75, abs=0.1)
    y = sweep.cells[0].log_loss.copy()
    y[0, 0] = np.nan
    assert math.isnan(shared_noise(with_cell(sweep, 0, y)))


def test_redrawn_curves_scatter_as_means_of_seeds() -> None:
    sweep = PLANTED.sweep(0.0, noise=0.01, shared=0.0)
    scatter = draw_curves(sweep, 4000, 0).std(axis=1)
    assert scatter.mean() == pytest.approx(0.01 / math.sqrt(3), rel=0.15)
    again = draw_curves(sweep, 4000, 0).std(axis=1)
    np.testing.assert_array_equal(scatter, again)


def test_divergences_are_infinite_and_counted() -> None:
    sweep = PLANTED.sweep(0.0)
    y = sweep.cells[1].log_loss.copy()
    y[5, 2] = np.inf
    found = judge_transfer(with_cell(sweep, 1, y), draws=200)
    assert found.sweep.failed == 1
    assert np.isinf(found.best[1].curve[5])
    assert np.isnan(found.best[1].error[5])
    assert np.isinf(found.common[5].worst)
    assert math.isfinite(found.best_common.worst)
    assert np.isfinite(seed_residuals(found.sweep)).all()


def test_missing_runs_are_counted_and_do_not_bias_the_means() -> None:
    sweep = PLANTED.sweep(0.0, noise=1e-6, shared=0.05)
    y = sweep.cells[0].log_loss.copy()
    full = y.mean(axis=1)
    y[3:, 2] = np.nan
    found = judge_transfer(with_cell(sweep, 0, y), draws=200)
    assert found.sweep.missing == 3
    np.testing.assert_allclose(np.log(found.best[0].curve), full, atol=1e-5)


def runs() -> list[RunRecord]:
    made = []
    for depth in (2, 3):
        for seed in (0, 1):
            for rate in (0.005, 0.01, 0.02):
                config = RunConfig(
                    depth=depth, tokens=2**20, corpus=CORPUS, seed=seed, peak_learning_rate=rate
                )
                made.append(record(config, 2.0 + abs(math.log2(rate / 0.01)) + 0.01 * seed))
    return made


def test_records_become_cells() -> None:
    made = runs()
    failed = dataclasses.replace(made[-1], status="failed", failure="x", loss=None)
    sweep = rate_sweep([*made[:-1], failed])
    assert sweep.step == 2.0
    assert [(c.kind, c.width) for c in sweep.cells] == [("supervised", 32), ("supervised", 48)]
    assert sweep.failed == 1
    np.testing.assert_allclose(np.exp(sweep.cells[0].log_loss[:, 1]), [3.01, 2.01, 3.01])


def test_bad_sweeps_are_named() -> None:
    made = runs()
    other = dataclasses.replace(made[0].config, batch_size=8)
    with pytest.raises(InputError, match="supervised runs have 2 settings"):
        rate_sweep([*made, record(other, 2.0)])
    uneven = dataclasses.replace(made[0].config, peak_learning_rate=0.03)
    with pytest.raises(InputError, match="must rise by a constant factor"):
        rate_sweep([*made, record(uneven, 2.0)])
    with pytest.raises(InputError, match="must be at least 3"):
        rate_sweep(made[:2])
    with pytest.raises(InputError, match="must be at least 3"):
        rate_sweep([])
    with pytest.raises(InputError, match="two seeds"):
        learning_rate_transfer([r for r in made if r.config.seed == 0])
    with pytest.raises(InputError, match="1 sizes of supervised"):
        learning_rate_transfer([r for r in made if r.config.depth == 2])
