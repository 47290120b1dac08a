"""The table against exact fractions, and its laws: merging, order, chunks, memory."""

import json
import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import ReliabilityTable, ece, equal_width_edges, mce, stack
from capgap.measurement.calibration.table import SUMS

unit = st.floats(0, 1, allow_subnormal=False)
pairs = st.lists(st.tuples(unit, unit), min_size=1, max_size=30)
labels = st.lists(st.tuples(unit, st.sampled_from([0.0, 1.0])), min_size=1, max_size=30)


def brute(rows: list[tuple[float, float]], edges: np.ndarray) -> list[dict[str, Fraction]]:
    """Oracle: exact sums per bin, bin by bin, of the float64 numbers as they are."""
    out = []
    for k, (low, high) in enumerate(pairwise(edges)):
        last = k == edges.size - 2
        inside = [
            (Fraction(c), Fraction(o)) for c, o in rows if low <= c < high or (last and c == high)
        ]
        out.append(
            {
                "count": Fraction(len(inside)),
                "confidence": sum((c for c, _ in inside), Fraction(0)),
                "outcome": sum((o for _, o in inside), Fraction(0)),
                "confidence_squared": sum((c * c for c, _ in inside), Fraction(0)),
                "outcome_squared": sum((o * o for _, o in inside), Fraction(0)),
                "product": sum((c * o for c, o in inside), Fraction(0)),
                "gap": sum((o - c for c, o in inside), Fraction(0)),
            }
        )
    return out


@given(st.one_of(pairs, labels), st.integers(1, 7))
def test_sums_are_those_of_exact_fractions(rows: list[tuple[float, float]], bins: int) -> None:
    """A number moves by 2^-54 in fixed point, a product by 2^-54 more, a float by half a unit."""
    edges = equal_width_edges(bins)
    c, o = (np.array(x) for x in zip(*rows, strict=True))
    table = ReliabilityTable.of(c, o, edges)
    exact = brute(rows, edges)
    assert table.count.tolist() == [int(b["count"]) for b in exact]
    for name in (*SUMS, "gap"):
        found = getattr(table, f"sum_{name}")
        for value, b in zip(found, exact, strict=True):
            allowed = float(b["count"]) * 2.0**-52 + abs(float(b[name])) * 2.0**-53
            assert abs(Fraction(float(value)) - b[name]) <= allowed
    n = len(rows)
    expected = sum(abs(b["gap"]) for b in exact) / n
    assert float(ece(table)) == pytest.approx(float(expected), abs=1e-15)
    worst = max(abs(b["gap"]) / b["count"] for b in exact if b["count"])
    assert float(mce(table)) == pytest.approx(float(worst), abs=1e-15)


def test_float32_sums_are_exact_to_the_last_bit() -> None:
    """float32 from 2^-29 up are multiples of 2^-53: each sum is the nearest float64."""
    rng = np.random.default_rng(0)
    c = rng.random(3000, dtype=np.float32)
    o = rng.random(3000) < c
    table = ReliabilityTable.of(c, o, equal_width_edges(3))
    exact = brute(list(zip(c.tolist(), o.tolist(), strict=True)), table.edges)
    for name in ("confidence", "outcome", "product", "gap"):
        assert getattr(table, f"sum_{name}").tolist() == [float(b[name]) for b in exact]


def test_plain_float32_sums_are_not() -> None:
    """Negative control: adding up in float32 misses the exact sum."""
    c = np.random.default_rng(0).random(3000, dtype=np.float32)
    assert float(np.cumsum(c)[-1]) != float(sum(map(Fraction, c.tolist())))


@given(st.one_of(pairs, labels), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_order_and_split_change_no_bit(
    rows: list[tuple[float, float]], seed: int, parts: int
) -> None:
    c, o = (np.array(x) for x in zip(*rows, strict=True))
    whole = ReliabilityTable.of(c, o)
    order = np.random.default_rng(seed).permutation(len(rows))
    merged = ReliabilityTable.empty()
    for part in np.array_split(order, parts):
        merged = ReliabilityTable.of(c[part], o[part]) + merged
    assert merged == whole
    assert np.array_equal(merged.sum_gap, whole.sum_gap)


def test_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    c, o = rng.random(1000), rng.random(1000)
    whole = ReliabilityTable.of(c, o)
    monkeypatch.setattr("capgap.measurement.calibration.table.chunk_size", lambda cells: 7)
    assert ReliabilityTable.of(c, o) == whole
    assert ReliabilityTable.of(c, o.round()) == ReliabilityTable.of(c, o.round().astype(bool))


def test_labels_and_general_outcomes_take_two_ways_to_the_same_sums() -> None:
    rng = np.random.default_rng(2)
    c, o = rng.random(500), rng.integers(0, 2, 500)
    once = ReliabilityTable.of(c, o)
    extra = ReliabilityTable.of([0.5], [0.5])  # one fraction sends the whole chunk the other way
    assert ReliabilityTable.of([*c, 0.5], [*o, 0.5]) == once + extra


def test_groups_are_tables_side_by_side() -> None:
    rng = np.random.default_rng(3)
    c, o, g = rng.random(300), rng.integers(0, 2, 300), rng.choice(list("cab"), 300)
    tables = ReliabilityTable.of(c, o, groups=g)
    parts = [ReliabilityTable.of(c[g == name], o[g == name]) for name in "abc"]
    assert tables == stack(parts)
    assert tables.pooled() == ReliabilityTable.of(c, o)


def test_json_keeps_every_bit() -> None:
    rng = np.random.default_rng(4)
    table = ReliabilityTable.of(rng.random(999), rng.random(999), groups=np.arange(999) % 4)
    for each in (table, table.pooled()):
        assert ReliabilityTable.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_spoiled_json_is_refused() -> None:
    data = ReliabilityTable.of([0.5], [1]).to_json()
    for spoiled in (
        {k: v for k, v in data.items() if k != "count"},
        data | {"sum_outcome": ["a"] * 21},
        data | {"sum_outcome": [1]},
        data | {"count": [1]},
        data | {"edges": [0, 0.5]},
    ):
        with pytest.raises(InputError):
            ReliabilityTable.from_json(spoiled)


def test_variances_are_those_of_numpy() -> None:
    rng = np.random.default_rng(5)
    c, o = rng.random(400), rng.random(400)
    table = ReliabilityTable.of(c, o, equal_width_edges(2))
    for k, inside in enumerate((c < 0.5, c >= 0.5)):
        assert table.variance_confidence[k] == pytest.approx(c[inside].var(), abs=1e-14)
        assert table.variance_outcome[k] == pytest.approx(o[inside].var(), abs=1e-14)
        cov = np.cov(c[inside], o[inside], bias=True)[0, 1]
        assert table.covariance[k] == pytest.approx(cov, abs=1e-14)


def test_confidence_one_falls_in_the_last_bin() -> None:
    """torchmetrics puts 1.0 in a sixteenth bin and finds .525."""
    table = ReliabilityTable.of([0.95, 1.0], [1, 0], equal_width_edges(15))
    assert table.count.tolist() == [0] * 14 + [2]
    assert float(ece(table)) == pytest.approx(0.475, abs=1e-15)


def test_confidence_zero_is_counted() -> None:
    table = ReliabilityTable.of([0.0, 0.0, 0.5], [1, 1, 1], equal_width_edges(2))
    assert table.count.tolist() == [2, 1]
    assert float(ece(table)) == pytest.approx(2 / 3 + 1 / 6, abs=1e-15)


def test_one_prediction_and_empty_bins() -> None:
    table = ReliabilityTable.of([0.25], [1])
    assert table.empty_bins == 20
    assert (float(ece(table)), float(mce(table))) == (0.75, 0.75)
    assert np.isnan(table.mean_confidence).sum() == 20


def test_no_prediction_has_no_error() -> None:
    with pytest.raises(InputError, match="ece: 0 predictions, must be at least 1"):
        ece(ReliabilityTable.empty())


def test_tables_of_other_bins_do_not_merge() -> None:
    with pytest.raises(InputError, match="same edges"):
        ReliabilityTable.empty() + ReliabilityTable.empty(equal_width_edges(20))
    with pytest.raises(InputError, match="same edges"):
        stack([ReliabilityTable.empty(), ReliabilityTable.empty(equal_width_edges(20))])


def test_memory_does_not_grow_with_the_data() -> None:
    """Peak of what the pass allocates: the same few MB for 1 and for 4 chunks' worth of data."""
    rng = np.random.default_rng(6)
    c = rng.random(1 << 20, dtype=np.float32)
    o = rng.random(1 << 20) < 0.5

    def peak(n: int) -> int:
        tracemalloc.start()
        ReliabilityTable.of(c[:n], o[:n])
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    small, large = peak(1 << 17), peak(1 << 20)
    assert large < 1.1 * small
    assert large < c.nbytes  # even one float32 copy of the input would be more
