"""The reliability table: all that binned calibration measures need, in constant memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.accumulate import accumulate
from capgap.measurement.calibration.bins import bin_index, check_edges, equal_width_edges
from capgap.measurement.calibration.fixed_point import CAPACITY, LOW_BITS, IntArray, carry, to_float
from capgap.measurement.calibration.predictions import (
    FloatArray,
    as_array,
    check_confidence,
    chunks,
    same_length,
)

__all__ = ["SUMS", "ReliabilityTable", "stack"]

SUMS = ("confidence", "outcome", "confidence_squared", "outcome_squared", "product")
"""What is summed per bin, in this order: c, o, c^2, o^2 and c o."""


@dataclass(frozen=True, eq=False)
class ReliabilityTable:
    """Per bin: how many predictions, and the sums of c, o, c^2, o^2 and c o.

    c is a confidence in [0, 1]; o is what it should match: 0 or 1 (right or wrong), or a
    reference probability in [0, 1]. Tables of parts add up to the table of the whole, bit for
    bit, in any order (`fixed_point` says how). Leading axes hold tables side by side: one per
    class, or one per sequence.

    Parameters
    ----------
    edges : (bins + 1,), from 0 to 1; bins are [e_k, e_(k+1)), the last one closed
    count : (..., bins), integers
    high, low : (5, ..., bins), integers: each sum is (high + low 2^-27) 2^-26, 0 <= low < 2^27

    >>> table = ReliabilityTable.of([0.25, 0.75, 1.0], [0, 1, 1], equal_width_edges(2))
    >>> table.count.tolist(), table.sum_confidence.tolist(), table.sum_outcome.tolist()
    ([1, 2], [0.25, 1.75], [0.0, 2.0])
    >>> table + table == ReliabilityTable.of([0.25, 0.75, 1.0] * 2, [0, 1, 1] * 2, table.edges)
    True
    """

    edges: FloatArray
    count: IntArray
    high: IntArray
    low: IntArray

    @classmethod
    def of(
        cls,
        confidence: Any,
        outcome: Any,
        edges: npt.ArrayLike | None = None,
        groups: Any = None,
    ) -> "ReliabilityTable":
        """The table of arrays or tensors, shape (n,) each, read in chunks.

        `edges` are 21 of equal width if not given. With `groups` (a label per row, of any kind
        that sorts) there is one table for each group, in sorted order of the labels:
        shape (groups, bins).

        Raises
        ------
        InputError
            Values outside [0, 1] or missing, with the row; different lengths; wrong edges.
        """
        checked = equal_width_edges() if edges is None else check_edges(edges)
        n = same_length("table", confidence=confidence, outcome=outcome)
        shape: tuple[int, ...] = (checked.size - 1,)
        offset: npt.NDArray[np.intp] | None = None
        if groups is not None:
            same_length("table", confidence=confidence, groups=groups)
            found, number = np.unique(as_array(groups), return_inverse=True)
            offset, shape = number.astype(np.intp) * shape[0], (found.size, *shape)

        def part(rows: slice) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
            c = check_confidence(confidence, "table", rows)
            cell = bin_index(c, checked)
            cell = cell if offset is None else cell + offset[rows]
            return cell, c, check_confidence(outcome, "table", rows, name="outcome")

        cells = int(np.prod(shape))
        return cls.from_parts(checked, shape, map(part, chunks(n, chunk_size(cells))))

    @classmethod
    def from_parts(
        cls, edges: FloatArray, shape: tuple[int, ...], parts: Any
    ) -> "ReliabilityTable":
        """The table of chunks (cell, confidence, outcome), cells counted through `shape`."""
        count, high, low = accumulate(parts, int(np.prod(shape)))
        return cls(edges, count.reshape(shape), high.reshape(5, *shape), low.reshape(5, *shape))

    @classmethod
    def empty(cls, edges: npt.ArrayLike | None = None) -> "ReliabilityTable":
        """The table of no predictions: the zero of `merge`."""
        return cls.of([], [], edges)

    def merge(self, other: "ReliabilityTable") -> "ReliabilityTable":
        """The table of both parts together; exact, in any order.

        Raises
        ------
        InputError
            Other edges, another shape, or more than 2^36 predictions in one bin.
        """
        if not np.array_equal(self.edges, other.edges) or self.count.shape != other.count.shape:
            raise InputError("merge: tables must have the same edges and the same shape")
        count = self.count + other.count
        if count.size and count.max() > CAPACITY:
            raise InputError(f"merge: {count.max()} predictions in a bin, must be at most 2^36")
        return ReliabilityTable(
            self.edges, count, *carry(self.high + other.high, self.low + other.low)
        )

    __add__ = merge

    def pooled(self) -> "ReliabilityTable":
        """The tables along the leading axes merged into one, shape (bins,)."""
        axes = tuple(range(self.count.ndim - 1))
        below = tuple(axis + 1 for axis in axes)
        sums = carry(self.high.sum(axis=below), self.low.sum(axis=below))
        return ReliabilityTable(self.edges, self.count.sum(axis=axes), *sums)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReliabilityTable):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("edges", "count", "high", "low")
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def bins(self) -> int:
        """Number of bins, empty ones included."""
        return int(self.edges.size - 1)

    @property
    def empty_bins(self) -> int:
        """Number of bins without a prediction."""
        return int(np.count_nonzero(self.count == 0))

    def _sum(self, *terms: tuple[int, str]) -> FloatArray:
        # Differences are taken between integers: nothing cancels.
        high = sum(sign * self.high[SUMS.index(name)] for sign, name in terms)
        low = sum(sign * self.low[SUMS.index(name)] for sign, name in terms)
        return to_float(np.asarray(high), np.asarray(low))

    @cached_property
    def sum_confidence(self) -> FloatArray:
        """sum c per bin."""
        return self._sum((1, "confidence"))

    @cached_property
    def sum_outcome(self) -> FloatArray:
        """sum o per bin."""
        return self._sum((1, "outcome"))

    @cached_property
    def sum_gap(self) -> FloatArray:
        """sum (o - c) per bin, without cancellation."""
        return self._sum((1, "outcome"), (-1, "confidence"))

    @cached_property
    def sum_gap_squared(self) -> FloatArray:
        """sum (o - c)^2 per bin; its total over n is the Brier score."""
        return self._sum((1, "confidence_squared"), (1, "outcome_squared"), (-2, "product"))

    @cached_property
    def sum_confidence_squared(self) -> FloatArray:
        """sum c^2 per bin."""
        return self._sum((1, "confidence_squared"))

    @cached_property
    def sum_outcome_squared(self) -> FloatArray:
        """sum o^2 per bin."""
        return self._sum((1, "outcome_squared"))

    @cached_property
    def sum_product(self) -> FloatArray:
        """sum c o per bin."""
        return self._sum((1, "product"))

    @cached_property
    def sum_label_variance(self) -> FloatArray:
        """sum c (1 - c) per bin: the variance of sum o if labels are drawn with chance c."""
        return self._sum((1, "confidence"), (-1, "confidence_squared"))

    @cached_property
    def mean_confidence(self) -> FloatArray:
        """Mean confidence per bin; nan where a bin is empty."""
        return self._mean(self.sum_confidence)

    @cached_property
    def mean_outcome(self) -> FloatArray:
        """Mean outcome (accuracy or reference) per bin; nan where a bin is empty."""
        return self._mean(self.sum_outcome)

    @cached_property
    def variance_confidence(self) -> FloatArray:
        """Variance of confidence within each bin (divided by n); nan where a bin is empty."""
        return self._variance(self.sum_confidence_squared, self.mean_confidence)

    @cached_property
    def variance_outcome(self) -> FloatArray:
        """Variance of the outcome within each bin (divided by n); nan where a bin is empty."""
        return self._variance(self.sum_outcome_squared, self.mean_outcome)

    @cached_property
    def covariance(self) -> FloatArray:
        """Covariance of confidence and outcome within each bin; nan where a bin is empty."""
        return self._mean(self.sum_product) - self.mean_confidence * self.mean_outcome

    def _mean(self, total: FloatArray) -> FloatArray:
        missing = np.full(total.shape, np.nan)
        return np.asarray(np.divide(total, self.count, out=missing, where=self.count > 0))

    def _variance(self, squares: FloatArray, mean: FloatArray) -> FloatArray:
        return np.maximum(self._mean(squares) - mean**2, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Numbers and lists only; sums are integers in units of 2^-53, so nothing is lost."""
        sums = self.high.astype(object) * (1 << LOW_BITS) + self.low.astype(object)
        named = {f"sum_{name}": sums[k].tolist() for k, name in enumerate(SUMS)}
        start = {"edges": self.edges.tolist(), "count": self.count.tolist(), "unit": "2^-53"}
        return start | named

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ReliabilityTable":
        """The inverse of `to_json`.

        Raises
        ------
        InputError
            A key is missing, an entry is no integer, or shapes disagree.
        """
        try:
            edges = check_edges(data["edges"])
            count = np.array(data["count"], dtype=np.int64)
            sums = np.array([data[f"sum_{name}"] for name in SUMS], dtype=object)
            high = (sums // (1 << LOW_BITS)).astype(np.int64)
            low = (sums % (1 << LOW_BITS)).astype(np.int64)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"table: {error!r}: must be what to_json writes") from None
        if count.ndim < 1 or count.shape[-1] != edges.size - 1 or high.shape != (5, *count.shape):
            raise InputError("table: count and sums must have one entry per bin")
        return cls(edges, count, high, low)


def chunk_size(cells: int) -> int:
    """Rows per chunk: small enough for the processor's cache, large beside the number of cells.

    At most 2^22, far below the 2^25 up to which a chunk adds up without rounding.
    """
    return int(min(1 << 22, max(1 << 15, 2 * cells)))


def stack(tables: Sequence[ReliabilityTable]) -> ReliabilityTable:
    """Tables of several sequences side by side: shape (tables, bins), for the bootstrap.

    Raises
    ------
    InputError
        No table, or tables of different edges.
    """
    if not tables:
        raise InputError("stack: 0 tables, must be at least 1")
    first = tables[0]
    if any(not np.array_equal(first.edges, table.edges) for table in tables):
        raise InputError("stack: tables must have the same edges")
    count = np.stack([table.count for table in tables])
    high = np.stack([table.high for table in tables], axis=1)
    low = np.stack([table.low for table in tables], axis=1)
    return ReliabilityTable(first.edges, count, high, low)
