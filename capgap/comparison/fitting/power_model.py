"""Eq. 8 without its transition: the gap is a bracket times a power of the teacher's loss."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.log_models import FloatArray, PowerSum, TaughtLaw
from capgap.comparison.fitting.own_law import Own
from capgap.theory.power_distillation import PowerDistillationLaw

__all__ = ["PowerModel"]


@dataclass(frozen=True, slots=True)
class PowerModel(GapModel):
    """Coordinates u, v, log a, log b, log gamma, c0; the supervised law moves no prediction.

    `own` is there for `laws` alone, or for the runs without a teacher in a joint fit.
    """

    @classmethod
    def build(cls, N_S: FloatArray, D_S: FloatArray, L_T: FloatArray, own: Own | None) -> Self:
        """Center the design."""
        n, d, t = np.log(N_S), np.log(D_S), np.log(L_T)
        return cls(
            own=own,
            part=PowerSum(n - n.mean(), d - d.mean(), None),
            center_n=float(n.mean()),
            center_d=float(d.mean()),
            center_t=float(t.mean()),
            log_L_T=t - t.mean(),
        )

    def predict(self, x: FloatArray) -> FloatArray:
        gap = self.part.value(x[:, self.head :]) - self._c0(x) * self.log_L_T
        return np.asarray(np.logaddexp(self.log_L_T + self.center_t, gap))

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return {**self._own_coefficients(x), **self._gap_coefficients(x)}

    def law(self, x: FloatArray) -> PowerDistillationLaw:
        """The law at one coordinate vector."""
        return PowerDistillationLaw(**self._gap_coefficients(x))

    def tails(self, log_loss: FloatArray) -> FloatArray:
        pairs = product(self._bracket_starts(log_loss), (0.0, 1.0, 3.0))
        return np.array([[*bracket, c0] for bracket, c0 in pairs])

    @property
    def _transition_names(self) -> tuple[str, ...]:
        return ()

    @property
    def _transition_bounds(self) -> list[tuple[float, float]]:
        return []

    def _transition(self, x: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        shape = (len(x), self.log_L_T.size)
        return np.zeros(shape), np.zeros((*shape, self.head)), []

    def _own_coordinates(self, law: TaughtLaw) -> FloatArray:
        return np.zeros(self.head)

    def _knee_of(self, law: TaughtLaw) -> list[float]:
        return []
