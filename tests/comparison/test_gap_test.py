"""The paired test of the capacity gap: by hand, its coverage, and what it leaves out."""

import dataclasses

import numpy as np
import pytest
from planted import CORPUS, record
from scipy.stats import ttest_rel

from capgap.comparison.gap_test import gap_tests
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunRecord

STRONG = RunConfig(depth=6, tokens=2**23, corpus=CORPUS, half="teacher")
WEAK = RunConfig(depth=4, tokens=2**23, corpus=CORPUS, half="teacher")


def runs(strong: list[float], weak: list[float], first_seed: int = 1) -> list[RunRecord]:
    made = []
    for teacher, L_T, losses in ((STRONG, 1.0, strong), (WEAK, 1.1, weak)):
        for seed, loss in enumerate(losses, start=first_seed):
            config = RunConfig(
                depth=2, tokens=2**20, corpus=CORPUS, seed=seed, teacher=teacher,
                distillation_weight=1.0,
            )  # fmt: skip
            made.append(record(config, loss, L_T))
    return made


def test_difference_and_error_are_those_of_scipy() -> None:
    strong, weak = [1.52, 1.55, 1.50, 1.58], [1.50, 1.54, 1.51, 1.55]
    (test,) = gap_tests(runs(strong, weak))
    oracle = ttest_rel(strong, weak)
    assert test.difference == pytest.approx(0.0125)
    assert test.difference / test.standard_error == pytest.approx(oracle.statistic)
    interval = oracle.confidence_interval(0.9)
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high))
    assert (test.seeds, test.L_T_stronger, test.L_T_weaker) == (4, 1.0, 1.1)


def test_interval_covers_the_planted_difference() -> None:
    """1000 sets of 5 seeds: 90% +- 4 x 0.95%; the shared part of each seed cancels."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        shared = 0.05 * rng.standard_normal(5)
        strong, weak = (1.5 + m + shared + 0.01 * rng.standard_normal(5) for m in (0.01, 0.0))
        (test,) = gap_tests(runs(list(strong), list(weak)))
        covered += test.low < 0.01 < test.high
    assert covered / 1000 == pytest.approx(0.9, abs=0.038)


def test_seed_zero_failed_runs_and_single_seeds_are_left_out() -> None:
    strong, weak = [1.5, 1.6, 1.7], [1.4, 1.5, 1.7]
    assert gap_tests(runs(strong, weak, first_seed=0)) == ()  # two seeds remain
    assert gap_tests(runs(strong[:2], weak)) == ()
    failed = [dataclasses.replace(r, status="failed") for r in runs(strong, weak)]
    assert gap_tests(failed) == ()
    assert len(gap_tests(runs(strong, weak))) == 1
