"""numpy and torch behind the few functions that the two share."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from capgap.errors import InputError
from capgap.measurement.kernel.sampled import FloatArray

__all__ = ["Backend", "open_backend"]

# An array of the backend. Its operators, `.mT` and `.sum` are the same in both libraries.
Array = Any

_NOTHING = 1e-12  # of the largest eigenvalue: below, it is taken as zero


@dataclass(frozen=True, slots=True)
class Backend:
    """Batched linear algebra in double precision, on the CPU or on a torch device."""

    library: Any
    options: dict[str, Any]

    def array(self, values: FloatArray) -> Array:
        """The values as the backend's array; torch takes none that are read-only."""
        return self.library.asarray(np.require(values, requirements="W"), **self.options)

    def back(self, values: Array) -> FloatArray:
        """The backend's array as numpy's."""
        return np.asarray(values.cpu() if hasattr(values, "cpu") else values, dtype=np.float64)

    def zeros(self, *shape: int) -> Array:
        """An array of zeros."""
        return self.library.zeros(shape, **self.options)

    def solve(self, matrix: Array, right: Array) -> Array:
        """Solve a batch of systems (B, p, p) for right-hand sides (B, p)."""
        return self.library.linalg.solve(matrix, right[..., None])[..., 0]

    def least_norm(self, matrix: Array, right: Array) -> Array:
        """As `solve`, for matrices that may be singular: the solution of least norm.

        Signs repeat: among 12 samples of 20 of them two are alike once in 8000.
        """
        inverse = self.library.linalg.pinv(matrix, rtol=_NOTHING, hermitian=True)
        return (inverse @ right[..., None])[..., 0]

    def add_diagonal(self, matrix: Array, diagonal: Array | float) -> Array:
        """Add a diagonal (p,), or a multiple of the identity, to each matrix (B, p, p)."""
        eye = self.library.eye(matrix.shape[-1], **self.options)
        return matrix + eye * diagonal

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        """Eigenvalues, rising, and eigenvectors of symmetric matrices (B, p, p)."""
        values, vectors = self.library.linalg.eigh(matrix)
        return values, vectors


def open_backend(name: str, device: str = "cpu") -> Backend:
    """Return numpy's or torch's linear algebra; torch is loaded only here.

    Parameters
    ----------
    name : str
        "numpy" or "torch".
    device : str
        A torch device; numpy has only "cpu".

    Raises
    ------
    InputError
        Another name, a device for numpy, a device that torch lacks, or torch is not installed.

    Examples
    --------
    >>> numpy = open_backend("numpy")
    >>> numpy.solve(np.array([[[2.0, 0.0], [0.0, 4.0]]]), np.array([[2.0, 2.0]])).tolist()
    [[1.0, 0.5]]
    """
    if name == "numpy":
        if device != "cpu":
            raise InputError(f"backend: device = {device!r} must be 'cpu' for numpy")
        return Backend(np, {"dtype": np.float64})
    if name != "torch":
        raise InputError(f"backend: {name!r} must be 'numpy' or 'torch'")
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError("backend: 'torch' must be installed: pip install 'capgap[lm]'") from None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(f"backend: device = {device!r} must be one that torch has") from None
    return Backend(torch, {"dtype": torch.float64, "device": device})
