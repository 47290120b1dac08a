"""Bins against binary search and against cuts found by trying all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import (
    MassHistogram,
    ReliabilityTable,
    equal_mass_edges,
    equal_width_edges,
)
from capgap.measurement.calibration.bins import bin_index, check_edges, mass_cuts

BIN_NUMBERS = [1, 2, 3, 10, 15, 21, 49, 100, 997]


def searched(c: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Oracle: binary search in float64, the last bin closed."""
    found = np.searchsorted(edges, np.asarray(c, dtype=np.float64), side="right") - 1
    return np.minimum(found, edges.size - 2)


@pytest.mark.parametrize("bins", BIN_NUMBERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_index_is_the_searched_one_at_and_around_every_edge(
    bins: int, dtype: type
) -> None:
    edges = equal_width_edges(bins)
    near = [edges.astype(dtype)]
    for direction in (-1, 2):
        value = near[0]
        for _ in range(3):
            value = np.nextafter(value, dtype(direction))
            near.append(value)
    c = np.clip(np.concatenate(near), 0, 1)
    c = np.concatenate([c, np.random.default_rng(0).random(5000).astype(dtype)])
    assert np.array_equal(bin_index(c, edges), searched(c, edges))


def test_the_product_alone_would_be_wrong() -> None:
    """Negative control: floor(c bins) without correction misses some edge."""
    wrong = [
        bins
        for bins in range(1, 200)
        if (np.floor(equal_width_edges(bins)[:-1] * bins) != np.arange(bins)).any()
    ]
    assert wrong


@pytest.mark.parametrize("bins", BIN_NUMBERS)
def test_float32_and_its_float64_copy_share_their_bins(bins: int) -> None:
    c = np.concatenate([equal_width_edges(bins), np.random.default_rng(1).random(999)])
    c = c.astype(np.float32)
    edges = equal_width_edges(bins)
    assert np.array_equal(bin_index(c, edges), bin_index(c.astype(np.float64), edges))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(1, 6))
def test_equal_mass_cuts_are_the_nearest_allowed_ones(values: list[int], bins: int) -> None:
    ordered = np.sort(np.array(values) / 6)
    n = ordered.size
    allowed = [0, *(i for i in range(1, n) if ordered[i] != ordered[i - 1]), n]
    expected = {0, n}
    for j in range(1, bins):
        expected.add(min(allowed, key=lambda cut: (abs(bins * cut - j * n), cut)))
    assert mass_cuts(ordered, bins).tolist() == sorted(expected)


def test_equal_mass_bins_hold_equal_numbers_without_ties() -> None:
    c = np.random.default_rng(2).random(2100) ** 3
    table = ReliabilityTable.of(c, np.zeros(2100), equal_mass_edges(c, 21))
    assert table.count.tolist() == [100] * 21


def test_heavy_ties_do_not_collapse_to_one_bin() -> None:
    """Quantile edges of 90 x .2 and 10 x .9 coincide; here the two values stay apart."""
    c = [0.2] * 90 + [0.9] * 10
    table = ReliabilityTable.of(c, [1] * 90 + [0] * 10, equal_mass_edges(c, 10))
    assert sorted(table.count[table.count > 0].tolist()) == [10, 90]
    assert np.abs(table.sum_gap).sum() / 100 == pytest.approx(0.9 * 0.8 + 0.1 * 0.9, abs=1e-15)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_mass_of_equal_values_is_one_bin(value: float) -> None:
    edges = equal_mass_edges([value] * 7, 5)
    assert sorted(ReliabilityTable.of([value] * 7, [1] * 7, edges).count.tolist())[-1] == 7


def test_ones_are_kept_apart_from_smaller_confidences() -> None:
    c = [0.5] * 5 + [1.0] * 5
    table = ReliabilityTable.of(c, [0] * 10, equal_mass_edges(c, 2))
    assert table.count.tolist() == [5, 5]


def test_histogram_gives_the_sorted_edges_of_values_on_its_cells() -> None:
    """Multiples of 2^-20 lose nothing in the cells: the edges must be those of sorting."""
    rng = np.random.default_rng(3)
    c = rng.integers(0, 1 << 20, 5000) / (1 << 20)
    parts = [MassHistogram.of(part) for part in np.array_split(c, 7)]
    whole = sum(parts[1:], parts[0])
    for bins in (1, 2, 21, 300):
        assert np.array_equal(whole.edges(bins), equal_mass_edges(c, bins))


def test_bad_bins_are_refused() -> None:
    for edges in ([0, 1, 1], [0, 0.5], [0.1, 1], [1.0], [[0, 1]], [0, np.nan, 1]):
        with pytest.raises(InputError, match="edges"):
            check_edges(edges)
    for call in (equal_width_edges, lambda b: equal_mass_edges([0.5], b)):
        with pytest.raises(InputError, match="bins = 0 must be at least 1"):
            call(0)
    with pytest.raises(InputError, match="0 confidences"):
        equal_mass_edges([])
    with pytest.raises(InputError, match="0 confidences"):
        MassHistogram.of([]).edges()
