"""Predictions at the door: probabilities, confidences, outcomes, labels, checked once.

Arrays of numpy or tensors of torch (on any device; they are copied to the host). A violation
is refused with the row where it happens first. Rows are read in chunks, so that a file mapped
into memory is never loaded as a whole.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = [
    "SUM_TOLERANCE",
    "FloatArray",
    "as_array",
    "check_confidence",
    "check_labels",
    "check_probabilities",
    "chunks",
    "confidence_and_accuracy",
    "same_length",
    "sum_tolerance",
]

FloatArray = npt.NDArray[np.float64]

SUM_TOLERANCE = {"float16": 4e-3, "bfloat16": 4e-3, "float32": 1e-5, "float64": 1e-8}
"""How far a row of probabilities may sum from 1, by type.

Half precision: each probability is off by 2^-9 of itself at most (bfloat16), so their sum by
.002; float32: a softmax over 1e5 classes stays within 1e-5. Probabilities that were computed in
one type and stored in a wider one need the tolerance of the first: pass it.
"""


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows that cover 0 .. n."""
    return (slice(first, min(n, first + size)) for first in range(0, n, size))


def as_array(values: Any) -> npt.NDArray[Any]:
    """A numpy array of an array, a list or a torch tensor; bfloat16 becomes float32, exactly."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        return np.asarray(values.numpy())
    return np.asarray(values)


def sum_tolerance(values: Any) -> float:
    """The tolerance of `SUM_TOLERANCE` for the type of an array or a tensor."""
    name = str(getattr(values, "dtype", "float64")).removeprefix("torch.")
    return SUM_TOLERANCE.get(name, SUM_TOLERANCE["float64"])


def same_length(operation: str, **arrays: Any) -> int:
    """The common number of rows; refuses arrays of different lengths."""
    for name, values in arrays.items():
        if np.shape(values) == ():
            raise InputError(f"{operation}: {name} of shape () must have rows")
    sizes = {name: int(np.shape(values)[0]) for name, values in arrays.items()}
    if len(set(sizes.values())) != 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"{operation}: rows ({told}) must be as many in each")
    return next(iter(sizes.values()))


def check_confidence(
    values: Any, operation: str, rows: slice = slice(None), name: str = "confidence"
) -> FloatArray:
    """Values of some rows as float64, all within [0, 1] and none missing.

    A value above 1 by no more than the tolerance of its type (rounding in exp or softmax) is
    taken for 1.

    Raises
    ------
    InputError
        Not one number per row; a value that is missing or outside [0, 1], with its row.

    >>> check_confidence([0.5, -1.5], "table")
    Traceback (most recent call last):
        ...
    capgap.errors.InputError: table: confidence = -1.5 in row 1 must be in [0, 1]
    """
    part = as_array(values[rows] if rows != slice(None) else values)
    if part.ndim != 1 or part.dtype.kind not in "fiub":
        shape = f"shape {part.shape} and type {part.dtype}"
        raise InputError(f"{operation}: {name} of {shape} must be one number per row")
    checked = part.astype(np.float64, copy=False)
    if part.dtype == np.bool_ or part.size == 0:
        return checked
    # A missing value makes the minimum missing, and every comparison with it false.
    low, high = part.min(), part.max()
    if low >= 0 and high <= 1:
        return checked
    bad = ~((checked >= 0) & (checked <= 1 + sum_tolerance(values)))
    if bad.any():
        row = int(np.argmax(bad))
        told = f"{name} = {float(checked[row]):.6g} in row {row + (rows.start or 0)}"
        raise InputError(f"{operation}: {told} must be in [0, 1]")
    return np.minimum(checked, 1.0)


def check_probabilities(
    values: Any,
    operation: str,
    rows: slice = slice(None),
    *,
    tolerance: float | None = None,
    name: str = "probabilities",
) -> FloatArray:
    """Rows of probabilities as float64, shape (rows, classes), each within [0, 1], sum 1.

    `tolerance` is how far a sum may lie from 1; by default that of the type (`SUM_TOLERANCE`).
    Rows are not renormalized.

    Raises
    ------
    InputError
        Not a matrix; a value that is missing or outside [0, 1] (logits), or a row whose sum is
        not 1: each with its row.

    >>> check_probabilities([[0.5, 0.5], [2.0, -1.0]], "table")
    Traceback (most recent call last):
        ...
    capgap.errors.InputError: table: probabilities in row 1 hold 2, must be in [0, 1]; are they logits?
    """  # noqa: E501
    part = as_array(values[rows] if rows != slice(None) else values)
    if part.ndim != 2 or part.shape[1] == 0 or part.dtype.kind not in "fiub":
        shape = f"shape {part.shape} and type {part.dtype}"
        raise InputError(f"{operation}: {name} of {shape} must be numbers (rows, classes)")
    checked = part.astype(np.float64, copy=False)
    if checked.shape[0] == 0:
        return checked
    allowed = sum_tolerance(values) if tolerance is None else tolerance
    first = rows.start or 0
    if not (checked.min() >= 0 and checked.max() <= 1 + allowed):
        bad = ~((checked >= 0) & (checked <= 1 + allowed))
        row = int(np.argmax(bad.any(axis=1)))
        value = float(checked[row, int(np.argmax(bad[row]))])
        told = f"{name} in row {row + first} hold {value:.6g}, must be in [0, 1]"
        hint = "" if np.isnan(value) else "; are they logits?"
        raise InputError(f"{operation}: {told}{hint}")
    total = checked.sum(axis=1)
    off = np.abs(total - 1) > allowed
    if off.any():
        row = int(np.argmax(off))
        told = f"{name} in row {row + first} sum to {total[row]:.9g}"
        raise InputError(f"{operation}: {told}, must be 1 within {allowed:.3g}")
    return np.minimum(checked, 1.0) if checked.max() > 1 else checked


def check_labels(
    values: Any, classes: int, operation: str, rows: slice = slice(None)
) -> npt.NDArray[np.intp]:
    """Labels of some rows: integers from 0 to classes - 1.

    Raises
    ------
    InputError
        Not integers, not one per row, or one out of range, with its row.
    """
    part = as_array(values[rows] if rows != slice(None) else values)
    if part.ndim != 1 or part.dtype.kind not in "iu":
        shape = f"shape {part.shape} and type {part.dtype}"
        raise InputError(f"{operation}: labels of {shape} must be one integer per row")
    bad = (part < 0) | (part >= classes)
    if bad.any():
        row = int(np.argmax(bad))
        told = f"label = {int(part[row])} in row {row + (rows.start or 0)}"
        raise InputError(f"{operation}: {told} must be in 0 .. {classes - 1}")
    return part.astype(np.intp)


def confidence_and_accuracy(
    probabilities: Any, labels: Any, *, tolerance: float | None = None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Top probability of each row, and whether its class is the label.

    c_i = max_k p_ik, o_i = [argmax_k p_ik = y_i]; of equal probabilities the first class counts.

    Parameters
    ----------
    probabilities : array or tensor, shape (n, classes)
    labels : array or tensor of integers, shape (n,)
    tolerance : how far the sum of a row may lie from 1; by default by type

    Raises
    ------
    InputError
        As `check_probabilities` and `check_labels`; different lengths.

    >>> c, o = confidence_and_accuracy([[0.25, 0.75], [0.5, 0.5]], [1, 1])
    >>> c.tolist(), o.tolist()
    ([0.75, 0.5], [True, False])
    """
    operation = "confidence"
    n = same_length(operation, probabilities=probabilities, labels=labels)
    confidence, outcome = np.empty(n), np.empty(n, dtype=np.bool_)
    probabilities, labels = _sliceable(probabilities), _sliceable(labels)
    for rows in row_chunks(probabilities):
        p = check_probabilities(probabilities, operation, rows, tolerance=tolerance)
        y = check_labels(labels, p.shape[1], operation, rows)
        top = p.argmax(axis=1)
        confidence[rows], outcome[rows] = p[np.arange(top.size), top], top == y
    return confidence, outcome


def row_chunks(matrix: Any, numbers: int = 1 << 22) -> Iterator[slice]:
    """Slices of rows of a matrix with at most about `numbers` entries each."""
    shape = np.shape(matrix)
    width = int(shape[1]) if len(shape) > 1 else 1
    return chunks(int(shape[0]), max(1, numbers // max(1, width)))


def _sliceable(values: Any) -> Any:
    return values if hasattr(values, "dtype") else np.asarray(values)
