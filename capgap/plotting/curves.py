"""Curves as they are drawn: sampled, their minima found, their fitted part known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.plotting.style import FloatArray
from capgap.theory.law_set import LawSet

__all__ = ["BoolArray", "Curve", "add_rows", "sample_curve", "within"]

BoolArray = npt.NDArray[np.bool_]

# Shallower dips are neither seen in a picture nor safe from rounding; nats per token.
SHALLOW = 1e-6


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve of a picture.

    Attributes
    ----------
    label : str
    x, y : array
        Points drawn, minima among them; y in nats per token.
    inside : array of bool
        Where all that the law was asked for lies within the ranges that it was fitted on.
    minimum : array of bool
        Points that are minima in the open interval of x.
    """

    label: str
    x: FloatArray
    y: FloatArray
    inside: BoolArray
    minimum: BoolArray

    @property
    def best(self) -> tuple[float, float] | None:
        """x and y of the least y, the smallest such x; None where the least is at an end."""
        # Two minima of equal depth differ by rounding: the choice must not hang on it.
        lowest = np.flatnonzero(self.minimum & (self.y <= self.y.min() + SHALLOW))
        return (float(self.x[lowest[0]]), float(self.y[lowest[0]])) if lowest.size else None


def sample_curve(
    label: str,
    function: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    inside: Callable[[FloatArray], BoolArray],
) -> Curve:
    """Sample a function of x > 0 and add its minima, each to 1e-7 of its x.

    A minimum narrower than the steps of x, or less than 1e-6 deep, is missed.

    >>> curve = sample_curve(
    ...     "", lambda x: (x - 2) ** 2, np.array([1.0, 1.5, 3.0, 4.0]), lambda x: x < 3.5)
    >>> curve.x.round(6).tolist(), curve.minimum.tolist()
    ([1.0, 1.5, 2.0, 3.0, 4.0], [False, False, True, False, False])
    """
    from scipy.optimize import minimize_scalar
    from scipy.signal import find_peaks

    valleys, _ = find_peaks(-function(x), prominence=SHALLOW)
    found = [
        np.exp(
            minimize_scalar(
                lambda t: float(function(np.exp(np.array([t])))[0]),
                bounds=(np.log(x[i - 1]), np.log(x[i + 1])),
                method="bounded",
                options={"xatol": 1e-10},
            ).x
        )
        for i in valleys
    ]
    points = np.union1d(x, found)
    return Curve(label, points, function(points), inside(points), np.isin(points, found))


def within(laws: LawSet, **values: npt.ArrayLike) -> BoolArray:
    """Whether N_S, D_S, L_T (broadcast) all lie within the ranges that the laws were fitted on.

    A quantity whose range the set does not tell is taken as within.

    >>> from capgap.theory.coefficients import law_set
    >>> within(law_set("reconstructed"), N_S=[1e8, 1e9], D_S=1e11).tolist()
    [False, True]
    """
    answer = np.array(True)
    for name, value in values.items():
        low, high = laws.fitted.get(name, (0.0, np.inf))
        asked = np.asarray(value, dtype=np.float64)
        answer = answer & (asked >= low) & (asked <= high)
    return answer


def add_rows(columns: dict[str, list[float]], values: Mapping[str, npt.ArrayLike]) -> None:
    """Append rows to the columns of a table; the values broadcast against each other.

    >>> table: dict[str, list[float]] = {}
    >>> add_rows(table, {"N": 2.0, "D": [3.0, 4.0]})
    >>> table
    {'N': [2.0, 2.0], 'D': [3.0, 4.0]}
    """
    arrays = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values.values()))
    for name, array in zip(values, arrays, strict=True):
        columns.setdefault(name, []).extend(array.ravel().tolist())
