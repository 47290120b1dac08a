"""Bins of confidence: half-open [e_k, e_(k+1)), the last one closed, so 0 and 1 are counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.predictions import FloatArray, check_confidence, chunks

__all__ = [
    "BINS",
    "MassHistogram",
    "bin_index",
    "check_edges",
    "equal_mass_edges",
    "equal_width_edges",
    "mass_cuts",
]

BINS = 21  # the paper's (arXiv 2502.08606, E.8)

_CELLS = 1 << 20  # of the histogram that stands in for sorting; a power of 2: cells are exact


def equal_width_edges(bins: int = BINS) -> FloatArray:
    """Edges k / bins for k = 0 .. bins, each the float64 nearest to the fraction.

    Raises
    ------
    InputError
        `bins` below 1.

    >>> equal_width_edges(4)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if bins < 1:
        raise InputError(f"bins: bins = {bins} must be at least 1")
    return np.asarray(np.arange(bins + 1) / bins)


def check_edges(edges: npt.ArrayLike) -> FloatArray:
    """Edges as float64, shape (bins + 1,): from 0 to 1, strictly increasing."""
    checked = np.asarray(edges, dtype=np.float64)
    if checked.ndim != 1 or checked.size < 2:
        raise InputError(f"bins: edges of shape {checked.shape} must be a list of at least 2")
    if checked[0] != 0 or checked[-1] != 1 or not (np.diff(checked) > 0).all():
        raise InputError("bins: edges must rise strictly from 0 to 1")
    return checked


def bin_index(confidence: npt.ArrayLike, edges: FloatArray) -> npt.NDArray[np.intp]:
    """Bin of each confidence: the k with e_k <= c < e_(k+1), or the last one for c = 1.

    Edges are float64 always, and a confidence of lower precision is widened before it is
    compared, which changes no value. So float32 numbers and their float64 copies share their
    bins. (float32(0.7) is .69999999 and lies below the edge .7: the number decides, not its
    name.) For equal widths floor(c bins) is computed and put right by comparison with the two
    edges at hand, so that the answer is that of a binary search, bit for bit.

    >>> bin_index([0, .25, .4999, .5, 1], equal_width_edges(4)).tolist()
    [0, 1, 1, 2, 3]
    """
    c = np.asarray(confidence, dtype=np.float64)
    bins = edges.size - 1
    if not np.array_equal(edges, equal_width_edges(bins)):
        found = np.searchsorted(edges, c, side="right") - 1
        return np.minimum(found, bins - 1, out=found)
    k: npt.NDArray[np.intp] = (c * bins).astype(np.intp)
    np.minimum(k, bins - 1, out=k)
    # The product is rounded once, so k is off by one at most.
    above = np.append(edges[1:-1], np.inf)
    too_low, too_high = c >= above[k], c < edges[k]
    k += too_low
    k -= too_high
    return k


def mass_cuts(ordered: FloatArray, bins: int) -> npt.NDArray[np.intp]:
    """Where to cut sorted values into `bins` groups of equal mass without parting equal values.

    The cut nearest to rank j n / bins is taken among the places where the values change, the
    earlier one if two are as near; cuts that coincide are one cut. Returns ranks, 0 and n
    included: shape (groups + 1,), groups <= bins.

    >>> mass_cuts(np.array([.1, .2, .2, .2, .9, .9]), 2).tolist()
    [0, 4, 6]
    """
    n = ordered.size
    steps = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1, [n]))
    return nearest_cuts(steps, bins)


def nearest_cuts(steps: npt.NDArray[np.integer[Any]], bins: int) -> npt.NDArray[np.intp]:
    """The allowed ranks (`steps`, from 0 to n) that lie nearest to j n / bins, without repeats."""
    n = int(steps[-1])
    # Ranks are compared as integers, bins * rank against j * n: no rounding decides a tie.
    target, scaled = np.arange(1, bins) * n, steps * bins
    right = np.clip(np.searchsorted(scaled, target), 1, steps.size - 1)
    nearer_left = target - scaled[right - 1] <= scaled[right] - target
    cuts = steps[np.where(nearer_left, right - 1, right)]
    return np.unique(np.concatenate(([0], cuts, [n]))).astype(np.intp)


def equal_mass_edges(confidence: npt.ArrayLike, bins: int = BINS) -> FloatArray:
    """Edges that give each bin the same share of the confidences, equal values kept together.

    An edge is the smallest confidence of the bin above it. Heavy ties make fewer bins, never a
    bin that parts equal values, and not one bin for all unless all are equal.

    Raises
    ------
    InputError
        No confidence, one outside [0, 1], or `bins` below 1.

    >>> equal_mass_edges([.1, .2, .2, .2, .9, .9], bins=2)
    array([0. , 0.9, 1. ])
    """
    if bins < 1:
        raise InputError(f"bins: bins = {bins} must be at least 1")
    ordered = np.sort(check_confidence(confidence, "equal_mass_edges"))
    if ordered.size == 0:
        raise InputError("equal_mass_edges: 0 confidences, must be at least 1")
    return _edges_at(ordered[mass_cuts(ordered, bins)[1:-1]])


def _edges_at(inner: FloatArray) -> FloatArray:
    # A bin that begins at 1 holds the ones alone: [1, 1] would have no width, so it begins
    # at the last number before 1 (no float64 lies between).
    inner = np.minimum(inner, np.nextafter(1.0, 0.0))
    return np.unique(np.concatenate(([0.0], inner, [1.0])))


@dataclass(frozen=True, eq=False)
class MassHistogram:
    """Counts of confidences in 2^20 cells: equal-mass edges of a stream, in constant memory.

    Histograms of parts add up. The first pass over a corpus makes one, the second fills a table
    with its edges. Edges are multiples of 2^-20, so equal values stay together, and each cut
    misses the one that sorting would find by the mass of one cell at most.

    >>> parts = MassHistogram.of([.25, .5]) + MassHistogram.of([.5, .75, .75])
    >>> parts.edges(2)
    array([0.  , 0.75, 1.  ])
    """

    count: npt.NDArray[np.int64]

    @classmethod
    def of(cls, confidence: npt.ArrayLike) -> "MassHistogram":
        """Count the confidences, shape (n,), chunk by chunk."""
        count = np.zeros(_CELLS, dtype=np.int64)
        for rows in chunks(np.shape(confidence)[0], _CELLS):
            c = check_confidence(confidence, "mass histogram", rows)
            cell = np.minimum((c * _CELLS).astype(np.intp), _CELLS - 1)
            count += np.bincount(cell, minlength=_CELLS)
        return cls(count)

    def __add__(self, other: "MassHistogram") -> "MassHistogram":
        return MassHistogram(self.count + other.count)

    def edges(self, bins: int = BINS) -> FloatArray:
        """Equal-mass edges at cell boundaries; the rule of `equal_mass_edges`."""
        if bins < 1:
            raise InputError(f"bins: bins = {bins} must be at least 1")
        filled = np.flatnonzero(self.count)
        if filled.size == 0:
            raise InputError("equal-mass edges: 0 confidences, must be at least 1")
        steps = np.concatenate(([0], np.cumsum(self.count[filled])))
        cuts = nearest_cuts(steps, bins)[1:-1]
        return _edges_at(filled[np.searchsorted(steps, cuts)] / _CELLS)
