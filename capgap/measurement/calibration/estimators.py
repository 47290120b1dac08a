"""Calibration errors as functions of binned sums."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from capgap.errors import InputError
from capgap.measurement.calibration.fixed_point import IntArray
from capgap.measurement.calibration.predictions import FloatArray

__all__ = ["Measure", "Sums", "ece", "l2", "mce", "mean_gap", "plug_in_bias", "total"]


class Sums(Protocol):
    """Count and sums per bin, shape (..., bins): a `ReliabilityTable`, or resamples of one."""

    @property
    def count(self) -> IntArray | FloatArray: ...
    @property
    def sum_gap(self) -> FloatArray: ...
    @property
    def sum_gap_squared(self) -> FloatArray: ...
    @property
    def sum_outcome(self) -> FloatArray: ...
    @property
    def sum_outcome_squared(self) -> FloatArray: ...
    @property
    def sum_label_variance(self) -> FloatArray: ...


Measure = Callable[[Sums], FloatArray]
"""A calibration error of binned sums (..., bins), shape (...): `ece`, `l2`, `debiased_ece`, .."""


def total(sums: Sums, operation: str) -> FloatArray:
    """Number of predictions, shape (...); refuses a table without any."""
    n = np.asarray(sums.count.sum(axis=-1), dtype=np.float64)
    if n.size == 0 or not (n > 0).all():
        raise InputError(f"{operation}: 0 predictions, must be at least 1")
    return n


def ece(sums: Sums) -> FloatArray:
    """Expected calibration error: sum_b (n_b / N) |mean o - mean c| = sum_b |sum (o - c)| / N.

    The plug-in estimate of the binned L1 error, in [0, 1]; empty bins add nothing. It is too
    large on few data (`plug_in_bias`), and finer bins never make it smaller. With a table of
    accuracies it is the ECE of Naeini, Cooper & Hauskrecht 2015 as in arXiv 2502.08606, E.8;
    with a reference probability as outcome it is ECE_Dist. Shape (...): one number per leading
    index of the table.

    Raises
    ------
    InputError
        The table is empty.

    Examples
    --------
    Two predictions in one bin, (.95 + 1) / 2 against 1 / 2:

    >>> from capgap.measurement.calibration.bins import equal_width_edges
    >>> from capgap.measurement.calibration.table import ReliabilityTable
    >>> float(ece(ReliabilityTable.of([0.95, 1.0], [1, 0], equal_width_edges(15))))
    0.475
    """
    return np.asarray(np.abs(sums.sum_gap).sum(axis=-1) / total(sums, "ece"))


def mce(sums: Sums) -> FloatArray:
    """Maximum calibration error: max over bins with n_b > 0 of |mean o - mean c|."""
    total(sums, "mce")
    return np.asarray(np.abs(_gap(sums)).max(axis=-1))


def l2(sums: Sums) -> FloatArray:
    """Root mean square calibration error: sqrt(sum_b (n_b / N) (mean o - mean c)^2), plug-in."""
    squares = _gap(sums) * sums.sum_gap
    return np.asarray(np.sqrt(squares.sum(axis=-1) / total(sums, "l2")))


def mean_gap(sums: Sums) -> FloatArray:
    """sum (o - c) / N: mean outcome minus mean confidence; below 0 when over-confident.

    Its absolute value is the ECE of a single bin, the smallest that any bins can give.
    """
    return np.asarray(sums.sum_gap.sum(axis=-1) / total(sums, "mean gap"))


def plug_in_bias(sums: Sums, *, outcome: Literal["label", "reference"] = "label") -> FloatArray:
    """What the plug-in ECE is on average when the truth is calibrated:
    sum_b w_b sqrt(2 v_b / (pi n_b)), w_b = n_b / N.

    v_b is the variance of o - c in bin b: the mean of c (1 - c) for labels drawn with chance c,
    or, for a reference probability, its sample variance sum (o - c)^2 / n_b (whose mean is 0 by
    assumption). From E|N(0, s^2)| = s sqrt(2 / pi): good where bins hold more than a few
    independent outcomes.

    >>> from capgap.measurement.calibration.table import ReliabilityTable
    >>> table = ReliabilityTable.of([0.5] * 200, [0, 1] * 100)
    >>> round(float(plug_in_bias(table)), 5)  # sqrt(2 * .25 / (pi 200))
    0.02821
    """
    squares = sums.sum_label_variance if outcome == "label" else sums.sum_gap_squared
    spread = np.sqrt(2 * np.maximum(squares, 0.0) / np.pi)
    return np.asarray(spread.sum(axis=-1) / total(sums, "plug-in bias"))


def _gap(sums: Sums) -> FloatArray:
    return np.asarray(sums.sum_gap / np.maximum(sums.count, 1))
