"""Repeated runs: the pooled spread is that of the seeds, copies and rounding aside."""

from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.diagnosis.repeats import rounding_variance, seed_noise_of
from capgap.comparison.tables.read import read_runs
from capgap.comparison.tables.run_table import RunTable


def repeated(seed: int, decimals: int | None = None) -> RunTable:
    """Thirty configurations of four seeds each, noise 0.4%."""
    rng = np.random.default_rng(seed)
    N, D = np.repeat(np.geomspace(1e7, 1e9, 30), 4), np.repeat(np.geomspace(1e9, 1e11, 30), 4)
    loss = (2 + 300 / N**0.3) * np.exp(0.004 * rng.standard_normal(N.size))
    return RunTable(N, D, loss if decimals is None else np.round(loss, decimals))


def test_pooled_noise_is_unbiased() -> None:
    """Statistic: mean of s^2 over 200 tables of 90 degrees of freedom.

    s^2 / sigma^2 has variance 2/90, the mean of 200 a standard deviation of 0.0105; the band
    is three. Negative control: the biased estimate, over 120 runs, lies outside.
    """
    squares = [seed_noise_of(repeated(seed)).standard_deviation ** 2 for seed in range(200)]
    assert seed_noise_of(repeated(0)).degrees_of_freedom == 90
    ratio = np.mean(squares) / 0.004**2
    assert abs(ratio - 1) < 0.032
    assert abs(ratio * 90 / 120 - 1) > 0.032


def test_no_repeats() -> None:
    noise = seed_noise_of(RunTable([1e7, 1e8], [1e9, 1e9], [3.0, 2.8]))
    assert np.isnan(noise.standard_deviation)
    assert noise.degrees_of_freedom == 0


def test_copies_are_not_repeats() -> None:
    runs = repeated(1)
    twice = np.append(np.arange(120), np.arange(40))
    doubled = RunTable(runs.N[twice], runs.D[twice], runs.loss[twice])
    assert seed_noise_of(doubled) == seed_noise_of(runs)


def test_rounding_bounds_the_noise_from_below() -> None:
    """Losses with one decimal: seeds agree, and the noise is that of the step, 0.1/sqrt(12)."""
    runs = repeated(2, decimals=1)
    noise = seed_noise_of(runs).standard_deviation
    assert noise >= 0.1 / np.sqrt(12) / np.median(runs.loss) * (1 - 1e-12)
    assert rounding_variance(repeated(2).loss) < 1e-20


def test_cells_keep_unlike_runs_apart() -> None:
    """Sixteen configurations of datablations have five seeds and one has two.

    65 degrees of freedom, by counting the rows of the file.
    """
    named = read_runs("datablations")
    mixed = replace(named, cell=None)
    assert seed_noise_of(named).degrees_of_freedom == 16 * 4 + 1
    assert seed_noise_of(named).standard_deviation < 0.02
    assert seed_noise_of(mixed).standard_deviation > 0.2


def test_the_seeds_of_datablations_span_two_thousandths() -> None:
    """2.8e9 parameters on 55e9 tokens read once: five seeds within 0.006 nat of 2.57."""
    runs = read_runs("datablations-unique")
    five = runs.where((runs.N == 2.81e9) & (runs.D == 5.5e10))
    noise = seed_noise_of(five)
    assert noise.degrees_of_freedom == 4
    spread = np.std(np.log([2.568221, 2.569587, 2.569702, 2.570589, 2.574117]), ddof=1)
    assert noise.standard_deviation == pytest.approx(spread, rel=1e-12)
