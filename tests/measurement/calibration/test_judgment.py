"""What a judgment says: hand numbers, groups, refusals."""

import json

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.measurement.calibration.bootstrap import bootstrap
from capgap.measurement.calibration.judgment import chance_band, fold_groups, judge
from capgap.measurement.calibration.table import ReliabilityTable


def tables(share: float, groups: int = 20) -> ReliabilityTable:
    """Confidence .5, of which a share comes true, alike in every group of 10 rows."""
    outcome = np.tile(np.arange(10) < 10 * share, groups)
    return ReliabilityTable.of(
        np.full(10 * groups, 0.5), outcome, groups=np.repeat(np.arange(groups), 10)
    )


def test_numbers_of_one_bin_by_hand() -> None:
    """Gap .3 in one bin: ECE, MCE, L2 and mean gap are .3; Brier is .25 whatever comes true."""
    found = judge(tables(0.8), 0, replications=100)
    assert found.ece == pytest.approx(0.3)
    assert found.percent.startswith("30.0% [")
    for name in ("mce", "l2", "mean_gap"):
        assert found.measures[name] == pytest.approx(0.3)
    assert found.measures["brier"] == pytest.approx(0.25)
    assert not found.calibrated
    assert found.null.p_value == pytest.approx(0.01)


def test_exactly_calibrated_is_calibrated() -> None:
    found = judge(tables(0.5), 0, replications=100)
    assert (found.ece, found.calibrated, found.null.p_value) == (0.0, True, 1.0)


def test_json_has_no_nan_and_every_bin() -> None:
    found = judge(tables(0.8), 0, replications=50).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["table"][0]["confidence"] is None
    assert [row["count"] for row in found["table"]] == [0] * 10 + [200] + [0] * 10
    assert found["predictions"] == 200


def test_one_row_in_a_bin_has_no_debiased_error() -> None:
    """A variance from one row is not defined; the other measures are."""
    found = judge(ReliabilityTable.of([0.2, 0.7], [0, 1], groups=[0, 1]), 0, replications=50)
    assert found.measures["mce"] == pytest.approx(0.3)
    assert found.to_dict()["measures"] is found.measures


def test_empty_groups_do_not_count() -> None:
    full = tables(0.8)
    keep = np.zeros(25, dtype=bool)
    keep[:20] = True
    count = np.zeros((25, 21), dtype=np.int64)
    high, low = np.zeros((2, 5, 25, 21), dtype=np.int64)
    count[keep], high[:, keep], low[:, keep] = full.count, full.high, full.low
    padded = ReliabilityTable(full.edges, count, high, low)
    assert judge(padded, 3).to_dict() == judge(full, 3).to_dict()


def test_rows_without_groups_are_spread_over_1024() -> None:
    folded = fold_groups(3000)
    assert np.bincount(folded).tolist() == [3] * 952 + [2] * 72
    labels = np.arange(3000) // 2  # 1500 groups of two rows
    joined = fold_groups(3000, labels)
    assert joined.max() == 1023
    assert (joined[::2] == joined[1::2]).all()


def test_refusals() -> None:
    with pytest.raises(InputError, match="1 groups with predictions, must be at least 2"):
        judge(tables(0.5, groups=1), 0)
    with pytest.raises(InputError, match=r"must be \(groups, bins\)"):
        judge(tables(0.5).pooled(), 0)
    with pytest.raises(InputError, match="2 groups, must be 3, one per row"):
        fold_groups(3, [0, 1])


def drawn(rng: np.random.Generator, bias: float, groups: int = 8) -> ReliabilityTable:
    """Groups whose shares of right answers differ: .5 + bias + .05 N(0, 1), 200 rows each."""
    share = np.clip(0.5 + bias + 0.05 * rng.standard_normal(groups), 0, 1)
    outcome = rng.random((groups, 200)) < share[:, None]
    number = np.repeat(np.arange(groups), 200)
    return ReliabilityTable.of(np.full(number.size, 0.5), outcome.ravel(), groups=number)


SPEECHES = (17, 16, 20, 47, 55, 64, 61, 40, 82, 104, 13, 50, 19, 43, 31, 25, 22, 43, 39)


def speeches(rng: np.random.Generator, bias: float, whole: bool) -> ReliabilityTable:
    """19 speeches with a row per 1000 bytes; all rows of one share a gap bias + .012 N(0, 1)."""
    number = np.repeat(np.arange(19), SPEECHES)
    confidence = np.linspace(0.1, 0.9, number.size)[rng.permutation(number.size)]
    outcome = confidence + bias + 0.012 * rng.standard_normal(19)[number]
    groups = number if whole else np.arange(number.size)
    return ReliabilityTable.of(confidence, outcome, groups=groups)


def test_few_speeches_make_intervals_that_cover_a_little_less_than_they_say() -> None:
    """Coverage of 95% intervals by 19 speeches of unequal length, true ECE .01.

    Statistic: share of 100 intervals that hold .01; about .9 (standard error .03), not .95, so
    at least .8 is asked. Negative control: of 30 with rows as groups, as if speeches were not
    alike, less than half hold it.
    """
    rng = np.random.default_rng(11)

    def covered(whole: bool) -> bool:
        table = speeches(rng, 0.01, whole)
        found = bootstrap(table, np.random.default_rng(0), replications=100)
        return found.low <= 0.01 <= found.high

    share = np.mean([covered(whole=True) for _ in range(100)])
    assert 0.8 <= share < 1.0
    assert np.mean([covered(whole=False) for _ in range(30)]) < 0.5


def test_band_holds_calibrated_models_with_its_chance() -> None:
    """Share of 1000 calibrated draws within the band: .95, standard error .007; 4 errors allowed.

    Negative control: a band that takes rows for independent is left by more than a tenth.
    """
    rng = np.random.default_rng(5)
    inside, naive = [], []
    for _ in range(1000):
        table = drawn(rng, 0.0)
        low, high = chance_band(table)
        whole = table.pooled()
        inside.append(low[10] <= whole.mean_outcome[10] <= high[10])
        reach = 1.96 * np.sqrt(whole.sum_label_variance[10]) / whole.count[10]
        naive.append(abs(whole.mean_outcome[10] - 0.5) <= reach)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.028)
    assert np.mean(naive) < 0.9


def test_band_does_not_grow_with_the_error() -> None:
    """A bias common to all rows is centered away; tolerance: rounding of sums.

    Negative control: the band of turned signs grows with the bias.
    """
    noise = 0.02 * np.random.default_rng(1).standard_normal(200)
    groups = np.arange(200) // 10
    widths, turned = [], []
    for bias in (0.0, 0.3):
        table = ReliabilityTable.of(np.full(200, 0.5), 0.5 + bias + noise, groups=groups)
        low, high = chance_band(table)
        widths.append(high[10] - low[10])
        null = judge(table, 0, replications=200).null
        turned.append(null.band_high[10] - null.band_low[10])
    assert widths[1] == pytest.approx(widths[0], rel=1e-9)
    assert turned[1] > 5 * turned[0]


def test_band_of_labels_that_agree_is_that_of_draws() -> None:
    """400 rows that all came true at confidence .5; bins without rows are nan."""
    table = ReliabilityTable.of(np.full(400, 0.5), np.ones(400), groups=np.arange(400) % 100)
    low, high = chance_band(table)
    reach = 1.98422 * 0.5 / 20  # t(99) from tables, sqrt(400 / 4) / 400
    assert (low[10], high[10]) == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-6)
    assert np.isnan(low[:10]).all()
    assert np.isnan(high[11:]).all()


def test_band_of_a_single_group_is_everything() -> None:
    table = ReliabilityTable.of([0.2, 0.2, 0.7], [0.2, 0.3, 0.6], groups=[0, 1, 1])
    low, high = chance_band(table)
    assert (low[14], high[14]) == (0.0, 1.0)
    assert 0.0 <= low[4] < 0.2 < high[4] <= 1.0
