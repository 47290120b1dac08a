"""The corner of the hinge: a supervised law, scaled, or with tokens worth more.

.. math:: l(N, D) = scale \\cdot L(N, tokens \\cdot D)

`tokens` says what a teacher's labels are worth: with tokens = 1.5 a student at the corner
does as well as one trained alone on 1.5 times the data. Both keep the law in its family.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.own_law import Own, rescaled
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Level"]

BOUNDS = {"scale": (-1.0, 1.0), "tokens": (-4.0, 4.0)}
STARTS = {"scale": (-0.1, 0.0, 0.1), "tokens": (-0.5, 0.0, 0.5)}


@dataclass(frozen=True, slots=True)
class Level:
    """The coordinates of `own`, then the logarithms of `scale` and `tokens` that are `free`."""

    own: Own
    free: tuple[str, ...]

    @property
    def head(self) -> int:
        """Number of the supervised law's own coordinates."""
        return len(self.own.names)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.own.names, *self.free)

    @property
    def bounds(self) -> FloatArray:
        free = np.array([BOUNDS[name] for name in self.free]).reshape(-1, 2)
        return np.concatenate([self.own.bounds, free])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Log of the level, (S, n), and its Jacobian."""
        own, log_tokens = x[:, : self.head], self._free(x, "tokens")[:, None]
        value, jacobian, slope = self.own.with_tokens(own, log_tokens)
        columns = {"scale": np.ones_like(value), "tokens": slope}
        parts = [jacobian, *(columns[name][..., None] for name in self.free)]
        return value + self._free(x, "scale")[:, None], np.concatenate(parts, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        free = {name: float(np.exp(v)) for name, v in zip(self.free, x[self.head :], strict=True)}
        return {**self.own.coefficients(x[: self.head]), **free}

    def law(self, x: FloatArray) -> SupervisedLaw:
        """The corner as a supervised law."""
        scale, tokens = (float(np.exp(self._free(x[None], name)[0])) for name in BOUNDS)
        return rescaled(self.own.law(x[: self.head]), scale, tokens)

    def free_starts(self) -> list[list[float]]:
        """Starts of `scale` and `tokens`."""
        return [list(point) for point in product(*(STARTS[name] for name in self.free))]

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        own = self.own.at({"N": inputs["N_S"], "D": inputs["D_S"]})
        return replace(self, own=own)

    def _free(self, x: FloatArray, name: str) -> FloatArray:
        """The coordinate of that name, or 0 (its factor is 1) where it is not free."""
        if name not in self.free:
            return np.zeros(len(x))
        return x[:, self.head + self.free.index(name)]
