"""Checks at the door of the finite-sample models."""

from math import inf, isfinite

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray

__all__ = ["CountArray", "count", "fits", "samples", "sizes", "variance"]

CountArray = npt.NDArray[np.int64]


def count(operation: str, name: str, value: int, most: int) -> int:
    """Return a count between 1 and `most`.

    >>> count("best_teacher_size", "n", 3, 5)
    3
    """
    if int(value) != value or not 1 <= value <= most:
        raise InputError(f"{operation}: {name} = {value} must be a count between 1 and {most}")
    return int(value)


def sizes(operation: str, name: str, value: npt.ArrayLike, most: int) -> CountArray:
    """Return an array of counts between 0 and `most`.

    >>> sizes("least_squares_pair", "m", [0, 2], 2).tolist()
    [0, 2]
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.size == 0 or array.min() < 0 or array.max() > most:
        raise InputError(f"{operation}: {name} = {value!r} must be counts between 0 and {most}")
    return array.astype(np.int64)


def samples(
    operation: str, name: str, value: npt.ArrayLike, above: float | FloatArray | CountArray = 0.0
) -> FloatArray:
    """Return numbers of samples, whole or infinite, all of them more than `above`.

    >>> samples("theta", "n_S", [5, float("inf")], 4).tolist()
    [5.0, inf]
    """
    array = np.asarray(value, dtype=np.float64)
    if array.size == 0 or not np.all((array == inf) | (array == np.floor(array))):
        raise InputError(f"{operation}: {name} = {value!r} must be counts or infinity")
    if not np.all(array > above):
        raise InputError(f"{operation}: {name} = {array.min():g} must be > {np.max(above):g}")
    return array


def variance(operation: str, name: str, value: float) -> float:
    """Return a variance, finite and at least zero.

    >>> variance("least_squares_pair", "noise", 0.5)
    0.5
    """
    if not isfinite(value) or value < 0:
        raise InputError(f"{operation}: {name} = {value:g} must be finite and >= 0")
    return float(value)


def fits(operation: str, spectrum: Spectrum, stage: Stage) -> None:
    """Raise unless the stage's features exist in the spectrum.

    >>> fits("chain", Spectrum([1.0], [1.0]), Stage(1, 10))
    """
    if stage.features > spectrum.size:
        raise InputError(
            f"{operation}: features = {stage.features} must be at most the spectrum's"
            f" {spectrum.size}"
        )
