"""A ridge student of a perfect teacher: its effective capacity, and its best teacher."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage
from capgap.theory.domain import FloatArray
from capgap.theory.finite import checks
from capgap.theory.finite.kappa import Shares, learned_shares
from capgap.theory.finite.moments import tails

__all__ = ["Capacity", "capacity"]


@dataclass(frozen=True, slots=True)
class Capacity:
    r"""What a ridge student can take from a perfect teacher, and from the best one.

    Parameters
    ----------
    kappa, gamma : float
        Implicit ridge, and share of the student's error that is spread.
    theta : float
        Steepness of the gap, :math:`\gamma/(1 - \gamma)`.
    s : array, shape (n,)
        Share of each mode that the student learns, :math:`\lambda_i/(\lambda_i + \kappa)`.
    teacher_risk, student_risk : array, shape (M + 1,)
        Under the perfect teachers of m = 0..M modes.
    size : int
        m*, modes of the best perfect teacher: the student's effective capacity.
    best_teacher : array, shape (M,)
        Coefficients of the best of all linear teachers.
    best_teacher_risk : float
        Student's excess risk under it.
    """

    kappa: float
    gamma: float
    theta: float
    s: FloatArray
    teacher_risk: FloatArray
    student_risk: FloatArray
    size: int
    best_teacher: FloatArray
    best_teacher_risk: float

    @property
    def amplified(self) -> npt.NDArray[np.bool_]:
        r"""Modes in which the best teacher exceeds the target: :math:`\gamma < s_i < 1`."""
        return np.asarray((self.s > self.gamma) & (self.s < 1))

    @property
    def slopes(self) -> FloatArray:
        r"""dE_S/dE_T of each mode, :math:`1 - (1 - s_i)^2/(1 - \gamma)`, -theta beyond n.

        It falls from nearly 1 (modes the student learns well) to -theta: the corner of the
        hinge is as soft as s_i is, and its zero is the effective capacity.
        """
        rest = np.ones(self.best_teacher.size)
        rest[: self.s.size] = 1 - self.s
        return np.asarray(1 - rest**2 * (1 + self.theta))


def capacity(spectrum: Spectrum, student: Stage) -> Capacity:
    r"""Return the student's risk under every perfect teacher, and its effective capacity.

    .. math:: E_S(m) = t_m + \frac{1}{1-\gamma} \sum_{i \le m} \lambda_i (1 - s_i)^2 \beta_i^2,
        \qquad s_i = 0 \; (i > n)

    so one more mode of power :math:`a = \lambda_m \beta_m^2` changes the teacher by -a and the
    student by :math:`a[(1-s_m)^2/(1-\gamma) - 1]`: the student gains while
    :math:`s_m > 1 - \sqrt{1 - \gamma}` and loses after. With sorted eigenvalues the least is at

    .. math:: m^* = \#\{i \le n : s_i > 1 - \sqrt{1 - \gamma}\},

    the only minimum unless a mode has zero power or sits on the threshold. Since
    :math:`\gamma = \sum s_i^2/n \le s_1`, m* >= 1. Beyond n the slope against E_T is -theta.
    Of all linear teachers the best is

    .. math:: b_i = \frac{s_i \beta_i}{s_i^2 + \theta (1 - s_i)^2} \; (i \le n), \qquad
        E_S = t_n + \sum_{i \le n} \frac{\theta (1-s_i)^2}{s_i^2 + \theta(1-s_i)^2}
        \lambda_i \beta_i^2,

    larger than the target where s_i > gamma. Since :math:`1 - \sqrt{1-\gamma} < \gamma`, every
    amplified mode is one that the best perfect teacher keeps.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues sorted, largest first.
    student : Stage
        Its width n, samples, ridge and label noise tau^2, which adds theta tau^2 to every risk.

    Raises
    ------
    InputError
        Eigenvalues that rise, random features, or a student whose spread is infinite (n = m
        without ridge).

    Notes
    -----
    Deterministic equivalent; for least squares with n samples and width m it gives
    theta = m/(n - m), exactly m/(n - m - 1). Amplification agrees with Ildiz et al. 2410.18837.

    Examples
    --------
    Two modes, a least-squares student of one: it should be taught one, and then errs by t_1.

    >>> answer = capacity(Spectrum([1.0, 1.0], [1.0, 1.0]), Stage(1, 3))
    >>> answer.theta, answer.size, answer.student_risk.round(12).tolist()
    (0.5, 1, [2.0, 1.0, 1.5])
    """
    operation = "capacity"
    checks.fits(operation, spectrum, student)
    if np.any(np.diff(spectrum.eigenvalues) > 0):
        raise InputError(f"{operation}: eigenvalues must not rise")
    if student.random_features is not None:
        raise InputError(f"{operation}: random_features must be None")
    n = student.features
    if student.ridge == 0 and student.samples == n:
        raise InputError(f"{operation}: samples = {n} must not equal features without ridge")
    shares = learned_shares(spectrum.eigenvalues[:n], student.samples, student.ridge)
    theta = shares.theta
    rest = np.ones(spectrum.size)
    rest[:n] = shares.rest
    power = spectrum.alpha**2
    t = tails(spectrum)
    lost = np.append(0.0, np.cumsum(power * rest**2))
    size = int(np.count_nonzero(shares.s > 1 - np.sqrt(shares.room)))
    b, best = _best_teacher(spectrum, shares, theta)
    noise = theta * student.label_noise
    risk = t + lost * (1 + theta) + noise
    return Capacity(shares.kappa, shares.gamma, theta, shares.s, t, risk, size, b, best + noise)


def _best_teacher(spectrum: Spectrum, shares: Shares, theta: float) -> tuple[FloatArray, float]:
    s, rest, n = shares.s, shares.rest, shares.s.size
    b = np.zeros(spectrum.size)
    scale = s**2 + theta * rest**2
    b[:n] = s * spectrum.coefficients[:n] / scale
    left = theta * rest**2 / scale * spectrum.alpha[:n] ** 2
    return b, float(np.sum(left)) + float(tails(spectrum)[n])
