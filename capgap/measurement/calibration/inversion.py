"""Limits of a calibration error by test inversion: which true gaps fit what was seen?"""

from collections.abc import Callable

import numpy as np

from capgap.errors import InputError
from capgap.measurement.calibration.estimators import Measure
from capgap.measurement.calibration.predictions import FloatArray
from capgap.measurement.calibration.resamples import BinSums
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["inverted_limits"]

_HALVINGS = 40


def inverted_limits(
    table: ReliabilityTable, noise: FloatArray, measure: Measure, level: float
) -> tuple[float, float]:
    """Limits for the true error, given resampled errors of the gaps.

    Let t be the measure of the table, d a pattern of gaps (one sign and size per bin) and
    T(l) = measure(l d + noise), which grows with l; a = (1 - level) / 2. A true error measure(l d)
    is refused from below if the (1 - a)-quantile of T(l) is less than t, and from above if
    P(T(l) <= t) < a P(T(0) <= t). The last factor (Read 2002, J. Phys. G 28: CLs) is 1 for a clear
    error and keeps the limit above 0 when t is small by luck.

    Two patterns: the gaps as seen for the lower limit; for the upper one whichever gives more of
    these and of gaps in proportion to their standard errors, with the signs seen. The plug-in is
    biased upward most where gaps are near 0, as some are among those seen even if the true ones
    are all of one size; the second pattern has none near 0.

    Parameters
    ----------
    table : (bins,), of all data
    noise : (resamples, bins), resampled minus seen mean gap, in units of all predictions (so that
        the ECE of gaps is the sum of absolute values)
    measure : homogeneous function of the gaps: `ece`, `mce`, `l2`

    Raises
    ------
    InputError
        The measure needs more than counts and gaps.
    """
    n = float(table.count.sum())
    gap = table.sum_gap / n

    def errors(values: FloatArray) -> FloatArray:
        found = measure(BinSums.with_gap(table, n * np.atleast_2d(values)))
        if not np.isfinite(found).all():
            raise InputError("inverted: the measure must depend on counts and gaps only")
        return found

    seen, tail = float(errors(gap)[0]), (1 - level) / 2
    at_zero = errors(noise)
    if seen == 0:  # no signs to go by: what calibrated data give, at most
        return 0.0, float(np.quantile(at_zero, level))
    share = max(float((at_zero <= seen).mean()), 1 / len(noise))

    def limit(pattern: FloatArray, quantile: float) -> float:
        size = float(errors(pattern)[0])
        if size == 0:
            return 0.0
        return _crossing(
            lambda x: float(np.quantile(errors(x / size * pattern + noise), quantile)) - seen
        )

    signs = np.where(gap < 0, -1.0, 1.0)
    patterns = (gap, signs * noise.std(axis=0))
    low = limit(gap, 1 - tail)
    return low, max(low, *(limit(pattern, tail * share) for pattern in patterns))


def _crossing(excess: Callable[[float], float]) -> float:
    """The last place where an increasing function of an error is at most 0; 0 if there is none."""
    if excess(0.0) > 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) <= 0:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return (low + high) / 2
