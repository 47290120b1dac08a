"""The student's supervised law inside a law of distillation: given, or fitted with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel
from capgap.errors import InputError
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["GivenLaw", "Own", "known_supervised", "rescaled"]


@dataclass(frozen=True, slots=True)
class GivenLaw(LogModel):
    """A supervised law as it is: no coordinates. Arrays of shape (n,)."""

    given: SupervisedLaw
    log_N: FloatArray
    log_D: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    @property
    def bounds(self) -> FloatArray:
        return np.zeros((0, 2))

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.with_tokens(x, 0.0)[:2]

    def with_tokens(
        self, x: FloatArray, log_tokens: FloatArray | float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log loss with tokens multiplied by a factor, its Jacobian and its slope in log D."""
        law, shape = self.given, (len(x), self.log_N.size)
        capacity = np.log(law.A) - law.alpha * self.log_N
        data = np.log(law.B) - law.beta * (self.log_D + log_tokens)
        both = np.logaddexp(capacity, data)
        with np.errstate(divide="ignore"):
            level = np.logaddexp(np.log(law.E), law.gamma * both)
        # d log L / d log D = -beta gamma x (share of the bracket in L) x (share of the data).
        slope = -law.beta * law.gamma * np.exp(law.gamma * both - level + data - both)
        return np.broadcast_to(level, shape), np.zeros((*shape, 0)), np.broadcast_to(slope, shape)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return {}

    def law(self, x: FloatArray) -> SupervisedLaw:
        """The given law."""
        return self.given

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        return Laws(self.given)

    def coordinates(self, law: SupervisedLaw) -> FloatArray:
        """No coordinates, whatever the law."""
        return np.zeros(0)

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return np.zeros((1, 0))

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, log_N=np.log(inputs["N"]), log_D=np.log(inputs["D"]))


Own = GivenLaw | SupervisedModel


def rescaled(law: SupervisedLaw, scale: float, tokens: float = 1.0) -> SupervisedLaw:
    """Return scale L(N, tokens D), which is a supervised law again.

    A and B are multiplied by scale^(1/gamma), and B by tokens^(-beta).

    >>> law = SupervisedLaw(E=1.0, A=2.0, B=4.0, alpha=1.0, beta=1.0)
    >>> float(rescaled(law, 3.0, tokens=2.0).loss(1, 1))  # 3 (1 + 2 + 4/2)
    15.0
    """
    inner = scale ** (1 / law.gamma)
    return replace(law, E=scale * law.E, A=inner * law.A, B=inner * law.B * tokens ** (-law.beta))


def known_supervised(own: Own | None, supervised: SupervisedLaw | None) -> SupervisedLaw:
    """The supervised law that belongs to a fitted law: the given one, or one from outside."""
    if isinstance(own, GivenLaw):
        if supervised is not None and supervised != own.given:
            raise InputError("laws: supervised must be None for a fit with a given supervised law")
        return own.given
    if supervised is None:
        raise InputError(
            "laws: supervised = None, must be a SupervisedLaw: the fit was made without one"
        )
    return supervised
