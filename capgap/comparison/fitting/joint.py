"""One objective over supervised runs and distillations: a supervised law that both decide.

A run without a teacher has L_T = NaN. Its prediction is the supervised law; the others' is
the law of distillation on top of the same supervised law, whose coordinates come first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.gap_model import GapModel
from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray, LogModel, SupervisedModel, TaughtLaw
from capgap.errors import InputError
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = ["JointModel", "reference_law"]

_DELTA = 1e-2  # a reference needs no fine objective


def reference_law(own: SupervisedModel, log_loss: FloatArray) -> FloatArray:
    """Coordinates of the supervised law fitted to the supervised runs alone."""
    grid = own.starts(log_loss)
    miss = np.sum(np.abs(own.predict(grid) - log_loss), axis=-1)
    starts = grid[np.argsort(miss, kind="stable")[:16]]
    end = minimize_huber(own, log_loss, np.ones_like(log_loss), starts, _DELTA)
    return np.asarray(end.x[int(np.argmin(end.objective))], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class JointModel(LogModel):
    """The coordinates of `taught`, whose first ones are those of `own`.

    Attributes
    ----------
    own : SupervisedModel
        At the runs without a teacher.
    taught : GapModel or HingeModel
        At the runs with one.
    alone : array of bool, shape (n,)
        Which runs have no teacher.
    reference : array
        Coordinates of `own` from which the search starts.
    """

    own: SupervisedModel
    taught: GapModel | HingeModel
    alone: npt.NDArray[np.bool_]
    reference: FloatArray

    @property
    def head(self) -> int:
        """Number of the supervised law's own coordinates, which come first."""
        return self.taught.head

    @property
    def names(self) -> tuple[str, ...]:
        return self.taught.names

    @property
    def bounds(self) -> FloatArray:
        return self.taught.bounds

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        value = np.empty((len(x), self.alone.size))
        jacobian = np.zeros((*value.shape, x.shape[1]))
        head = self.head
        value[:, self.alone], jacobian[:, self.alone, :head] = self.own.evaluate(x[:, :head])
        value[:, ~self.alone], jacobian[:, ~self.alone] = self.taught.evaluate(x)
        return value, jacobian

    def predict(self, x: FloatArray) -> FloatArray:
        value = np.empty((len(x), self.alone.size))
        value[:, self.alone] = self.own.predict(x[:, : self.head])
        value[:, ~self.alone] = self.taught.predict(x)
        return value

    def coefficients(self, x: FloatArray) -> dict[str, float]:
        return self.taught.coefficients(x)

    def law(self, x: FloatArray) -> TaughtLaw:
        """The law of distillation at one coordinate vector."""
        return self.taught.law(x)

    def laws(self, x: FloatArray, supervised: SupervisedLaw | None = None) -> Laws:
        if supervised is not None:
            raise InputError("laws: supervised must be None for a joint fit, which has its own")
        return Laws(self.own.law(x[: self.head]), self.law(x))

    def starts(self, log_loss: FloatArray) -> FloatArray:
        tails = self.taught.tails(log_loss[~self.alone])
        return np.concatenate([np.tile(self.reference, (len(tails), 1)), tails], axis=1)

    def at(self, inputs: Mapping[str, FloatArray]) -> Self:
        """Return the same coordinates for other runs: N_S, D_S and L_T (NaN: no teacher).

        N and D alone are runs without a teacher.
        """
        if "N" in inputs:
            inputs = {
                "N_S": inputs["N"],
                "D_S": inputs["D"],
                "L_T": np.full_like(inputs["N"], np.nan),
            }
        alone = np.isnan(inputs["L_T"])
        return replace(
            self,
            own=self.own.at({"N": inputs["N_S"][alone], "D": inputs["D_S"][alone]}),
            taught=self.taught.at({name: value[~alone] for name, value in inputs.items()}),
            alone=alone,
        )
