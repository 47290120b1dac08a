"""The additive hinge law in the coordinates of the hinge, its softness in nats."""

from dataclasses import dataclass

import numpy as np

from capgap.comparison.fitting.hinge_model import HingeModel
from capgap.comparison.fitting.log_models import FloatArray
from capgap.theory.additive_hinge import AdditiveHingeLaw

__all__ = ["AdditiveHingeModel"]


@dataclass(frozen=True, slots=True)
class AdditiveHingeModel(HingeModel):
    """log L_S = log [l + F(L_T - l)]."""

    def evaluate(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        split = len(self.level.names)
        log_l, own_jacobian = self.level.evaluate(x[:, :split])
        level = np.exp(log_l)
        rise, slope, jacobian = self.corner.evaluate(x[:, split:], np.exp(self.log_L_T) - level)
        loss = level + rise
        through_level = ((1 - slope) * level / loss)[..., None] * own_jacobian
        return np.log(loss), np.concatenate([through_level, jacobian / loss[..., None]], axis=-1)

    def law(self, x: FloatArray) -> AdditiveHingeLaw:
        """The law at one coordinate vector."""
        split = len(self.level.names)
        return AdditiveHingeLaw(self.level.law(x[:split]), **self.corner.values(x[split:]))
