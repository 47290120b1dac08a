"""Calibration class by class: of every probability, or of the predicted class."""

from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import bin_index, check_edges, equal_width_edges
from capgap.measurement.calibration.estimators import ece
from capgap.measurement.calibration.predictions import (
    FloatArray,
    check_labels,
    check_probabilities,
    row_chunks,
    same_length,
)
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["classwise_ece", "classwise_table", "top_label_ece", "top_label_table"]

Part = tuple[npt.NDArray[np.intp], FloatArray, FloatArray]


def classwise_table(
    probabilities: Any,
    labels: Any,
    edges: npt.ArrayLike | None = None,
    *,
    tolerance: float | None = None,
) -> ReliabilityTable:
    """One table per class, shape (classes, bins): c = p_k and o = [y = k] for every row and k.

    Memory: 11 integers per class and bin, whatever the number of rows. Tables of batches add up.

    Raises
    ------
    InputError
        As `check_probabilities` and `check_labels`.
    """
    checked = equal_width_edges() if edges is None else check_edges(edges)
    bins, classes = checked.size - 1, _classes(probabilities, labels)

    def part(rows: slice) -> Part:
        p = check_probabilities(probabilities, "classwise", rows, tolerance=tolerance)
        y = check_labels(labels, classes, "classwise", rows)
        right = np.zeros(p.shape)
        right[np.arange(y.size), y] = 1.0
        cell = bin_index(p.ravel(), checked).reshape(p.shape) + bins * np.arange(classes)
        return cell.ravel(), p.ravel(), right.ravel()

    return ReliabilityTable.from_parts(
        checked, (classes, bins), map(part, row_chunks(probabilities))
    )


def classwise_ece(table: ReliabilityTable) -> float:
    """Mean over classes of the ECE of `classwise_table` (Kull et al. 2019, arXiv 1910.12656).

    >>> classwise_ece(classwise_table([[0.5, 0.5], [0.25, 0.75]], [0, 1]))
    0.375
    """
    if table.count.ndim != 2:
        raise InputError(f"classwise: counts of shape {table.count.shape} must be (classes, bins)")
    return float(ece(table).mean())


def top_label_table(
    probabilities: Any,
    labels: Any,
    edges: npt.ArrayLike | None = None,
    *,
    tolerance: float | None = None,
) -> ReliabilityTable:
    """One table per predicted class, shape (classes, bins): c = max_k p_k, o = [argmax = y].

    `pooled()` is the table of confidence calibration.
    """
    checked = equal_width_edges() if edges is None else check_edges(edges)
    bins, classes = checked.size - 1, _classes(probabilities, labels)

    def part(rows: slice) -> Part:
        p = check_probabilities(probabilities, "top-label", rows, tolerance=tolerance)
        y = check_labels(labels, classes, "top-label", rows)
        top = p.argmax(axis=1)
        c = p[np.arange(top.size), top]
        return bin_index(c, checked) + bins * top, c, (top == y).astype(np.float64)

    return ReliabilityTable.from_parts(
        checked, (classes, bins), map(part, row_chunks(probabilities))
    )


def top_label_ece(table: ReliabilityTable) -> float:
    """ECE within each predicted class, weighted by how often it is predicted:
    sum_k sum_b |sum (o - c)| / N (Gupta & Ramdas 2022, arXiv 2107.08353). At least the ECE of
    the pooled table, since classes refine its bins.

    >>> table = top_label_table([[0.75, 0.25], [0.25, 0.75]], [0, 0])
    >>> top_label_ece(table), float(ece(table.pooled()))
    (0.5, 0.25)
    """
    if table.count.ndim != 2 or not table.count.any():
        raise InputError(f"top-label: counts of shape {table.count.shape} must be (classes, bins)")
    return float(np.abs(table.sum_gap).sum() / table.count.sum())


def _classes(probabilities: Any, labels: Any) -> int:
    same_length("classwise", probabilities=probabilities, labels=labels)
    shape = np.shape(probabilities)
    if len(shape) != 2:
        raise InputError(f"classwise: probabilities of shape {shape} must be (rows, classes)")
    return int(shape[1])
