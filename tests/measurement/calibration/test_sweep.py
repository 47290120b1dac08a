"""ECE-sweep against the algorithm as printed, in exact fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import ece_sweep
from capgap.measurement.calibration.bins import mass_cuts

rows = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1)), min_size=1, max_size=14)


def swept(pairs: list[tuple[int, int]]) -> tuple[Fraction, int]:
    """Oracle: try b = 2, 3, ..; stop at the first fall; ties of confidence are in one order."""
    ordered = sorted(pairs)
    c = np.array([k / 8 for k, _ in ordered])

    def groups(b: int) -> list[list[tuple[int, int]]]:
        cuts = mass_cuts(c, b).tolist()
        return [ordered[i:j] for i, j in pairwise(cuts)]

    best = groups(1)
    for b in range(2, len(ordered) + 1):
        means = [Fraction(sum(o for _, o in g), len(g)) for g in groups(b)]
        if means != sorted(means):
            break
        best = groups(b)
    gaps = [abs(sum(Fraction(o) - Fraction(k, 8) for k, o in g)) for g in best]
    return sum(gaps, Fraction(0)) / len(ordered), len(best)


@given(rows)
def test_sweep_is_the_printed_algorithm(pairs: list[tuple[int, int]]) -> None:
    found = ece_sweep([k / 8 for k, _ in pairs], [o for _, o in pairs])
    expected, bins = swept(pairs)
    assert found.bins == bins
    assert found.ece == pytest.approx(float(expected), abs=1e-14)


def test_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    c = rng.integers(0, 20, 300) / 20
    o = rng.random(300) < c
    shuffled = rng.permutation(300)
    first, second = ece_sweep(c, o), ece_sweep(c[shuffled], o[shuffled])
    assert first.bins == second.bins
    assert first.ece == pytest.approx(second.ece, abs=1e-14)


@pytest.mark.parametrize("right", [0, 1])
def test_all_of_one_class_uses_every_distinct_confidence(right: int) -> None:
    c = np.linspace(0, 1, 101)
    found = ece_sweep(c, [right] * 101)
    assert found.bins == 101
    assert found.ece == pytest.approx(0.5, abs=1e-14)


def test_bias_is_less_than_that_of_many_bins() -> None:
    """Roelofs et al.: on calibrated data the sweep is nearer 0. Statistic: mean of 100 sets."""
    rng = np.random.default_rng(1)
    swept_, fixed = [], []
    for _ in range(100):
        c = np.sort(rng.random(300))
        o = rng.random(300) < c
        swept_.append(ece_sweep(c, o).ece)
        fixed.append(np.abs(np.add.reduceat(o - c, np.arange(0, 300, 6))).sum() / 300)
    difference = np.array(fixed) - swept_
    assert difference.mean() > 5 * difference.std() / 10


def test_one_prediction_and_none() -> None:
    assert ece_sweep([0.25], [1]).ece == 0.75
    with pytest.raises(InputError, match="0 predictions"):
        ece_sweep([], [])
