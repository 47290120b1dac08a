"""The supervised scaling law: loss of a model trained on data."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capgap.theory import jets
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.jets import Derivatives, Quantity

__all__ = ["SupervisedLaw", "log_power_sum", "log_supervised", "supervised_loss"]


def log_power_sum(
    N: Quantity,
    D: Quantity,
    A: Quantity,
    B: Quantity,
    alpha: Quantity,
    beta: Quantity,
    gamma: Quantity,
) -> Quantity:
    r"""Logarithm of the reducible part, :math:`\log (A/N^\alpha + B/D^\beta)^\gamma`.

    With A = B = 1, N = D = 1 and gamma = 1 it is log 2:

    >>> one, half = np.array(1.0), np.array(0.5)
    >>> round(float(log_power_sum(one, one, one, one, half, half, one)), 4)
    0.6931
    """
    capacity = jets.log(A) - alpha * jets.log(N)
    data = jets.log(B) - beta * jets.log(D)
    return gamma * jets.logaddexp(capacity, data)


def log_supervised(v: Mapping[str, Quantity], N: Quantity, D: Quantity, nested: str) -> Quantity:
    """Logarithm of Eq. 1, its coefficients read under the prefix `nested`."""
    return jets.log_shifted(v[nested + "E"], _log_reducible(v, N, D, nested))


def supervised_loss(v: Mapping[str, Quantity], N: Quantity, D: Quantity, nested: str) -> Quantity:
    """Eq. 1, its coefficients read under the prefix `nested`."""
    return v[nested + "E"] + jets.exp(_log_reducible(v, N, D, nested))


def _log_reducible(v: Mapping[str, Quantity], N: Quantity, D: Quantity, nested: str) -> Quantity:
    A, B, alpha, beta, gamma = (v[nested + name] for name in _BRACKET)
    return log_power_sum(N, D, A, B, alpha, beta, gamma)


_BRACKET = ("A", "B", "alpha", "beta", "gamma")


@dataclass(frozen=True, slots=True)
class SupervisedLaw:
    r"""Loss of a model with N parameters trained on D tokens.

    .. math:: L(N, D) = E + \left(A/N^\alpha + B/D^\beta\right)^\gamma

    with the bracket evaluated as :math:`\exp[\gamma\, LSE(\log A - \alpha \log N,
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

    @property
    def irreducible_loss(self) -> float:
        """E, the loss of an infinite model on infinite data; nats per token."""
        return self.E

    def loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Loss in nats per token; N and D broadcast against each other."""
        return jets.evaluate(_loss, self._variables("SupervisedLaw.loss", N, D))

    def log_loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Logarithm of the loss; N and D broadcast against each other."""
        return jets.evaluate(_log_loss, self._variables("SupervisedLaw.log_loss", N, D))

    def infinite_data_loss(self, N: npt.ArrayLike) -> FloatArray:
        r"""Limit D to infinity: :math:`E + (A/N^\alpha)^\gamma`, nats per token."""
        variables = self._variables("SupervisedLaw.infinite_data_loss", N, 1.0)
        return jets.evaluate(_loss, variables | {"D": np.inf})

    def derivatives(self, N: npt.ArrayLike, D: npt.ArrayLike) -> Derivatives:
        """Exact gradient and Hessian of the loss in N, D, E, A, B, alpha, beta, gamma.

        With E = 0, A = N = 1 and B = D = 1 the loss is 2 and falls by 1 per parameter:

        >>> law = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
        >>> found = law.derivatives(1, 1)
        >>> found.names[:3], found.gradient[:3].round(12).tolist()
        (('N', 'D', 'E'), [-1.0, -1.0, 1.0])
        """
        return jets.differentiate(_loss, self._variables("SupervisedLaw.derivatives", N, D))

    def coefficients(self, nested: str = "") -> dict[str, float]:
        """Coefficients by name, with a prefix such as ``supervised.``."""
        return {nested + field.name: getattr(self, field.name) for field in fields(self)}

    def _variables(
        self, operation: str, N: npt.ArrayLike, D: npt.ArrayLike
    ) -> dict[str, npt.ArrayLike]:
        size, tokens = positive_array(operation, "N", N), positive_array(operation, "D", D)
        return {"N": size, "D": tokens, **self.coefficients()}


def _loss(v: Mapping[str, Quantity]) -> Quantity:
    return supervised_loss(v, v["N"], v["D"], "")


def _log_loss(v: Mapping[str, Quantity]) -> Quantity:
    return log_supervised(v, v["N"], v["D"], "")
