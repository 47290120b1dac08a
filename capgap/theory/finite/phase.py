"""Which teacher is best, against the samples of the student: phases and first-order jumps."""

from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.spectrum import Spectrum
from capgap.theory.domain import FloatArray
from capgap.theory.finite import checks
from capgap.theory.finite.least_squares import least_squares_pair
from capgap.theory.finite.moments import tails

__all__ = ["Phases", "critical_theta", "phases", "samples_for_larger_teacher"]


@dataclass(frozen=True, slots=True)
class Phases:
    r"""Best teacher sizes in bands of the student's samples, from few samples to many.

    Parameters
    ----------
    sizes : tuple of int
        Best m in each band.
    thetas : tuple of float
        Steepness at the borders, falling; one fewer than sizes.
    samples : tuple of float
        The borders as student samples, :math:`n_S = 1 + n + n/\theta`, rising; real numbers.
    risks : tuple of float
        The student's risk at each border, where both sizes are equally good.
    """

    sizes: tuple[int, ...]
    thetas: tuple[float, ...]
    samples: tuple[float, ...]
    risks: tuple[float, ...]

    def best(self, n_S: float) -> int:
        """Return the best size for n_S samples (at a border the larger teacher's)."""
        return self.sizes[int(np.searchsorted(self.samples, n_S, side="right"))]


def phases(spectrum: Spectrum, n: int, n_T: float, noise: float) -> Phases:
    r"""Return where the best teacher of a least-squares student changes, exactly.

    In theta each teacher size is a line, :math:`E_S = A_m + \theta B_m` with

    .. math:: A_m = t_n + n v_m, \quad B_m = t_n - t_m + (m - n) v_m \; (m > n), \qquad
        A_m = E_T(m), \quad B_m = 0 \; (m \le n)

    so the least risk is the lower envelope of lines. Its corners are the only places where the
    best size changes, and it changes by a jump (first order): the risk is continuous there,
    its slope in theta is not. Whether the jump passes over sizes depends on the target: where its
    power is level, falls slowly or ends, the best size leaps from n to far above; where it
    falls fast, larger sizes set in one mode at a time. At most one size m <= n takes part, that
    of the best copied teacher. With a perfect teacher v = 0 and there is one phase, m = n.

    Parameters
    ----------
    spectrum, n, n_T, noise
        As in `least_squares_pair`.

    Examples
    --------
    Three features, the second useless: theta = 1/18 is the border, n_S = 1 + 1 + 18.

    >>> found = phases(Spectrum([1.0] * 3, [1.0, 0.0, 1.0]), 1, 8, 1.0)
    >>> found.sizes, [round(x, 9) for x in found.samples]
    ((1, 3), [20.0])
    """
    width = checks.count("phases", "n", n, spectrum.size)
    A, B, m = _lines(spectrum, width, n_T, noise)
    sizes, corners = [int(m[0])], []
    a, b = float(A[0]), float(B[0])
    while True:
        # A line that is not both steeper and lower at theta = 0 never comes back.
        ahead = (b < B) & (a > A)
        A, B, m = A[ahead], B[ahead], m[ahead]
        if m.size == 0:
            break
        meet = (a - A) / (B - b)
        # Where several lines meet in one corner, the steepest is the next phase.
        next_ = int(np.lexsort((-B, -meet))[0])
        corners.append((float(meet[next_]), a + float(meet[next_]) * b))
        a, b = float(A[next_]), float(B[next_])
        sizes.append(int(m[next_]))
    thetas = tuple(corner[0] for corner in corners)
    return Phases(
        tuple(sizes),
        thetas,
        tuple(1 + width + width / at for at in thetas),
        tuple(corner[1] for corner in corners),
    )


def _lines(
    spectrum: Spectrum, n: int, n_T: float, noise: float
) -> tuple[FloatArray, FloatArray, checks.CountArray]:
    """Intercepts, slopes and sizes: the best copied teacher first, then those above n."""
    sizes = np.arange(int(min(spectrum.size, n_T - 2)) + 1)
    # theta = 0 and theta = 1 read intercept and slope off the one formula there is.
    at_zero = least_squares_pair(spectrum, sizes, n, n_T, inf, noise).student_risk
    at_one = least_squares_pair(spectrum, sizes, n, n_T, 2 * n + 1, noise).student_risk
    copied = int(np.argmin(at_zero[: n + 1]))
    keep = np.append(copied, sizes[n + 1 :])
    return at_zero[keep], np.maximum(at_one - at_zero, 0.0)[keep], keep


def critical_theta(spectrum: Spectrum, n: int, n_T: float, noise: float) -> float:
    r"""Return the steepness below which some teacher larger than the student is best.

    .. math:: \theta_c = \max_{m>n} \frac{\min_{k \le n} E_T(k) - t_n - n v_m}
        {t_n - t_m + (m-n) v_m}

    and 0 if there is none. (Against m = n alone the numerator is n (v_n - v_m), as long as the
    teacher of n features is the best copied one; one that overfits is not.)

    Three features, the second useless; v_1 = 2/6 and v_3 = 1/4, so that
    theta_c = (1/3 - 1/4)/(1 + 2/4) = 1/18.

    >>> round(critical_theta(Spectrum([1.0] * 3, [1.0, 0.0, 1.0]), 1, 8, 1.0), 12)
    0.055555555556
    """
    found = phases(spectrum, n, n_T, noise).thetas
    return found[0] if found else 0.0


def samples_for_larger_teacher(
    spectrum: Spectrum, m: npt.ArrayLike, n: int, n_T: float, noise: float
) -> FloatArray:
    r"""Return the student samples above which a teacher of m > n beats one of m = n.

    .. math:: n_S > n_T + \frac{2 (m - n) v_m}{v_n - v_m}

    or infinity where v_m >= v_n (always with a perfect teacher). It is theta B_m < n (v_n - v_m)
    with :math:`(n_T - n - 1)(v_n - v_m) = t_n - t_m - (m - n) v_m`. So **a teacher larger than
    its student is best only if the student sees more samples than the teacher saw**, whatever
    the spectrum, the target and the noise.

    Parameters
    ----------
    spectrum, n, n_T, noise
        As in `least_squares_pair`; n_T finite.
    m : array of counts
        Teacher sizes, n < m < n_T - 1.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Examples
    --------
    >>> three = Spectrum([1.0] * 3, [1.0, 0.0, 1.0])
    >>> samples_for_larger_teacher(three, [2, 3], 1, 8, 1.0).round(9).tolist()
    [inf, 20.0]
    """
    operation = "samples_for_larger_teacher"
    width = checks.count(operation, "n", n, spectrum.size)
    size = checks.sizes(operation, "m", m, spectrum.size)
    if np.any(size <= width) or n_T == inf:
        raise InputError(f"{operation}: m must be > n = {width} and n_T finite")
    trained = checks.samples(operation, "n_T", n_T, size + 1)
    t = tails(spectrum)
    sigma = checks.variance(operation, "noise", noise)
    v_n, v_m = (sigma + t[width]) / (n_T - width - 1), (sigma + t[size]) / (trained - size - 1)
    helps = v_m < v_n
    ratio = 2 * (size - width) * v_m / np.where(helps, v_n - v_m, 1.0)
    return np.asarray(np.where(helps, n_T + ratio, inf))
