"""What the forms of Eq. 8 share: L_S = L_T + gap, the gap with a bracket and a power of L_T.

The gap's logarithm is -c0 (log L_T - mean) + bracket - transition, so the mean of log L_T is
absorbed in the bracket's levels u and v. Coordinates: those of the student's supervised law
where it is free (`head` of them), then u, v, log a, log b, log gamma and c0, then the
transition's.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import (
    FloatArray,
    LogModel,
    PowerSum,
    TaughtLaw,
    power_sum_coefficients,
    power_sum_coordinates,
)
from capgap.comparison.fitting.own_law import Own, known_supervised
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.law_set import Laws
from capgap.theory.power_distillation import PowerDistillationLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["C0", "GapModel"]

C0 = (0.0, 30.0)


@dataclass(frozen=True, slots=True)
class GapModel(LogModel):
    """`own` is the student's supervised law at the runs; log_L_T is centered."""

    own: Own | None
    part: PowerSum
    center_n: float
    center_d: float
    center_t: float
    log_L_T: FloatArray

    @property
    def head(self) -> int:
        """Number of the supervised law's own coordinates, which come first."""
        return 0 if self.own is None else len(self.own.names)

    @property
    def names(self) -> tuple[str, ...]:
        own = () if self.own is None else self.own.names
        return (*own, *self.part.names, "c0", *self._transition_names)

    @property
    def bounds(self) -> FloatArray:
        own = np.zeros((0, 2)) if self.own is None else self.own.bounds
        tail = np.array([*self.part.bounds, C0, *self._transition_bounds])
        return np.concatenate([own, tail])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        bracket, jacobian = self.part.evaluate(x[:, self.head :])
        value, own, columns = self._transition(x)
        tail = np.broadcast_arrays(-self.log_L_T + 0 * value, *columns)
        inner = np.concatenate([own, jacobian, np.stack(tail, axis=-1)], axis=-1)
        gap = bracket - self._c0(x) * self.log_L_T + value
        loss = np.logaddexp(self.log_L_T + self.center_t, gap)
        return loss, np.exp(gap - loss)[..., None] * inner

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        return Laws(known_supervised(self.own, supervised), self.law(x))

    @abstractmethod
    def law(self, x: FloatArray) -> TaughtLaw:
        """The law at one coordinate vector."""

    def coordinates(
        self, law: DistillationLaw | ReducedDistillationLaw | PowerDistillationLaw
    ) -> FloatArray:
        """Coordinates of a law: the inverse of `law`."""
        bracket = power_sum_coordinates(
            self.part, law, self.center_n, self.center_d, shift=law.c0 * self.center_t
        )
        return np.array([*self._own_coordinates(law), *bracket, law.c0, *self._knee_of(law)])

    def starts(self, log_loss: FloatArray) -> FloatArray:
        return self.tails(log_loss)

    @abstractmethod
    def tails(self, log_loss: FloatArray) -> FloatArray:
        """Starts of all coordinates but the supervised law's own."""

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        n, d, t = (np.log(inputs[name]) for name in ("N_S", "D_S", "L_T"))
        own = self.own
        return replace(
            self,
            own=None if own is None else own.at({"N": inputs["N_S"], "D": inputs["D_S"]}),
            part=replace(self.part, n=n - self.center_n, d=d - self.center_d),
            log_L_T=t - self.center_t,
        )

    @property
    @abstractmethod
    def _transition_names(self) -> tuple[str, ...]:
        """Names of the coordinates after c0."""

    @property
    @abstractmethod
    def _transition_bounds(self) -> list[tuple[float, float]]:
        """Bounds of the coordinates after c0."""

    @abstractmethod
    def _transition(self, x: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        """What the transition adds to the log of the gap, (S, n), and its derivatives.

        In the coordinates of the supervised law, (S, n, head), and in its own, a list.
        """

    @abstractmethod
    def _own_coordinates(self, law: TaughtLaw) -> FloatArray:
        """Coordinates of the supervised law inside a law."""

    @abstractmethod
    def _knee_of(self, law: TaughtLaw) -> list[float]:
        """The transition's coordinates of a law."""

    def _c0(self, x: FloatArray) -> FloatArray:
        return x[:, self.head + 5, None]

    def _gap_coefficients(self, x: FloatArray) -> dict[str, float]:
        tail = x[self.head :]
        shift = float(tail[5]) * self.center_t
        bracket = power_sum_coefficients(self.part, tail, self.center_n, self.center_d, shift)
        return {"c0": float(tail[5]), **bracket}

    def _own_coefficients(self, x: FloatArray) -> dict[str, float]:
        return {} if self.own is None else self.own.coefficients(x[: self.head])

    def _bracket_starts(self, log_loss: FloatArray) -> list[list[float]]:
        gap = np.exp(log_loss) - np.exp(self.log_L_T + self.center_t)
        level = float(np.log(max(np.quantile(gap, 0.8), 1e-3)))
        return self.part.starts([level, level + 0.7], [0.1, 0.3, 0.7], [0.5, 1.0], [0.3, 0.7])
