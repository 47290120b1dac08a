"""Laws small enough that every interval is known in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.search import Fit, Problem, solve
from capgap.theory.supervised import SupervisedLaw

ANY_LAW = SupervisedLaw(E=1.0, A=1.0, B=1.0, alpha=0.5, beta=0.5)  # a model must name one


@dataclass(frozen=True, slots=True)
class Line(LogModel):
    """log L = a log N + b log D: coordinates and coefficients are the same."""

    design: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        return ("a", "b")

    @property
    def bounds(self) -> FloatArray:
        return np.array([[-50.0, 50.0], [-50.0, 50.0]])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return x @ self.design.T, np.broadcast_to(self.design, (len(x), *self.design.shape))

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return {"a": float(x[0]), "b": float(x[1])}

    def law(self, x: FloatArray) -> SupervisedLaw:
        return ANY_LAW

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Any:
        raise NotImplementedError

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return np.array([[0.0, 0.0], [1.0, 1.0]])

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, design=np.log(np.stack([inputs["N"], inputs["D"]], axis=1)))


@dataclass(frozen=True, slots=True)
class Wells(Line):
    """log L = cos(a) log N + sin(a)/2 log D + b: of runs with log L = log(D)/10, on a design
    that is even about one, the minimum is at a = pi/2, and a = -pi/2 is a worse one."""

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        a, b = x[:, :1], x[:, 1:]
        n, d = self.design.T
        value = np.cos(a) * n + 0.5 * np.sin(a) * d + b
        columns = [0.5 * np.cos(a) * d - np.sin(a) * n, np.ones_like(value)]
        return value, np.stack(columns, axis=-1)

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return np.array([[a, 0.0] for a in np.linspace(-3.0, 3.0, 9)])


def inputs(seed: int, n: int) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    return {"N": np.exp(rng.uniform(0.5, 3.0, n)), "D": np.exp(rng.uniform(-1.5, 3.0, n))}


def fitted(
    given: dict[str, FloatArray],
    error: FloatArray,
    *,
    delta: float | FloatArray = 10.0,
    weights: FloatArray | None = None,
) -> Fit:
    """A line of slopes 2 and -1 plus an error, fitted."""
    model = Line(np.zeros((1, 2))).at(given)
    y = model.design @ np.array([2.0, -1.0]) + error
    w = np.ones(y.size) if weights is None else weights
    return solve(Problem(model, given, y, w, delta))
