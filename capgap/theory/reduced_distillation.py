"""The distillation law without its degenerate coefficient: the limit c1 to infinity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.theory import jets
from capgap.theory.best_teacher import BestTeacher, apart, find_best_teacher, outer_intervals
from capgap.theory.domain import FloatArray
from capgap.theory.gap_term import (
    GapParts,
    check_coefficients,
    gap_parts,
    log_bracket,
    log_ratio,
    variables,
)
from capgap.theory.jets import Derivatives, Quantity
from capgap.theory.supervised import SupervisedLaw

__all__ = ["ReducedDistillationLaw"]

_CERTAIN_DEATH = 100.0  # exp(-exp(100)) is zero next to any bracket


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
        check_coefficients(self)

    @property
    def irreducible_loss(self) -> float:
        """E of the supervised law: the least loss a teacher can have; nats per token."""
        return self.supervised.irreducible_loss

    @property
    def convexity_limit(self) -> float:
        """p+ = b + sqrt(b^2 - 1), b = 1 + 2 c0: see `DistillationLaw.convexity_limit`."""
        b = 1 + 2 * self.c0
        return float(b + np.sqrt(b * b - 1))

    @property
    def is_convex(self) -> bool:
        """Whether the loss is convex in L_T for every student: 1/f1 <= p+."""
        return 1 / self.f1 <= self.convexity_limit

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Student loss in nats per token; the three arguments broadcast."""
        return jets.evaluate(_loss, variables(self, "loss", N_S, D_S, L_T))

    def infinite_data_loss(self, N_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Limit D_S to infinity: both data terms vanish, the capacity terms stay."""
        v = variables(self, "infinite_data_loss", N_S, 1.0, L_T)
        return jets.evaluate(_loss, v | {"D_S": np.inf})

    def derivatives(
        self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike
    ) -> Derivatives:
        """Exact gradient and Hessian in the inputs and all coefficients."""
        return jets.differentiate(_loss, variables(self, "derivatives", N_S, D_S, L_T))

    def slope(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Derivative of the student's loss in its teacher's, without unit."""
        v = variables(self, "slope", N_S, D_S, L_T)
        return jets.differentiate(_loss, v, ("L_T",)).gradient[..., 0]

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        r"""Teacher loss :math:`\tilde L_S k^{-f_1}`, where the factor is 1/e; nats per token."""
        ratio = np.exp(-self.f1 * np.log(self.k))
        return np.asarray(self.supervised.loss(N_S, D_S) * ratio, dtype=np.float64)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at which the student's loss is least, nats per token."""
        return self.best_teacher(N_S, D_S).L_T

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Loss of the student of the best teacher, nats per token."""
        return self.best_teacher(N_S, D_S).L_S

    def best_teacher(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> BestTeacher:
        r"""Global minimum of the student's loss over all teachers, with its bracket.

        As `DistillationLaw.best_teacher`, with :math:`u = c_0 + v`,
        :math:`v = p k (x/\tilde L_S)^p`, p = 1/f1. log h rises iff
        :math:`v^2 - (p - 1 - 2 c_0) v + c_0 (1 + c_0) < 0`. Closed-form bounds of every root:
        :math:`\log h \le \log(U p) - 1 + c_0/p - (1 + c_0) t` from above (the tangent of
        log u at u = p) and, where :math:`v \le p`,
        :math:`\log h \ge \log(U c_0) - (1 + c_0) t - 1` from below.
        """
        parts = gap_parts(self, "best_teacher", N_S, D_S)
        p, c0 = 1 / self.f1, self.c0
        top = parts.bracket + np.log(p) - 1 + c0 / p
        bottom = self._lowest(parts, p)

        def log_h(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            log_v = np.log(p * self.k) + p * (t - parts.own)
            w = np.exp(np.minimum(log_v, 700.0)) / p
            log_u = np.logaddexp(np.log(c0), log_v) if c0 > 0 else log_v
            slope = p * np.exp(log_v - log_u) - 1 - np.exp(np.minimum(log_u, 700.0))
            value = log_u + parts.bracket - (1 + c0) * t - w
            lever = p * (1 + w) * (np.abs(t) + parts.own_size + abs(np.log(self.k)))
            size = np.abs(log_u) + parts.bracket_size + (1 + c0) * np.abs(t) + w + lever
            return value, slope, size

        intervals = outer_intervals(log_h, bottom, apart(top / (1 + c0), 1), self._rise(parts, p))
        return find_best_teacher(
            log_h,
            intervals,
            lambda L_T: self.loss(N_S, D_S, L_T),
            (np.isneginf(bottom), np.exp(parts.bracket)),
        )

    def _lowest(self, parts: GapParts, p: float) -> FloatArray:
        knee = parts.own - self.f1 * np.log(self.k)
        if self.c0 > 0:
            bound = (parts.bracket + np.log(self.c0) - 1) / (1 + self.c0)
            return apart(np.minimum(knee, bound), -1)
        level = parts.bracket + np.log(p * self.k) - p * parts.own  # log h = level - (1-p)t - w
        if p < 1:
            return apart(np.minimum(knee, (level - 1) / (1 - p)), -1)
        if p == 1:  # log h = level - w falls from `level`; w = level/2 leaves half of it
            half = np.log(np.where(level > 0, level, 1.0) / 2)
            return np.asarray(np.where(level > 0, knee + np.minimum(half, 0.0), -np.inf))
        return np.full(parts.own.shape, -np.inf)

    def _rise(self, parts: GapParts, p: float) -> tuple[FloatArray, FloatArray] | None:
        b, product = p - 1 - 2 * self.c0, self.c0 * (1 + self.c0)
        discriminant = b * b - 4 * product
        if b <= 0 or discriminant <= 0:
            return None
        v = 0.5 * (b + np.sqrt(discriminant))
        first, second = np.log(product / v) if product > 0 else -np.inf, np.log(v)
        shift = parts.own - self.f1 * np.log(p * self.k)
        return shift + self.f1 * first, shift + self.f1 * second


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    decay = jets.log(v["k"]) + log_ratio(v) / v["f1"]
    killed = jets.exp(jets.at_most(decay, _CERTAIN_DEATH))
    return v["L_T"] + jets.exp(log_bracket(v) - v["c0"] * jets.log(v["L_T"]) - killed)
