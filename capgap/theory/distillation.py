"""The distillation scaling law: student loss as a function of teacher loss."""

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
from capgap.theory.reduced_distillation import ReducedDistillationLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["DistillationLaw", "ReducedDistillationLaw"]


@dataclass(frozen=True, slots=True)
class DistillationLaw:
    r"""Loss of a student of N_S parameters distilled on D_S tokens from a teacher of loss L_T.

    .. math:: L_S = L_T + L_T^{-c_0} \left(1 + \left(\frac{L_T}{\tilde L_S d_1}\right)^{1/f_1}
        \right)^{-c_1 f_1} \left(\frac{A}{N_S^\alpha} + \frac{B}{D_S^\beta}\right)^\gamma

    with :math:`\tilde L_S = L(N_S, D_S)` the `supervised` loss of the same student on the
    same tokens. Losses in nats per token; N_S non-embedding parameters, D_S tokens (raw
    counts). The second term is evaluated in logarithms, as in the paper's appendix F.

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
        check_coefficients(self)

    @property
    def irreducible_loss(self) -> float:
        """E of the supervised law: the least loss a teacher can have; nats per token."""
        return self.supervised.irreducible_loss

    @property
    def convexity_limit(self) -> float:
        r"""p+ : the loss is convex in L_T for every N_S and D_S iff :math:`1/f_1 \le p_+`.

        :math:`p_+ = b + \sqrt{b^2 - 1}`, :math:`b = 1 + 2 c_0 + 2 c_0 (1 + c_0)/c_1`. The
        second derivative has the sign of :math:`u (1 + u) - p c_1 \sigma (1 - \sigma)`, a
        quadratic in sigma with no root in (0, 1) below p+.
        """
        b = 1 + 2 * self.c0 + 2 * self.c0 * (1 + self.c0) / self.c1
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
        r"""Teacher loss at the transition, :math:`\tilde L_S d_1 (c_1 f_1)^{-f_1}`.

        There :math:`k (L_T / \tilde L_S)^{1/f_1} = 1` with the k of `reduced`, so for large
        c1 the factor has fallen to 1/e. Nats per token.
        """
        log_ratio = np.log(self.d1) - self.f1 * np.log(self.c1 * self.f1)
        return np.asarray(self.supervised.loss(N_S, D_S) * np.exp(log_ratio), dtype=np.float64)

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at which the student's loss is least, nats per token.

        The global minimum, whatever 1/f1. Nothing keeps it above the irreducible loss:
        compare it with the losses teachers can reach.
        """
        return self.best_teacher(N_S, D_S).L_T

    def best_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Loss of the student of the best teacher, nats per token."""
        return self.best_teacher(N_S, D_S).L_S

    def best_teacher(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> BestTeacher:
        r"""Global minimum of the student's loss over all teachers, with its bracket.

        With x = L_T, t = log x, p = 1/f1, :math:`K = \tilde L_S d_1`, U the bracket of A and
        B, :math:`y = (x/K)^p`, :math:`\sigma = y/(1+y)` and :math:`u = c_0 + c_1 \sigma`:

        .. math:: \partial L_S/\partial x = 1 - h, \quad
            \log h = \log u + \log U - (1 + c_0) t - c_1 f_1 \log(1 + y)

        and log h rises iff :math:`p c_1 \sigma (1 - \sigma) > u (1 + u)`, a quadratic in
        sigma: nowhere below `convexity_limit`, else between its two roots. Every minimum lies
        in one of the outer intervals, and there between the roots with u -> c0 and with
        u -> c0 + c1, bounded in closed form by
        :math:`\max(0, z) \le \log(1 + e^z) \le \max(0, z) + \log 2`. With c0 = 0 and p > 1 a
        perfect teacher is a minimum: L_S rises from U at L_T = 0.

        Examples
        --------
        c0 = 1, c1 = f1 = d1 = 1, supervised loss 2 and U = 2: the slope vanishes where
        x^2 (1 + x/2) = 2 (1 + x/(2 + x)), which is x = 1.30.

        >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
        >>> law = DistillationLaw(own, c0=1, c1=1, f1=1, d1=1, A=1, B=1, alpha=1, beta=1, gamma=1)
        >>> best = law.best_teacher(1, 1)
        >>> x = float(best.L_T)
        >>> round(x, 2), abs(x**2 * (1 + x / 2) - 2 * (1 + x / (2 + x))) < 1e-14, int(best.minima)
        (1.3, True, 1)
        """
        parts = gap_parts(self, "best_teacher", N_S, D_S)
        p, c0, c1, f1 = 1 / self.f1, self.c0, self.c1, self.f1
        log_K = parts.own + np.log(self.d1)

        def log_h(t: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            y = p * (t - log_K)
            log_share = np.log(c1) - np.logaddexp(0.0, -y)  # log c1 sigma
            log_u = np.logaddexp(np.log(c0), log_share) if c0 > 0 else log_share
            u, one_minus_sigma = np.exp(log_u), np.exp(-np.logaddexp(0.0, y))
            slope = p * np.exp(log_share - log_u) * one_minus_sigma - 1 - u
            fall = c1 * f1 * np.logaddexp(0.0, y)
            value = log_u + parts.bracket - (1 + c0) * t - fall
            lever = (u + p) * (np.abs(t) + parts.own_size + abs(np.log(self.d1)))
            size = np.abs(log_u) + parts.bracket_size + (1 + c0) * np.abs(t) + fall + lever
            return value, slope, size

        low = self._lowest(parts, log_K, p)
        high = _unbend(parts.bracket + np.log(c0 + c1), 1 + c0, c1, log_K)
        intervals = outer_intervals(log_h, low, apart(high, 1), self._rise(log_K, p))
        return find_best_teacher(
            log_h,
            intervals,
            lambda L_T: self.loss(N_S, D_S, L_T),
            (np.isneginf(low), np.exp(parts.bracket)),
        )

    def reduced(self) -> ReducedDistillationLaw:
        r"""Return the limit c1 to infinity at a fixed :math:`k = c_1 f_1 d_1^{-1/f_1}`.

        :math:`-c_1 f_1 \log(1 + y) = -k r^{1/f_1} + O(k^2 r^{2/f_1} / (2 c_1 f_1))` with
        :math:`y = (r/d_1)^{1/f_1}` and :math:`r = L_T/\tilde L_S`.
        """
        k = float(np.exp(np.log(self.c1 * self.f1) - np.log(self.d1) / self.f1))
        return ReducedDistillationLaw(
            self.supervised, self.c0, k, self.f1, self.A, self.B, self.alpha, self.beta, self.gamma
        )

    def _lowest(self, parts: GapParts, log_K: FloatArray, p: float) -> FloatArray:
        """A t below every root; -inf where a perfect teacher is a minimum."""
        c0, c1 = self.c0, self.c1
        slack = c1 * self.f1 * np.log(2.0)
        if c0 > 0:
            return apart(_unbend(parts.bracket + np.log(c0) - slack, 1 + c0, c1, log_K), -1)
        top = parts.bracket + np.log(c1)
        if p < 1:  # u = c1 sigma bends the fall once more, from 1 - p to 1 + c1
            level = top - slack - np.log(2.0) - p * log_K
            return apart(_unbend(level, 1 - p, c1 + p, log_K), -1)
        if p > 1:
            return np.full(log_K.shape, -np.inf)
        level = top - log_K  # log h = level - (1 + c1) log(1 + y); half of it is left at `low`
        half = np.where(level > 0, level, 1.0) / (2 * (1 + c1))
        return np.where(level > 0, log_K + half + np.log(-np.expm1(-half)), -np.inf)

    def _rise(self, log_K: FloatArray, p: float) -> tuple[FloatArray, FloatArray] | None:
        b, product = p - 1 - 2 * self.c0, self.c0 * (1 + self.c0)
        discriminant = b * b - 4 * product * (1 + p / self.c1)
        if b <= 0 or discriminant <= 0:
            return None
        second = (b + np.sqrt(discriminant)) / (2 * (self.c1 + p))
        first = product / (self.c1 * (self.c1 + p) * second)
        first_t = log_K + self.f1 * np.log(first / (1 - first)) if first > 0 else -np.inf + log_K
        return first_t, log_K + self.f1 * np.log(second / (1 - second))


def _unbend(level: FloatArray, slope: float, more: float, corner: FloatArray) -> FloatArray:
    """Solve slope t + more max(0, t - corner) = level."""
    beyond = level > slope * corner
    return np.where(beyond, (level + more * corner) / (slope + more), level / slope)


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    y = (log_ratio(v) - jets.log(v["d1"])) / v["f1"]
    factor = v["c1"] * v["f1"] * jets.softplus(y)
    return v["L_T"] + jets.exp(log_bracket(v) - v["c0"] * jets.log(v["L_T"]) - factor)
