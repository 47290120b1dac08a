"""The distillation law without its transition: a gap that is a power of the teacher's loss."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.theory import jets
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.gap_term import check_coefficients, log_bracket
from capgap.theory.jets import Derivatives, Quantity

__all__ = ["PowerDistillationLaw"]


@dataclass(frozen=True, slots=True)
class PowerDistillationLaw:
    r"""Student loss whose distance to the teacher's falls as a power of the teacher's loss.

    .. math:: L_S = L_T + L_T^{-c_0} \left(A/N_S^\alpha + B/D_S^\beta\right)^\gamma

    Eq. 8 below its transition, k = 0 in `ReducedDistillationLaw`: the student's supervised
    loss does not enter. Losses in nats per token; N_S non-embedding parameters, D_S tokens
    (raw counts).

    Parameters
    ----------
    c0 : float
        Power with which the gap falls in the teacher's loss, >= 0.
    A, B, alpha, beta, gamma : float
        The paper's primed coefficients, > 0.

    Raises
    ------
    InputError
        A coefficient is outside its domain, or N_S, D_S or L_T is not finite and positive.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, Eq. 8 with its second factor left out. L_S > L_T
    always, and convex in L_T. Without the transition the gap stays open under weak teachers:
    a law for runs that are all on the side of strong ones.

    Examples
    --------
    c0 = 1 and a bracket of 4: L_S = L_T + 4/L_T, least at L_T = 2.

    >>> law = PowerDistillationLaw(c0=1.0, A=2.0, B=2.0, alpha=1.0, beta=1.0, gamma=1.0)
    >>> law.loss(1, 1, [1, 2, 4]).round(12).tolist()
    [5.0, 4.0, 5.0]
    >>> round(float(law.best_teacher_loss(1, 1)), 12), round(float(law.best_loss(1, 1)), 12)
    (2.0, 4.0)
    """

    c0: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        check_coefficients(self)

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        return jets.evaluate(_loss, self._variables("loss", N_S, D_S, L_T))

    def infinite_data_loss(self, N_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Limit D_S to infinity: the data term vanishes, the capacity term stays."""
        v = self._variables("infinite_data_loss", N_S, 1.0, L_T)
        return jets.evaluate(_loss, v | {"D_S": np.inf})

    def derivatives(
        self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
    ) -> Derivatives:
        """Exact gradient and Hessian in the inputs and all coefficients."""
        return jets.differentiate(_loss, self._variables("derivatives", N_S, D_S, L_T))

    def slope(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Derivative of the student's loss in its teacher's, without unit."""
        v = self._variables("slope", N_S, D_S, L_T)
        return jets.differentiate(_loss, v, ("L_T",)).gradient[..., 0]

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Infinite: there is no transition, and every teacher is on the side of the gap."""
        return np.full(self._log_U("knee", N_S, D_S).shape, np.inf)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss of the best student, nats per token.

        :math:`L_T^* = (c_0 U)^{1/(1 + c_0)}` with U the bracket, the only minimum; zero where
        c0 = 0. It may lie below every reachable teacher loss.
        """
        log_U = self._log_U("best_teacher_loss", N_S, D_S)
        if self.c0 == 0:
            return np.zeros(log_U.shape)
        return np.asarray(np.exp((np.log(self.c0) + log_U) / (1 + self.c0)), dtype=np.float64)

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Loss of the student of the best teacher, L_T* (1 + 1/c0), or U; nats per token."""
        log_U = self._log_U("best_loss", N_S, D_S)
        if self.c0 == 0:
            return np.asarray(np.exp(log_U), dtype=np.float64)
        log_c0 = np.log(self.c0)
        rise = np.log1p(self.c0) - log_c0
        return np.asarray(np.exp((log_c0 + log_U) / (1 + self.c0) + rise), dtype=np.float64)

    def _log_U(self, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        return jets.evaluate(log_bracket, self._variables(operation, N_S, D_S, 1.0))

    def _variables(
        self, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
    ) -> dict[str, Any]:
        name = f"PowerDistillationLaw.{operation}"
        given = {"N_S": N_S, "D_S": D_S, "L_T": L_T}
        found: dict[str, Any] = {key: positive_array(name, key, v) for key, v in given.items()}
        return found | {field.name: getattr(self, field.name) for field in fields(self)}


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    return v["L_T"] + jets.exp(log_bracket(v) - v["c0"] * jets.log(v["L_T"]))
