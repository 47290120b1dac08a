"""A law with one coefficient held at a value: a model of the other coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, Law, LogModel
from capgap.comparison.intervals.limits import Scale, derivative
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HeldModel"]

_STEPS = 30
_CLOSE = 1e-12  # of the value on its scale


@dataclass(frozen=True, slots=True)
class HeldModel(LogModel):
    """`inner` without the coordinate named `name`, which follows from `value` and the others.

    The coefficient, on its scale, is monotone in the coordinate named after it whatever the
    others are; its chain rule is

        dy/dz_k = dy/dx_k - dy/dx_j (dc/dx_k) / (dc/dx_j).

    Attributes
    ----------
    inner : LogModel
    name : str
    scale : Scale
    value : float
        Of the coefficient, on `scale`.
    near : float
        Coordinate from which the solution is searched.
    """

    inner: LogModel
    name: str
    scale: Scale
    value: float
    near: float

    @property
    def place(self) -> int:
        """Where the held coordinate stands."""
        return self.inner.names.index(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.inner.names if name != self.name)

    @property
    def bounds(self) -> FloatArray:
        return np.delete(self.inner.bounds, self.place, axis=0)

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        full = np.stack([self.full(z) for z in x])
        value, jacobian = self.inner.evaluate(full)
        slopes = np.stack([derivative(self._on_scale, row) for row in full])[:, 0]
        own = slopes[:, self.place, None]
        chain = np.delete(slopes, self.place, axis=1) / own
        others = np.delete(jacobian, self.place, axis=2)
        return value, others - jacobian[:, :, self.place, None] * chain[:, None, :]

    def full(self, z: FloatArray) -> FloatArray:
        """All coordinates; the held one no further than its search range."""
        j, (low, high) = self.place, self.inner.bounds[self.place]
        x = np.insert(z, j, self.near)
        for _ in range(_STEPS):
            miss = float(self._on_scale(x)[0]) - self.value
            if abs(miss) <= _CLOSE * max(1.0, abs(self.value)):
                break
            x[j] = np.clip(x[j] - miss / self._own_slope(x), low, high)
        return x

    def at_limit(self, z: FloatArray) -> bool:
        """Whether the coefficient cannot take the value within the held coordinate's range."""
        miss = float(self._on_scale(self.full(z))[0]) - self.value
        return abs(miss) > 1e-6 * max(1.0, abs(self.value))

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return self.inner.coefficients(self.full(x))

    def law(self, x: FloatArray) -> Law:
        """The law at one coordinate vector."""
        return self.inner.law(self.full(x))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        """The law with the supervised law it belongs to."""
        return self.inner.laws(self.full(x), supervised)

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return np.delete(self.inner.starts(log_loss), self.place, axis=1)

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, inner=self.inner.at(inputs))

    def _on_scale(self, x: FloatArray) -> FloatArray:
        return np.atleast_1d(self.scale.to(self.inner.coefficients(x)[self.name]))

    def _own_slope(self, x: FloatArray) -> float:
        move = np.zeros_like(x)
        move[self.place] = 1e-5
        change = self._on_scale(x + move) - self._on_scale(x - move)
        return float(change[0]) / 2e-5
