"""Brier scores and their decomposition against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    brier,
    brier_parts,
    equal_width_edges,
    multiclass_brier,
    stack,
)

unit = st.floats(0, 1, allow_subnormal=False)
rows = st.lists(st.tuples(unit, unit), min_size=1, max_size=20)


@given(rows, st.integers(1, 6))
def test_parts_are_those_of_exact_fractions(pairs: list[tuple[float, float]], bins: int) -> None:
    c, o = (np.array(x) for x in zip(*pairs, strict=True))
    edges = equal_width_edges(bins)
    found = brier_parts(ReliabilityTable.of(c, o, edges))
    C, O, n = [Fraction(x) for x in c], [Fraction(x) for x in o], len(c)  # noqa: E741
    rate = sum(O, Fraction(0)) / n
    place = np.minimum(np.searchsorted(edges, c, side="right") - 1, bins - 1)
    zero = Fraction(0)
    rel, res, var, cov = zero, zero, zero, zero
    for k in range(bins):
        inside = np.flatnonzero(place == k).tolist()
        if not inside:
            continue
        mc = sum((C[i] for i in inside), zero) / len(inside)
        mo = sum((O[i] for i in inside), zero) / len(inside)
        rel += len(inside) * (mc - mo) ** 2
        res += len(inside) * (mo - rate) ** 2
        var += sum(((C[i] - mc) ** 2 for i in inside), zero)
        cov += sum(((C[i] - mc) * (O[i] - mo) for i in inside), zero)
    score = sum(((x - y) ** 2 for x, y in zip(C, O, strict=True)), zero) / n
    unc = sum(((y - rate) ** 2 for y in O), zero) / n
    assert score == (rel - res + var - 2 * cov) / n + unc  # the identity itself, exactly
    expected = (score, rel / n, res / n, unc, var / n, cov / n)
    parts = tuple(vars(found).values())
    assert parts == pytest.approx([float(value) for value in expected], abs=1e-14)


def test_murphys_three_terms_alone_are_not_exact() -> None:
    """Negative control: with confidences that vary within bins, the last two terms matter."""
    rng = np.random.default_rng(0)
    c = rng.random(500)
    found = brier_parts(ReliabilityTable.of(c, rng.random(500) < c, equal_width_edges(3)))
    three = found.reliability - found.resolution + found.uncertainty
    assert abs(found.score - three) > 1e-3


def test_multiclass_is_the_sum_over_classes() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), 50)
    y = rng.integers(0, 4, 50)
    brute = np.mean([sum((p[i, k] - (k == y[i])) ** 2 for k in range(4)) for i in range(50)])
    assert multiclass_brier(p, y) == pytest.approx(brute, rel=1e-13)


def test_two_classes_score_twice_the_binary_one() -> None:
    rng = np.random.default_rng(2)
    c, y = rng.random(60), rng.integers(0, 2, 60)
    both = multiclass_brier(np.stack([1 - c, c], axis=1), y)
    assert both == pytest.approx(2 * brier(ReliabilityTable.of(c, y)), rel=1e-13)


def test_empty_or_stacked_tables_are_refused() -> None:
    table = ReliabilityTable.of([0.5], [1])
    for bad in (ReliabilityTable.empty(), stack([table, table])):
        with pytest.raises(InputError, match="must be one filled table"):
            brier(bad)
    with pytest.raises(InputError, match="0 predictions"):
        multiclass_brier(np.empty((0, 3)), np.empty(0, dtype=int))
