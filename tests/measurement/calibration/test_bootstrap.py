"""Intervals whose coverage is counted, with sequences that depend on themselves."""

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    bootstrap,
    debiased_squared_l2,
    ece,
    equal_width_edges,
    l2,
    mce,
)
from capgap.measurement.calibration.bootstrap import Interval, Method

SETS, SEQUENCES, TOKENS = 150, 40, 15
EDGES = equal_width_edges(10)


def draw(
    seed: int,
    power: float,
    tied: float = 0.6,
    sequences: int = SEQUENCES,
    tokens: int = TOKENS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with chance c^power; a share of a sequence's tokens uses one common random number,
    so each outcome has its chance and outcomes of a sequence go together."""
    rng = np.random.default_rng((1, seed))
    c = rng.random((sequences, tokens))
    common, own = rng.random((sequences, 1)), rng.random(c.shape)
    u = np.where(rng.random(c.shape) < tied, common, own)
    return c.ravel(), (u < c**power).ravel(), np.repeat(np.arange(sequences), tokens)


def truth(power: float) -> float:
    """ECE of the population: sum over bins of |integral of c^power - c|."""
    return float(np.abs(np.diff(EDGES ** (power + 1) / (power + 1) - EDGES**2 / 2)).sum())


def interval(seed: int, power: float, *, whole: bool, method: Method = "inverted") -> Interval:
    c, o, g = draw(seed, power)
    tables = ReliabilityTable.of(c, o, EDGES, g if whole else np.arange(c.size))
    rng = np.random.default_rng((2, seed))
    return bootstrap(tables, rng, replications=150, method=method)


def covered(power: float, *, whole: bool, method: Method = "inverted") -> int:
    true = truth(power)
    found = (interval(seed, power, whole=whole, method=method) for seed in range(SETS))
    return sum(i.low - 1e-12 <= true <= i.high + 1e-12 for i in found)


# 95% of 150 sets is 142.5 with standard deviation 2.7; covering more than 95% is allowed (near
# 0 the upper limit is conservative), less than 3.5 standard deviations below is not.
ENOUGH = 133


@pytest.mark.parametrize("power", [1.0, 1.2, 2.0])
def test_intervals_of_whole_sequences_cover(power: float) -> None:
    assert covered(power, whole=True) >= ENOUGH


def test_small_gaps_of_one_size_in_many_bins_are_covered() -> None:
    """21 bins of gaps about their standard errors: the seen gaps alone give too low a limit."""
    edges = equal_width_edges(21)
    true = float(np.abs(np.diff(edges**2.3 / 2.3 - edges**2 / 2)).sum())
    inside = 0
    for seed in range(SETS):
        c, o, g = draw(seed, 1.3, tied=0.3, sequences=30, tokens=30)
        tables = ReliabilityTable.of(c, o, edges, g)
        found = bootstrap(tables, np.random.default_rng((2, seed)), replications=150)
        inside += found.low <= true <= found.high
    assert inside >= ENOUGH


def test_upper_limit_is_never_zero_for_want_of_data() -> None:
    """A small estimate may be luck; balanced labels give 0 exactly, and still no certainty."""
    highs = [interval(seed, 1.0, whole=True).high for seed in range(SETS)]
    assert min(highs) > 0.001
    balanced = ReliabilityTable.of([0.5] * 40, [0, 1] * 20, groups=range(40))
    found = bootstrap(balanced, np.random.default_rng(0))
    # |mean - 1/2| of 40 coins has standard error .08
    assert (found.estimate, found.low) == (0, 0)
    assert 0.1 < found.high < 0.35


def test_tokens_drawn_one_by_one_cover_too_little() -> None:
    """Negative control: the same data without their sequences."""
    assert covered(2.0, whole=False) < ENOUGH


def test_percentiles_miss_a_small_error() -> None:
    """Negative control: the plug-in's bias is in the percentiles."""
    assert covered(1.0, whole=True, method="percentile") < SETS // 10


def test_interval_of_calibrated_data_contains_zero_as_often_as_stated() -> None:
    """Lower limit above 0: 2.5% of 150 sets; 4 standard deviations above are 11."""
    lows = [interval(seed, 1.0, whole=True).low for seed in range(SETS)]
    assert sum(low > 0 for low in lows) <= 11


def test_bins_have_intervals_of_their_own() -> None:
    """Bins from .3 up (60 labels, both kinds in each): at least 90% of 30 x 7 gaps.

    Below .3 most bins hold hardly any right answer, and percentiles are too narrow, as stated.
    """
    center = np.diff(EDGES**3 / 3 - EDGES**2 / 2) * 10
    inside = 0
    for seed in range(30):
        found = interval(seed, 2.0, whole=True)
        inside += int(((found.gap_low <= center) & (center <= found.gap_high))[3:].sum())
    assert 189 <= inside < 210


def test_more_data_narrow_the_interval() -> None:
    """Four times the sequences: half the width, within 30%."""
    c, o, g = (np.concatenate(x) for x in zip(*(draw(s, 2.0) for s in range(4)), strict=True))
    g = g + np.repeat(np.arange(4), SEQUENCES * TOKENS) * SEQUENCES
    rng = np.random.default_rng(0)
    many = bootstrap(ReliabilityTable.of(c, o, EDGES, g), rng)
    few = interval(0, 2.0, whole=True)
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(0.5, rel=0.3)


@pytest.mark.parametrize("measure", [ece, l2, mce])
def test_measures_of_gaps_lie_in_their_interval_when_clear(measure) -> None:  # type: ignore[no-untyped-def]
    c, o, g = draw(0, 4.0)
    tables = ReliabilityTable.of(c, o, EDGES, g)
    found = bootstrap(tables, np.random.default_rng(0), measure=measure, replications=300)
    assert 0 < found.low < found.estimate == float(measure(tables.pooled()))
    assert found.low < found.high


def test_measures_of_more_than_gaps_take_percentiles() -> None:
    c, o, g = draw(0, 1.0)
    tables = ReliabilityTable.of(c, o, EDGES, g)
    with pytest.raises(InputError, match="counts and gaps only"):
        bootstrap(tables, np.random.default_rng(0), measure=debiased_squared_l2)
    found = bootstrap(
        tables, np.random.default_rng(0), measure=debiased_squared_l2, method="percentile"
    )
    assert found.estimate == float(debiased_squared_l2(tables.pooled()))
    assert found.low < found.high


def test_seed_decides() -> None:
    one, same, other = (
        bootstrap(ReliabilityTable.of(*draw(0, 2.0)[:2], EDGES, draw(0, 2.0)[2]), rng)
        for rng in map(np.random.default_rng, (0, 0, 1))
    )
    assert (one.low, one.high) == (same.low, same.high)
    assert (one.low, one.high) != (other.low, other.high)


def test_identical_models_have_the_interval_zero() -> None:
    c = np.random.default_rng(0).random(60)
    tables = ReliabilityTable.of(c, c, groups=np.arange(60) // 6)
    found = bootstrap(tables, np.random.default_rng(0), replications=50)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_empty_bins_have_no_interval() -> None:
    tables = ReliabilityTable.of([0.5] * 20, [0, 1] * 10, groups=range(20))
    found = bootstrap(tables, np.random.default_rng(0), replications=50)
    assert np.isnan(found.gap_low).sum() == 20


def test_bad_requests_are_refused() -> None:
    c, o, g = draw(0, 1.0)
    tables, rng = ReliabilityTable.of(c, o, EDGES, g), np.random.default_rng(0)
    with pytest.raises(InputError, match="at least 2 sequences"):
        bootstrap(tables.pooled(), rng)
    with pytest.raises(InputError, match="level = 95"):
        bootstrap(tables, rng, level=95)
    with pytest.raises(InputError, match="replications = 1"):
        bootstrap(tables, rng, replications=1)
    with pytest.raises(InputError, match="method = 'bca'"):
        bootstrap(tables, rng, method="bca")  # type: ignore[arg-type]
