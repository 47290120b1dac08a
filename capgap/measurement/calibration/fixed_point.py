"""Sums of numbers in [0, 1] that do not depend on the order: fixed point, 53 bits after the point.

A number x is taken as the multiple of 2^-53 nearest to it. Every float64 from 1/2 up, and every
float32 from 2^-29 up, is such a multiple; any other moves by 2^-54 at most. In units of 2^-26 and
2^-53, x = (h + l 2^-27) 2^-26 with integers 0 <= h <= 2^26 and 0 <= l <= 2^27. Sums of h and of l
over a chunk stay below 2^53, so that float64 adds them without rounding, and the totals are kept
as integers. So a total is exact, whatever the order, the chunks or the machines.
"""

import numpy as np
import numpy.typing as npt

from capgap.measurement.calibration.predictions import FloatArray

__all__ = ["CAPACITY", "LOW_BITS", "UNIT", "IntArray", "carry", "split_sums", "to_float"]

IntArray = npt.NDArray[np.int64]

HIGH_BITS, LOW_BITS = 26, 27
UNIT = 2.0 ** -(HIGH_BITS + LOW_BITS)
CAPACITY = 1 << 36  # numbers whose sum the integers hold for certain


def split_sums(
    values: FloatArray, cell: npt.NDArray[np.intp], cells: int
) -> tuple[IntArray, IntArray]:
    """Sums of `values` in [0, 1] by cell, as high and low integers; at most 2^25 values."""
    low = values * 2.0**HIGH_BITS
    high = np.floor(low)
    low -= high
    low *= 2.0**LOW_BITS
    np.rint(low, out=low)
    return (
        np.bincount(cell, weights=high, minlength=cells).astype(np.int64),
        np.bincount(cell, weights=low, minlength=cells).astype(np.int64),
    )


def carry(high: IntArray, low: IntArray) -> tuple[IntArray, IntArray]:
    """The same number with 0 <= low < 2^27: one number, one pair."""
    return high + (low >> LOW_BITS), low & ((1 << LOW_BITS) - 1)


def to_float(high: IntArray, low: IntArray) -> FloatArray:
    """The sum as float64: the nearest one up to 1.3e8 numbers, within one unit in the last place
    beyond.

    >>> to_float(np.array([1 << 25]), np.array([0]))
    array([0.5])
    """
    high, low = carry(high, low)
    return np.asarray(np.ldexp(high, -HIGH_BITS) + np.ldexp(low, -HIGH_BITS - LOW_BITS))
