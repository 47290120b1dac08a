"""What both forms of the distillation law share: coefficients, inputs, the bracket."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory import jets
from capgap.theory.domain import FloatArray, positive_array, require
from capgap.theory.jets import Quantity
from capgap.theory.supervised import SupervisedLaw, log_power_sum, log_supervised

__all__ = ["GapParts", "check_coefficients", "gap_parts", "log_bracket", "log_ratio", "variables"]


@dataclass(frozen=True, slots=True)
class GapParts:
    """Logarithms at given N_S and D_S, with the size of the terms they were summed from.

    Attributes
    ----------
    own : array
        Log of the supervised loss.
    bracket : array
        Log of U = (A/N_S^alpha + B/D_S^beta)^gamma.
    own_size, bracket_size : array
        Sums of the absolute terms: each value is right to a few 1e-16 of its size.
    """

    own: FloatArray
    bracket: FloatArray
    own_size: FloatArray
    bracket_size: FloatArray


def check_coefficients(law: Any) -> None:
    """Raise unless the coefficients of a distillation law are in their domain."""
    for field in fields(law):
        value = getattr(law, field.name)
        if field.name == "supervised":
            if not isinstance(value, SupervisedLaw):
                raise InputError(
                    f"{type(law).__name__}: supervised = {value!r} must be a SupervisedLaw"
                )
            continue
        require(type(law).__name__, field.name, value, zero_allowed=field.name == "c0")


def variables(
    law: Any,
    operation: str,
    N_S: npt.ArrayLike,
    D_S: npt.ArrayLike,
    L_T: npt.ArrayLike,
) -> dict[str, Any]:
    """Checked inputs and all coefficients by name; nested ones with a prefix."""
    name = f"{type(law).__name__}.{operation}"
    found: dict[str, Any] = {
        "N_S": positive_array(name, "N_S", N_S),
        "D_S": positive_array(name, "D_S", D_S),
        "L_T": positive_array(name, "L_T", L_T),
    }
    found |= {f.name: getattr(law, f.name) for f in fields(law) if f.name != "supervised"}
    found |= law.supervised.coefficients("supervised.")
    return found


def log_bracket(v: Mapping[str, Quantity]) -> Quantity:
    """Logarithm of (A/N_S^alpha + B/D_S^beta)^gamma."""
    return log_power_sum(v["N_S"], v["D_S"], v["A"], v["B"], v["alpha"], v["beta"], v["gamma"])


def log_ratio(v: Mapping[str, Quantity]) -> Quantity:
    """Logarithm of the teacher's loss over the student's own, log(L_T / L(N_S, D_S))."""
    return jets.log(v["L_T"]) - log_supervised(v, v["N_S"], v["D_S"], "supervised.")


def gap_parts(law: Any, operation: str, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> GapParts:
    """What of a law does not depend on the teacher."""
    v = variables(law, operation, N_S, D_S, 1.0)
    bracket = jets.evaluate(log_bracket, v)
    own = law.supervised.log_loss(v["N_S"], v["D_S"])
    shape = np.broadcast_shapes(own.shape, bracket.shape)
    return GapParts(
        np.broadcast_to(own, shape),
        np.broadcast_to(bracket, shape),
        np.broadcast_to(_size(law.supervised, v["N_S"], v["D_S"]) + np.abs(own), shape),
        np.broadcast_to(_size(law, v["N_S"], v["D_S"]), shape),
    )


def _size(law: Any, N: FloatArray, D: FloatArray) -> FloatArray:
    """Sum of the absolute terms of gamma (log A - alpha log N), likewise with D."""
    capacity = np.abs(np.log(law.A)) + law.alpha * np.abs(np.log(N))
    data = np.abs(np.log(law.B)) + law.beta * np.abs(np.log(D))
    return np.asarray(law.gamma * np.maximum(capacity, data), dtype=np.float64)
