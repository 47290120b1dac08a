r"""The student's loss as the solvable models have it: one law for its capacity and its data.

A ridge student with learned shares :math:`s_i = \lambda_i/(\lambda_i + \kappa)` and
:math:`\gamma = \frac1n \sum s_i^2`, taught by a perfect teacher of the first m modes, has the
excess risk :math:`t_m + B_m/(1-\gamma)`, :math:`B_m = \sum_{i \le m} (1-s_i)^2 \alpha_i^2`. So
the slope of the student's loss in its teacher's at mode m is
:math:`1 - (1+\theta)(1-s_m)^2`, :math:`\theta = \gamma/(1-\gamma)`. P random features add
:math:`\zeta s_m (1-s_m)` to the square, :math:`\zeta = (d_1-d_2)/(P-d_2)`,
:math:`d_k = \sum s_i^k`. On power laws :math:`\lambda_i \sim i^{-a}`, :math:`t_m \sim m^{-\alpha}`
the teacher's excess says which mode it is, and the slope integrates to a closed form.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import beta, betainc, expit

from capgap.errors import InputError
from capgap.theory.domain import FloatArray

__all__ = ["Parts", "half_learned", "student_excess", "student_parts", "unlearned"]

_STEP = 1e-5  # in log nu; betainc is right to 1e-14, so the difference is right to 1e-9


def unlearned(z: npt.ArrayLike, nu: npt.ArrayLike) -> FloatArray:
    r"""Unlearned share of a continuous spectrum, up to the teacher's excess z.

    .. math:: G_\nu(z) = \int_z^\infty \frac{dy}{(1+y^\nu)^2}
              = \tfrac1\nu B_{1/(1+z^\nu)}\left(2 - \tfrac1\nu, \tfrac1\nu\right)

    with the incomplete beta function. :math:`G_\nu(0) = (1 - 1/\nu)\,(\pi/\nu)/\sin(\pi/\nu)`.

    Parameters
    ----------
    z : array_like
        >= 0, in units of the student's resolution.
    nu : array_like
        > 1/2: decay of the eigenvalues over decay of the target's tail. At 1/2 and below the
        integral diverges: the target is so smooth that ridge saturates.

    Raises
    ------
    InputError
        nu is not > 1/2, or z is negative or not finite.

    Examples
    --------
    nu = 1: the integral of 1/(1+y)^2 is 1/(1+z).

    >>> unlearned([0.0, 1.0, 3.0], 1.0).round(12).tolist()
    [1.0, 0.5, 0.25]
    >>> bool(np.isclose(unlearned(0.0, 2.0), np.pi / 4))
    True
    """
    z, nu = np.asarray(z, dtype=np.float64), np.asarray(nu, dtype=np.float64)
    if not np.all(nu > 0.5):
        raise InputError(f"unlearned: nu = {np.min(nu):g} must be > 1/2")
    return _tail_integral(z, nu, 2 - 1 / nu, 1 / nu, "unlearned")


def half_learned(z: npt.ArrayLike, nu: npt.ArrayLike) -> FloatArray:
    r"""Share that is neither learned nor unlearned: what random features blur.

    .. math:: H_\nu(z) = \int_z^\infty \frac{y^\nu\,dy}{(1+y^\nu)^2}
              = \tfrac1\nu B_{1/(1+z^\nu)}\left(1 - \tfrac1\nu, 1 + \tfrac1\nu\right)

    Raises
    ------
    InputError
        nu is not > 1, where the integral diverges, or z is negative or not finite.

    Examples
    --------
    nu = 2, z = 0: s (1 - s) integrates to pi/4, as (1 - s)^2 does.

    >>> bool(np.isclose(half_learned(0.0, 2.0), np.pi / 4))
    True
    """
    z, nu = np.asarray(z, dtype=np.float64), np.asarray(nu, dtype=np.float64)
    if not np.all(nu > 1):
        raise InputError(f"half_learned: nu = {np.min(nu):g} must be > 1")
    return _tail_integral(z, nu, 1 - 1 / nu, 1 + 1 / nu, "half_learned")


def _tail_integral(
    z: FloatArray, nu: FloatArray, first: FloatArray, second: FloatArray, operation: str
) -> FloatArray:
    if not np.all(np.isfinite(z) & (z >= 0)):
        raise InputError(f"{operation}: z = {np.min(z):g} must be finite and >= 0")
    with np.errstate(divide="ignore"):
        place = nu * np.log(z)
    # The nearer end: 1/(1 + z^nu) rounds to 1 long before the integral stops moving.
    low = place < 0
    near, far = np.where(low, second, first), np.where(low, first, second)
    part = betainc(near, far, expit(-np.abs(place)))
    return np.asarray(beta(first, second) * np.where(low, 1 - part, part) / nu)


@dataclass(frozen=True, slots=True)
class Parts:
    """The student's excess and its derivatives, arrays that broadcast together."""

    value: FloatArray
    by_x: FloatArray
    by_width: FloatArray
    by_data: FloatArray
    by_theta: FloatArray
    by_nu: FloatArray
    by_zeta: FloatArray


def student_excess(
    x: npt.ArrayLike,
    width: npt.ArrayLike,
    data: npt.ArrayLike,
    theta: npt.ArrayLike,
    nu: npt.ArrayLike,
    zeta: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Excess of a student over the irreducible loss.

    .. math:: L_S - E = x + (1 + \theta)\left[(l - x)_+ + K\, (G_\nu + \zeta H_\nu)
              \left(\max(x, l)/K\right)\right], \qquad x = L_T - E

    Parameters
    ----------
    x : array_like
        Excess of the teacher; nats per token (or squared error). Below 0 it goes on straight.
    width : array_like
        l >= 0: what a student of this width lacks with data without end.
    data : array_like
        K > 0: excess of the teacher whose last mode the student just resolves (s = 1/2).
    theta : array_like
        Slope under strong teachers, > 0.
    nu : array_like
        Sharpness of the bend, > 1/2; see `unlearned`.
    zeta : array_like
        0 for a student on modes, up to 1 for one on few random features; then nu > 1.

    Notes
    -----
    K to 0 is the hinge max{x, (1 + theta) l - theta x} of least squares; l to 0 is kernel
    ridge regression. L_S > L_T always, as in Eq. 8 of Busbridge et al. (arXiv 2502.08606), of
    which this is the form without L_T^(-c0): L_S - L_T = L_0 g(L_T) with g falling from 1 to
    0, but with its knee where the student's own capacity ends, not at its supervised loss.

    Examples
    --------
    l = 1, theta = 1/2 and hardly any K: 1.5 - x/2 below x = 1, x above.

    >>> student_excess([0.0, 0.5, 2.0], 1.0, 1e-9, 0.5, 3.0).round(6).tolist()
    [1.5, 1.25, 2.0]
    """
    return student_parts(x, width, data, theta, nu, zeta, slopes=False).value


def student_parts(
    x: npt.ArrayLike,
    width: npt.ArrayLike,
    data: npt.ArrayLike,
    theta: npt.ArrayLike,
    nu: npt.ArrayLike,
    zeta: npt.ArrayLike = 0.0,
    *,
    slopes: bool = True,
) -> Parts:
    """`student_excess` and its derivatives in all six arguments (zeros without `slopes`)."""
    x, width, data = (np.asarray(v, dtype=np.float64) for v in (x, width, data))
    theta, nu, zeta = (np.asarray(v, dtype=np.float64) for v in (theta, nu, zeta))
    reach = np.maximum(x, width) / data
    blurred = bool(np.any(zeta > 0))
    blur = half_learned(reach, nu) if blurred else np.zeros(())
    rest = unlearned(reach, nu) + zeta * blur
    bracket = np.maximum(width - x, 0.0) + data * rest
    value = x + (1 + theta) * bracket
    if not slopes:
        none = np.zeros(())
        return Parts(value, none, none, none, none, none, none)
    beyond = x < width  # the teacher has modes that the student has not
    with np.errstate(divide="ignore"):
        missing = expit(-nu * np.log(reach))
    missed = missing**2 + zeta * missing * (1 - missing)  # at the last mode that both have
    both = 1 + theta
    above, below = nu * np.exp(_STEP), nu * np.exp(-_STEP)
    by_nu = unlearned(reach, above) - unlearned(reach, below)
    if blurred:
        by_nu = by_nu + zeta * (half_learned(reach, above) - half_learned(reach, below))
    return Parts(
        value=value,
        by_x=1 - both * np.where(beyond, 1.0, missed),
        by_width=both * np.where(beyond, 1.0 - missed, 0.0),
        by_data=both * (rest + reach * missed),
        by_theta=bracket,
        by_nu=both * data * by_nu / (2 * _STEP * nu),
        by_zeta=both * data * blur,
    )
