"""Best fit in the span of the first functions and in a ball: teacher and student themselves."""

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray

__all__ = ["coefficients", "dimension", "fit_in_ball", "norm_limit", "shrinkage"]

_SMALLEST, _LARGEST = 1e-150, 1e150  # outside, squares and their sums overflow


def fit_in_ball(target: npt.ArrayLike, size: int, limit: float = np.inf) -> FloatArray:
    r"""Coefficients of the constrained minimizer with infinite data.

    .. math:: \arg\min_g \sum_i (g_i - target_i)^2 \quad\text{with}\quad
       g_i = 0 \text{ for } i > size, \quad \sum_i g_i^2 \le limit^2

    The minimizer is unique: the first coefficients, all shrunk by the same factor. A teacher
    is ``fit_in_ball(alpha, m, T)``, its student ``fit_in_ball(teacher, n, D)``.

    Parameters
    ----------
    target : array_like, shape (M,)
        Coefficients of the target in orthonormal functions, finite.
    size : int
        Functions that may be used, 1 .. M.
    limit : float
        Norm limit, > 0; infinity removes it.

    Returns
    -------
    array, shape (M,)

    Raises
    ------
    InputError
        An argument breaks its rule.

    Notes
    -----
    Busbridge et al., arXiv 2502.08606, appendix C.1 (g* and the student's minimizer).

    Examples
    --------
    The norm of (3, 4) is 5; a limit of 2.5 halves both.

    >>> teacher = fit_in_ball([3, 4, 12], 2, 2.5)
    >>> teacher
    array([1.5, 2. , 0. ])
    >>> fit_in_ball(teacher, 1)
    array([1.5, 0. , 0. ])
    """
    values = coefficients("fit_in_ball", target, "target")
    size = dimension("fit_in_ball", "size", size, values.size)
    norm_limit("fit_in_ball", "limit", limit)
    fit = np.where(np.arange(values.size) < size, values, 0.0)
    return np.asarray(fit * shrinkage(limit, np.linalg.norm(fit)))


def shrinkage(limit: npt.ArrayLike, norm: npt.ArrayLike) -> FloatArray:
    """min(1, limit/norm), with 1 for a zero function.

    >>> shrinkage(2.0, [0.0, 1.0, 8.0])
    array([1.  , 1.  , 0.25])
    """
    limit, norm = np.asarray(limit, dtype=np.float64), np.asarray(norm, dtype=np.float64)
    beyond = norm > limit
    return np.where(beyond, limit / np.where(beyond, norm, 1.0), 1.0)


def coefficients(operation: str, alpha: npt.ArrayLike, name: str = "alpha") -> FloatArray:
    """Return alpha as an array of finite numbers, shape (M,), M >= 1, or raise."""
    array = np.asarray(alpha, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"{operation}: {name} has shape {array.shape}, must be (M,), M >= 1")
    bad = ~(np.abs(array) <= _LARGEST)
    if np.any(bad):
        raise InputError(
            f"{operation}: {name} has the entry {array[bad][0]:g}, must be finite, at most 1e150"
        )
    return array


def dimension(operation: str, name: str, value: int, largest: int) -> int:
    """Return a dimension as int, 1 <= value <= largest, or raise."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not 1 <= value <= largest:
        raise InputError(f"{operation}: {name} = {value!r} must be an integer in 1 .. {largest}")
    return int(value)


def norm_limit(operation: str, name: str, value: float) -> None:
    """Raise unless a norm limit is > 0 (infinity removes it)."""
    if not value > 0:
        raise InputError(
            f"{operation}: {name} = {value:g} must be > 0 (infinity removes the limit)"
        )
