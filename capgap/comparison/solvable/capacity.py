r"""The student's loss as the solvable models have it: one law for its capacity and its data.

A ridge student with learned shares :math:`s_i = \lambda_i/(\lambda_i + \kappa)` and
:math:`\gamma = \frac1n \sum s_i^2`, taught by a perfect teacher of the first m modes, has the
excess risk :math:`t_m + B_m/(1-\gamma)`, :math:`B_m = \sum_{i \le m} (1-s_i)^2 \alpha_i^2`.
So the slope of the student's loss in its teacher's at mode m is :math:`1 - (1+\theta)(1-s_m)^2`
with :math:`\theta = \gamma/(1-\gamma)`. On power laws :math:`\lambda_i \sim i^{-a}`,
:math:`t_m \sim m^{-\alpha}` the teacher's excess x says which mode it is, and the slope integrates to
a closed form.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import beta, betainc, expit

from capgap.errors import InputError
from capgap.theory.domain import FloatArray

__all__ = ["Parts", "student_excess", "student_parts", "unlearned"]

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
    if not np.all(np.isfinite(z) & (z >= 0)):
        raise InputError(f"unlearned: z = {np.min(z):g} must be finite and >= 0")
    with np.errstate(divide="ignore"):
        share = expit(-nu * np.log(z))
    first, second = 2 - 1 / nu, 1 / nu
    return np.asarray(second * beta(first, second) * betainc(first, second, share))


@dataclass(frozen=True, slots=True)
class Parts:
    """The student's excess and its derivatives, arrays that broadcast together."""

    value: FloatArray
    by_x: FloatArray
    by_width: FloatArray
    by_data: FloatArray
    by_theta: FloatArray
    by_nu: FloatArray
    by_rho: FloatArray


def student_excess(
    x: npt.ArrayLike,
    width: npt.ArrayLike,
    data: npt.ArrayLike,
    theta: npt.ArrayLike,
    nu: npt.ArrayLike,
    rho: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Excess of a student over the irreducible loss.

    .. math:: L_S - E = \rho x + (\rho + \theta)\left[(l - x)_+
              + K\, G_\nu\!\left(\max(x, l)/K\right)\right], \qquad x = L_T - E

    Parameters
    ----------
    x : array_like
        Excess of the teacher; nats per token (or squared error). Below 0 it goes on straight.
    width : array_like
        l > 0: what a student of this width lacks with data without end.
    data : array_like
        K > 0: excess of the teacher whose last mode the student's data just resolve (s = 1/2).
    theta : array_like
        Slope under strong teachers, > 0.
    nu : array_like
        Sharpness of the bend, > 1/2; see `unlearned`.
    rho : array_like
        Slope under weak teachers; 1 for teachers that lack modes.

    Notes
    -----
    K to 0 is the hinge max{x, (1 + theta) l - theta x} of least squares; l to 0 is kernel
    ridge regression. With rho = 1, L_S - L_T > 0 always, as in Eq. 8 of Busbridge et al.
    (arXiv 2502.08606), of which it is the form without L_T^(-c0): L_S - L_T = L_0 g(L_T).

    Examples
    --------
    l = 1, theta = 1/2 and hardly any K: 1.5 - x/2 below x = 1, x above.

    >>> student_excess([0.0, 0.5, 2.0], 1.0, 1e-9, 0.5, 3.0).round(6).tolist()
    [1.5, 1.25, 2.0]
    """
    return student_parts(x, width, data, theta, nu, rho, slopes=False).value


def student_parts(
    x: npt.ArrayLike,
    width: npt.ArrayLike,
    data: npt.ArrayLike,
    theta: npt.ArrayLike,
    nu: npt.ArrayLike,
    rho: npt.ArrayLike = 1.0,
    *,
    slopes: bool = True,
) -> Parts:
    """`student_excess` and its derivatives in all six arguments (zeros without `slopes`)."""
    x, width, data = (np.asarray(v, dtype=np.float64) for v in (x, width, data))
    theta, nu, rho = (np.asarray(v, dtype=np.float64) for v in (theta, nu, rho))
    reach = np.maximum(x, width) / data
    rest = unlearned(reach, nu)
    bracket = np.maximum(width - x, 0.0) + data * rest
    value = rho * x + (rho + theta) * bracket
    if not slopes:
        none = np.zeros(())
        return Parts(value, none, none, none, none, none, none)
    beyond = x < width  # the teacher has modes that the student has not
    missed = expit(-nu * np.log(reach)) ** 2  # (1 - s)^2 at the last mode that both have
    both = rho + theta
    by_nu = (unlearned(reach, nu * np.exp(_STEP)) - unlearned(reach, nu * np.exp(-_STEP))) / (
        2 * _STEP * nu
    )
    return Parts(
        value=value,
        by_x=rho - both * np.where(beyond, 1.0, missed),
        by_width=both * np.where(beyond, 1.0 - missed, 0.0),
        by_data=both * (rest + reach * missed),
        by_theta=bracket,
        by_nu=both * data * by_nu,
        by_rho=x + bracket,
    )
