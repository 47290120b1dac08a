"""Least squares in an ellipsoid: the Lagrange multiplier by a root search that cannot fail."""

import numpy as np
import numpy.typing as npt

from capgap.errors import CapgapError, InputError
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.kernel.minimizers import coefficients, norm_limit

__all__ = ["ellipsoid_multiplier", "multiplier_from"]

_STEPS = 200
_ENOUGH = 4 * np.finfo(np.float64).eps


def ellipsoid_multiplier(c: npt.ArrayLike, w: npt.ArrayLike, limit: float) -> float:
    r"""Return nu such that :math:`g_i = c_i/(1 + \nu w_i)` is the best fit of c in an ellipsoid.

    .. math:: g = \arg\min \sum_i (g_i - c_i)^2 \quad\text{with}\quad
              N(0) = \sum_i w_i g_i^2 \le limit^2

    nu is 0 if c is inside, else the root of
    :math:`N(\nu) = \sum_i w_i c_i^2/(1 + \nu w_i)^2 = limit^2`. :math:`N^{-1/2}` is a power
    mean of order -2 of the :math:`1/w_i + \nu`, hence concave and rising in nu: Newton's steps
    on it from 0 rise toward the root and never pass it. The root is below
    :math:`\sqrt{\sum c_i^2/w_i}/limit`.

    Parameters
    ----------
    c : array_like, shape (M,)
        What is fitted, finite.
    w : array_like, shape (M,)
        Weights of the norm, > 0 (reciprocal eigenvalues for the norm of a kernel's space).
    limit : float
        > 0; infinity removes it.

    Returns
    -------
    float

    Raises
    ------
    InputError
        An argument breaks its rule.

    Notes
    -----
    The secular equation of trust regions (Conn, Gould & Toint 2000, chapter 7).

    Examples
    --------
    1/(1 + nu)^2 + 4/(1 + 4 nu)^2 = 41/25 at nu = 1/4.

    >>> round(ellipsoid_multiplier([1, 1], [1, 4], (41 / 25) ** 0.5), 12)
    0.25
    """
    values = coefficients("ellipsoid_multiplier", c, "c")
    weights = positive_array("ellipsoid_multiplier", "w", w)
    if weights.shape != values.shape:
        raise InputError(
            f"ellipsoid_multiplier: {weights.size} weights must be one for each of the"
            f" {values.size} coefficients"
        )
    norm_limit("ellipsoid_multiplier", "limit", limit)
    return multiplier_from(values**2 * weights, weights, limit, 0.0)


def multiplier_from(energy: FloatArray, w: FloatArray, limit: float, start: float) -> float:
    """The root from a start at or below it; energy is w c^2. No checks: for inner loops."""
    nu = start
    for _ in range(_STEPS):
        shrink = 1.0 / (1.0 + nu * w)
        term = energy * shrink * shrink
        N = float(term.sum())
        excess = float(np.sqrt(N)) / limit - 1.0
        if excess <= _ENOUGH:
            return nu
        step = excess * N / float((term * w * shrink).sum())
        if nu + step == nu:
            return nu
        nu += step
    raise CapgapError(f"ellipsoid_multiplier: nu = {nu:g} after {_STEPS} steps must have settled")
