"""The hinge law: a smooth corner in log teacher loss, with its optimum in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.theory import jets, slopes
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.jets import Derivatives, Quantity
from capgap.theory.supervised import SupervisedLaw, log_supervised

__all__ = ["HingeLaw"]


@dataclass(frozen=True, slots=True)
class HingeLaw:
    r"""Student loss as a smoothed hinge of teacher loss, in logarithms.

    .. math:: L_S = l \left[ (L_T/l)^{\rho/s} + (L_T/l)^{-\theta/s} \right]^s, \qquad
        l = E + (A/N_S^\alpha + B/D_S^\beta)^\gamma
    .. math:: \theta = c\, N_S^p D_S^{-q}, \qquad \rho(D_S) = \rho - r D_S^{-m}

    evaluated as :math:`\log L_S = \log l + s\, LSE(\rho z/s, -\theta z/s)`,
    :math:`z = \log(L_T/l)`. A weak teacher (L_T well above l) gives the slope rho in
    log-log, a strong one the slope -theta: the capacity gap. At L_T = l the student's loss
    is 2^s l, so l is the corner's level, which need not equal a measured supervised loss.

    Parameters
    ----------
    student : SupervisedLaw
        The law of l.
    rho, s, c : float
        Slope under weak teachers, softness of the corner and scale of theta, > 0.
    p, q : float
        Powers of N_S and D_S in theta, finite; p = q = 0 makes theta constant.
    r, m : float
        What rho lacks at D_S = 1 and the power with which it is made up, >= 0; r = 0 makes
        rho constant, rho = 1 with r > 0 lets a weak teacher be imitated perfectly in the end.

    Raises
    ------
    InputError
        A coefficient is outside its domain, N_S, D_S or L_T is not finite and positive, or
        rho(D_S) is not positive there.

    Notes
    -----
    Ours, not the paper's: in the solvable least-squares chain with a perfect teacher the
    student's error is exactly max{E_T, (1 + theta) t - theta E_T}, a hinge; this is its
    smooth form with a free slope rho, in logarithms so that losses in bits or nats give the
    same coefficients. L_S > l always, L_S < L_T is possible. With a constant rho < 1 it does
    not return to L_T for an infinite student. With constant slopes and rho <= 1 the loss falls
    in N_S and in D_S; slopes that depend on them can break this around a soft corner.

    Examples
    --------
    rho = theta = s = 1 and l = 2 give L_S = 2 (L_T/2 + 2/L_T), least at L_T = l:

    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> law = HingeLaw(own, rho=1.0, s=1.0, c=1.0)
    >>> [round(float(law.loss(1, 1, L_T)), 12) for L_T in (1, 2, 4)]
    [5.0, 4.0, 5.0]
    >>> round(float(law.best_teacher_loss(1, 1)), 12), round(float(law.best_loss(1, 1)), 12)
    (2.0, 4.0)
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
        teacher = positive_array(f"HingeLaw.{operation}", "L_T", L_T)
        log_l = np.log(self.student.infinite_data_loss(N_S))
        with np.errstate(over="ignore"):
            rise = slopes.corner(np.log(teacher) - log_l, rho, theta, np.asarray(self.s))
            return np.asarray(np.exp(log_l + rise), dtype=np.float64)

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

        :math:`L_T^* = l\, (\theta/\rho)^{s/(\rho+\theta)}`. log L_S is strictly convex in
        log L_T, so it is the only minimum. It may lie below every reachable teacher loss.
        """
        position = slopes.best_position(self.rho_at(D_S), self.theta(N_S, D_S), self.s)
        return np.asarray(np.exp(self.student.log_loss(N_S, D_S) + position))

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Loss of the student of the best teacher, nats per token.

        :math:`L_S^* = l \left[(\theta/\rho)^{\rho/(\rho+\theta)} +
        (\theta/\rho)^{-\theta/(\rho+\theta)}\right]^s`.
        """
        rise = slopes.best_rise(self.rho_at(D_S), self.theta(N_S, D_S), self.s)
        return np.asarray(np.exp(self.student.log_loss(N_S, D_S) + rise), dtype=np.float64)


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    log_l = log_supervised(v, v["N_S"], v["D_S"], "student.")
    z = jets.log(v["L_T"]) - log_l
    return jets.exp(log_l + slopes.corner(z, slopes.weak_slope(v), slopes.strong_slope(v), v["s"]))
