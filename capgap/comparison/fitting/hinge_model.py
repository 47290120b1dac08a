"""The hinge law in well-conditioned coordinates: the corner's level, then its slopes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.corner import Corner
from capgap.comparison.fitting.level import Level
from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.own_law import Own, known_supervised
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["HingeModel"]


@dataclass(frozen=True, slots=True)
class HingeModel(LogModel):
    """log L_S = log l + F(log L_T - log l), with `level` the model of l and `corner` of F."""

    level: Level
    corner: Corner
    log_L_T: FloatArray

    @classmethod
    def build(
        cls, N_S: FloatArray, D_S: FloatArray, L_T: FloatArray, own: Own, terms: frozenset[str]
    ) -> Self:
        """Center the design.

        `own` is the student's supervised law at these runs. Terms are among scale, tokens,
        p, q and r.
        """
        free = tuple(name for name in ("scale", "tokens") if name in terms)
        return cls(Level(own, free), Corner.build(N_S, D_S, terms), np.log(L_T))

    @property
    def head(self) -> int:
        """Number of the supervised law's own coordinates, which come first."""
        return self.level.head

    @property
    def own(self) -> Own:
        """The student's supervised law: given, or with free coordinates."""
        return self.level.own

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.level.names, *self.corner.names)

    @property
    def bounds(self) -> FloatArray:
        return np.concatenate([self.level.bounds, self.corner.bounds])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        split = len(self.level.names)
        log_l, own_jacobian = self.level.evaluate(x[:, :split])
        rise, slope, jacobian = self.corner.evaluate(x[:, split:], self.log_L_T - log_l)
        parts = [(1 - slope)[..., None] * own_jacobian, jacobian]
        return log_l + rise, np.concatenate(parts, axis=-1)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is fitted: with a given supervised law not its coefficients."""
        split = len(self.level.names)
        return {**self.level.coefficients(x[:split]), **self.corner.coefficients(x[split:])}

    def law(self, x: FloatArray) -> HingeLaw | AdditiveHingeLaw:
        """The law at one coordinate vector."""
        split = len(self.level.names)
        return HingeLaw(self.level.law(x[:split]), **self.corner.values(x[split:]))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        return Laws(known_supervised(self.own, supervised), self.law(x))

    def starts(self, log_loss: FloatArray) -> FloatArray:
        heads = self.own.starts(log_loss).tolist()
        return np.array([[*p, *q] for p, q in product(heads, self.tails(log_loss).tolist())])

    def tails(self, log_loss: FloatArray) -> FloatArray:
        """Starts of all coordinates but the supervised law's own."""
        pairs = product(self.level.free_starts(), self.corner.starts())
        return np.array([[*p, *q] for p, q in pairs])

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        return replace(
            self,
            level=self.level.at(inputs),
            corner=self.corner.at(inputs),
            log_L_T=np.log(inputs["L_T"]),
        )

    def coordinates(self, law: HingeLaw | AdditiveHingeLaw) -> FloatArray:
        """Coordinates of a law whose level is the supervised law itself (scale = tokens = 1)."""
        own = self.own.coordinates(law.student)
        corner = {name: getattr(law, name) for name in ("rho", "s", "c", "p", "q", "r", "m")}
        return np.array([*own, *[0.0] * len(self.level.free), *self.corner.coordinates(corner)])
