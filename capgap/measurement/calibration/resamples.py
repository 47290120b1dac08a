"""Binned sums of many resamples at once: what the bootstrap and the null test hand to a measure."""

from dataclasses import dataclass

import numpy as np

from capgap.measurement.calibration.predictions import FloatArray
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["BinSums"]


@dataclass(frozen=True, eq=False)
class BinSums:
    """Count and sums per bin as float64, shape (..., bins); follows the protocol `Sums`."""

    count: FloatArray
    sum_confidence: FloatArray
    sum_outcome: FloatArray
    sum_confidence_squared: FloatArray
    sum_outcome_squared: FloatArray
    sum_product: FloatArray

    @classmethod
    def of(cls, table: ReliabilityTable) -> "BinSums":
        """The sums of a table, rounded to float64."""
        return cls(
            table.count.astype(np.float64),
            table.sum_confidence,
            table.sum_outcome,
            table.sum_confidence_squared,
            table.sum_outcome_squared,
            table.sum_product,
        )

    @classmethod
    def with_gap(cls, table: ReliabilityTable, gap: FloatArray) -> "BinSums":
        """Sums of a table (bins,) with other sums of gaps, shape (resamples, bins).

        Second moments, which gaps do not tell, are nan.
        """
        count, confidence, squared = (
            np.broadcast_to(np.asarray(values, dtype=np.float64), gap.shape)
            for values in (table.count, table.sum_confidence, table.sum_confidence_squared)
        )
        unknown = np.full(gap.shape, np.nan)
        return cls(count, confidence, confidence + gap, squared, unknown, unknown)

    def weighted(self, weights: FloatArray) -> "BinSums":
        """Weighted sums of the tables along the first axis; weights (resamples, tables)."""
        return BinSums(*(weights @ values for values in vars(self).values()))

    @property
    def sum_gap(self) -> FloatArray:
        """sum (o - c) per bin."""
        return self.sum_outcome - self.sum_confidence

    @property
    def sum_gap_squared(self) -> FloatArray:
        """sum (o - c)^2 per bin."""
        return self.sum_confidence_squared + self.sum_outcome_squared - 2 * self.sum_product

    @property
    def sum_label_variance(self) -> FloatArray:
        """sum c (1 - c) per bin."""
        return self.sum_confidence - self.sum_confidence_squared
