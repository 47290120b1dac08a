"""What every law can be asked, whatever its equation."""

from typing import Protocol, runtime_checkable

import numpy.typing as npt

from capgap.theory.domain import FloatArray

__all__ = ["SupervisedForm", "TaughtForm"]


@runtime_checkable
class SupervisedForm(Protocol):
    """A law of the loss of a model trained on data; nats per token."""

    @property
    def irreducible_loss(self) -> float:
        """Loss of an infinite model on infinite data."""

    def loss(self, N: npt.ArrayLike, D: npt.ArrayLike) -> FloatArray:
        """Loss of N parameters trained on D tokens; the arguments broadcast."""

    def infinite_data_loss(self, N: npt.ArrayLike) -> FloatArray:
        """Its limit as D goes to infinity."""


@runtime_checkable
class TaughtForm(Protocol):
    """A law of the loss of a student as a function of its teacher's loss; nats per token."""

    def loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Loss of a student; the arguments broadcast."""

    def infinite_data_loss(self, N_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Its limit as D_S goes to infinity."""

    def knee(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at which the regime changes."""

    def best_teacher_loss(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
        """Teacher loss at which the student's is least."""
