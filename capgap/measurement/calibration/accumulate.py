"""One pass over predictions: count and five exact sums per cell."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from capgap.measurement.calibration.fixed_point import IntArray, carry, split_sums
from capgap.measurement.calibration.predictions import FloatArray

__all__ = ["Part", "accumulate"]

Part = tuple[npt.NDArray[np.intp], FloatArray, FloatArray]
"""Cell, confidence and outcome of a chunk of predictions."""


def accumulate(parts: Iterable[Part], cells: int) -> tuple[IntArray, IntArray, IntArray]:
    """Count (cells,), and high and low integers (5, cells) of the sums of c, o, c^2, o^2, c o."""
    count = np.zeros(cells, dtype=np.int64)
    high, low = np.zeros((2, 5, cells), dtype=np.int64)
    for cell, c, o in parts:
        sums = _of_labels if _is_binary(o) else _of_probabilities
        n, h, l = sums(cell, c, o, cells)  # noqa: E741
        count += n
        high, low = carry(high + h, low + l)
    return count, high, low


def _is_binary(outcome: FloatArray) -> bool:
    return bool(outcome.dtype == np.bool_ or ((outcome == 0) | (outcome == 1)).all())


def _of_labels(
    cell: npt.NDArray[np.intp], c: FloatArray, o: FloatArray, cells: int
) -> tuple[IntArray, IntArray, IntArray]:
    # One pass sums c apart for o = 0 and o = 1; o^2 = o, and c o is the part with o = 1.
    key = 2 * cell
    key += o.astype(np.intp)
    n = np.bincount(key, minlength=2 * cells).reshape(cells, 2)
    (c_high, c_low), (cc_high, cc_low) = (
        (part.reshape(cells, 2) for part in split_sums(values, key, 2 * cells))
        for values in (c, c * c)
    )
    right = n[:, 1] << 26  # ones in units of 2^-26
    zero = np.zeros_like(right)
    high = np.stack([c_high.sum(1), right, cc_high.sum(1), right, c_high[:, 1]])
    low = np.stack([c_low.sum(1), zero, cc_low.sum(1), zero, c_low[:, 1]])
    return n.sum(1), high, low


def _of_probabilities(
    cell: npt.NDArray[np.intp], c: FloatArray, o: FloatArray, cells: int
) -> tuple[IntArray, IntArray, IntArray]:
    sums = [split_sums(values, cell, cells) for values in (c, o, c * c, o * o, c * o)]
    high, low = np.stack([h for h, _ in sums]), np.stack([low for _, low in sums])
    return np.bincount(cell, minlength=cells), high, low
