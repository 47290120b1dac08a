"""Cells of a design: runs that share a size and a token count."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.errors import InputError

__all__ = ["cell_index"]


def cell_index(
    inputs: Mapping[str, FloatArray], groups: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Number 0 .. G-1 of each run's cell: its group, or its (N, D) pair if none is given.

    >>> cell_index({"N": np.array([1.0, 1.0, 2.0]), "D": np.array([5.0, 5.0, 5.0])})
    array([0, 0, 1])
    """
    size, tokens = list(inputs.values())[:2]
    if groups is None:
        labels = np.stack([size, tokens], axis=1)
        index = np.unique(labels, axis=0, return_inverse=True)[1]
    else:
        given = np.asarray(groups)
        if given.shape != size.shape:
            raise InputError(f"cell_index: groups of shape {given.shape} must be {size.shape}")
        index = np.unique(given, return_inverse=True)[1]
    return np.asarray(index.reshape(-1), dtype=np.int64)
