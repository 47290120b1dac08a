"""Second-order forward differentiation: a value with its gradient and Hessian.

Each law is written once, on quantities that are either plain arrays or `Jet`s. On arrays
the equation gives the loss; on jets the chain rule carries the exact first and second
derivatives along, so that no difference quotient is taken anywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from capgap.theory.domain import FloatArray

__all__ = [
    "Derivatives",
    "Jet",
    "Quantity",
    "at_most",
    "differentiate",
    "evaluate",
    "exp",
    "log",
    "log_shifted",
    "logaddexp",
    "power",
    "select",
    "softplus",
]


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Loss with its first and second derivatives at a batch of points.

    Attributes
    ----------
    names : tuple of str
        The k variables: inputs, then coefficients; a nested law's as ``supervised.E``.
    value : array, shape (...)
        Loss, nats per token.
    gradient : array, shape (..., k)
        First derivatives in the raw variables (not their logarithms).
    hessian : array, shape (..., k, k)
        Second derivatives, symmetric.
    """

    names: tuple[str, ...]
    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class Jet:
    """Value (...), gradient (..., k) and Hessian (..., k, k); shapes broadcast.

    Examples
    --------
    x^2 y at (3, 5): value 45, gradient (2xy, x^2), Hessian ((2y, 2x), (2x, 0)).

    >>> x = Jet(np.array(3.0), np.array([1.0, 0.0]), np.zeros((2, 2)))
    >>> y = Jet(np.array(5.0), np.array([0.0, 1.0]), np.zeros((2, 2)))
    >>> z = x * x * y
    >>> float(z.value), z.gradient.tolist(), z.hessian.tolist()
    (45.0, [30.0, 9.0], [[10.0, 6.0], [6.0, 0.0]])
    """

    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray

    __array_ufunc__ = None  # array * jet asks the jet

    def __add__(self, other: "Jet | float") -> "Jet":
        if not isinstance(other, Jet):
            return Jet(np.asarray(self.value + other), self.gradient, self.hessian)
        return Jet(
            np.asarray(self.value + other.value),
            self.gradient + other.gradient,
            self.hessian + other.hessian,
        )

    def __mul__(self, other: "Jet | float") -> "Jet":
        if not isinstance(other, Jet):
            return Jet(np.asarray(self.value * other), self.gradient * other, self.hessian * other)
        cross = _outer(self.gradient, other.gradient)
        return Jet(
            np.asarray(self.value * other.value),
            _times(self.value, other.gradient) + _times(other.value, self.gradient),
            _times2(self.value, other.hessian)
            + _times2(other.value, self.hessian)
            + (cross + cross.swapaxes(-1, -2)),
        )

    def __truediv__(self, other: "Jet") -> "Jet":
        inverse = 1.0 / other.value
        return self * _chain(other, inverse, -(inverse**2), 2 * inverse**3)

    def __neg__(self) -> "Jet":
        return self * -1.0

    def __sub__(self, other: "Jet | float") -> "Jet":
        return self + -other

    __radd__ = __add__
    __rmul__ = __mul__


Quantity = TypeVar("Quantity", FloatArray, Jet)


def log(x: Quantity) -> Quantity:
    """Natural logarithm of a positive quantity."""
    if isinstance(x, Jet):
        inverse = 1.0 / x.value
        return _chain(x, np.log(x.value), inverse, -(inverse**2))
    return np.asarray(np.log(x), dtype=np.float64)


def exp(x: Quantity) -> Quantity:
    """Exponential."""
    if isinstance(x, Jet):
        value = np.exp(x.value)
        return _chain(x, value, value, value)
    return np.asarray(np.exp(x), dtype=np.float64)


def power(x: Quantity, a: Quantity) -> Quantity:
    """x^a of a positive x, to the last digits of libm: no detour by exp(a log x)."""
    if isinstance(x, Jet):
        value, log_x = power(x.value, a.value), np.log(x.value)
        slope = value / x.value
        twice = a.value * (a.value - 1) * slope / x.value
        mixed = slope * (1 + a.value * log_x)
        first = (a.value * slope, value * log_x)
        return _chain2(x, a, value, first, (twice, mixed, value * log_x**2))
    return np.asarray(np.power(x, a), dtype=np.float64)


def softplus(x: Quantity) -> Quantity:
    """log(1 + exp(x)), without overflow."""
    if isinstance(x, Jet):
        share = expit(x.value)
        return _chain(x, np.logaddexp(0.0, x.value), share, share * expit(-x.value))
    return np.asarray(np.logaddexp(0.0, x), dtype=np.float64)


def logaddexp(x: Quantity, y: Quantity) -> Quantity:
    """log(exp(x) + exp(y)), without overflow."""
    if isinstance(x, Jet):
        first, second = expit(x.value - y.value), expit(y.value - x.value)
        bend = first * second
        return _chain2(x, y, np.logaddexp(x.value, y.value), (first, second), (bend, -bend, bend))
    return np.asarray(np.logaddexp(x, y), dtype=np.float64)


def log_shifted(E: Quantity, y: Quantity) -> Quantity:
    """log(E + exp(y)) with E >= 0 itself, not its logarithm, as the variable.

    >>> float(log_shifted(np.array(0.0), np.array(-800.0)))
    -800.0
    """
    if isinstance(E, Jet):
        value = log_shifted(E.value, y.value)
        inverse, share = np.exp(-value), np.exp(y.value - value)
        second = (-(inverse**2), -share * inverse, share * (E.value * inverse))
        return _chain2(E, y, value, (inverse, share), second)
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp(np.log(E), y), dtype=np.float64)


def at_most(x: Quantity, limit: float) -> Quantity:
    """min(x, limit), a constant above the limit."""
    if isinstance(x, Jet):
        free = np.asarray(x.value < limit, dtype=np.float64)
        return _chain(x, np.minimum(x.value, limit), free, 0 * free)
    return np.asarray(np.minimum(x, limit), dtype=np.float64)


def select(where: npt.NDArray[np.bool_], x: Quantity, y: Quantity) -> Quantity:
    """x where the condition holds, else y."""
    if isinstance(x, Jet):
        return Jet(
            np.where(where, x.value, y.value),
            np.where(where[..., None], x.gradient, y.gradient),
            np.where(where[..., None, None], x.hessian, y.hessian),
        )
    return np.where(where, x, y)


def evaluate(
    equation: Callable[[Mapping[str, Any]], Any], variables: Mapping[str, npt.ArrayLike]
) -> FloatArray:
    """Value of an equation on plain arrays; a loss beyond float64 is infinite, in silence."""
    with np.errstate(over="ignore"):
        arrays = {name: np.asarray(value, np.float64) for name, value in variables.items()}
        return np.asarray(equation(arrays), dtype=np.float64)


def differentiate(
    equation: Callable[[Mapping[str, Any]], Any],
    variables: Mapping[str, npt.ArrayLike],
    names: Sequence[str] | None = None,
) -> Derivatives:
    """Value, gradient and Hessian of an equation in the named variables (default: all).

    >>> found = differentiate(lambda v: v["a"] * log(v["x"]), {"x": [1.0, 2.0], "a": 3.0})
    >>> found.gradient.tolist()  # a/x and log x
    [[3.0, 0.0], [1.5, 0.6931471805599453]]
    """
    chosen = tuple(variables if names is None else names)
    k = len(chosen)
    arrays = {name: np.asarray(value, np.float64) for name, value in variables.items()}
    jets = {
        name: Jet(
            value,
            np.eye(k)[chosen.index(name)] if name in chosen else np.zeros(k),
            np.zeros((k, k)),
        )
        for name, value in arrays.items()
    }
    # A derivative beyond float64 is infinite or, where it cancels, not a number.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        result = equation(jets)
    shape = np.broadcast_shapes(*(value.shape for value in arrays.values()))
    return Derivatives(
        chosen,
        np.array(np.broadcast_to(result.value, shape)),
        np.array(np.broadcast_to(result.gradient, (*shape, k))),
        np.array(np.broadcast_to(result.hessian, (*shape, k, k))),
    )


def _times(scale: FloatArray, gradient: FloatArray) -> FloatArray:
    return np.asarray(scale)[..., None] * gradient


def _times2(scale: FloatArray, hessian: FloatArray) -> FloatArray:
    return np.asarray(scale)[..., None, None] * hessian


def _outer(left: FloatArray, right: FloatArray) -> FloatArray:
    return left[..., :, None] * right[..., None, :]


def _chain(x: Jet, value: FloatArray, first: FloatArray, second: FloatArray) -> Jet:
    """f(x) from f, f' and f''."""
    bend = _outer(x.gradient, x.gradient)
    return Jet(
        np.asarray(value),
        _times(first, x.gradient),
        _times2(first, x.hessian) + _times2(second, bend),
    )


def _chain2(
    x: Jet,
    y: Jet,
    value: FloatArray,
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray, FloatArray],
) -> Jet:
    """f(x, y) from f, (f_x, f_y) and (f_xx, f_xy, f_yy)."""
    cross = _outer(x.gradient, y.gradient)
    return Jet(
        np.asarray(value),
        _times(first[0], x.gradient) + _times(first[1], y.gradient),
        _times2(first[0], x.hessian)
        + _times2(first[1], y.hessian)
        + _times2(second[0], _outer(x.gradient, x.gradient))
        + _times2(second[1], cross + cross.swapaxes(-1, -2))
        + _times2(second[2], _outer(y.gradient, y.gradient)),
    )
