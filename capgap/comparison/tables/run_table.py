"""Runs as arrays: what every fit, rollout and comparison takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import positive_array

__all__ = ["RunTable"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunTable:
    """Runs of models trained on data, or of students taught by teachers; arrays of shape (n,).

    Parameters
    ----------
    N, D : array
        Non-embedding parameters and training tokens (raw counts).
    loss : array
        Validation loss, nats per token.
    L_T : array or None
        Loss of each student's teacher; None for models trained on data alone.
    standard_error : array or None
        Of each loss, nats per token, where it was measured.
    cell : array of str or None
        Which runs share an error (a data order, a teacher); None: runs of equal (N, D).
    row : array of int or None
        Where each run stands in its file, from 1 without the header; by default its place.
    source : str
        Where the runs come from, for messages.

    Raises
    ------
    InputError
        Arrays of several lengths, no run, or values that are not finite and positive.

    Examples
    --------
    >>> runs = RunTable(N=[1e7, 1e8], D=[1e9, 1e10], loss=[3.2, 2.7])
    >>> len(runs), sorted(runs.inputs), runs.taught
    (2, ['D', 'N'], False)
    """

    N: FloatArray
    D: FloatArray
    loss: FloatArray
    L_T: FloatArray | None = None
    standard_error: FloatArray | None = None
    cell: npt.NDArray[np.str_] | None = None
    row: npt.NDArray[np.int64] | None = None
    source: str = field(default="runs", kw_only=True)

    def __post_init__(self) -> None:
        arrays: dict[str, Any] = {}
        for name in ("N", "D", "loss", "L_T", "standard_error"):
            if getattr(self, name) is not None:
                arrays[name] = positive_array("RunTable", name, getattr(self, name))
        if self.cell is not None:
            arrays["cell"] = np.asarray(self.cell, dtype=np.str_)
        places = np.arange(1, arrays["loss"].size + 1) if self.row is None else self.row
        arrays["row"] = np.asarray(places, dtype=np.int64)
        shapes = sorted({array.shape for array in arrays.values()})
        if len(shapes) != 1 or arrays["loss"].ndim != 1:
            raise InputError(f"RunTable: shapes {shapes} must be one (n,)")
        if arrays["loss"].size == 0:
            raise InputError(f"RunTable: {self.source} holds no run, must hold at least one")
        for name, array in arrays.items():
            array = array.copy()
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return int(self.loss.size)

    @property
    def taught(self) -> bool:
        """Whether the runs have teachers."""
        return self.L_T is not None

    @property
    def inputs(self) -> Mapping[str, FloatArray]:
        """What a law of these runs takes: N and D, or N_S, D_S and L_T."""
        if self.L_T is None:
            return {"N": self.N, "D": self.D}
        return {"N_S": self.N, "D_S": self.D, "L_T": self.L_T}

    def where(self, keep: npt.NDArray[np.bool_]) -> "RunTable":
        """The runs that are kept, in their order."""
        parts = {
            name: None if (value := getattr(self, name)) is None else value[keep]
            for name in ("N", "D", "loss", "L_T", "standard_error", "cell", "row")
        }
        return RunTable(**parts, source=self.source)  # type: ignore[arg-type]
