"""Is this distinguishable from calibrated? Resampling under the null hypothesis."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import bin_index, check_edges, equal_width_edges
from capgap.measurement.calibration.estimators import Measure, ece
from capgap.measurement.calibration.predictions import (
    FloatArray,
    check_confidence,
    same_length,
)
from capgap.measurement.calibration.resamples import BinSums
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["Null", "NullTest", "null_test", "null_test_of_sequences"]

Null = Literal["labels", "means"]

_NUMBERS = 1 << 20  # random numbers held at a time


@dataclass(frozen=True, eq=False)
class NullTest:
    """A measure, what it is under the null hypothesis, and a consistency band per bin.

    `p_value` = (1 + resamples at least as large) / (1 + resamples); `expected` and `critical` are
    the mean and the `level`-quantile of the resamples. `band_low` and `band_high` (bins,) enclose
    the mean outcome of each bin with chance `level` under the null; nan where a bin is empty.
    """

    estimate: float
    p_value: float
    expected: float
    critical: float
    null: Null
    level: float
    replications: int
    band_low: FloatArray
    band_high: FloatArray


def null_test(
    confidence: Any,
    outcome: Any,
    rng: np.random.Generator,
    *,
    edges: npt.ArrayLike | None = None,
    measure: Measure = ece,
    resample_confidence: bool = False,
    level: float = 0.95,
    replications: int = 999,
) -> NullTest:
    """Consistency resampling for labels: outcomes drawn anew with the stated confidences.

    Null hypothesis: given the confidences, outcomes are independent, o_i = 1 with chance c_i.
    Each resample draws such outcomes and takes the measure. With the confidences kept, the test
    is exact: if the null holds, P(p_value <= a) <= a for any sample size and any bins that do not
    look at outcomes. With `resample_confidence`, they are drawn with replacement first (Broecker
    & Smith 2007, Weather and Forecasting 22, 651-661), as for their bars in reliability diagrams.

    Tokens of a sequence are independent given the confidences only if each confidence is the
    chance given the whole past; where that is too much to assume, and for reference probabilities
    as outcome (they are not drawn, so nothing can be drawn anew), use `null_test_of_sequences`.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    outcome : (n,) of 0 and 1
    rng : generator of the draws
    edges : 21 bins of equal width if not given

    Raises
    ------
    InputError
        No prediction; an outcome that is not 0 or 1; values outside [0, 1]; bad level or number.

    Examples
    --------
    >>> sure = null_test([0.9] * 50, [0] * 50, np.random.default_rng(0), replications=99)
    >>> sure.p_value, sure.null
    (0.01, 'labels')
    """
    _check_numbers(level, replications)
    checked = equal_width_edges() if edges is None else check_edges(edges)
    if same_length("null test", confidence=confidence, outcome=outcome) == 0:
        raise InputError("null test: 0 predictions, must be at least 1")
    c = check_confidence(confidence, "null test")
    o = check_confidence(outcome, "null test", name="outcome")
    labels = (o == 0) | (o == 1)
    if not labels.all():
        row = int(np.argmin(labels))
        told = f"outcome = {o[row]:.6g} in row {row}"
        raise InputError(f"null test: {told} must be 0 or 1; else use null_test_of_sequences")
    table = ReliabilityTable.of(c, o, checked)
    drawn = _drawn_labels(c, checked, resample_confidence, replications, rng)
    return _result(table, list(drawn), measure, "labels", level, replications)


def null_test_of_sequences(
    tables: ReliabilityTable,
    rng: np.random.Generator,
    *,
    measure: Measure = ece,
    level: float = 0.95,
    replications: int = 999,
) -> NullTest:
    """Test that the mean outcome equals the mean confidence in each bin; sequences kept whole.

    Null hypothesis: E[sum (o - c)] = 0 in every bin, sequences independent. Each resample turns
    the sign of all residuals of a sequence, or not, with chance 1/2: right for any dependence
    within a sequence, for 0/1 outcomes as for reference probabilities. Exact if the residuals of
    a sequence are symmetric about 0, else for many sequences. With a reference the null is weak
    on purpose: that the two agree on average in each bin. That they agree everywhere needs no
    test: one token on which they differ refutes it. Identical models have p_value 1.

    Only measures of the gaps (`ece`, `mce`, `l2`) can be tested.

    Parameters
    ----------
    tables : (sequences, bins), from ``ReliabilityTable.of(c, o, groups=...)`` or `stack`

    Raises
    ------
    InputError
        Fewer than 2 sequences; no prediction; bad level or number.

    Examples
    --------
    >>> same = ReliabilityTable.of([0.2, 0.7], [0.2, 0.7], groups=[0, 1])
    >>> null_test_of_sequences(same, np.random.default_rng(0), replications=99).p_value
    1.0
    """
    _check_numbers(level, replications)
    if tables.count.ndim != 2 or tables.count.shape[0] < 2:
        shape = tables.count.shape
        raise InputError(f"null test: counts of shape {shape} must be (at least 2 sequences, bins)")
    gap = tables.sum_gap
    drawn = []
    for rows in _blocks(gap.shape[0], replications):
        signs = rng.integers(0, 2, (rows, gap.shape[0])) * 2.0 - 1.0
        drawn.append(BinSums.with_gap(tables.pooled(), signs @ gap))
    return _result(tables.pooled(), drawn, measure, "means", level, replications)


def _check_numbers(level: float, replications: int) -> None:
    if not 0 < level < 1:
        raise InputError(f"null test: level = {level} must be in (0, 1)")
    if replications < 1:
        raise InputError(f"null test: replications = {replications} must be at least 1")


def _blocks(width: int, replications: int) -> Iterator[int]:
    size = max(1, _NUMBERS // width)
    return (min(size, replications - first) for first in range(0, replications, size))


def _drawn_labels(
    c: FloatArray, edges: FloatArray, resample: bool, replications: int, rng: np.random.Generator
) -> Iterator[BinSums]:
    n, bins = c.size, edges.size - 1
    cell, kept = bin_index(c, edges), np.arange(n)
    for rows in _blocks(n, replications):
        taken = rng.integers(0, n, (rows, n)) if resample else np.broadcast_to(kept, (rows, n))
        value = c[taken]
        right = np.asarray(rng.random((rows, n)) < value, dtype=np.float64)
        key = cell[taken] + bins * np.arange(rows)[:, None]
        terms = (np.ones_like(value), value, right, value**2, right, right * value)
        yield BinSums(*(_summed(key, term, rows, bins) for term in terms))


def _summed(key: npt.NDArray[np.intp], values: FloatArray, rows: int, bins: int) -> FloatArray:
    total = np.bincount(key.ravel(), values.ravel(), rows * bins)
    return np.asarray(total.reshape(rows, bins), dtype=np.float64)


def _result(
    table: ReliabilityTable,
    drawn: list[BinSums],
    measure: Measure,
    null: Null,
    level: float,
    replications: int,
) -> NullTest:
    estimate = float(measure(table))
    values = np.concatenate([measure(sums) for sums in drawn])
    if not np.isfinite(values).all():
        raise InputError("null test: the measure must depend on counts and gaps only")
    # Sums in another order differ in the last digits: equal values count as at least as large.
    as_large = int(np.count_nonzero(values >= estimate - 1e-12))
    band_low, band_high = _band(table, drawn, level)
    return NullTest(
        estimate=estimate,
        p_value=(1 + as_large) / (1 + replications),
        expected=float(values.mean()),
        critical=float(np.quantile(values, level)),
        null=null,
        level=level,
        replications=replications,
        band_low=band_low,
        band_high=band_high,
    )


def _band(
    table: ReliabilityTable, drawn: list[BinSums], level: float
) -> tuple[FloatArray, FloatArray]:
    """Quantiles of the gap under the null, around the mean confidence of each bin."""
    gap = np.concatenate([s.sum_gap / np.maximum(s.count, 1) for s in drawn])
    tail = (1 - level) / 2
    low, high = np.quantile(gap, [tail, 1 - tail], axis=0)
    center = table.mean_confidence
    return np.clip(center + low, 0.0, 1.0), np.clip(center + high, 0.0, 1.0)
