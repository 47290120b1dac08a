"""Intervals for calibration errors by a bootstrap that draws whole sequences."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from capgap.errors import InputError
from capgap.measurement.calibration.estimators import Measure, ece
from capgap.measurement.calibration.inversion import inverted_limits
from capgap.measurement.calibration.predictions import FloatArray
from capgap.measurement.calibration.resamples import BinSums
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["Interval", "Method", "bootstrap"]

Method = Literal["inverted", "basic", "percentile"]

_NUMBERS = 1 << 22  # weights held at a time


@dataclass(frozen=True, eq=False)
class Interval:
    """An estimate with its interval, and an interval for the gap of each bin.

    `gap_low` and `gap_high` (bins,) enclose mean outcome minus mean confidence of each bin, one
    bin at a time, by percentiles; nan where a bin is empty, too narrow where nearly all outcomes
    of a bin are the same. `bias` is the mean of the resamples minus the estimate: it estimates the
    bias of a plug-in error that is not small.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: Method
    replications: int
    groups: int
    bias: float
    gap_low: FloatArray
    gap_high: FloatArray


def bootstrap(
    tables: ReliabilityTable,
    rng: np.random.Generator,
    *,
    measure: Measure = ece,
    level: float = 0.95,
    replications: int = 1000,
    method: Method = "inverted",
) -> Interval:
    """Interval for a calibration error from tables of independent sequences.

    Tokens of a sequence depend on one another, sequences do not: each resample draws as many
    sequences as there are, with replacement, and takes the measure of their merged table. The
    bins stay as they are, so the interval is about the binned error with these bins.

    - ``"inverted"``: the errors that a test with the resampled noise of the gaps does not refuse
      (`inversion`). A plug-in error is too large on few data, most of all near 0, so the estimate
      may lie near the upper limit or above it; `low` is 0 when the error cannot be told from 0.
      For measures of the gaps: `ece`, `mce`, `l2`;
    - ``"basic"``: [2 t - q_(1-a), 2 t - q_a], not below 0, with t the estimate, q_p the p-quantile
      of the resamples and a = (1 - level) / 2: takes off the bias where it is small;
    - ``"percentile"``: [q_a, q_(1-a)]: has the bias twice, and misses small errors.

    The last two are for comparison, and for clear errors by measures of more than gaps. For the
    debiased measures they are not right near 0 either: resamples vary around the plug-in value.

    Parameters
    ----------
    tables : (sequences, bins), from ``ReliabilityTable.of(c, o, groups=...)`` or `stack`
    rng : generator of the draws
    measure : function of `Sums`
    level : probability of covering the truth, in (0, 1)
    replications : number of resamples

    Raises
    ------
    InputError
        Fewer than 2 sequences, no prediction, level or replications out of range.

    Examples
    --------
    >>> tables = ReliabilityTable.of([0.5] * 40, [0] * 20 + [1] * 20, groups=range(40))
    >>> found = bootstrap(tables, np.random.default_rng(0), replications=200)
    >>> found.estimate, found.groups
    (0.0, 40)
    """
    _check(tables, level, replications, method)
    whole, filled = tables.pooled(), BinSums.of(tables)
    groups = int(tables.count.shape[0])
    parts = [_resampled(filled.weighted(w), measure) for w in _weights(groups, replications, rng)]
    values, gaps, shares = (np.concatenate(part) for part in zip(*parts, strict=True))
    estimate = float(measure(whole))
    tail = (1 - level) / 2
    if method == "inverted":
        # A resample of G sequences varies by (G - 1) / G of what G sequences do.
        noise = (shares - whole.sum_gap / whole.count.sum()) * np.sqrt(groups / (groups - 1))
        low, high = inverted_limits(whole, noise, measure, level)
    else:
        low, high = np.quantile(values, [tail, 1 - tail])
        if method == "basic":
            low, high = max(2 * estimate - high, 0.0), max(2 * estimate - low, 0.0)
    gap_low, gap_high = _gap_limits(gaps, tail)
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        level=level,
        method=method,
        replications=replications,
        groups=groups,
        bias=float(values.mean() - estimate),
        gap_low=gap_low,
        gap_high=gap_high,
    )


def _check(tables: ReliabilityTable, level: float, replications: int, method: str) -> None:
    if tables.count.ndim != 2 or tables.count.shape[0] < 2:
        shape = tables.count.shape
        raise InputError(f"bootstrap: counts of shape {shape} must be (at least 2 sequences, bins)")
    if not 0 < level < 1:
        raise InputError(f"bootstrap: level = {level} must be in (0, 1)")
    if replications < 2:
        raise InputError(f"bootstrap: replications = {replications} must be at least 2")
    if method not in get_args(Method):
        raise InputError(f"bootstrap: method = {method!r} must be {', '.join(get_args(Method))}")
    if (tables.count.sum(axis=1) == 0).any():
        raise InputError("bootstrap: every sequence must hold at least 1 prediction")


def _weights(groups: int, replications: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """How often each sequence is drawn, (resamples, sequences), a block at a time."""
    size = max(1, _NUMBERS // groups)
    for first in range(0, replications, size):
        rows = min(size, replications - first)
        yield rng.multinomial(groups, np.full(groups, 1 / groups), size=rows).astype(np.float64)


def _resampled(sums: BinSums, measure: Measure) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Measure, mean gap per bin, and gap per bin in units of all predictions, of each resample."""
    missing = np.full(sums.count.shape, np.nan)
    gap = np.divide(sums.sum_gap, sums.count, out=missing, where=sums.count > 0)
    return measure(sums), gap, sums.sum_gap / sums.count.sum(axis=-1, keepdims=True)


def _gap_limits(gaps: FloatArray, tail: float) -> tuple[FloatArray, FloatArray]:
    """Percentiles per bin; resamples in which a bin is empty are left out for it."""
    filled = ~np.isnan(gaps).all(axis=0)
    low, high = np.full((2, gaps.shape[1]), np.nan)
    low[filled], high[filled] = np.nanquantile(gaps[:, filled], [tail, 1 - tail], axis=0)
    return low, high
