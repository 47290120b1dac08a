"""The law of the capacity gap that a power-law spectrum implies, in closed form."""

from dataclasses import dataclass
from math import isfinite, pi, sin

import numpy as np
import numpy.typing as npt
from scipy.special import beta as beta_function
from scipy.special import betainc

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array, require

__all__ = ["PowerLawStudent"]


@dataclass(frozen=True, slots=True)
class PowerLawStudent:
    r"""Kernel-ridge student on :math:`\lambda_i = i^{-a}, \alpha_i^2 = i^{-b}`, as a law in E_T.

    .. math:: E_S = E_T + \frac{(1 + \theta) E_0}{p}
        B_v\!\left(2 - \frac1p, \frac1p\right), \qquad v = \frac{1}{1 + (E_T/E_0)^p}
    .. math:: p = \frac{a}{b-1}, \qquad E_0 = \frac{\kappa^{(b-1)/a}}{b-1}, \qquad
        \kappa^{-1/a} = \frac{n\, a \sin(\pi/a)}{\pi} (1 - \lambda/\kappa), \qquad
        \gamma = \left(1 - \frac1a\right) \left(1 - \frac{\lambda}{\kappa}\right)

    B_v is the incomplete beta function. It is theorem 2c with sums as integrals: mode i is
    learned to :math:`s = 1/(1 + (E_T/E_0)^{-p})` where E_T is the tail beyond it, so

    .. math:: \frac{dE_S}{dE_T} = 1 - (1 + \theta) v^2.

    What the coefficients of a hinge depend on, then: the weak slope rho is 1; the strong slope
    theta = gamma/(1 - gamma) is a - 1 without ridge, *whatever the number of samples*, and falls
    with ridge; the corner E_0 falls as n^-(b-1); its softness is set by 1/p = (b - 1)/a, the
    decay of the target against the kernel's. Samples move the corner, not the slopes.

    Parameters
    ----------
    a : float
        Decay of the eigenvalues, > 1.
    b : float
        Decay of the target's power, > 1 and < 2 a + 1 (else the first modes decide, and the
        sums are no integrals).
    n : float
        Samples, > 0.
    share : float
        lambda/kappa, the part of the implicit ridge that is explicit, in [0, 1).

    Raises
    ------
    InputError
        A parameter is outside its domain.

    Notes
    -----
    Derived here. The integrals replace sums over modes, good to O(1/i_0), i_0 = kappa^(-1/a).

    Examples
    --------
    a = 2, b = 2, n = pi/2 without ridge: kappa = 1, E_0 = 1, p = 2, theta = 1.

    >>> law = PowerLawStudent(a=2.0, b=2.0, n=pi / 2)
    >>> round(law.kappa, 12), round(law.corner, 12), law.softness, law.theta
    (1.0, 1.0, 0.5, 1.0)
    >>> round(law.best_teacher_risk, 6)
    0.643594
    """

    a: float
    b: float
    n: float
    share: float = 0.0

    def __post_init__(self) -> None:
        require("PowerLawStudent", "n", self.n)
        if not (isfinite(self.a) and self.a > 1):
            raise InputError(f"PowerLawStudent: a = {self.a:g} must be finite and > 1")
        if not 1 < self.b < 2 * self.a + 1:
            raise InputError(f"PowerLawStudent: b = {self.b:g} must be in (1, 2 a + 1)")
        if not 0 <= self.share < 1:
            raise InputError(f"PowerLawStudent: share = {self.share:g} must be in [0, 1)")

    @property
    def kappa(self) -> float:
        r"""Implicit ridge: :math:`\kappa^{-1/a} \pi/(a \sin(\pi/a)) = \sum s_i = n (1 - share)`."""
        reach = self.n * (1 - self.share) * self.a * sin(pi / self.a) / pi
        return float(reach**-self.a)

    @property
    def gamma(self) -> float:
        r""":math:`\sum s_i^2/n = (1 - 1/a) \sum s_i/n`."""
        return (1 - 1 / self.a) * (1 - self.share)

    @property
    def theta(self) -> float:
        r"""Slope under strong teachers, :math:`\gamma/(1-\gamma)`; a - 1 without ridge."""
        if self.share == 0:
            return self.a - 1
        return self.gamma / (1 - self.gamma)

    @property
    def corner(self) -> float:
        """E_0: risk of the teacher whose last mode the student learns by half."""
        return float(self.kappa ** (1 / self.sharpness) / (self.b - 1))

    @property
    def sharpness(self) -> float:
        """p, how fast the slope turns in log E_T."""
        return self.a / (self.b - 1)

    @property
    def softness(self) -> float:
        """1/p, the s of a hinge law up to a constant."""
        return 1 / self.sharpness

    @property
    def best_teacher_risk(self) -> float:
        r"""Teacher risk of the best student, :math:`E_0 (\sqrt{1 + \theta} - 1)^{1/p}`."""
        return float(self.corner * np.expm1(np.log1p(self.theta) / 2) ** self.softness)

    def slope(self, E_T: npt.ArrayLike) -> FloatArray:
        r"""dE_S/dE_T, :math:`1 - (1+\theta)/(1 + (E_T/E_0)^p)^2`."""
        return np.asarray(1 - (1 + self.theta) * (1 - self._learned(E_T)) ** 2)

    def student_risk(self, E_T: npt.ArrayLike) -> FloatArray:
        """Student's excess risk under perfect teachers of risk E_T > 0."""
        teacher = positive_array("PowerLawStudent", "E_T", E_T)
        x, y = 2 - self.softness, self.softness
        learned = self._learned(teacher)
        # v rounds to 1 long before its power 1/p does: there the other tail is exact.
        weak = betainc(x, y, 1 - learned)
        strong = 1 - betainc(y, x, learned)
        area = np.where(learned > 0.5, weak, strong) * beta_function(x, y)
        area = np.where(learned < 1e-16, beta_function(x, y) - teacher / self.corner / y, area)
        return np.asarray(teacher + (1 + self.theta) * self.corner * y * area)

    def _learned(self, E_T: npt.ArrayLike) -> FloatArray:
        """Return 1 - v, the share that the student learns of its teacher's last mode."""
        with np.errstate(over="ignore"):
            ratio = (self.corner / np.asarray(E_T, dtype=np.float64)) ** self.sharpness
        return np.asarray(1 / (1 + ratio))
