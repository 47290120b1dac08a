"""Eq. 8 and its reduced form, with the supervised law given, in well-conditioned coordinates.

The gap's logarithm is -c0 (log L_T - mean) + power sum - factor, so the mean of log L_T is
absorbed in the levels u and v. The transition is described by the ratio L_T / own loss at the
knee, kappa = k^(-f1) = d1 (c1 f1)^(-f1), and by f1; Eq. 8 has omega = c1 f1 besides, and
becomes the reduced law as omega grows:

    omega log(1 + exp(t)/omega) -> exp(t),   t = (log(L_T / own loss) - log kappa)/f1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.log_models import (
    FloatArray,
    LogModel,
    PowerSum,
    power_sum_coefficients,
)
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Eq8Model", "ReducedModel"]

C0 = (0.0, 30.0)
F1 = (float(np.log(5e-3)), float(np.log(5.0)))
OMEGA = (float(np.log(1e-2)), float(np.log(1e4)))
_LARGEST = 50.0  # exp(-exp(50)) is zero, and products with exp(50) stay finite


@dataclass(frozen=True, slots=True)
class ReducedModel(LogModel):
    """Coordinates u, v, log a, log b, log gamma, c0, log kappa, log f1."""

    supervised: SupervisedLaw
    part: PowerSum
    center_n: float
    center_d: float
    center_t: float
    log_L_T: FloatArray  # centered
    log_ratio: FloatArray  # log of L_T over the student's supervised loss
    ratio_bounds: tuple[float, float]

    @classmethod
    def build(
        cls, N_S: FloatArray, D_S: FloatArray, L_T: FloatArray, supervised: SupervisedLaw
    ) -> Self:
        """Center the design; the knee is searched somewhat beyond the ratios seen."""
        n, d, t = np.log(N_S), np.log(D_S), np.log(L_T)
        ratio = t - supervised.log_loss(N_S, D_S)
        return cls(
            supervised=supervised,
            part=PowerSum(n - n.mean(), d - d.mean(), None),
            center_n=float(n.mean()),
            center_d=float(d.mean()),
            center_t=float(t.mean()),
            log_L_T=t - t.mean(),
            log_ratio=ratio,
            ratio_bounds=(float(ratio.min()) - 1.0, float(ratio.max()) + 1.0),
        )

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.part.names, "c0", "k", "f1")

    @property
    def bounds(self) -> FloatArray:
        return np.array([*self.part.bounds, C0, self.ratio_bounds, F1])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        bracket, jacobian = self.part.evaluate(x)
        c0, t, f1 = self._transition(x)
        drop = np.exp(np.minimum(t, _LARGEST))
        # d(-drop)/d log kappa = drop/f1; d/d log f1 = drop t.
        columns = [np.broadcast_to(-self.log_L_T, t.shape), drop / f1, drop * t]
        gap = bracket - c0 * self.log_L_T - drop
        return self._add_teacher(gap, np.concatenate([jacobian, np.stack(columns, -1)], -1))

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        c0, log_kappa, f1 = float(x[5]), float(x[6]), float(np.exp(x[7]))
        k = float(np.exp(-log_kappa / f1))
        return {"c0": c0, "k": k, "f1": f1, **self._bracket(x, c0)}

    def law(self, x: FloatArray) -> ReducedDistillationLaw | DistillationLaw:
        """The law at one coordinate vector."""
        return ReducedDistillationLaw(self.supervised, **self.coefficients(x))

    def starts(self, log_loss: FloatArray) -> FloatArray:
        knees = np.clip([-0.15, -0.05, 0.05, 0.2], *self.ratio_bounds)
        return np.array(
            [
                [*p, *q]
                for p, q in product(
                    self._bracket_starts(log_loss),
                    product((0.0, 1.0, 3.0), knees, np.log([0.05, 0.2])),
                )
            ]
        )

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        n, d, t = (np.log(inputs[name]) for name in ("N_S", "D_S", "L_T"))
        return replace(
            self,
            part=replace(self.part, n=n - self.center_n, d=d - self.center_d),
            log_L_T=t - self.center_t,
            log_ratio=t - self.supervised.log_loss(inputs["N_S"], inputs["D_S"]),
        )

    def _transition(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        f1 = np.exp(x[:, 7, None])
        return x[:, 5, None], (self.log_ratio - x[:, 6, None]) / f1, f1

    def _add_teacher(self, gap: FloatArray, jacobian: FloatArray) -> tuple[FloatArray, FloatArray]:
        teacher = self.log_L_T + self.center_t
        value = np.logaddexp(teacher, gap)
        return value, np.exp(gap - value)[..., None] * jacobian

    def _bracket(self, x: FloatArray, c0: float) -> dict[str, float]:
        return power_sum_coefficients(
            self.part, x, self.center_n, self.center_d, shift=c0 * self.center_t
        )

    def _bracket_starts(self, log_loss: FloatArray) -> list[list[float]]:
        gap = np.exp(log_loss) - np.exp(self.log_L_T + self.center_t)
        level = float(np.log(max(np.quantile(gap, 0.8), 1e-3)))
        return self.part.starts([level, level + 0.7], [0.1, 0.3, 0.7], [0.5, 1.0], [0.3, 0.7])


@dataclass(frozen=True, slots=True)
class Eq8Model(ReducedModel):
    """The reduced model's coordinates and log omega, omega = c1 f1."""

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.part.names, "c0", "d1", "f1", "c1")

    @property
    def bounds(self) -> FloatArray:
        return np.array([*self.part.bounds, C0, self.ratio_bounds, F1, OMEGA])

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        bracket, jacobian = self.part.evaluate(x)
        c0, t, f1 = self._transition(x)
        t = np.minimum(t, _LARGEST)
        log_omega = x[:, 8, None]
        omega = np.exp(log_omega)
        soft = np.logaddexp(0.0, t - log_omega)
        slope = omega * np.exp(t - log_omega - soft)  # d(omega soft)/dt
        columns = [
            np.broadcast_to(-self.log_L_T, t.shape),
            slope / f1,
            slope * t,
            slope - omega * soft,
        ]
        gap = bracket - c0 * self.log_L_T - omega * soft
        return self._add_teacher(gap, np.concatenate([jacobian, np.stack(columns, -1)], -1))

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        c0, log_kappa, f1, log_omega = float(x[5]), float(x[6]), float(np.exp(x[7])), float(x[8])
        return {
            "c0": c0,
            "c1": float(np.exp(log_omega)) / f1,
            "f1": f1,
            "d1": float(np.exp(log_kappa + f1 * log_omega)),
            **self._bracket(x, c0),
        }

    def law(self, x: FloatArray) -> DistillationLaw:
        """The law at one coordinate vector."""
        return DistillationLaw(self.supervised, **self.coefficients(x))

    def starts(self, log_loss: FloatArray) -> FloatArray:
        reduced = ReducedModel.starts(self, log_loss)
        return np.concatenate(
            [np.column_stack([reduced, np.full(len(reduced), w)]) for w in (0.0, 4.0)]
        )
