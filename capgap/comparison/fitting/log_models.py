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

from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["FloatArray", "Law", "LogModel", "PowerSum", "SupervisedModel", "power_sum_coefficients"]

FloatArray = npt.NDArray[np.float64]
Law = SupervisedLaw | DistillationLaw | ReducedDistillationLaw | HingeLaw

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

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log of the bracket, (S, n), and its Jacobian, (S, n, size)."""
        u, v = x[:, 0, None], x[:, 1, None]
        fall_n, fall_d = np.exp(x[:, 2, None]) * self.n, np.exp(x[:, 3, None]) * self.d
        softness = self.softness(x)[:, None]
        capacity, data = u - fall_n, v - fall_d
        value = softness * np.logaddexp(capacity / softness, data / softness)
        share = np.exp((capacity - value) / softness)
        columns = [share, 1 - share, -share * fall_n, -(1 - share) * fall_d]
        if self.gamma is None:
            columns.append(value - share * capacity - (1 - share) * data)
        return value, np.stack(columns, axis=-1)

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


@dataclass(frozen=True, slots=True)
class SupervisedModel(LogModel):
    """Log of E + (A/N^alpha + B/D^beta)^gamma; E enters linearly, bounded below by zero."""

    part: PowerSum
    center_n: float
    center_d: float
    largest_E: float

    @classmethod
    def build(cls, N: FloatArray, D: FloatArray, L: FloatArray, gamma: float | None) -> Self:
        """Center the design; E may not exceed the largest loss seen."""
        log_N, log_D = np.log(N), np.log(D)
        n, d = float(log_N.mean()), float(log_D.mean())
        return cls(PowerSum(log_N - n, log_D - d, gamma), n, d, float(L.max()))

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.part.names, "E")

    @property
    def bounds(self) -> FloatArray:
        return np.array([*self.part.bounds, (0.0, self.largest_E)])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        bracket, jacobian = self.part.evaluate(x[:, :-1])
        E = x[:, -1, None]
        loss = E + np.exp(bracket)
        weight = np.exp(bracket) / loss
        columns = np.concatenate([weight[..., None] * jacobian, (1 / loss)[..., None]], axis=-1)
        return np.log(loss), columns

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        bracket = power_sum_coefficients(self.part, x, self.center_n, self.center_d)
        return {"E": float(x[-1]), **bracket}

    def law(self, x: FloatArray) -> SupervisedLaw:
        """The law at one coordinate vector."""
        return SupervisedLaw(**self.coefficients(x))

    def coordinates(self, law: SupervisedLaw) -> FloatArray:
        """Coordinates of a law: the inverse of `coefficients`."""
        u = law.gamma * (np.log(law.A) - law.alpha * self.center_n)
        v = law.gamma * (np.log(law.B) - law.beta * self.center_d)
        x = [u, v, np.log(law.alpha * law.gamma), np.log(law.beta * law.gamma)]
        return np.array([*x, *([np.log(law.gamma)] if self.part.gamma is None else []), law.E])

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
