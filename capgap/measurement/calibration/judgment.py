"""A calibration error with its interval, its null test and its neighbors, from grouped tables."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from capgap.errors import InputError
from capgap.measurement.calibration.bootstrap import Interval, bootstrap
from capgap.measurement.calibration.brier import brier
from capgap.measurement.calibration.debiased import debiased_ece, debiased_l2
from capgap.measurement.calibration.estimators import l2, mce, mean_gap
from capgap.measurement.calibration.null_test import NullTest, null_test_of_sequences
from capgap.measurement.calibration.predictions import FloatArray, as_array, same_length
from capgap.measurement.calibration.stream import GROUPS
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["Judgment", "chance_band", "fold_groups", "judge"]

MEASURES: dict[str, Callable[[ReliabilityTable], Any]] = {
    "debiased_ece": debiased_ece,
    "mce": mce,
    "l2": l2,
    "debiased_l2": debiased_l2,
    "mean_gap": mean_gap,
    "brier": brier,
}


@dataclass(frozen=True, eq=False)
class Judgment:
    """ECE of a table with what can be said of it.

    Attributes
    ----------
    table : ReliabilityTable, shape (bins,)
        All groups together.
    interval : Interval
        For the binned ECE, by a bootstrap of groups.
    null : NullTest
        Whether gaps as large come by chance.
    band_low, band_high : (bins,)
        Where the mean outcome of a calibrated model would lie, bin by bin (`chance_band`).
    measures : dict
        Other errors of the same table; None where one is not defined (one row in a bin).
    """

    table: ReliabilityTable
    interval: Interval
    null: NullTest
    band_low: FloatArray
    band_high: FloatArray
    measures: dict[str, float | None]

    @property
    def ece(self) -> float:
        """Plug-in ECE in [0, 1]."""
        return self.interval.estimate

    @property
    def calibrated(self) -> bool:
        """Whether the null test cannot tell this from calibrated, at the interval's level."""
        return self.null.p_value > 1 - self.null.level

    @property
    def percent(self) -> str:
        """ECE in percent with its interval: "0.82% [0.70, 0.92]"; one decimal above 10%."""
        digits = 2 if self.ece < 0.0995 else 1
        values = (self.ece, self.interval.low, self.interval.high)
        return "{}% [{}, {}]".format(*(f"{100 * value:.{digits}f}" for value in values))

    def to_dict(self) -> dict[str, Any]:
        """JSON values: `ece`, `interval`, `table`, `null`, `measures`; null for nan."""
        interval, null, table = self.interval, self.null, self.table
        return {
            "ece": self.ece,
            "interval": [interval.low, interval.high],
            "level": interval.level,
            "groups": interval.groups,
            "predictions": int(table.count.sum()),
            "calibrated": self.calibrated,
            "null": {
                "p_value": null.p_value,
                "expected": null.expected,
                "critical": null.critical,
                "kind": null.null,
            },
            "measures": self.measures,
            "table": [
                {
                    "low": float(table.edges[k]),
                    "high": float(table.edges[k + 1]),
                    "count": int(table.count[k]),
                    "confidence": _number(table.mean_confidence[k]),
                    "outcome": _number(table.mean_outcome[k]),
                    "variance_confidence": _number(table.variance_confidence[k]),
                    "variance_outcome": _number(table.variance_outcome[k]),
                    "band": [_number(self.band_low[k]), _number(self.band_high[k])],
                }
                for k in range(table.bins)
            ],
        }


def judge(
    tables: ReliabilityTable,
    seed: int,
    *,
    level: float = 0.95,
    replications: int = 1000,
) -> Judgment:
    """Judge tables of independent groups, shape (groups, bins).

    The interval is that of `bootstrap` by test inversion, the null test that of
    `null_test_of_sequences`: both take whole groups, whatever the dependence inside them. With
    G groups a p-value is not below about 2^(1 - G), so that of 5 groups always passes.

    Raises
    ------
    InputError
        Fewer than 2 groups with predictions; level or replications out of range.
    """
    tables = _filled(tables)
    interval_draws, null_draws = np.random.default_rng(seed).spawn(2)
    interval = bootstrap(tables, interval_draws, level=level, replications=replications)
    null = null_test_of_sequences(tables, null_draws, level=level, replications=replications - 1)
    whole = tables.pooled()
    measures = {name: _number(measure(whole)) for name, measure in MEASURES.items()}
    return Judgment(whole, interval, null, *chance_band(tables, level), measures)


def chance_band(tables: ReliabilityTable, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    r"""Where mean outcomes would lie, bin by bin, if mean gaps were 0 and noise as it is.

    .. math:: \bar c_b \pm t_{G-1} s_b, \quad
              s_b^2 = \frac{G}{G-1} \sum_g (S_{gb} - n_{gb} \bar g_b)^2 / n_b^2

    with S the sum of o - c of group g in bin b and \bar g_b the mean gap of the bin: the standard
    error of a ratio under cluster sampling (Cochran 1977, eq. 6.13) and Student's quantile for few
    groups. For labels s_b is at least what independent draws with the stated chances give,
    sqrt(sum c (1 - c)) / n_b: a few labels that agree say nothing of noise. The band of
    `null_test_of_sequences` turns signs of gaps that were not centered, and so grows with the
    error that it is to be compared with; it serves the test alone.

    Parameters
    ----------
    tables : (groups, bins), at least 2 groups

    Returns
    -------
    Two arrays (bins,), within [0, 1]: 0 and 1 where one group alone is in a bin, nan where none is.
    """
    whole, groups = tables.pooled(), tables.count.shape[0]
    n = np.where(whole.count > 0, whole.count, np.nan)
    residual = tables.sum_gap - tables.count * (whole.sum_gap / n)
    variance = groups / (groups - 1) * (residual**2).sum(axis=0)
    if np.array_equal(whole.sum_outcome, whole.sum_outcome_squared):
        variance = np.maximum(variance, whole.sum_label_variance)
    reach = float(stdtrit(groups - 1, (1 + level) / 2)) * np.sqrt(variance) / n
    # One group tells nothing of how groups differ.
    reach[(tables.count > 0).sum(axis=0) == 1] = np.inf
    center = whole.mean_confidence
    return np.clip(center - reach, 0.0, 1.0), np.clip(center + reach, 0.0, 1.0)


def fold_groups(rows: int, groups: Any = None) -> npt.NDArray[np.intp]:
    """Numbers below `GROUPS` for the groups of `rows` rows.

    Without groups rows are independent, and so are sets of them: row i goes to i mod 1024. Of
    more than 1024 groups some are joined, whole, in the order of their labels.

    >>> fold_groups(3).tolist(), fold_groups(3, ["b", "a", "b"]).tolist()
    ([0, 1, 2], [1, 0, 1])
    """
    if groups is None:
        return np.arange(rows, dtype=np.intp) % GROUPS
    if same_length("calibrate", groups=groups) != rows:
        raise InputError(f"calibrate: {np.shape(groups)[0]} groups, must be {rows}, one per row")
    _, number = np.unique(as_array(groups), return_inverse=True)
    return number.astype(np.intp) % GROUPS


def _filled(tables: ReliabilityTable) -> ReliabilityTable:
    """Without groups that hold no prediction."""
    if tables.count.ndim != 2:
        raise InputError(f"judge: counts of shape {tables.count.shape} must be (groups, bins)")
    kept = tables.count.sum(axis=1) > 0
    if kept.sum() < 2:
        raise InputError(f"calibrate: {kept.sum()} groups with predictions, must be at least 2")
    return ReliabilityTable(
        tables.edges, tables.count[kept], tables.high[:, kept], tables.low[:, kept]
    )


def _number(value: Any) -> float | None:
    found = float(value)
    return found if math.isfinite(found) else None
