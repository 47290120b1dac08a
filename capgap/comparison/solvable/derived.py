r"""What the solvable models say theta, rho and s depend on; closed forms and their sources.

Each is derived from the chain formulas of `capgap.theory.finite`. Notation: a student of N
modes and D samples, :math:`s_i = \lambda_i/(\lambda_i+\kappa)`, :math:`\lambda_i = i^{-a}`,
:math:`t_m = m^{-\alpha}`, :math:`\nu = a/\alpha`.
"""

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.finite.least_squares import theta

__all__ = [
    "hinge_softness",
    "least_squares_powers",
    "ridgeless_theta",
    "sgd_theta",
    "tuned_power",
    "variance_slope",
    "width_slope",
]


def least_squares_powers(N: npt.ArrayLike, D: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    r"""Local powers of N and 1/D in :math:`\theta = N/(D - N - 1)` of least squares.

    .. math:: p = \frac{\partial \log\theta}{\partial \log N} = 1 + \theta, \qquad
              q = -\frac{\partial \log\theta}{\partial \log D} = \frac{D}{D - N - 1}

    Both tend to 1 for many samples and have a pole at D = N + 1: no power law holds there.

    Raises
    ------
    InputError
        D is not above N + 1.

    Examples
    --------
    N = 2, D = 7: theta = 1/2, so p = 3/2, and q = 7/4.

    >>> [float(v) for v in least_squares_powers(2, 7)]
    [1.5, 1.75]
    """
    slope = theta(N, D)
    samples = np.asarray(D, dtype=np.float64)
    return 1 + slope, samples / (samples - np.asarray(N, dtype=np.float64) - 1)


def ridgeless_theta(a: float) -> float:
    r"""Return theta of a wide student without ridge, :math:`\theta = a - 1`.

    kappa solves :math:`\sum s_i = D`; on a continuous power law :math:`\sum s_i^2 =
    (1 - 1/a) \sum s_i`, so :math:`\gamma = 1 - 1/a` whatever D: p = q = 0.

    Raises
    ------
    InputError
        a is not > 1.

    Examples
    --------
    >>> ridgeless_theta(1.5)
    0.5
    """
    if not a > 1:
        raise InputError(f"ridgeless_theta: a = {a:g} must be > 1")
    return a - 1


def tuned_power(alpha: float) -> float:
    r"""Power of 1/D in theta, and in K, of a wide student with a tuned ridge on noisy data.

    .. math:: \kappa \sim D^{-a/(1+\alpha)} \;\Rightarrow\; \theta \sim \kappa^{-1/a}/D \sim
              D^{-\alpha/(1+\alpha)}, \quad K \sim \kappa^{\alpha/a} \sim D^{-\alpha/(1+\alpha)}

    The student's excess on data falls with the same power (Caponnetto and De Vito 2007): theta
    is proportional to it.

    Examples
    --------
    >>> tuned_power(0.5) == 1 / 3, tuned_power(1.0)
    (True, 0.5)
    """
    if not alpha > 0:
        raise InputError(f"tuned_power: alpha = {alpha:g} must be > 0")
    return alpha / (1 + alpha)


def sgd_theta(eigenvalues: npt.ArrayLike, step_size: float) -> float:
    r"""Return theta of a student trained for long by SGD with a constant step, batch 1.

    .. math:: \theta = \frac{S}{1-S}, \qquad
              S = \frac{\eta}{2} \sum_{i \le N} \frac{\lambda_i}{1 - \eta \lambda_i}

    The stationary risk under label noise nu is theta nu (Gaussian features), and what the
    teacher knows beyond the student is such noise. More samples do not close this gap.

    Raises
    ------
    InputError
        The step is too large: S >= 1 or step_size times an eigenvalue >= 1.

    Examples
    --------
    One feature, eta = 1/2: S = 1/2.

    >>> sgd_theta([1.0], 0.5)
    1.0
    """
    unit = step_size * positive_array("sgd_theta", "eigenvalues", eigenvalues)
    share = 0.5 * float(np.sum(unit / (1 - unit))) if np.all(unit < 1) else np.inf
    if not share < 1:
        raise InputError(f"sgd_theta: step_size = {step_size:g} must be smaller: S = {share:g}")
    return share / (1 - share)


def variance_slope(s: npt.ArrayLike, theta: npt.ArrayLike) -> FloatArray:
    r"""Slope of the student's risk in a teacher's variance at a mode that it learns to s.

    .. math:: \rho = s^2 + \theta (1-s)^2

    From the chain: the second moment q of a mode passes with s^2, and adds (1-s)^2 of itself
    to the error, of which the student pays theta. Below 1, and so weak-to-strong, iff
    theta < (1+s)/(1-s). A mode outside the student has s = 0: its variance counts theta.

    Examples
    --------
    >>> variance_slope([1.0, 0.5, 0.0], 0.2).round(12).tolist()
    [1.0, 0.3, 0.2]
    """
    s = np.asarray(s, dtype=np.float64)
    return np.asarray(s**2 + np.asarray(theta) * (1 - s) ** 2, dtype=np.float64)


def width_slope(N: npt.ArrayLike, N_T: npt.ArrayLike, theta: npt.ArrayLike) -> FloatArray:
    r"""Slope rho of least-squares students under teachers of N_T modes that differ in samples.

    .. math:: \rho = \frac{N}{N_T} + \left(1 - \frac{N}{N_T}\right) \theta

    For N <= N_T. The teacher's variance is spread evenly over its modes; see `variance_slope`.
    rho depends on the student's width, and through theta alone on its samples.

    Examples
    --------
    >>> float(width_slope(128, 512, 0.1).round(12))
    0.325
    """
    share = positive_array("width_slope", "N", N) / positive_array("width_slope", "N_T", N_T)
    if np.any(share > 1):
        raise InputError(f"width_slope: N/N_T = {np.max(share):g} must be at most 1")
    return np.asarray(share + (1 - share) * np.asarray(theta), dtype=np.float64)


def hinge_softness(theta: npt.ArrayLike, K: npt.ArrayLike, nu: npt.ArrayLike) -> FloatArray:
    r"""Softness s of the additive hinge that bends as fast as a kernel student's curve.

    .. math:: s = \frac{(1+\theta)\, K\, (\sqrt2-1)^{1/\nu}}{2 (2-\sqrt2)\, \nu}

    Where the slope is halfway, (1-s_m)^2 = 1/2, the derivatives of both slopes agree: for the
    hinge (1+theta)^2/(4 s), for the student (2 - sqrt 2) nu (1+theta)/(2 x) at
    x = K (sqrt 2 - 1)^(1/nu). So softness comes from the continuous spectrum: it falls as
    1/nu and with the student's data as K does. A student that truncates has none.

    Examples
    --------
    At theta = 0, K = nu = 1 it is (sqrt 2 - 1)/(2 (2 - sqrt 2)) = 1/(2 sqrt 2).

    >>> bool(np.isclose(hinge_softness(0.0, 1.0, 1.0), 8**-0.5))
    True
    """
    theta, K, nu = (np.asarray(v, dtype=np.float64) for v in (theta, K, nu))
    root = np.sqrt(2.0)
    return np.asarray((1 + theta) * K * (root - 1) ** (1 / nu) / (2 * (2 - root) * nu))
