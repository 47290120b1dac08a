"""A law with some coordinates fixed: the same law, one coefficient fewer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray, Law, LogModel
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Held"]


@dataclass(frozen=True, slots=True)
class Held(LogModel):
    """`model` with the coordinates `index` fixed at `value`."""

    model: LogModel
    index: int
    value: float

    @property
    def names(self) -> tuple[str, ...]:
        every = self.model.names
        return (*every[: self.index], *every[self.index + 1 :])

    @property
    def bounds(self) -> FloatArray:
        return np.delete(self.model.bounds, self.index, axis=0)

    def whole(self, x: FloatArray) -> FloatArray:
        """Coordinates of `model`, shape (..., P)."""
        return np.asarray(np.insert(x, self.index, self.value, axis=-1), dtype=np.float64)

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        prediction, jacobian = self.model.evaluate(self.whole(x))
        return prediction, np.delete(jacobian, self.index, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return self.model.coefficients(self.whole(x))

    def law(self, x: FloatArray) -> Law:
        """The law at one coordinate vector."""
        return self.model.law(self.whole(x))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        return self.model.laws(self.whole(x), supervised)

    def starts(self, log_loss: FloatArray) -> FloatArray:
        grid = np.delete(self.model.starts(log_loss), self.index, axis=1)
        return np.asarray(np.unique(grid, axis=0), dtype=np.float64)

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(self, model=self.model.at(inputs))
