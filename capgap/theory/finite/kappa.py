"""The implicit ridge of a finite sample: one equation, solved without a start or a step size."""

from dataclasses import dataclass
from enum import IntEnum
from math import inf

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.finite import checks

__all__ = ["Kappa", "Regime", "Shares", "feature_kappa", "implicit_ridge", "learned_shares"]

_STEPS = 200


class Regime(IntEnum):
    """What kind of solution kappa is."""

    RIDGE = 0
    """The ridge is positive: kappa > ridge."""
    INTERPOLATING = 1
    """No ridge and n < m: the least-norm fit, kappa > 0 with sum s_i = n."""
    DETERMINED = 2
    """No ridge and n > m: least squares, kappa = 0."""
    CRITICAL = 3
    """No ridge and n = m: kappa = 0, gamma = 1, any noise or misfit makes the risk infinite."""
    POPULATION = 4
    """n is infinite: kappa = ridge, gamma = 0."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Implicit ridges, the `Regime` of each, and the steps that Newton's method took."""

    kappa: FloatArray
    regime: npt.NDArray[np.int64]
    steps: int


def implicit_ridge(
    eigenvalues: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0
) -> Kappa:
    r"""Solve for the ridge that a finite sample acts like.

    .. math:: \kappa = \lambda + \frac{\kappa}{n} \sum_i \frac{\lambda_i}{\lambda_i + \kappa}

    The residual :math:`\kappa - \lambda - \frac1n \sum \kappa \lambda_i/(\lambda_i + \kappa)` is
    convex in kappa and not positive at 0. Its largest root, the one wanted, is at most
    :math:`(n \lambda + \sum_{i>k} \lambda_i)/(n - k)` for every k < n (the k largest eigenvalues
    counted as learned). From the least of these bounds Newton's method falls monotonically to the
    root: no bracket is ever left, and a few steps are enough for any spectrum.

    Parameters
    ----------
    eigenvalues : array, shape (m,)
        Variances of the features that the model uses, > 0.
    n : array
        Samples, counts >= 1 or infinity.
    ridge : array
        :math:`\lambda \ge 0` of the objective :math:`\frac1n |y - Xw|^2 + \lambda |w|^2`;
        broadcasts with n.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Notes
    -----
    Simon et al. 2110.03922 (delta = n ridge), Canatar et al. 2021. Conserved:
    :math:`\sum_i s_i + n \lambda/\kappa = n`.

    Examples
    --------
    m equal eigenvalues 1 without ridge: kappa = m/n - 1 where n < m.

    >>> implicit_ridge([1.0] * 6, [2, 3, 6, 8]).kappa.tolist()
    [2.0, 1.0, 0.0, 0.0]
    """
    operation = "implicit_ridge"
    unit = positive_array(operation, "eigenvalues", eigenvalues)
    if unit.ndim != 1 or unit.size == 0:
        raise InputError(f"{operation}: eigenvalues of shape {unit.shape} must be one or more")
    count, own = np.broadcast_arrays(
        checks.samples(operation, "n", n), np.asarray(ridge, dtype=np.float64)
    )
    if not np.all(np.isfinite(own) & (own >= 0)):
        raise InputError(f"{operation}: ridge = {own.min():g} must be finite and >= 0")
    regime = _regimes(unit.size, count, own)
    kappa = np.where(regime == Regime.POPULATION, own, 0.0)
    open_ = (regime == Regime.RIDGE) | (regime == Regime.INTERPOLATING)
    steps = 0
    if np.any(open_):
        kappa[open_], steps = _newton(unit, count[open_], own[open_])
    return Kappa(kappa, regime, steps)


def _regimes(m: int, n: FloatArray, ridge: FloatArray) -> npt.NDArray[np.int64]:
    conditions = [n == inf, ridge > 0, n < m, n > m]
    answers = [Regime.POPULATION, Regime.RIDGE, Regime.INTERPOLATING, Regime.DETERMINED]
    return np.select(conditions, [int(a) for a in answers], int(Regime.CRITICAL))


def _newton(unit: FloatArray, n: FloatArray, ridge: FloatArray) -> tuple[FloatArray, int]:
    kappa = _above(unit, n, ridge)
    for step in range(1, _STEPS + 1):
        below = _newton_step(unit, n, ridge, kappa)
        # Monotone in exact arithmetic; where rounding stops the fall, the root is reached.
        moved = below < kappa * (1 - 2 * np.finfo(np.float64).eps)
        kappa = np.where(moved, below, kappa)
        if not np.any(moved):
            return kappa, step
    raise InputError(f"implicit_ridge: n = {n.min():g} is not solved after {_STEPS} steps")


def _above(unit: FloatArray, n: FloatArray, ridge: FloatArray) -> FloatArray:
    r"""Return the least of the bounds :math:`(n \lambda + \sum_{i>k} \lambda_i)/(n - k)`, k < n."""
    tail = np.append(np.cumsum(np.sort(unit))[::-1], 0.0)
    room = n[:, None] - np.arange(unit.size + 1)
    bound = (n * ridge)[:, None] + tail
    each = np.divide(bound, room, out=np.full(room.shape, inf), where=room > 0)
    return np.asarray(np.min(each, axis=1))


def _newton_step(
    unit: FloatArray, n: FloatArray, ridge: FloatArray, kappa: FloatArray
) -> FloatArray:
    r"""Return :math:`(n \lambda + \kappa \sum s (1 - s)) / (n - \sum s^2)`, the tangent's root."""
    s = unit / (unit + kappa[:, None])
    rest = kappa[:, None] / (unit + kappa[:, None])
    # n - sum s^2 in the form that does not cancel.
    room = np.where(
        n >= unit.size, n - unit.size + np.sum(rest * (1 + s), axis=1), n - np.sum(s**2, axis=1)
    )
    return np.asarray((n * ridge + kappa * np.sum(s * rest, axis=1)) / room)


@dataclass(frozen=True, slots=True)
class Shares:
    r"""What a stage learns of each mode, and sums of it that keep their digits.

    Parameters
    ----------
    kappa : float
        Implicit ridge.
    s, rest : array, shape (m,)
        :math:`s_i = \lambda_i/(\lambda_i + \kappa)` and 1 - s_i.
    gamma, room : float
        :math:`\gamma = \frac1n \sum s_i^2` and 1 - gamma.
    fit : float
        :math:`1 - \frac1n \sum s_i = \lambda/\kappa`, with a value at kappa = 0.
    """

    kappa: float
    s: FloatArray
    rest: FloatArray
    gamma: float
    room: float
    fit: float

    @property
    def theta(self) -> float:
        r""":math:`\gamma/(1 - \gamma)`, infinite where n = m without ridge."""
        return self.gamma / self.room if self.room > 0 else inf


def learned_shares(unit: FloatArray, n: float, ridge: float) -> Shares:
    """Return the shares of the modes that one ridge stage learns.

    >>> learned_shares(np.ones(6), 3, 0.0).s.tolist()
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    """
    kappa = float(implicit_ridge(unit, n, ridge).kappa)
    s, rest = unit / (unit + kappa), kappa / (unit + kappa)
    gamma = float(np.sum(s**2)) / n
    if n < unit.size:
        return Shares(kappa, s, rest, gamma, 1 - gamma, 1 - float(np.sum(s)) / n)
    # 1 - gamma and 1 - sum s/n from parts that do not cancel.
    above = 1.0 if n == inf else (n - unit.size) / n
    room = above + float(np.sum(rest * (1 + s))) / n
    return Shares(kappa, s, rest, gamma, room, above + float(np.sum(rest)) / n)


def feature_kappa(unit: FloatArray, n: float, P: int, ridge: float) -> float:
    r"""Solve :math:`\lambda = \kappa (1 - d_1/n)(1 - d_1/P)`, :math:`d_1 = \sum s_i`.

    On the branch where both factors are positive the right side grows with kappa, from 0 at
    the ridgeless root for min(n, P) samples; so the root is bracketed from both sides.

    >>> feature_kappa(np.ones(6), 3, 2, 0.0)
    2.0
    """
    least = float(implicit_ridge(unit, min(n, P)).kappa)
    if ridge == 0:
        return least

    def residual(log_kappa: float) -> float:
        kappa = float(np.exp(log_kappa))
        d1 = float(np.sum(unit / (unit + kappa)))
        return kappa * max(1 - d1 / n, 0.0) * max(1 - d1 / P, 0.0) - ridge

    most = ridge + float(np.sum(unit)) * (1 / n + 1 / P)
    low = np.log(max(least, ridge))
    root = brentq(residual, low, np.log(most) + 1e-9, xtol=1e-15, rtol=1e-15, maxiter=500)
    return float(np.exp(root))
