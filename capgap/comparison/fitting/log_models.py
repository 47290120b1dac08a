"""Laws as smooth functions of an unbounded-scale parameter vector, with their Jacobians.

A model predicts log losses for a batch of parameter vectors, shape (S, P), at n runs. Its
coordinates are chosen so that they hardly influence each other: sizes, tokens and teacher
losses are centered, and the bracket (A/N^alpha + B/D^beta)^gamma is written

    [exp((u - a n)/gamma) + exp((v - b d)/gamma)]^gamma,  n, d centered log N, log D,

so u and v are the log levels of the two terms, a = alpha gamma and b = beta gamma the powers
with which the *loss* falls, and gamma only softens the corner between them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_law import UserLaw
from capgap.errors import InputError
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "FloatArray",
    "Law",
    "LogModel",
    "PowerSum",
    "SupervisedModel",
    "TaughtLaw",
    "power_sum_coefficients",
    "power_sum_coordinates",
]

FloatArray = npt.NDArray[np.float64]
TaughtLaw = (
    DistillationLaw | ReducedDistillationLaw | PowerDistillationLaw | HingeLaw | AdditiveHingeLaw
)
Law = SupervisedLaw | TaughtLaw | UserLaw

# Bounds of the shared coordinates: log levels u, v; log powers a, b; log softness gamma.
# Narrow enough that A and B, which are exp((u + a n)/gamma), cannot overflow.
LEVEL = (-25.0, 10.0)
POWER = (float(np.log(1e-3)), float(np.log(2.0)))
SOFTNESS = (float(np.log(0.15)), float(np.log(20.0)))


class LogModel(ABC):
    """Log loss as a function of coordinates; one instance holds the inputs of its runs."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Coordinates in order; each is named after the coefficient that it decides."""

    @property
    @abstractmethod
    def bounds(self) -> FloatArray:
        """Lower and upper bounds, shape (P, 2)."""

    @abstractmethod
    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log predictions, shape (S, n), and their Jacobian, shape (S, n, P)."""

    @abstractmethod
    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """Coefficients of the law at one coordinate vector."""

    @abstractmethod
    def law(self, x: FloatArray) -> Law:
        """The law at one coordinate vector."""

    @abstractmethod
    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        """The law with the supervised law it belongs to, as a plan and a law set need them.

        `supervised` is the law of teachers, and of students alone, for a fit that was made
        without one; other fits know their own and do not take another.

        Raises
        ------
        InputError
            The fit cannot be planned with, or `supervised` is missing or one too many.
        """

    @abstractmethod
    def starts(self, log_loss: FloatArray) -> FloatArray:
        """Grid of starting points for these observations, shape (K, P)."""

    @abstractmethod
    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        """Return the same coordinates for other runs."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Log predictions, shape (S, n)."""
        return self.evaluate(x)[0]


@dataclass(frozen=True, slots=True)
class PowerSum:
    """The bracket's logarithm and Jacobian in u, v, log a, log b and, if free, log gamma."""

    n: FloatArray
    d: FloatArray
    gamma: float | None

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return 5 if self.gamma is None else 4

    @property
    def names(self) -> tuple[str, ...]:
        return ("A", "B", "alpha", "beta", "gamma")[: self.size]

    @property
    def bounds(self) -> list[tuple[float, float]]:
        return [LEVEL, LEVEL, POWER, POWER, SOFTNESS][: self.size]

    def value(self, x: FloatArray, log_tokens: FloatArray | float = 0.0) -> FloatArray:
        """Log of the bracket, (S, n), with tokens multiplied by a factor."""
        softness = self.softness(x)[:, None]
        capacity = x[:, 0, None] - np.exp(x[:, 2, None]) * self.n
        data = x[:, 1, None] - np.exp(x[:, 3, None]) * (self.d + log_tokens)
        return np.asarray(softness * np.logaddexp(capacity / softness, data / softness))

    def evaluate(
        self, x: FloatArray, log_tokens: FloatArray | float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """`value`, and its Jacobian, (S, n, size)."""
        value, softness = self.value(x, log_tokens), self.softness(x)[:, None]
        fall_n = np.exp(x[:, 2, None]) * self.n
        fall_d = np.exp(x[:, 3, None]) * (self.d + log_tokens)
        capacity, data = x[:, 0, None] - fall_n, x[:, 1, None] - fall_d
        share = np.exp((capacity - value) / softness)
        columns = [share, 1 - share, -share * fall_n, -(1 - share) * fall_d]
        if self.gamma is None:
            columns.append(value - share * capacity - (1 - share) * data)
        return value, np.stack(np.broadcast_arrays(*columns), axis=-1)

    def softness(self, x: FloatArray) -> FloatArray:
        """gamma of each coordinate vector, shape (S,)."""
        if self.gamma is not None:
            return np.full(len(x), self.gamma)
        return np.asarray(np.exp(x[:, 4]), dtype=np.float64)

    def starts(
        self, levels: list[float], powers: list[float], softness: list[float], shares: list[float]
    ) -> list[list[float]]:
        """Points whose bracket equals exp(level) at the center of the design."""
        gammas = [self.gamma] if self.gamma is not None else softness
        points = []
        for level, a, b, gamma, share in product(levels, powers, powers, gammas, shares):
            point = [level + gamma * np.log(share), level + gamma * np.log(1 - share)]
            point += [float(np.log(a)), float(np.log(b))]
            points.append(point + ([float(np.log(gamma))] if self.gamma is None else []))
        return points


def power_sum_coefficients(
    part: PowerSum, x: FloatArray, center_n: float, center_d: float, shift: float = 0.0
) -> dict[str, float]:
    """A, B, alpha, beta, gamma of one coordinate vector; `shift` is added to both levels."""
    gamma = float(part.softness(x[None])[0])
    alpha, beta = float(np.exp(x[2])) / gamma, float(np.exp(x[3])) / gamma
    return {
        "A": float(np.exp((x[0] + shift) / gamma + alpha * center_n)),
        "B": float(np.exp((x[1] + shift) / gamma + beta * center_d)),
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
    }


def power_sum_coordinates(
    part: PowerSum,
    law: SupervisedLaw | DistillationLaw | ReducedDistillationLaw | PowerDistillationLaw,
    center_n: float,
    center_d: float,
    shift: float = 0.0,
) -> list[float]:
    """Coordinates of a law's bracket: the inverse of `power_sum_coefficients`."""
    u = law.gamma * (np.log(law.A) - law.alpha * center_n) - shift
    v = law.gamma * (np.log(law.B) - law.beta * center_d) - shift
    x = [u, v, np.log(law.alpha * law.gamma), np.log(law.beta * law.gamma)]
    return [float(value) for value in [*x, *([np.log(law.gamma)] if part.gamma is None else [])]]


@dataclass(frozen=True, slots=True)
class SupervisedModel(LogModel):
    """Log of E + (A/N^alpha + B/D^beta)^gamma; E enters linearly, bounded below by zero.

    `prefix` stands before the names of coordinates and coefficients where another law's
    coefficients have the same ones.
    """

    part: PowerSum
    center_n: float
    center_d: float
    largest_E: float
    prefix: str = ""

    @classmethod
    def build(
        cls, N: FloatArray, D: FloatArray, L: FloatArray, gamma: float | None, prefix: str = ""
    ) -> Self:
        """Center the design; E may not exceed the largest loss seen."""
        log_N, log_D = np.log(N), np.log(D)
        n, d = float(log_N.mean()), float(log_D.mean())
        return cls(PowerSum(log_N - n, log_D - d, gamma), n, d, float(L.max()), prefix)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.prefix + name for name in (*self.part.names, "E"))

    @property
    def bounds(self) -> FloatArray:
        return np.array([*self.part.bounds, (0.0, self.largest_E)])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.with_tokens(x, 0.0)[:2]

    def predict(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.log(x[:, -1, None] + np.exp(self.part.value(x[:, :-1]))))

    def with_tokens(
        self, x: FloatArray, log_tokens: FloatArray | float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Log loss with tokens multiplied by a factor, its Jacobian and its slope in log D."""
        bracket, jacobian = self.part.evaluate(x[:, :-1], log_tokens)
        E = x[:, -1, None]
        loss = E + np.exp(bracket)
        weight = np.exp(bracket) / loss
        columns = np.concatenate([weight[..., None] * jacobian, (1 / loss)[..., None]], axis=-1)
        return np.log(loss), columns, -weight * jacobian[..., 1] * np.exp(x[:, 3, None])

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return {self.prefix + name: value for name, value in self._values(x).items()}

    def law(self, x: FloatArray) -> SupervisedLaw:
        """The law at one coordinate vector."""
        return SupervisedLaw(**self._values(x))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        if supervised is not None:
            raise InputError("laws: supervised must be None for a fit of the supervised law itself")
        return Laws(self.law(x))

    def coordinates(self, law: SupervisedLaw) -> FloatArray:
        """Coordinates of a law: the inverse of `coefficients`."""
        return np.array(
            [*power_sum_coordinates(self.part, law, self.center_n, self.center_d), law.E]
        )

    def starts(self, log_loss: FloatArray) -> FloatArray:
        lowest, typical = float(np.exp(log_loss.min())), float(np.exp(np.median(log_loss)))
        points = []
        for fraction in (0.0, 0.4, 0.7, 0.9, 0.98):
            E = fraction * lowest
            level = float(np.log(max(typical - E, 1e-3 * typical)))
            brackets = self.part.starts([level], [0.08, 0.2, 0.4, 0.8], [0.4, 1.0], [0.2, 0.5, 0.8])
            points += [[*point, E] for point in brackets]
        return np.array(points)

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        n, d = np.log(inputs["N"]) - self.center_n, np.log(inputs["D"]) - self.center_d
        return replace(self, part=replace(self.part, n=n, d=d))

    def _values(self, x: FloatArray) -> dict[str, float]:
        bracket = power_sum_coefficients(self.part, x, self.center_n, self.center_d)
        return {"E": float(x[-1]), **bracket}
