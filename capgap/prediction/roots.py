"""Roots of many functions at once, each within a bracket."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["find_roots"]

FloatArray = npt.NDArray[np.float64]
_EPSILON = float(np.finfo(np.float64).eps)
_MOST_STEPS = 200


def find_roots(
    function: Callable[[npt.NDArray[np.intp], FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
    *,
    tolerance: float = 1e-13,
) -> FloatArray:
    """Solve function(row, x) = 0 for low[row] <= x <= high[row], for every row.

    Inverse quadratic interpolation where it is safe, else halving (Chandrupatla 1997,
    doi 10.1016/S0965-9978(96)00051-8), every row by itself. Where the function has one sign
    on the whole bracket the end nearer to zero is returned.

    Parameters
    ----------
    function : callable
        Takes the indices of rows, shape (r,), and as many x; returns as many values.
    low, high : arrays (rows,)
    tolerance : float
        Width of the last bracket; rounding is added.

    Examples
    --------
    >>> found = find_roots(lambda row, x: x**2 - np.array([2.0, 9.0])[row], np.zeros(2),
    ...                    np.full(2, 5.0))
    >>> np.round(found, 12).tolist()
    [1.414213562373, 3.0]
    """
    every = np.arange(len(low))
    a, b = np.array(high, dtype=np.float64), np.array(low, dtype=np.float64)
    fa, fb = function(every, a), function(every, b)
    root = np.where(np.abs(fa) < np.abs(fb), a, b)
    c, fc = b.copy(), fb.copy()
    share = np.full(len(low), 0.5)
    open_ = np.flatnonzero((np.sign(fa) * np.sign(fb) < 0) & (a != b))
    for _ in range(_MOST_STEPS):
        if len(open_) == 0:
            break
        i = open_
        x = a[i] + share[i] * (b[i] - a[i])
        fx = function(i, x)
        same = np.sign(fx) == np.sign(fa[i])
        c[i], fc[i] = np.where(same, a[i], b[i]), np.where(same, fa[i], fb[i])
        b[i], fb[i] = np.where(same, b[i], a[i]), np.where(same, fb[i], fa[i])
        a[i], fa[i] = x, fx
        root[i] = np.where(np.abs(fa[i]) < np.abs(fb[i]), a[i], b[i])
        least = (2 * _EPSILON * np.abs(root[i]) + 0.5 * tolerance) / np.abs(b[i] - a[i])
        share[i] = np.clip(_share(*(part[i] for part in (a, b, c, fa, fb, fc))), least, 1 - least)
        open_ = i[(least < 0.5) & (fx != 0)]
    return root


def _share(
    a: FloatArray, b: FloatArray, c: FloatArray, fa: FloatArray, fb: FloatArray, fc: FloatArray
) -> FloatArray:
    """How far to go from a towards b."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        step = fa / (fb - fa) * fc / (fb - fc)
        step += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return np.where(safe & np.isfinite(step), step, 0.5)
