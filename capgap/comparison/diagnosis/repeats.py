"""Repeated runs: what the seed alone does to a loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.comparison.tables.run_table import RunTable
from capgap.theory.domain import FloatArray

__all__ = [
    "PureError",
    "SeedNoise",
    "copies",
    "counted_once",
    "losses_are_coarse",
    "pure_error",
    "repeat_index",
    "rounding_variance",
    "seed_noise_of",
]

_DECIMALS = 12  # beyond these a float64 loss of order one is not a decimal fraction


@dataclass(frozen=True, slots=True)
class SeedNoise:
    """Standard deviation of log loss over seeds, pooled over repeated configurations.

    `standard_deviation` is NaN without repeats; `degrees_of_freedom` counts runs less cells.
    """

    standard_deviation: float
    degrees_of_freedom: int


@dataclass(frozen=True, slots=True)
class PureError:
    """Weighted squares about the means of repeated runs, and their degrees of freedom."""

    squares: float
    degrees_of_freedom: int


def repeat_index(
    inputs: Mapping[str, FloatArray], cell: npt.NDArray[np.str_] | None = None
) -> npt.NDArray[np.int64]:
    """Number of each run's configuration: equal inputs and, where given, an equal cell.

    >>> repeat_index({"N": np.array([1e7, 1e7, 1e8]), "D": np.array([1e9, 1e9, 1e9])})
    array([0, 0, 1])
    """
    index = np.zeros(next(iter(inputs.values())).size, dtype=np.int64)
    for value in [*inputs.values(), *([] if cell is None else [cell])]:
        index = np.unique(_paired(index, value), return_inverse=True)[1].reshape(-1)
    return index


def copies(configuration: npt.NDArray[np.int64], loss: FloatArray) -> npt.NDArray[np.bool_]:
    """Runs that equal an earlier run in configuration and, to the last digit, in loss.

    >>> copies(np.array([0, 0, 0]), np.array([3.2, 3.3, 3.2]))
    array([False, False,  True])
    """
    first = np.unique(_paired(configuration, loss), return_index=True)[1]
    copy = np.ones(loss.size, dtype=bool)
    copy[first] = False
    return copy


def counted_once(configuration: npt.NDArray[np.int64], loss: FloatArray) -> FloatArray:
    """Weight of each run as a repeat: zero for a copy, unless rounding can explain it."""
    return np.where(copies(configuration, loss) & (not losses_are_coarse(loss)), 0.0, 1.0)


def seed_noise_of(runs: RunTable, index: npt.NDArray[np.int64] | None = None) -> SeedNoise:
    r"""Pooled standard deviation of log loss between runs of equal inputs.

    .. math:: s^2 = \sum_c \sum_{i \in c} (y_{ci} - \bar y_c)^2 / \sum_c (n_c - 1)

    An exact copy of a row is a copy, not a repeat, and is left out, unless losses are written
    so coarsely that two seeds can agree by rounding. Rounding itself adds its own variance,
    a twelfth of the squared step, which is the least that is ever returned. `index` is the
    runs' `repeat_index` where it is known already.

    Examples
    --------
    >>> runs = RunTable(N=[1e7, 1e7, 1e8], D=[1e9] * 3, loss=np.exp([1.0, 1.02, 0.8]))
    >>> noise = seed_noise_of(runs)
    >>> round(noise.standard_deviation, 6), noise.degrees_of_freedom  # 0.02 / sqrt(2)
    (0.014142, 1)
    """
    same = repeat_index(runs.inputs, runs.cell) if index is None else index
    pure = pure_error(same, np.log(runs.loss), counted_once(same, runs.loss))
    if pure.degrees_of_freedom == 0:
        return SeedNoise(float("nan"), 0)
    variance = max(pure.squares / pure.degrees_of_freedom, rounding_variance(runs.loss))
    return SeedNoise(float(np.sqrt(variance)), pure.degrees_of_freedom)


def pure_error(cell: npt.NDArray[np.int64], y: FloatArray, weights: FloatArray) -> PureError:
    """Squares of `y` about weighted cell means; a run without a weight does not count.

    >>> pure_error(np.array([0, 0, 1]), np.array([1.0, 3.0, 9.0]), np.ones(3))
    PureError(squares=2.0, degrees_of_freedom=1)
    """
    total = np.bincount(cell, weights)
    mean = np.bincount(cell, weights * y) / np.where(total > 0, total, 1.0)
    squares = float(np.sum(weights * (y - mean[cell]) ** 2))
    used = weights > 0
    return PureError(squares, int(np.count_nonzero(used) - np.unique(cell[used]).size))


def rounding_variance(loss: FloatArray) -> float:
    """Variance that rounding to the table's decimals adds to a log loss.

    >>> round(rounding_variance(np.array([2.51, 3.0])) * 12 * 2.755**2, 10)  # step 0.01
    0.0001
    """
    step = 10.0 ** -_decimals(loss)
    return float(step**2 / 12 / np.median(loss) ** 2)


def losses_are_coarse(loss: FloatArray) -> bool:
    """Whether losses have so few decimals (three) that two seeds can well agree in all.

    >>> losses_are_coarse(np.array([2.51, 2.517])), losses_are_coarse(np.array([2.51734]))
    (True, False)
    """
    return _decimals(loss) <= 3


def _paired(index: npt.NDArray[np.int64], value: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """A number for each pair of an index and a value."""
    place = np.unique(value, return_inverse=True)[1].reshape(-1)
    return np.asarray(index * (place.max() + 1) + place, dtype=np.int64)


def _decimals(loss: FloatArray) -> int:
    for k in range(_DECIMALS):
        if np.all(np.abs(np.round(loss, k) - loss) < 1e-13 * loss):
            return k
    return _DECIMALS
