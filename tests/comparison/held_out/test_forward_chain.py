"""Forward chaining against rollouts by hand."""

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.held_out import ForwardChain, forward_chain, rollout
from capgap.errors import InputError
from capgap.theory.coefficients import supervised_law

OWN = supervised_law()
N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 4e9, 7), np.geomspace(2e9, 8e10, 5)))
COMPUTE = 6 * N * D
L = OWN.loss(N, D) * np.exp(0.003 * np.random.default_rng(0).standard_normal(N.size))
FIT = fit_supervised(N, D, L, gamma=1.0, delta=0.01)


@pytest.fixture(scope="module")
def chain() -> ForwardChain:
    return forward_chain(FIT, folds=5, first=2, seed=0, draws=20)


@pytest.mark.parametrize(("by", "key"), [("compute", COMPUTE), ("loss", -L), (N * 1.0, N)])
def test_every_fit_knows_earlier_runs_alone(by, key) -> None:
    found = forward_chain(FIT, by=by, folds=5, first=2, seed=0, draws=0)
    for i, rolled in enumerate(found.rollouts):
        fitted = rolled.fit.problem.weights > 0
        np.testing.assert_array_equal(np.flatnonzero(~fitted), rolled.run)
        assert key[fitted].max() < key[rolled.run].min()
        assert set(found.share[fitted]) == set(range(found.first + i))


def test_shares_are_equal_and_ties_stay_together(chain: ForwardChain) -> None:
    np.testing.assert_array_equal(np.bincount(chain.share), [7] * 5)
    by_size = forward_chain(FIT, by=N, folds=5, first=2, seed=0, draws=0)
    for size in np.unique(N):
        assert np.unique(by_size.share[size == N]).size == 1


def test_each_rollout_is_one_by_hand(chain: ForwardChain) -> None:
    order = np.argsort(np.argsort(COMPUTE))
    for i, rolled in enumerate(chain.rollouts):
        by_hand = rollout(FIT, order < 7 * (2 + i), seed=0, draws=20)
        np.testing.assert_array_equal(rolled.predicted, by_hand.predicted)
        np.testing.assert_array_equal(rolled.low, by_hand.low)


def test_errors_of_the_next_share_hold_every_later_run_once(chain: ForwardChain) -> None:
    runs = np.concatenate([rolled.run for rolled in chain.next_shares])
    np.testing.assert_array_equal(np.sort(runs), np.flatnonzero(chain.share >= 2))
    predicted = np.concatenate([rolled.predicted for rolled in chain.next_shares])
    np.testing.assert_array_equal(chain.error, predicted / L[runs] - 1)
    assert chain.median == np.median(np.abs(chain.error))


def test_table_by_distance_counts_every_prediction_once(chain: ForwardChain) -> None:
    table = chain.ahead((1, 3, 10))
    assert sum(row.predictions for row in table) == sum(r.run.size for r in chain.rollouts)
    factor = np.concatenate([rolled.factor for rolled in chain.rollouts])
    error = np.concatenate([rolled.error for rolled in chain.rollouts])
    inside = np.concatenate([rolled.inside for rolled in chain.rollouts])
    row = next(row for row in table if row.low == 3)
    here = (factor >= 3) & (factor < 10)
    assert row.predictions == here.sum() > 3
    assert row.median == np.median(np.abs(error[here]))
    assert row.maximum == np.max(np.abs(error[here]))
    assert (row.bias, row.coverage) == (np.mean(error[here]), np.mean(inside[here]))


def test_a_wrong_law_errs_more_the_further_ahead() -> None:
    """The plain law on exact losses of the law with gamma = .45; the right law does not err."""
    exact = OWN.loss(N, D)
    wrong, right = (
        forward_chain(
            fit_supervised(N, D, exact, gamma=gamma, delta=0.01), folds=5, seed=0, draws=0
        )
        for gamma in (1.0, None)
    )
    near, *_, far = wrong.ahead((1, 8))
    assert far.median > 2 * near.median > 1e-4
    assert max(row.maximum for row in right.ahead()) < 1e-6
    assert np.isnan(near.coverage)


def test_runs_of_weight_zero_are_in_no_share() -> None:
    weights = np.where(np.arange(N.size) == 3, 0.0, 1.0)
    fit = fit_supervised(N, D, L, gamma=1.0, delta=0.01, weights=weights)
    found = forward_chain(fit, folds=3, first=1, seed=0, draws=0)
    assert found.share[3] == -1
    assert all(3 not in rolled.run for rolled in found.rollouts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds = 1 must give at least 2 shares"),
        ({"folds": 0}, "folds = 0 must give"),
        ({"first": 0}, "first = 0 must be between 1 and 5"),
        ({"first": 6}, "first = 6 must be between 1 and 5"),
        ({"folds": 30, "first": 1}, "must be at least the 5 coefficients"),
        ({"by": "tokens"}, "by = 'tokens' must be compute, loss or an array"),
        ({"by": [1.0]}, "by of shape (1,)"),
        ({"by": np.full(N.size, np.nan)}, "finite"),
        ({"by": np.ones(N.size)}, "folds = 6 must give at least 2 shares"),
    ],
)
def test_refusals(options, message: str) -> None:
    with pytest.raises(InputError) as caught:
        forward_chain(FIT, seed=0, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
