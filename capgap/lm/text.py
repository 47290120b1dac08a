"""What training and evaluation need of a text, whatever its tokens are."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from capgap.lm.corpus import Document

__all__ = ["Text"]


class Text(Protocol):
    """A corpus as tokens: `capgap.lm.corpus.Corpus`, or one with a tokenizer."""

    @property
    def fingerprint(self) -> str:
        """Identity of text, split and tokenizer."""

    @property
    def vocab_size(self) -> int:
        """Number of different tokens."""

    @property
    def separator(self) -> int:
        """The token before every document."""

    @property
    def validation(self) -> tuple[Document, ...]:
        """Held-out documents."""

    def stream(self, half: str) -> NDArray[np.integer[Any]]:
        """Tokens of the "teacher" or "student" half, every document after a separator."""

    def encode(self, document: Document) -> NDArray[np.integer[Any]]:
        """Tokens of one document, without the separator."""
