"""Training batches: windows of the token stream, in a seeded order without replacement."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capgap.errors import InputError

__all__ = ["Batches"]


@dataclass(frozen=True)
class Batches:
    """Batches of one run, as a function of the step.

    One pass cuts the stream at a random offset into windows of `sequence_length` + 1
    tokens that overlap by one, and visits them in random order; every pass draws a new
    offset and order from (seed, pass). Windows run over the ends of documents: the
    separator tells the model. The order of windows does not depend on the batch size.

    Parameters
    ----------
    stream : NDArray of integers, shape (tokens,)
        Tokens of one half of the corpus.
    batch_size, sequence_length : int
        Sequences per batch, tokens per sequence.
    seed : int
        Seeds offsets and orders.
    """

    stream: NDArray[np.integer[Any]]
    batch_size: int
    sequence_length: int
    seed: int

    def __post_init__(self) -> None:
        if self.windows < self.batch_size:
            raise InputError(
                f"batches: the training text has {self.stream.size} tokens, less than one batch"
                f" of {self.batch_size} x {self.sequence_length}"
            )

    @property
    def windows(self) -> int:
        """Windows per pass, whatever the offset."""
        return max(0, self.stream.size // self.sequence_length - 1)

    @property
    def unique_tokens(self) -> int:
        """Tokens that one pass trains on."""
        return self.windows * self.sequence_length

    def batch(self, step: int) -> NDArray[np.int64]:
        """Tokens of a step, shape (batch_size, sequence_length + 1); inputs and targets are
        its first and last `sequence_length` columns."""
        return self.rows(step * self.batch_size, self.batch_size)

    def rows(self, first: int, count: int) -> NDArray[np.int64]:
        """Windows number `first` to `first` + `count` - 1 of the order in which they are
        visited, shape (count, sequence_length + 1)."""
        return np.stack([self._window(first + i) for i in range(count)]).astype(np.int64)

    def _window(self, index: int) -> NDArray[np.integer[Any]]:
        number, position = divmod(index, self.windows)
        offset, order = _pass_order(self.seed, number, self.windows, self.sequence_length)
        start = offset + int(order[position]) * self.sequence_length
        return self.stream[start : start + self.sequence_length + 1]


@lru_cache(maxsize=4)
def _pass_order(
    seed: int, number: int, windows: int, sequence_length: int
) -> tuple[int, NDArray[np.int64]]:
    """Offset and order of the windows of one pass; drawn once per pass, not per window."""
    rng = np.random.default_rng((seed, number))
    return int(rng.integers(sequence_length)), rng.permutation(windows)
