"""Features of samples: Gaussian, Rademacher, or rows of real data, a stream per replication.

Every replication has a random stream of its own, (seed, number), so that results depend
neither on how replications are batched nor on the backend.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.kernel.backend import Backend
from capgap.measurement.kernel.sampled import FloatArray
from capgap.spectrum import Spectrum

__all__ = ["Batch", "Features", "batches", "total"]

Features = Literal["gaussian", "rademacher"] | FloatArray
_NUMBERS = 4_000_000  # of a batch's largest array: 32 MB


@dataclass
class Batch:
    """Some replications, drawn side by side.

    `features` are uncorrelated and of mean square one; real rows are drawn without
    replacement, each stage taking rows that no stage before it has seen.
    """

    spectrum: Spectrum
    features: Features
    streams: list[np.random.Generator]
    backend: Backend
    held_out: bool = True
    orders: list[npt.NDArray[np.int64]] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.features, str):
            rows = self.features.shape[0]
            self.orders = [stream.permutation(rows) for stream in self.streams]

    @property
    def size(self) -> int:
        """B, replications in the batch."""
        return len(self.streams)

    def draw(self, n: int, width: int) -> Any:
        """The first `width` features of n fresh samples, shape (B, n, width)."""
        if isinstance(self.features, str):
            return self.backend.array(
                np.stack([_draw(s, self.features, n, width) for s in self.streams])
            )
        rows = [order[self.taken : self.taken + n] for order in self.orders]
        self.taken += n
        return self.backend.array(np.stack([self.features[row, :width] for row in rows]))

    def normal(self, *shape: int) -> Any:
        """Standard normal numbers, shape (B, *shape)."""
        return self.backend.array(np.stack([s.standard_normal(shape) for s in self.streams]))

    def risk(self, u: Any) -> FloatArray:
        r"""Excess risk of coefficients u (B, M) in orthonormal functions.

        :math:`\sum_i (u_i - \alpha_i)^2`, which is exact for features that are drawn and the mean
        square over all rows for real ones; `held_out` asks for that over the rows that no stage
        has taken.
        """
        error = self.backend.back(u) - self.spectrum.alpha
        if isinstance(self.features, str) or not self.held_out:
            return np.asarray((error**2).sum(axis=1))
        square = (error @ self.features.T) ** 2
        kept = [row[order[self.taken :]] for row, order in zip(square, self.orders, strict=True)]
        return np.array([row.mean() for row in kept])


def batches(
    spectrum: Spectrum,
    features: Features,
    *,
    replications: int,
    seed: int,
    backend: Backend,
    numbers: int,
    rows: int,
    held_out: bool = True,
) -> Iterator[Batch]:
    """Replications in batches that fit into memory.

    Parameters
    ----------
    numbers : int
        Size of the largest array of one replication.
    rows : int
        Samples that one replication takes, all stages together.

    Raises
    ------
    InputError
        Fewer than two replications, unknown features, or real ones that are of another width,
        are not orthonormal over their rows, or are too few for the stages and a test set.
    """
    if replications < 2:
        raise InputError(f"simulation: replications = {replications} must be at least 2")
    _check(spectrum, features, rows)
    step = max(1, min(1000, _NUMBERS // max(1, numbers)))
    for first in range(0, replications, step):
        last = min(first + step, replications)
        streams = [np.random.default_rng((seed, r)) for r in range(first, last)]
        yield Batch(spectrum, features, streams, backend, held_out)


def _draw(stream: np.random.Generator, kind: str, n: int, width: int) -> FloatArray:
    if kind == "gaussian":
        return stream.standard_normal((n, width))
    return np.asarray(2.0 * stream.integers(0, 2, (n, width), dtype=np.int8) - 1.0)


def _check(spectrum: Spectrum, features: Features, rows: int) -> None:
    if isinstance(features, str):
        if features not in ("gaussian", "rademacher"):
            raise InputError(
                f"simulation: features {features!r} must be 'gaussian', 'rademacher' or an array"
            )
        return
    if features.ndim != 2 or features.shape[1] != spectrum.size:
        raise InputError(
            f"simulation: features of shape {features.shape} must have"
            f" {spectrum.size} columns, one for each eigenvalue"
        )
    if features.shape[0] <= rows:
        raise InputError(
            f"simulation: {features.shape[0]} rows of features must be more than the {rows}"
            " that the stages take"
        )
    gram = features.T @ features / features.shape[0]
    worst = float(np.abs(gram - np.eye(spectrum.size)).max())
    if not worst < 1e-6:
        raise InputError(
            f"simulation: features must be orthonormal over their rows; their second moments"
            f" are {worst:.2g} off"
        )


def total(samples: Sequence[float]) -> int:
    """Rows that stages of these sizes take; infinite ones take none."""
    return sum(int(n) for n in samples if n != float("inf"))
