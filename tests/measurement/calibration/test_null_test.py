"""The null test: how often it cries wolf, and how often it sees one."""

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    l2,
    mce,
    null_test,
    null_test_of_sequences,
)

SETS = 400
# 5% of 400 is 20 with standard deviation 4.4; 3.5 of them either way.
FEWEST, MOST = 5, 35


def draw(seed: int, power: float, tied: float, n: int = 40, tokens: int = 10):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng((1, seed))
    c = rng.random((n, tokens))
    u = np.where(rng.random(c.shape) < tied, rng.random((n, 1)), rng.random(c.shape))
    return c.ravel(), (u < c**power).ravel(), np.repeat(np.arange(n), tokens)


def refused(power: float, tied: float, *, sequences: bool, sets: int = SETS, **options) -> int:  # type: ignore[no-untyped-def]
    """How many data sets have p <= 5%, of 99 resamples each: exact, 5 = 5% of 100."""
    count = 0
    for seed in range(sets):
        c, o, g = draw(seed, power, tied)
        rng = np.random.default_rng((2, seed))
        if sequences:
            table = ReliabilityTable.of(c, o, groups=g)
            found = null_test_of_sequences(table, rng, replications=99, **options)
        else:
            found = null_test(c, o, rng, replications=99, **options)
        count += found.p_value <= 0.05
    return count


@pytest.mark.parametrize("resampled", [False, True])
def test_false_positives_of_labels_are_as_stated(resampled: bool) -> None:
    found = refused(1.0, 0.0, sequences=False, resample_confidence=resampled)
    assert FEWEST <= found <= MOST


def test_false_positives_of_dependent_sequences_are_as_stated() -> None:
    assert FEWEST <= refused(1.0, 0.5, sequences=True) <= MOST


def test_labels_of_dependent_sequences_are_not_independent() -> None:
    """Negative control: the test for independent labels refuses calibrated sequences too often."""
    assert refused(1.0, 0.8, sequences=False) > MOST


@pytest.mark.parametrize("sequences", [False, True])
def test_planted_miscalibration_is_seen(sequences: bool) -> None:
    """Chance c^2: seen in at least 95 of 100 sets of 400 labels."""
    assert refused(2.0, 0.0, sequences=sequences, sets=100) >= 95


@pytest.mark.parametrize("measure", [l2, mce])
def test_other_measures_keep_the_level(measure) -> None:  # type: ignore[no-untyped-def]
    """100 sets: 5 with standard deviation 2.2, at most 3.5 above."""
    assert refused(1.0, 0.0, sequences=False, sets=100, measure=measure) <= 12
    assert refused(1.0, 0.5, sequences=True, sets=100, measure=measure) <= 12


def test_false_positives_for_a_reference() -> None:
    """Reference = c + noise of mean 0, common to half of a sequence: agreement on average holds."""
    count = 0
    for seed in range(SETS):
        rng = np.random.default_rng((3, seed))
        c = 0.2 + 0.6 * rng.random((40, 5))
        q = c + 0.1 * rng.uniform(-1, 1, (40, 1)) + 0.1 * rng.uniform(-1, 1, c.shape)
        table = ReliabilityTable.of(c.ravel(), q.ravel(), groups=np.repeat(np.arange(40), 5))
        count += null_test_of_sequences(table, rng, replications=99).p_value <= 0.05
    assert FEWEST <= count <= MOST


def test_shifted_reference_is_seen_and_the_same_is_not() -> None:
    rng = np.random.default_rng(4)
    c = 0.1 + 0.8 * rng.random(400)
    noise, groups = rng.uniform(-0.05, 0.05, 400), np.arange(400) // 10
    shifted = ReliabilityTable.of(c, c + noise + 0.03, groups=groups)
    assert null_test_of_sequences(shifted, rng).p_value <= 0.01
    same = ReliabilityTable.of(c, c, groups=groups)
    assert null_test_of_sequences(same, rng).p_value == 1


def test_expected_error_is_the_bias_of_the_plug_in() -> None:
    """One bin of 100 at c = 1/2: E|mean - 1/2| exactly, against 20000 resamples."""
    from scipy.stats import binom

    k = np.arange(101)
    exact = float((binom.pmf(k, 100, 0.5) * np.abs(k / 100 - 0.5)).sum())
    found = null_test([0.5] * 100, [0, 1] * 50, np.random.default_rng(5), replications=20_000)
    assert found.expected == pytest.approx(exact, abs=4 * 0.03 / np.sqrt(20_000))
    assert found.p_value == 1.0
    band = (found.band_low[10], found.band_high[10])
    assert band == pytest.approx(binom.ppf([0.025, 0.975], 100, 0.5) / 100, abs=0.011)
    assert np.isnan(found.band_low).sum() == 20


@pytest.mark.parametrize("outcome", [0, 1])
def test_sure_and_right_or_wrong(outcome: int) -> None:
    """Confidence exactly 0 and 1: one contradiction is enough, agreement is no evidence."""
    c = [float(outcome)] * 10
    rng = np.random.default_rng(6)
    assert null_test(c, [outcome] * 10, rng, replications=99).p_value == 1
    assert null_test(c, [outcome] * 9 + [1 - outcome], rng, replications=99).p_value == 0.01


def test_one_prediction_has_the_p_value_of_a_coin() -> None:
    """c = .9, wrong: chance .1 of an error at least as large."""
    found = null_test([0.9], [0], np.random.default_rng(7), replications=9999)
    assert found.p_value == pytest.approx(0.1, abs=4 * 0.003)


def test_bad_requests_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"outcome = 0.5 in row 1 must be 0 or 1"):
        null_test([0.5, 0.5], [1, 0.5], rng)
    with pytest.raises(InputError, match="0 predictions"):
        null_test([], [], rng)
    with pytest.raises(InputError, match="level = 2"):
        null_test([0.5], [1], rng, level=2)
    with pytest.raises(InputError, match="replications = 0"):
        null_test([0.5], [1], rng, replications=0)
    with pytest.raises(InputError, match="at least 2 sequences"):
        null_test_of_sequences(ReliabilityTable.of([0.5], [1]), rng)
