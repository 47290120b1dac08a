"""What a ridge student resolves of a power-law spectrum, with sums as integrals."""

import numpy as np
import numpy.typing as npt
from scipy.special import beta, betainc

from capgap.theory.domain import FloatArray

__all__ = ["random_resolution", "resolution"]

_MOST = 60  # steps of Newton's method; 5 to 15 are taken
_HALVINGS = 60


def resolution(
    N: npt.ArrayLike, D: npt.ArrayLike, a: npt.ArrayLike, ridge: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    r"""What a ridge student with N modes and D samples resolves of :math:`\lambda_i = i^{-a}`.

    .. math:: \kappa = \lambda + \frac{\kappa}{D} \int_0^N \frac{di}{1 + \kappa i^a}, \qquad
              \gamma = \frac1D \int_0^N \frac{di}{(1 + \kappa i^a)^2}

    Parameters
    ----------
    N, D : array_like
        Modes and samples, > 0.
    a : array_like
        Decay of the eigenvalues, > 1.
    ridge : array_like
        lambda > 0, in units of the first eigenvalue.

    Returns
    -------
    kappa, gamma : arrays

    Notes
    -----
    The deterministic equivalent of ridge regression with sums as integrals (Canatar et al.
    2021; Simon et al. 2021). The residual is convex in kappa and Newton's method starts above
    the root, so it comes down to it without a safeguard.

    Examples
    --------
    Without ridge and with modes without end gamma is 1 - 1/a, so theta = a - 1:

    >>> kappa, gamma = resolution(1e9, 100.0, 2.0, 1e-15)
    >>> round(float(gamma), 6)
    0.5

    Fewer modes than samples, hardly any ridge: gamma = N/D, as for least squares.

    >>> round(float(resolution(50.0, 100.0, 2.0, 1e-12)[1]), 6)
    0.5
    """
    N, D, a, ridge = (np.asarray(v, dtype=np.float64) for v in (N, D, a, ridge))
    whole = np.pi / a / np.sin(np.pi / a)
    kappa = np.maximum(2 * ridge, (2 * whole / D) ** a)
    for _ in range(_MOST):
        first, second = _degrees(N, a, kappa)
        step = (kappa * (1 - first / D) - ridge) / (1 - second / D)
        # Rounding near the root of an almost singular problem may push it below zero.
        lower = np.maximum(kappa - step, ridge)
        done = np.all(np.abs(lower - kappa) <= 1e-13 * kappa)
        kappa = lower
        if done:
            break
    return kappa, np.asarray(_degrees(N, a, kappa)[1] / D, dtype=np.float64)


def random_resolution(
    P: npt.ArrayLike, D: npt.ArrayLike, a: npt.ArrayLike, ridge: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""What a ridge student on P random features resolves of :math:`\lambda_i = i^{-a}`.

    .. math:: \lambda = \kappa (1 - d_1/D)(1 - d_1/P), \quad
              d_1 = \frac{\pi/a}{\sin(\pi/a)} \kappa^{-1/a}, \quad d_2 = (1 - 1/a)\, d_1
    .. math:: \zeta = \frac{d_1 - d_2}{P - d_2}, \qquad
              \gamma = \frac{d_2 + \zeta (d_1 - d_2)}{D}

    Parameters and errors as in `resolution`, with P random features for N modes.

    Returns
    -------
    kappa, gamma, zeta : arrays

    Notes
    -----
    Random-feature ridge regression (Simon et al. 2023, arXiv 2311.14646; Atanasov et al. 2024)
    with sums as integrals over infinitely many modes.

    Examples
    --------
    Fewer features than samples, no ridge: gamma = P/D, as for least squares, and zeta = 1.

    >>> [round(float(v), 6) for v in random_resolution(50.0, 100.0, 2.0, 1e-12)[1:]]
    [0.5, 1.0]
    """
    P, D, a, ridge = (np.asarray(v, dtype=np.float64) for v in (P, D, a, ridge))
    whole, fewer = np.pi / a / np.sin(np.pi / a), np.minimum(P, D)
    low = a * np.log(whole / fewer)
    # At the upper limit d_1 is at most half of P and D, so that kappa/4 >= ridge.
    high = np.maximum(a * np.log(2 * whole / fewer), np.log(4 * ridge))
    low, high = np.broadcast_arrays(low, high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        d1 = whole * np.exp(-middle / a)
        above = np.exp(middle) * (1 - d1 / D) * (1 - d1 / P) > ridge
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    d1 = whole * np.exp(-high / a)
    zeta = d1 / a / (P - d1 * (1 - 1 / a))
    gamma = (d1 * (1 - 1 / a) + zeta * d1 / a) / D
    return np.exp(high), gamma, zeta


def _degrees(N: FloatArray, a: FloatArray, kappa: FloatArray) -> tuple[FloatArray, FloatArray]:
    r"""Integrals :math:`I_k` of s^k over the modes, k = 1, 2, :math:`s = 1/(1 + \kappa i^a)`.

    By parts :math:`I_2 = I_1 - (I_1 - N s_N)/a`.
    """
    top = kappa * N**a
    one = 1 / a
    first = kappa**-one * one * beta(one, 1 - one) * betainc(one, 1 - one, top / (1 + top))
    second = first - (first - N / (1 + top)) * one
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
