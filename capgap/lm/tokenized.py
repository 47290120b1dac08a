"""A corpus in the tokens of a model's own vocabulary, with the interface of `Corpus`
(`capgap.lm.text.Text`).

Documents and their split are those of the text, so that runs on bytes and runs on tokens
have the same validation documents, and their bits per byte can be compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from capgap.errors import InputError
from capgap.lm.corpus import Corpus, Document

__all__ = ["TokenizedCorpus", "Tokenizer", "tokenizer_of"]

# Between the fingerprint of the text and that of the tokenizer.
MARK = "-tokens-"
# Text encoded at a time: enough for all cores; a tokenizer's answer is a hundred times as large.
BYTES_AT_A_TIME = 1_000_000


class Tokenizer(Protocol):
    """What a tokenized corpus asks of a tokenizer."""

    @property
    def fingerprint(self) -> str:
        """Changes with everything that changes tokens."""

    @property
    def separator(self) -> int:
        """Id that stands before each document."""

    @property
    def unknown(self) -> int | None:
        """Id of text outside the vocabulary, if there is one."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without separators."""


@dataclass(frozen=True)
class TokenizedCorpus:
    """Text in a tokenizer's vocabulary.

    Tokens are computed when first asked for and kept in memory: 4 bytes per token of each
    half that is used, and of the validation documents.

    Parameters
    ----------
    text : Corpus
        Documents and their split.
    tokenizer : Tokenizer
        Such as `capgap.lm.hugging_face.FolderTokenizer`.
    vocab_size : int
        Outputs of the model; may be larger than the tokenizer's vocabulary (padding).

    Raises
    ------
    InputError
        The separator is no output of the model; and, when tokens are asked for, a document
        has ids beyond the model's outputs, text that the tokenizer cannot express (its bits
        per byte would be those of another text), no tokens, or is not UTF-8.
    """

    text: Corpus
    tokenizer: Tokenizer
    vocab_size: int
    _kept: dict[str, NDArray[np.int32]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not 0 <= self.tokenizer.separator < self.vocab_size:
            raise InputError(
                f"tokenize: separator {self.tokenizer.separator} is not below the model's"
                f" {self.vocab_size} outputs; tokenizer and model do not belong together"
            )

    @property
    def name(self) -> str:
        """Name of the text."""
        return self.text.name

    @property
    def validation(self) -> tuple[Document, ...]:
        """Validation documents, those of the text."""
        return self.text.validation

    @property
    def teacher(self) -> tuple[Document, ...]:
        """Documents of the teacher half."""
        return self.text.teacher

    @property
    def student(self) -> tuple[Document, ...]:
        """Documents of the student half."""
        return self.text.student

    @property
    def fingerprint(self) -> str:
        """That of the text, extended by that of the tokenizer."""
        return f"{self.text.fingerprint}{MARK}{self.tokenizer.fingerprint}"

    @property
    def separator(self) -> int:
        """Token that stands before each document."""
        return self.tokenizer.separator

    def encode(self, document: Document) -> NDArray[np.int32]:
        """Tokens of a document without its separator; those of validation are kept."""
        key = f"document {document.name}"
        if key in self._kept:
            return self._kept[key]
        tokens = self._encode((document,))[0]
        if document in self.validation:
            self._kept[key] = tokens
        return tokens

    def stream(self, half: str) -> NDArray[np.int32]:
        """Documents of one half joined, each after a separator, in the order of the split."""
        parts = {"teacher": self.teacher, "student": self.student}
        if half not in parts:
            raise InputError(f"corpus: half = {half!r} must be teacher or student")
        key = f"half {half}"
        if key not in self._kept:
            self._kept[key] = self._join(parts[half])
        return self._kept[key]

    def bytes_of(self, part: str) -> int:
        """Bytes of text in "validation", "teacher" or "student"."""
        return self.text.bytes_of(part)

    def _join(self, documents: Sequence[Document]) -> NDArray[np.int32]:
        separator = np.array([self.separator], dtype=np.int32)
        pieces: list[NDArray[np.int32]] = []
        for group in _groups(documents):
            for tokens in self._encode(group):
                pieces += [separator, tokens]
        return np.concatenate(pieces)

    def _encode(self, documents: Sequence[Document]) -> list[NDArray[np.int32]]:
        found = self.tokenizer.encode([_decode(document) for document in documents])
        pairs = zip(documents, found, strict=True)
        return [self._checked(document, ids) for document, ids in pairs]

    def _checked(self, document: Document, ids: list[int]) -> NDArray[np.int32]:
        tokens = np.asarray(ids, dtype=np.int32)
        if tokens.size == 0:
            raise InputError(f"tokenize: {document.name} has no tokens")
        if int(tokens.max()) >= self.vocab_size:
            raise InputError(
                f"tokenize: {document.name} has token {int(tokens.max())}, but the model has"
                f" {self.vocab_size} outputs; tokenizer and model do not belong together"
            )
        unknown = self.tokenizer.unknown
        if unknown is not None and (count := int((tokens == unknown).sum())):
            raise InputError(
                f"tokenize: {document.name} has text that the tokenizer cannot express"
                f" (unknown token {unknown}, {count} times)"
            )
        return tokens


def tokenizer_of(fingerprint: str) -> str | None:
    """Fingerprint of the tokenizer within that of a corpus; None for bytes.

    >>> tokenizer_of("sotu-5638fc954340-tokens-0123456789ab")
    '0123456789ab'
    >>> tokenizer_of("sotu-5638fc954340") is None
    True
    """
    _, mark, tokenizer = fingerprint.rpartition(MARK)
    return tokenizer if mark else None


def _groups(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Neighboring documents of together about `BYTES_AT_A_TIME`."""
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.text)
        if size >= BYTES_AT_A_TIME:
            yield group
            group, size = [], 0
    if group:
        yield group


def _decode(document: Document) -> str:
    try:
        return document.text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"tokenize: {document.name} is not UTF-8 (byte {error.start})") from None
