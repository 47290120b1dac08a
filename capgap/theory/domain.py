"""Checks at the door of the laws: which numbers an equation accepts."""

import math

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError

__all__ = ["FloatArray", "positive_array", "require"]

FloatArray = npt.NDArray[np.float64]


def positive_array(operation: str, name: str, value: npt.ArrayLike) -> FloatArray:
    """Return `value` as a float64 array; every entry must be finite and above zero.

    >>> positive_array("loss", "N", [1, 2])
    array([1., 2.])
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{operation}: {name} = {value!r} must be numbers") from error
    bad = ~(np.isfinite(array) & (array > 0))
    if np.any(bad):
        raise InputError(f"{operation}: {name} = {array[bad].flat[0]:g} must be finite and > 0")
    return array


def require(operation: str, name: str, value: float, *, zero_allowed: bool = False) -> None:
    """Raise unless a coefficient is finite and positive (or zero, where that is allowed).

    >>> require("SupervisedLaw", "E", 0.0, zero_allowed=True)
    """
    rule = ">= 0" if zero_allowed else "> 0"
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero_allowed):
        raise InputError(f"{operation}: {name} = {value:g} must be finite and {rule}")
