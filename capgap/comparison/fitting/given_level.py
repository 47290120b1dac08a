"""The corner of the hinge from a given supervised law: scaled, or with tokens worth more.

.. math:: l(N, D) = scale \\cdot L(N, tokens \\cdot D)

`tokens` says what a teacher's labels are worth: with tokens = 1.5 a student at the corner
does as well as one trained alone on 1.5 times the data. Both keep the law in its family:
A and B are multiplied by scale^(1/gamma), and B by tokens^(-beta).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.theory.supervised import SupervisedLaw

__all__ = ["GivenLevel"]

BOUNDS = {"scale": (-1.0, 1.0), "tokens": (-4.0, 4.0)}
STARTS = {"scale": (-0.1, 0.0, 0.1), "tokens": (-0.5, 0.0, 0.5)}


@dataclass(frozen=True, slots=True)
class GivenLevel(LogModel):
    """`free` names the coordinates, logarithms of `scale` and `tokens`, in that order."""

    given: SupervisedLaw
    free: tuple[str, ...]
    log_N: FloatArray
    log_D: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        return self.free

    @property
    def bounds(self) -> FloatArray:
        return np.array([BOUNDS[name] for name in self.free]).reshape(-1, 2)

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        law, at = self.given, self._at
        log_tokens = at(x, "tokens")[:, None]
        capacity = np.log(law.A) - law.alpha * self.log_N
        data = np.log(law.B) - law.beta * (self.log_D + log_tokens)
        both = np.logaddexp(capacity, data)
        with np.errstate(divide="ignore"):
            level = np.logaddexp(np.log(law.E), law.gamma * both)
        # d log L / d log D = -beta gamma x (share of the bracket in L) x (share of the data).
        slope = -law.beta * law.gamma * np.exp(law.gamma * both - level + data - both)
        columns = {"scale": np.ones_like(level), "tokens": slope}
        jacobian = [columns[name] for name in self.free]
        empty = np.zeros((*level.shape, 0))
        return level + at(x, "scale")[:, None], np.stack(jacobian, -1) if jacobian else empty

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return {name: float(np.exp(v)) for name, v in zip(self.free, x, strict=True)}

    def law(self, x: FloatArray) -> SupervisedLaw:
        """The corner as a supervised law."""
        law = self.given
        scale, tokens = (float(np.exp(self._at(x[None], name)[0])) for name in BOUNDS)
        inner = scale ** (1 / law.gamma)
        return replace(
            law, E=scale * law.E, A=inner * law.A, B=inner * law.B * tokens ** (-law.beta)
        )

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return np.array(list(product(*(STARTS[name] for name in self.free))))

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, log_N=np.log(inputs["N"]), log_D=np.log(inputs["D"]))

    def _at(self, x: FloatArray, name: str) -> FloatArray:
        """The coordinate of that name, or 0 (its factor is 1) where it is not free."""
        return x[:, self.free.index(name)] if name in self.free else np.zeros(len(x))
