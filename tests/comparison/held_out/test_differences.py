"""The clustered mean: by hand, against the plain t interval, and its coverage."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from capgap.comparison.held_out import clustered_mean
from capgap.errors import InputError


def test_groups_of_one_run_give_the_plain_t_interval() -> None:
    values = np.random.default_rng(0).standard_normal(9)
    theirs = ttest_1samp(values, 0.0).confidence_interval(0.9)
    found = clustered_mean(values, np.arange(9), 0.9)
    np.testing.assert_allclose((found.low, found.high), (theirs.low, theirs.high), rtol=1e-12)
    assert (found.mean, found.groups) == (pytest.approx(values.mean()), 9)


def test_unequal_groups_by_hand() -> None:
    """Groups {1, 3}, {5}, {7}: mean 4, totals about it -4, 1, 3, SE^2 = 3/2 (16 + 1 + 9)/16."""
    found = clustered_mean(np.array([1.0, 3.0, 5.0, 7.0]), np.array([4, 4, 8, 9]), 0.95)
    assert found.mean == 4.0
    error = np.sqrt(1.5 * 26 / 16)
    assert found.high - 4 == pytest.approx(t.ppf(0.975, 2) * error)


def test_equal_groups_are_their_means() -> None:
    """Oracle: the t interval of the groups' means."""
    values = np.random.default_rng(1).standard_normal((7, 5))
    theirs = ttest_1samp(values.mean(axis=1), 0.0).confidence_interval(0.95)
    found = clustered_mean(values.ravel(), np.repeat(np.arange(7), 5))
    np.testing.assert_allclose((found.low, found.high), (theirs.low, theirs.high), rtol=1e-12)


def test_coverage_with_and_without_groups() -> None:
    """Statistic: share of 2,000 sets whose 95% interval holds 0; standard error 0.5%, band 4
    of these. Negative control: runs taken one by one, though groups share half the variance."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(8), 6)
    held = {"groups": 0, "runs": 0}
    for _ in range(2000):
        values = rng.standard_normal(48) + rng.standard_normal(8)[group]
        for name, labels in (("groups", group), ("runs", np.arange(48))):
            found = clustered_mean(values, labels)
            held[name] += found.low <= 0 <= found.high
    assert abs(held["groups"] / 2000 - 0.95) < 0.02
    assert held["runs"] / 2000 < 0.75


def test_cross_validated_errors_get_a_wider_interval() -> None:
    values = np.random.default_rng(3).standard_normal(10)
    plain = clustered_mean(values, np.arange(10))
    wide = clustered_mean(values, np.arange(10), cross_validated=True)
    assert wide.mean == plain.mean
    ratio = (wide.high - wide.mean) / (plain.high - plain.mean)
    # Nadeau & Bengio: 1/10 + 1/9 in place of 1/10.
    assert ratio**2 == pytest.approx((1 / 10 + 1 / 9) / (1 / 10))


@pytest.mark.parametrize("groups", [np.zeros(4, dtype=int), np.array([0, 0, 1, 1])])
def test_one_or_two_groups_say_nothing(groups) -> None:
    found = clustered_mean(np.arange(4.0), groups)
    assert (found.mean, found.low, found.high) == (1.5, -np.inf, np.inf)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 95.0])
def test_levels_outside_the_unit_interval_are_refused(level: float) -> None:
    with pytest.raises(InputError, match="must be between 0 and 1"):
        clustered_mean(np.arange(4.0), np.arange(4), level)
