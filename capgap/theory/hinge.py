"""The hinge law: a smooth corner in log teacher loss, with its optimum in closed form."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HingeLaw"]


@dataclass(frozen=True, slots=True)
class HingeLaw:
    r"""Student loss as a smoothed hinge of teacher loss.

    .. math:: L_S = l \left[ (L_T/l)^{\rho/s} + (L_T/l)^{-\theta/s} \right]^s, \qquad
        l = E + (A/N_S^\alpha + B/D_S^\beta)^\gamma, \qquad \theta = c\, N_S^p D_S^{-q}

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

    Raises
    ------
    InputError
        A coefficient is outside its domain, or N_S, D_S or L_T is not finite and positive.

    Notes
    -----
    Ours, not the paper's: in the solvable least-squares chain with a perfect teacher the
    student's error is exactly max{E_T, (1 + theta) t - theta E_T}, a hinge; this is its
    smooth form with a free slope rho, in logarithms so that losses in bits or nats give the
    same coefficients. It can express L_S < L_T. With a constant rho < 1 it does not return
    to L_T for an infinite student.

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

    def __post_init__(self) -> None:
        if not isinstance(self.student, SupervisedLaw):
            raise InputError(f"HingeLaw: student = {self.student!r} must be a SupervisedLaw")
        for name in ("rho", "s", "c"):
            require("HingeLaw", name, getattr(self, name))
        for name in ("p", "q"):
            if not isfinite(getattr(self, name)):
                raise InputError(f"HingeLaw: {name} = {getattr(self, name):g} must be finite")

    def theta(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Slope :math:`\theta = c N_S^p D_S^{-q}` under strong teachers, without unit."""
        size = positive_array("HingeLaw.theta", "N_S", N_S)
        tokens = positive_array("HingeLaw.theta", "D_S", D_S)
        log_theta = np.log(self.c) + self.p * np.log(size) - self.q * np.log(tokens)
        return np.asarray(np.exp(log_theta), dtype=np.float64)

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        log_l = self.student.log_loss(N_S, D_S)
        z = np.log(positive_array("HingeLaw.loss", "L_T", L_T)) - log_l
        corner = np.logaddexp(self.rho * z / self.s, -self.theta(N_S, D_S) * z / self.s)
        return np.asarray(np.exp(log_l + self.s * corner), dtype=np.float64)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss of the best student, nats per token.

        :math:`L_T^* = l\, (\theta/\rho)^{s/(\rho+\theta)}`. log L_S is strictly convex in
        log L_T, so it is the only minimum. It may lie below every reachable teacher loss.
        """
        return np.asarray(np.exp(self.student.log_loss(N_S, D_S) + self._best_z(N_S, D_S)))

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Loss of the student of the best teacher, nats per token.

        :math:`L_S^* = l \left[(\theta/\rho)^{\rho/(\rho+\theta)} +
        (\theta/\rho)^{-\theta/(\rho+\theta)}\right]^s`.
        """
        log_l = self.student.log_loss(N_S, D_S)
        theta = self.theta(N_S, D_S)
        log_ratio = np.log(theta / self.rho)
        share = self.rho + theta
        corner = np.logaddexp(self.rho * log_ratio / share, -theta * log_ratio / share)
        return np.asarray(np.exp(log_l + self.s * corner), dtype=np.float64)

    def _best_z(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        theta = self.theta(N_S, D_S)
        return np.asarray(self.s * np.log(theta / self.rho) / (self.rho + theta))
