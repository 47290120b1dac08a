"""Laws that others bring: what they must be able to do, and one with its coefficients set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import positive_array

__all__ = ["LogLaw", "UserLaw"]

FloatArray = npt.NDArray[np.float64]


@runtime_checkable
class LogLaw(Protocol):
    """A law whose coefficients are positive and enter by their logarithms.

    An object may also have ``jacobian(log_params, inputs)``, shape (S, n, P): derivatives of
    `log_loss`; and ``starts(inputs, log_loss)``, shape (K, P): where to begin the search for
    these observations.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the P coefficients."""

    @property
    def bounds(self) -> npt.ArrayLike:
        """Least and largest logarithm of each coefficient, shape (P, 2)."""

    def log_loss(self, log_params: FloatArray, inputs: Mapping[str, FloatArray]) -> FloatArray:
        """Logarithm of the loss in nats per token, shape (S, n).

        `log_params` is a batch of coefficient vectors, shape (S, P), and `inputs` holds the
        n runs by name. It must be smooth, and defined slightly beyond the bounds (by 1e-5 of
        the logarithm's size) where the object has no `jacobian`.
        """


@dataclass(frozen=True, slots=True)
class UserLaw:
    """A law of someone else's form at one vector of coefficients.

    Parameters
    ----------
    form : LogLaw
    log_params : tuple of float
        Logarithms of the coefficients, in the order of `form.names`.
    inputs : tuple of str
        Names of the inputs.
    """

    form: LogLaw
    log_params: tuple[float, ...]
    inputs: tuple[str, ...]

    @property
    def coefficients(self) -> dict[str, float]:
        """Coefficients by name."""
        return dict(zip(self.form.names, np.exp(self.log_params).tolist(), strict=True))

    def loss(self, **inputs: npt.ArrayLike) -> FloatArray:
        """Loss in nats per token at inputs given by name; they broadcast.

        Raises
        ------
        InputError
            An input is missing, unknown, or not finite and positive.
        """
        if sorted(inputs) != sorted(self.inputs):
            raise InputError(
                f"UserLaw.loss: inputs {', '.join(sorted(inputs)) or 'none'} must be"
                f" {', '.join(self.inputs)}"
            )
        arrays = np.broadcast_arrays(
            *(positive_array("UserLaw.loss", name, inputs[name]) for name in self.inputs)
        )
        flat = {name: array.reshape(-1) for name, array in zip(self.inputs, arrays, strict=True)}
        value = self.form.log_loss(np.asarray(self.log_params)[None], flat)[0]
        return np.asarray(np.exp(value).reshape(arrays[0].shape), dtype=np.float64)
