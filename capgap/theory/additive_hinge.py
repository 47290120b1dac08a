"""The additive hinge law: a smooth corner in teacher loss itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.theory import jets, slopes
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.jets import Derivatives, Quantity
from capgap.theory.supervised import SupervisedLaw, supervised_loss

__all__ = ["AdditiveHingeLaw"]


@dataclass(frozen=True, slots=True)
class AdditiveHingeLaw:
    r"""Student loss as a smoothed hinge of teacher loss, in nats.

    .. math:: L_S = l + s \log\left(e^{\rho x/s} + e^{-\theta x/s}\right), \qquad x = L_T - l
    .. math:: l = E + (A/N_S^\alpha + B/D_S^\beta)^\gamma, \qquad
        \theta = c\, N_S^p D_S^{-q}, \qquad \rho(D_S) = \rho - r D_S^{-m}

    The twin of `HingeLaw`: a weak teacher (L_T well above l) moves the student by rho nats
    per nat, a strong one by -theta. At L_T = l the student's loss is l + s log 2.

    Parameters
    ----------
    student : SupervisedLaw
        The law of l.
    rho, c : float
        Slope under weak teachers and scale of theta, > 0, without unit.
    s : float
        Softness of the corner, nats per token, > 0.
    p, q : float
        Powers of N_S and D_S in theta, finite; p = q = 0 makes theta constant.
    r, m : float
        What rho lacks at D_S = 1 and the power with which it is made up, >= 0.

    Raises
    ------
    InputError
        A coefficient is outside its domain, N_S, D_S or L_T is not finite and positive, or
        rho(D_S) is not positive there.

    Notes
    -----
    Ours, not the paper's; in this form the solvable chain's max{E_T, (1 + theta) t -
    theta E_T} is its limit s -> 0 with rho = 1. Convex in L_T. In another unit of loss s
    scales with the loss; rho and theta stay. L_S > l always, L_S < L_T is possible. With a
    constant rho < 1 it does not return to L_T for an infinite student.

    Examples
    --------
    l = 2, rho = theta = s = 1: L_S = 2 + log(e^x + e^-x), least at x = 0; one nat to either
    side it is 2 + log(2 cosh 1):

    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> law = AdditiveHingeLaw(own, rho=1.0, s=1.0, c=1.0)
    >>> excess = law.loss(1, 1, [1, 2, 3]) - 2
    >>> np.round(np.exp(excess) / 2, 12).tolist(), round(float(np.cosh(1)), 12)
    ([1.543080634815, 1.0, 1.543080634815], 1.543080634815)
    >>> round(float(law.best_teacher_loss(1, 1)), 12)
    2.0
    """

    student: SupervisedLaw
    rho: float
    s: float
    c: float
    p: float = 0.0
    q: float = 0.0
    r: float = 0.0
    m: float = 0.0

    def __post_init__(self) -> None:
        slopes.check_coefficients(self)

    @property
    def irreducible_loss(self) -> float:
        """E of the law of l; nats per token."""
        return self.student.irreducible_loss

    def theta(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Slope :math:`\theta = c N_S^p D_S^{-q}` under strong teachers, without unit."""
        return slopes.theta_at(self, "theta", N_S, D_S)

    def rho_at(self, D_S: npt.ArrayLike) -> FloatArray:
        r"""Slope :math:`\rho - r D_S^{-m}` under weak teachers, without unit."""
        return slopes.rho_at(self, "rho_at", D_S)

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        return jets.evaluate(_loss, slopes.hinge_variables(self, "loss", N_S, D_S, L_T))

    def infinite_data_loss(self, N_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Limit D_S to infinity: l loses its data term; theta vanishes if q > 0.

        Raises
        ------
        InputError
            q < 0: theta grows without limit, and with it the loss under strong teachers.
        """
        operation = "infinite_data_loss"
        rho, theta = slopes.limit_slopes(self, operation, N_S)
        teacher = positive_array(f"AdditiveHingeLaw.{operation}", "L_T", L_T)
        level = self.student.infinite_data_loss(N_S)
        with np.errstate(over="ignore"):
            return level + slopes.corner(teacher - level, rho, theta, np.asarray(self.s))

    def derivatives(
        self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
    ) -> Derivatives:
        """Exact gradient and Hessian in the inputs and all coefficients."""
        v = slopes.hinge_variables(self, "derivatives", N_S, D_S, L_T)
        return jets.differentiate(_loss, v)

    def slope(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Derivative of the student's loss in its teacher's, without unit."""
        v = slopes.hinge_variables(self, "slope", N_S, D_S, L_T)
        return jets.differentiate(_loss, v, ("L_T",)).gradient[..., 0]

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at the corner, l; nats per token."""
        return self.student.loss(N_S, D_S)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss of the best student, nats per token.

        :math:`L_T^* = l + s \log(\theta/\rho)/(\rho+\theta)`, the only minimum; zero where
        that is negative: then no teacher is too strong, and L_S falls all the way to L_T = 0.
        It may lie below every reachable teacher loss.
        """
        position = slopes.best_position(self.rho_at(D_S), self.theta(N_S, D_S), self.s)
        return np.asarray(np.maximum(self.student.loss(N_S, D_S) + position, 0.0))

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Loss of the student of the best teacher, nats per token.

        :math:`L_S^* = l + s \log\left[(\theta/\rho)^{\rho/(\rho+\theta)} +
        (\theta/\rho)^{-\theta/(\rho+\theta)}\right]`, or the loss at L_T = 0 where
        `best_teacher_loss` is zero.
        """
        rho, theta = self.rho_at(D_S), self.theta(N_S, D_S)
        level = self.student.loss(N_S, D_S)
        at_zero = slopes.corner(-level, rho, theta, np.asarray(self.s))
        inside = level + slopes.best_position(rho, theta, self.s) > 0
        return level + np.where(inside, slopes.best_rise(rho, theta, self.s), at_zero)


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    level = supervised_loss(v, v["N_S"], v["D_S"], "student.")
    x = v["L_T"] - level
    return level + slopes.corner(x, slopes.weak_slope(v), slopes.strong_slope(v), v["s"])
