"""Rows of a file, part by part: only the wanted columns of a part are in memory at a time."""

import gzip
import io
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, TextIO, TypeVar

from capgap.comparison.tables.values import Values
from capgap.errors import InputError

__all__ = ["PART", "Rows", "first_bytes", "open_text", "parts", "readable"]

# Rows at a time: enough for the fast path of a conversion, small beside the table itself.
PART = 65_536
HEAD = 65_536
GZIP = b"\x1f\x8b"
Item = TypeVar("Item")


class Rows(Protocol):
    """A table in a file."""

    @property
    def names(self) -> Sequence[str]:
        """The columns, as the file has them."""

    def parts(self, wanted: Sequence[str]) -> Iterator[Mapping[str, Values]]:
        """The rows in their order, as columns of at most `PART` values."""


def parts(items: Iterator[Item]) -> Iterator[list[Item]]:
    """The items, `PART` at a time."""
    while part := list(itertools.islice(items, PART)):
        yield part


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever reading a file raises into one line that names the file."""
    try:
        yield
    except InputError as error:
        if str(error).startswith("runs: "):
            raise
        raise InputError(f"runs: {path}: {error}") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"runs: {path} must be UTF-8 text, has the byte 0x{byte:02x}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"runs: {path} is a damaged gzip file: {error}") from None
    except OSError as error:
        raise InputError(f"runs: {path} cannot be read: {error.strerror or error}") from None


def first_bytes(path: Path) -> bytes:
    """The beginning of a file, out of its gzip shell.

    Raises
    ------
    InputError
        The file is empty, or not text and not Parquet.
    """
    with _open(path) as file:
        head = file.read(HEAD)
    if not head:
        raise InputError("is empty, must have a header and rows")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("is UTF-16 text, must be UTF-8")
    if head.startswith(b"PK\x03\x04"):
        raise InputError("is a zip archive or a spreadsheet, must be CSV, JSON or Parquet")
    if b"\0" in head and not head.startswith(b"PAR1"):
        raise InputError("is a binary file, must be CSV, JSON or Parquet")
    return head


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """UTF-8 text with or without a byte-order mark, out of its gzip shell."""
    with _open(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if file.peek(2)[:2] == GZIP:
            with gzip.GzipFile(fileobj=file) as inside:
                yield inside  # type: ignore[misc]
        else:
            yield file
