"""Eq. 8 and its reduced form in well-conditioned coordinates.

The transition is described by the ratio L_T / own loss at the knee, kappa = k^(-f1) =
d1 (c1 f1)^(-f1), and by f1; Eq. 8 has omega = c1 f1 besides, and becomes the reduced law as
omega grows:

    omega log(1 + exp(t)/omega) -> exp(t),   t = (log(L_T / own loss) - log kappa)/f1.

Distillations alone know the product kappa x own loss, the teacher loss at the knee, and
neither factor: multiplying E and the bracket of the supervised law by a number and dividing
kappa by it changes no prediction. A supervised law that is estimated from distillations is
therefore pinned: kappa = 1 by convention, so that its coordinates are those of the *knee*,
K(N_S, D_S) = E + (A/N_S^alpha + B/D_S^beta)^gamma, in nats, which the runs do know.
"""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np

from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.log_models import FloatArray, PowerSum, TaughtLaw
from capgap.comparison.fitting.own_law import GivenLaw, Own, rescaled
from capgap.errors import InputError
from capgap.theory.distillation import DistillationLaw, ReducedDistillationLaw
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Eq8Model", "PinnedEq8Model", "PinnedReducedModel", "ReducedModel"]

F1 = (float(np.log(5e-3)), float(np.log(5.0)))
OMEGA = (float(np.log(1e-2)), float(np.log(1e4)))
_LARGEST = 50.0  # exp(-exp(50)) is zero, and products with exp(50) stay finite


@dataclass(frozen=True, slots=True)
class ReducedModel(GapModel):
    """After c0: log kappa, unless it is pinned to 0, and log f1."""

    ratio_bounds: tuple[float, float]

    @classmethod
    def build(
        cls,
        N_S: FloatArray,
        D_S: FloatArray,
        L_T: FloatArray,
        own: Own | SupervisedLaw,
        reference: SupervisedLaw | None = None,
    ) -> Self:
        """Center the design; the knee is searched somewhat beyond the ratios seen.

        `reference` is a supervised law near a free one that is sought, for the ratios.
        """
        n, d, t = np.log(N_S), np.log(D_S), np.log(L_T)
        own = GivenLaw(own, n, d) if isinstance(own, SupervisedLaw) else own
        near = own.given if isinstance(own, GivenLaw) else reference
        ratio = np.zeros(1) if near is None else t - near.log_loss(N_S, D_S)
        return cls(
            own=own,
            part=PowerSum(n - n.mean(), d - d.mean(), None),
            center_n=float(n.mean()),
            center_d=float(d.mean()),
            center_t=float(t.mean()),
            log_L_T=t - t.mean(),
            ratio_bounds=(float(ratio.min()) - 1.0, float(ratio.max()) + 1.0),
        )

    @property
    def pinned(self) -> bool:
        """Whether the knee is where the supervised law is, by convention."""
        return False

    @property
    def log_ratio(self) -> FloatArray:
        """Log of L_T over the student's loss by a given supervised law, shape (n,)."""
        assert isinstance(self.own, GivenLaw)
        own = self.own.predict(np.zeros((1, 0)))[0]
        return np.asarray(self.log_L_T + self.center_t - own, dtype=np.float64)

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is fitted; of a pinned transition only what does not hang on the convention."""
        values = self._values(x)
        if self.pinned:
            values.pop("k")
        return {**self._own_coefficients(x), **values}

    def law(self, x: FloatArray) -> ReducedDistillationLaw | DistillationLaw:
        """The law at one coordinate vector; pinned, its `supervised` is the knee."""
        return ReducedDistillationLaw(self._own_law(x), **self._values(x))

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        if self.pinned:
            raise InputError(
                "laws: a supervised law estimated from distillations alone cannot be planned"
                " with: its scale is a convention; give the law, or fit supervised runs with it"
            )
        taught = self.law(x)
        if self.head:
            return Laws(taught.supervised, taught)
        return GapModel.laws(self, x, supervised)

    def starts(self, log_loss: FloatArray) -> FloatArray:
        if self.own is None or not self.head:
            return self.tails(log_loss)
        # The knee lies among the teachers; its shape is searched on a small grid.
        points, teacher = [], self.log_L_T + self.center_t
        for share, move in product((0.4, 0.75), (-0.1, 0.1)):
            level = float(np.exp(np.median(teacher) + move))
            brackets = self.part.starts([np.log((1 - share) * level)], [0.25], [0.5], [0.5])
            points += [[*bracket, share * level] for bracket in brackets]
        size = self.head
        heads = [point if len(point) == size else [*point[:4], point[-1]] for point in points]
        return np.array([[*p, *q] for p, q in product(heads, self.tails(log_loss).tolist())])

    def tails(self, log_loss: FloatArray) -> FloatArray:
        knees = np.clip([-0.15, -0.05, 0.05, 0.2], *self.ratio_bounds)
        places = [[knee] for knee in knees] if not self.pinned else [[]]
        pairs = product(
            self._bracket_starts(log_loss), (0.0, 1.0, 3.0), places, np.log([0.05, 0.2])
        )
        return np.array([[*bracket, c0, *knee, f1] for bracket, c0, knee, f1 in pairs])

    @property
    def _transition_names(self) -> tuple[str, ...]:
        return ("f1",) if self.pinned else ("k", "f1")

    @property
    def _transition_bounds(self) -> list[tuple[float, float]]:
        return [F1] if self.pinned else [self.ratio_bounds, F1]

    def _transition(self, x: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        t, f1, own = self._position(x)
        drop = np.exp(np.minimum(t, _LARGEST))
        # d(-drop)/d log kappa = d(-drop)/d log own = drop/f1; d/d log f1 = drop t.
        return -drop, (drop / f1)[..., None] * own, self._columns(drop / f1, drop * t)

    def _position(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """t, f1, and the Jacobian of the log of the own loss."""
        assert self.own is not None
        log_own, jacobian = self.own.evaluate(x[:, : self.head])
        after = self.head + 6
        log_kappa = 0.0 if self.pinned else x[:, after, None]
        f1 = np.exp(x[:, after + (not self.pinned), None])
        ratio = self.log_L_T + self.center_t - log_own
        return (ratio - log_kappa) / f1, f1, jacobian

    def _columns(self, log_kappa: FloatArray, *others: FloatArray) -> list[FloatArray]:
        return [*([] if self.pinned else [log_kappa]), *others]

    def _knee_values(self, x: FloatArray) -> tuple[float, float]:
        """log kappa and f1."""
        after = self.head + 6
        log_kappa = 0.0 if self.pinned else float(x[after])
        return log_kappa, float(np.exp(x[after + (not self.pinned)]))

    def _values(self, x: FloatArray) -> dict[str, float]:
        log_kappa, f1 = self._knee_values(x)
        k = float(np.exp(-log_kappa / f1))
        return {"k": k, "f1": f1, **self._gap_coefficients(x)}

    def _own_law(self, x: FloatArray) -> SupervisedLaw:
        assert self.own is not None
        return self.own.law(x[: self.head])

    def _own_coordinates(self, law: TaughtLaw) -> FloatArray:
        assert self.own is not None
        assert isinstance(law, DistillationLaw | ReducedDistillationLaw)
        scale = float(np.exp(_log_kappa(law))) if self.pinned else 1.0
        return self.own.coordinates(rescaled(law.supervised, scale))

    def _knee_of(self, law: TaughtLaw) -> list[float]:
        assert isinstance(law, DistillationLaw | ReducedDistillationLaw)
        return [*([] if self.pinned else [_log_kappa(law)]), float(np.log(law.f1))]


@dataclass(frozen=True, slots=True)
class Eq8Model(ReducedModel):
    """The reduced model's coordinates and log omega, omega = c1 f1."""

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        """What is fitted; of a pinned transition only what does not hang on the convention."""
        values = self._values(x)
        if self.pinned:
            values.pop("d1")
        return {**self._own_coefficients(x), **values}

    def law(self, x: FloatArray) -> DistillationLaw:
        """The law at one coordinate vector; pinned, its `supervised` is the knee."""
        return DistillationLaw(self._own_law(x), **self._values(x))

    def tails(self, log_loss: FloatArray) -> FloatArray:
        reduced = ReducedModel.tails(self, log_loss)
        return np.concatenate(
            [np.column_stack([reduced, np.full(len(reduced), w)]) for w in (0.0, 4.0)]
        )

    @property
    def _transition_names(self) -> tuple[str, ...]:
        return ("f1", "c1") if self.pinned else ("d1", "f1", "c1")

    @property
    def _transition_bounds(self) -> list[tuple[float, float]]:
        return [F1, OMEGA] if self.pinned else [self.ratio_bounds, F1, OMEGA]

    def _transition(self, x: FloatArray) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
        t, f1, own = self._position(x)
        log_omega = x[:, -1, None]
        omega = np.exp(log_omega)
        soft = np.logaddexp(0.0, t - log_omega)
        slope = omega * np.exp(t - log_omega - soft)  # d(omega soft)/dt
        columns = self._columns(slope / f1, slope * t, slope - omega * soft)
        return -omega * soft, (slope / f1)[..., None] * own, columns

    def _values(self, x: FloatArray) -> dict[str, float]:
        (log_kappa, f1), log_omega = self._knee_values(x), float(x[-1])
        return {
            "c1": float(np.exp(log_omega)) / f1,
            "f1": f1,
            "d1": float(np.exp(log_kappa + f1 * log_omega)),
            **self._gap_coefficients(x),
        }

    def _knee_of(self, law: TaughtLaw) -> list[float]:
        assert isinstance(law, DistillationLaw)
        return [*ReducedModel._knee_of(self, law), float(np.log(law.c1 * law.f1))]


@dataclass(frozen=True, slots=True)
class PinnedReducedModel(ReducedModel):
    """The reduced law on a supervised law that the distillations alone decide."""

    @property
    def pinned(self) -> bool:
        """The knee is where the supervised law is, by convention."""
        return True


@dataclass(frozen=True, slots=True)
class PinnedEq8Model(Eq8Model):
    """Eq. 8 on a supervised law that the distillations alone decide."""

    @property
    def pinned(self) -> bool:
        """The knee is where the supervised law is, by convention."""
        return True


def _log_kappa(law: DistillationLaw | ReducedDistillationLaw) -> float:
    """Log of the teacher's loss over the own loss at the knee."""
    if isinstance(law, DistillationLaw):
        return float(np.log(law.d1) - law.f1 * np.log(law.c1 * law.f1))
    return float(-law.f1 * np.log(law.k))
