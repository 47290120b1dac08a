"""The distillation scaling law: student loss as a function of teacher loss."""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.supervised import SupervisedLaw, log_power_sum

__all__ = ["DistillationLaw", "ReducedDistillationLaw"]

_LARGEST_EXPONENT = 700.0  # exp(700) is finite; beyond it the factor has long been zero


@dataclass(frozen=True, slots=True)
class DistillationLaw:
    r"""Loss of a student of N_S parameters distilled on D_S tokens from a teacher of loss L_T.

    .. math:: L_S = L_T + L_T^{-c_0} \left(1 + \left(\frac{L_T}{\tilde L_S d_1}\right)^{1/f_1}
        \right)^{-c_1 f_1} \left(\frac{A}{N_S^\alpha} + \frac{B}{D_S^\beta}\right)^\gamma

    with :math:`\tilde L_S = L(N_S, D_S)` the `supervised` loss of the same student on the
    same tokens. Losses in nats per token; N_S non-embedding parameters, D_S tokens (raw
    counts). Evaluated in logarithms, as in the paper's appendix F.

    Parameters
    ----------
    supervised : SupervisedLaw
    c0 : float
        Exponent of a strong teacher, >= 0.
    c1, f1, d1 : float
        Drop, softness and position of the transition, > 0.
    A, B, alpha, beta, gamma : float
        The paper's primed coefficients, > 0.

    Raises
    ------
    InputError
        A coefficient is outside its domain, or N_S, D_S or L_T is not finite and positive.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, Eq. 8. The law forces L_S > L_T: it cannot
    express a student that beats its teacher. The transition sits at `knee`, not at
    L_T = d1 * supervised loss, and its two sides are the reverse of what is often said:
    below it (a strong teacher) the gap follows L_T^(-c0), above it the gap closes.

    Examples
    --------
    A student with supervised loss 2 (E = 0, A/N = B/D = 1); L_T = 2, d1 = f1 = c1 = 1, c0 = 0:
    the factor is (1 + 2/2)^-1 = 1/2 and the last bracket 2, so L_S = 2 + 2/2.

    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> law = DistillationLaw(own, c0=0, c1=1, f1=1, d1=1, A=1, B=1, alpha=1, beta=1, gamma=1)
    >>> round(float(law.loss(1, 1, 2)), 12)
    3.0
    """

    supervised: SupervisedLaw
    c0: float
    c1: float
    f1: float
    d1: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        _check_coefficients(self)

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        own, gap, teacher = _log_parts(self, "DistillationLaw.loss", N_S, D_S, L_T)
        log_L_T = np.log(teacher)
        gap = gap - self.c0 * log_L_T + self._log_factor(log_L_T - own)
        return np.asarray(np.exp(np.logaddexp(log_L_T, gap)), dtype=np.float64)

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss at the transition, :math:`\tilde L_S d_1 (c_1 f_1)^{-f_1}`.

        There :math:`k (L_T / \tilde L_S)^{1/f_1} = 1` with the k of `reduced`, so for large
        c1 the factor has fallen to 1/e. Nats per token.
        """
        log_ratio = np.log(self.d1) - self.f1 * np.log(self.c1 * self.f1)
        return np.asarray(self.supervised.loss(N_S, D_S) * np.exp(log_ratio), dtype=np.float64)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss at which the student's loss is least, nats per token.

        Solves :math:`\partial L_S / \partial L_T = 0`, that is h(x) = 1 with
        :math:`h = u (L_S - x)/x`, :math:`u = c_0 + c_1 \sigma`, :math:`\sigma = y/(1 + y)`,
        :math:`y = (x/(\tilde L_S d_1))^{1/f_1}`, by bisection on log x. Nothing keeps the
        optimum above the irreducible loss: compare it with the losses teachers can reach.

        Raises
        ------
        InputError
            1/f1 is at or above p+ = b + sqrt(b^2 - 1), b = 1 + 2 c0 + 2 c0 (1 + c0)/c1.
            From there on the law is not convex in L_T and may have two minima.
        """
        b = 1 + 2 * self.c0 + 2 * self.c0 * (1 + self.c0) / self.c1
        _require_convex("DistillationLaw.best_teacher_loss", self.f1, b)
        own, gap, _ = _log_parts(self, "DistillationLaw.best_teacher_loss", N_S, D_S, 1.0)

        def log_h(log_x: FloatArray) -> FloatArray:
            ratio = log_x - own
            y = (ratio - np.log(self.d1)) / self.f1
            log_u = np.logaddexp(_log(self.c0), np.log(self.c1) - np.logaddexp(0.0, -y))
            fall = (1 + self.c0) * log_x - self._log_factor(ratio)
            return np.asarray(log_u + gap - fall, dtype=np.float64)

        return _bisect_decreasing(log_h, own + 0 * gap)

    def reduced(self) -> "ReducedDistillationLaw":
        r"""Return the limit c1 to infinity at a fixed :math:`k = c_1 f_1 d_1^{-1/f_1}`.

        :math:`-c_1 f_1 \log(1 + y) = -k r^{1/f_1} + O(k^2 r^{2/f_1} / (2 c_1 f_1))` with
        :math:`y = (r/d_1)^{1/f_1}` and :math:`r = L_T/\tilde L_S`.
        """
        k = float(np.exp(np.log(self.c1 * self.f1) - np.log(self.d1) / self.f1))
        return ReducedDistillationLaw(
            self.supervised, self.c0, k, self.f1, self.A, self.B, self.alpha, self.beta, self.gamma
        )

    def _log_factor(self, log_ratio: FloatArray) -> FloatArray:
        y = (log_ratio - np.log(self.d1)) / self.f1
        return np.asarray(-self.c1 * self.f1 * np.logaddexp(0.0, y), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ReducedDistillationLaw:
    r"""The distillation law with one coefficient fewer: c1 to infinity, c1 f1 d1^(-1/f1) = k.

    .. math:: L_S = L_T + L_T^{-c_0} \exp\left(-k (L_T/\tilde L_S)^{1/f_1}\right)
        \left(A/N_S^\alpha + B/D_S^\beta\right)^\gamma

    c1 and d1 of Eq. 8 cannot be told apart once c1 is large (the paper's c1 = 522.6 has an
    interval of zero width, which is its optimizer standing still); k can. Units, domain and
    errors as in `DistillationLaw`, whose `reduced` builds this law. The limit is ours.

    Examples
    --------
    With k = log 2 and L_T equal to the student's own loss (2), the factor is one half:

    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> law = ReducedDistillationLaw(own, c0=0, k=np.log(2), f1=1, A=1, B=1, alpha=1, beta=1,
    ...                              gamma=1)
    >>> round(float(law.loss(1, 1, 2)), 12)
    3.0
    """

    supervised: SupervisedLaw
    c0: float
    k: float
    f1: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        _check_coefficients(self)

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        own, gap, teacher = _log_parts(self, "ReducedDistillationLaw.loss", N_S, D_S, L_T)
        log_L_T = np.log(teacher)
        gap = gap - self.c0 * log_L_T - np.exp(self._log_decay(log_L_T - own))
        return np.asarray(np.exp(np.logaddexp(log_L_T, gap)), dtype=np.float64)

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss :math:`\tilde L_S k^{-f_1}`, where the factor is 1/e; nats per token."""
        ratio = np.exp(-self.f1 * np.log(self.k))
        return np.asarray(self.supervised.loss(N_S, D_S) * ratio, dtype=np.float64)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at which the student's loss is least, nats per token.

        As `DistillationLaw.best_teacher_loss`, with u = c0 + (k/f1) (x/own loss)^(1/f1) and
        b = 1 + 2 c0.
        """
        operation = "ReducedDistillationLaw.best_teacher_loss"
        _require_convex(operation, self.f1, 1 + 2 * self.c0)
        own, gap, _ = _log_parts(self, operation, N_S, D_S, 1.0)

        def log_h(log_x: FloatArray) -> FloatArray:
            decay = self._log_decay(log_x - own)
            log_u = np.logaddexp(_log(self.c0), decay - np.log(self.f1))
            fall = (1 + self.c0) * log_x + np.exp(decay)
            return np.asarray(log_u + gap - fall, dtype=np.float64)

        return _bisect_decreasing(log_h, own + 0 * gap)

    def _log_decay(self, log_ratio: FloatArray) -> FloatArray:
        decay = np.log(self.k) + log_ratio / self.f1
        return np.asarray(np.minimum(decay, _LARGEST_EXPONENT), dtype=np.float64)


class _GapTerm(Protocol):
    """What both laws share: the supervised law and the coefficients of the gap."""

    @property
    def supervised(self) -> SupervisedLaw: ...
    @property
    def A(self) -> float: ...
    @property
    def B(self) -> float: ...
    @property
    def alpha(self) -> float: ...
    @property
    def beta(self) -> float: ...
    @property
    def gamma(self) -> float: ...


def _check_coefficients(law: DistillationLaw | ReducedDistillationLaw) -> None:
    for field in fields(law):
        value = getattr(law, field.name)
        if field.name == "supervised":
            if not isinstance(value, SupervisedLaw):
                raise InputError(
                    f"{type(law).__name__}: supervised = {value!r} must be a SupervisedLaw"
                )
            continue
        require(type(law).__name__, field.name, value, zero_allowed=field.name == "c0")


def _log_parts(
    law: _GapTerm, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log supervised loss, log of the capacity-and-data bracket, and the teacher loss."""
    size = positive_array(operation, "N_S", N_S)
    tokens = positive_array(operation, "D_S", D_S)
    teacher = positive_array(operation, "L_T", L_T)
    gap = log_power_sum(size, tokens, law.A, law.B, law.alpha, law.beta, law.gamma)
    return law.supervised.log_loss(size, tokens), gap, teacher


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else -np.inf


def _require_convex(operation: str, f1: float, b: float) -> None:
    limit = b + np.sqrt(b * b - 1)
    if 1 / f1 >= limit:
        raise InputError(
            f"{operation}: 1/f1 = {1 / f1:g} must be < {limit:g}, where one minimum is certain"
        )


def _bisect_decreasing(log_h: "_LogH", center: FloatArray) -> FloatArray:
    """Root of a decreasing function of log x, by bisection; 110 halvings reach rounding."""
    low, high = center - 700.0, center + 700.0
    for _ in range(110):
        middle = 0.5 * (low + high)
        right = log_h(middle) > 0
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)), dtype=np.float64)


class _LogH(Protocol):
    def __call__(self, log_x: FloatArray) -> FloatArray: ...
