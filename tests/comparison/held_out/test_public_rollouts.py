"""Rollouts of the public sets: errors of the laws on large runs after small ones.

Every choice that was tried stands here, not the best alone. Errors are relative to the
observed loss.
"""

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.held_out import Rollout, forward_chain, rollout
from capgap.comparison.tables.public import C4_TEXT, PUBLIC, public_file
from capgap.comparison.tables.read import read_runs
from capgap.comparison.tables.run_table import RunTable

CHINCHILLA = read_runs("chinchilla")


def gadre(trained_on: str) -> RunTable:
    """C4 validation losses of the models trained on one set, with all parameters counted."""
    with public_file(PUBLIC["gadre-c4"]) as path:
        return read_runs(
            path,
            columns={"N": "params", "D": "train_tokens", "loss": "loss"},
            where=[f"train_dataset={trained_on}", f"val_data={C4_TEXT}"],
        )


def rolled(runs: RunTable, cutoff: str, gamma: float | None, delta: float, draws=0) -> Rollout:
    fit = fit_supervised(runs.N, runs.D, runs.loss, gamma=gamma, delta=delta)
    return rollout(fit, cutoff, seed=0, draws=draws)


def test_cutoff_of_the_chinchilla_runs() -> None:
    """217 of Hoffmann et al.'s 240 points lie below 1e21 FLOPs, and the plain law ends there
    at the objective 0.00081407267 that independent fits found."""
    one = rolled(CHINCHILLA, "C<1e21", 1.0, 1e-3)
    assert (one.fit.degrees_of_freedom + 5, one.run.size) == (217, 23)
    assert one.fit.objective == pytest.approx(0.00081407267, rel=1e-7)


@pytest.mark.parametrize(
    ("gamma", "delta", "largest"),
    [
        (None, 1e-4, 0.0079),
        (None, 1e-3, 0.0075),  # the package's own law and threshold
        (None, 1e-2, 0.0082),
        (1.0, 1e-4, 0.0089),
        (1.0, 1e-3, 0.00873),  # the median of log errors is 0.0876
        (1.0, 1e-2, 0.0101),
    ],
)
def test_median_error_on_the_large_chinchilla_runs(gamma, delta, largest) -> None:
    """The bar is 0.87%: the law with gamma is below it at every threshold, the plain law
    meets it, rounded, at 1e-3 alone. `largest` is the measured median, rounded up."""
    one = rolled(CHINCHILLA, "C<1e21", gamma, delta)
    assert largest - 2e-4 < one.median <= largest
    assert one.maximum < 0.033
    assert abs(one.bias) < 0.0025


def test_nominal_90_percent_intervals_are_too_narrow_on_the_large_chinchilla_runs() -> None:
    """Large runs scatter more about the law than small ones (0.9% against 0.3%), which noise
    alike in all runs cannot foretell: the intervals hold 60 to 80% and say so."""
    one = rolled(CHINCHILLA, "C<1e21", None, 1e-3, draws=200)
    low, high = one.coverage_interval()
    assert 0.55 < one.coverage < 0.85
    assert low < one.coverage < high < 0.9


@pytest.mark.parametrize(
    ("trained_on", "largest"), [("c4_original", 1.32), ("rpj", 1.05), ("rw_original", 1.17)]
)
def test_median_error_on_the_large_runs_of_gadre(trained_on: str, largest: float) -> None:
    """The plain law on C4 validation loss, all parameters counted, C < 1e20: 1.0 to 1.3%.

    29 runs fix five coefficients and not six: with gamma free the medians are 1.5 to 3.5%."""
    runs = gadre(trained_on)
    plain, free = (rolled(runs, "C<1e20", gamma, 1e-3) for gamma in (1.0, None))
    assert (plain.run.size, len(runs)) in ((5, 34), (6, 35))
    assert largest - 0.02 < 100 * plain.median <= largest
    assert plain.median < free.median < 0.035


def test_forward_chain_of_the_chinchilla_runs() -> None:
    """Every share of the runs from the smaller ones: about half a percent, more from afar."""
    fit = fit_supervised(CHINCHILLA.N, CHINCHILLA.D, CHINCHILLA.loss, gamma=1.0)
    chain = forward_chain(fit, seed=0, draws=0)
    assert chain.error.size == pytest.approx(160, abs=5)
    assert chain.median < 0.006
    near, *_, far = chain.ahead((1, 4, 16, 64))
    assert near.median < 0.005 < far.median < 0.02
    assert np.isnan(near.coverage)
