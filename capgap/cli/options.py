"""Options and texts that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.counts import parse, real
from capgap.errors import InputError

if TYPE_CHECKING:
    from capgap.lm.corpus import Corpus

__all__ = [
    "DEFAULT_RUNS",
    "add_command",
    "amount",
    "count",
    "load_corpus",
    "real_number",
    "require_folder",
]

DEFAULT_RUNS = Path("runs")


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    """A command with its help, which ends in an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def count(text: str) -> int:
    """A count on the command line; see `capgap.counts.parse`."""
    try:
        return parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def real_number(text: str) -> float:
    """A size, budget or loss on the command line; see `capgap.counts.real`."""
    try:
        return real(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def amount(text: str) -> float:
    """Parameters, tokens or FLOPs on the command line: a real number of at least 1."""
    value = real_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be at least 1")
    return value


def load_corpus(paths: list[str]) -> "Corpus":
    """The corpus at these paths, or the shipped one."""
    from capgap.lm.corpus import load_shipped, load_text

    return load_text(paths) if paths else load_shipped()


def require_folder(path: Path, operation: str) -> Path:
    """The path, if it is a folder."""
    if not path.is_dir():
        raise InputError(f"{operation}: no such folder: {path}")
    return path
