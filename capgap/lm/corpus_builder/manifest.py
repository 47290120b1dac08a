"""A built corpus on disk: its documents, and the manifest that says what they are.

`documents.jsonl` holds one JSON object {"name": ..., "text": ...} a line; `manifest.json`
its hash, counts, seed and sources. Writing the manifest is the commit.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from capgap.errors import InputError
from capgap.lm.corpus_builder.fetch import sha256_file
from capgap.lm.corpus_builder.text import DeduplicationCounts

__all__ = ["DOCUMENTS", "MANIFEST", "Documents", "Manifest", "SourceEntry"]
__all__ += ["check_corpus", "write_corpus"]

Documents = list[tuple[str, str]]  # (name, text)

FORMAT = "capgap-corpus-1"
DOCUMENTS = "documents.jsonl"
MANIFEST = "manifest.json"
DEDUPLICATION = (
    "exact documents by hash; then paragraphs by hash: a paragraph seen in an earlier document is "
    "cut, a document more than half of it seen is dropped (case and white space ignored)"
)


@dataclass(frozen=True)
class SourceEntry:
    """A source as it went into a corpus.

    `documents` and `bytes` (UTF-8) count what stayed; `not_prose` counts the documents that
    the prose rules refused. Hashes are SHA-256 in hexadecimal.
    """

    name: str
    kind: str
    package: str
    version: str
    license: str
    license_file: str
    license_file_sha256: str
    archive: str
    archive_sha256: str
    documents: int
    bytes: int
    not_prose: int


@dataclass(frozen=True)
class Manifest:
    """What a built corpus is: counts, hash, seed, what was removed, and its sources.

    `bytes` is the UTF-8 size of all texts, without names and JSON quoting;
    `documents_sha256` is over the file `documents.jsonl`.
    """

    documents: int
    bytes: int
    documents_sha256: str
    seed: int
    made_with: str
    removed: DeduplicationCounts
    sources: tuple[SourceEntry, ...]

    def to_json(self) -> dict[str, Any]:
        """The content of `manifest.json`."""
        return {
            "format": FORMAT,
            "documents": self.documents,
            "bytes": self.bytes,
            "documents_sha256": self.documents_sha256,
            "seed": self.seed,
            "made_with": self.made_with,
            "deduplication": {"method": DEDUPLICATION} | asdict(self.removed),
            "sources": [asdict(source) for source in self.sources],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Manifest":
        """The inverse of `to_json`; raises KeyError or TypeError on other content."""
        removed = {k: v for k, v in data["deduplication"].items() if k != "method"}
        return cls(
            documents=data["documents"],
            bytes=data["bytes"],
            documents_sha256=data["documents_sha256"],
            seed=data["seed"],
            made_with=data["made_with"],
            removed=DeduplicationCounts(**removed),
            sources=tuple(SourceEntry(**source) for source in data["sources"]),
        )


def check_corpus(path: Path) -> Manifest:
    """The manifest of a built corpus whose documents have the hash that it states.

    Parameters
    ----------
    path
        The corpus's folder.

    Raises
    ------
    InputError
        A file is missing or unreadable, the manifest is of another format, or
        `documents.jsonl` is not the file that the manifest describes.
    """
    manifest_path, documents_path = path / MANIFEST, path / DOCUMENTS
    try:
        data = json.loads(manifest_path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InputError(f"check corpus: {manifest_path} is not of format {FORMAT}")
        manifest = Manifest.from_json(data)
        found = sha256_file(documents_path)
    except OSError as error:
        name = error.filename or path
        raise InputError(f"check corpus: {name} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"check corpus: {manifest_path} is damaged ({error})") from error
    if found != manifest.documents_sha256:
        raise InputError(
            f"check corpus: {documents_path} has SHA-256 {found}, "
            f"but {MANIFEST} says {manifest.documents_sha256}"
        )
    return manifest


def write_corpus(
    out: Path,
    documents: Documents,
    seed: int,
    removed: DeduplicationCounts,
    entries: tuple[SourceEntry, ...],
) -> Manifest:
    """Write both files in full beside their targets, then rename both, the manifest last."""
    temporary = [out / f".{name}.{os.getpid()}.tmp" for name in (DOCUMENTS, MANIFEST)]
    try:
        digest = hashlib.sha256()
        _write_file(temporary[0], _lines(documents, digest.update))
        manifest = Manifest(
            documents=len(documents),
            bytes=sum(entry.bytes for entry in entries),
            documents_sha256=digest.hexdigest(),
            seed=seed,
            made_with=f"capgap {metadata.version('capgap')}, Python {platform.python_version()}",
            removed=removed,
            sources=entries,
        )
        text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False) + "\n"
        _write_file(temporary[1], [text.encode("utf-8")])
        _commit(out, temporary)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    return manifest


def _lines(documents: Documents, hash_update: Callable[[bytes], None]) -> Iterator[bytes]:
    for name, text in documents:
        line = json.dumps({"name": name, "text": text}, ensure_ascii=False) + "\n"
        raw = line.encode("utf-8")
        hash_update(raw)
        yield raw


def _write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write, and wait until the disk has it."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _commit(out: Path, temporary: Sequence[Path]) -> None:
    """Rename both files; if the second fails, the first is put back."""
    documents, previous = out / DOCUMENTS, out / f".{DOCUMENTS}.previous"
    previous.unlink(missing_ok=True)
    with suppress(OSError):  # no corpus yet, or a file system without hard links
        os.link(documents, previous)
    try:
        os.replace(temporary[0], documents)
        os.replace(temporary[1], out / MANIFEST)
    except OSError:
        with suppress(FileNotFoundError):
            os.replace(previous, documents)
        raise
    finally:
        previous.unlink(missing_ok=True)
