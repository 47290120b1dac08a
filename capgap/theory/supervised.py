"""The supervised scaling law: loss of a model trained on data."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capgap.theory.domain import FloatArray, positive_array, require

__all__ = ["SupervisedLaw", "log_power_sum"]


def log_power_sum(
    N: FloatArray, D: FloatArray, A: float, B: float, alpha: float, beta: float, gamma: float
) -> FloatArray:
    r"""Logarithm of the reducible part, :math:`\log (A/N^\alpha + B/D^\beta)^\gamma`.

    With A = B = 1, N = D = 1 and gamma = 1 it is log 2:

    >>> round(float(log_power_sum(np.array(1.0), np.array(1.0), 1, 1, 0.5, 0.5, 1)), 4)
    0.6931
    """
    capacity = np.log(A) - alpha * np.log(N)
    data = np.log(B) - beta * np.log(D)
    return np.asarray(gamma * np.logaddexp(capacity, data), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SupervisedLaw:
    r"""Loss of a model with N parameters trained on D tokens.

    .. math:: L(N, D) = E + \left(A/N^\alpha + B/D^\beta\right)^\gamma

    evaluated as :math:`\exp LSE[\log E,\ \gamma LSE(\log A - \alpha \log N,
    \log B - \beta \log D)]`. Losses in nats per token; N in non-embedding parameters and D
    in tokens, both raw counts.

    Parameters
    ----------
    E : float
        Irreducible loss, >= 0.
    A, B : float
        Scales of the capacity and the data term, > 0.
    alpha, beta, gamma : float
        Exponents, > 0. gamma = 1 is the plain law of Hoffmann et al. (arXiv 2203.15556).

    Raises
    ------
    InputError
        A coefficient is outside its domain, or N or D is not finite and positive.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, Eq. 1.

    Examples
    --------
    E = 1, A/N = 100/100 and B/D = 200/100 add up to 1 + 1 + 2:

    >>> law = SupervisedLaw(E=1.0, A=100.0, B=200.0, alpha=1.0, beta=1.0)
    >>> round(float(law.loss(100, 100)), 12)
    4.0
    >>> round(float(law.infinite_data_loss(100)), 12)
    2.0
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    gamma: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            require("SupervisedLaw", field.name, value, zero_allowed=field.name == "E")

    def loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Loss in nats per token; N and D broadcast against each other."""
        return np.asarray(np.exp(self.log_loss(N, D)), dtype=np.float64)

    def log_loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Logarithm of the loss; N and D broadcast against each other."""
        reducible = log_power_sum(
            positive_array("SupervisedLaw.loss", "N", N),
            positive_array("SupervisedLaw.loss", "D", D),
            self.A,
            self.B,
            self.alpha,
            self.beta,
            self.gamma,
        )
        return self._add_irreducible(reducible)

    def infinite_data_loss(self, N: npt.ArrayLike) -> FloatArray:
        r"""Limit D to infinity: :math:`E + (A/N^\alpha)^\gamma`, nats per token."""
        count = positive_array("SupervisedLaw.infinite_data_loss", "N", N)
        capacity = self.gamma * (np.log(self.A) - self.alpha * np.log(count))
        return np.asarray(np.exp(self._add_irreducible(capacity)), dtype=np.float64)

    def _add_irreducible(self, log_reducible: npt.ArrayLike) -> FloatArray:
        if self.E == 0:
            return np.asarray(log_reducible, dtype=np.float64)
        return np.asarray(np.logaddexp(np.log(self.E), log_reducible), dtype=np.float64)
