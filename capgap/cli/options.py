"""Options and texts that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.errors import InputError

if TYPE_CHECKING:
    from capgap.lm.corpus import Corpus

__all__ = ["DEFAULT_RUNS", "add_command", "count", "load_corpus"]

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
    """A whole number, also as 2_000_000, 2e6, 2M, 500k or 1.5M (decimal units).

    >>> count("2e6"), count("1.5M"), count("4_096"), count("64k")
    (2000000, 1500000, 4096, 64000)
    """
    units = {"k": 1e3, "M": 1e6, "B": 1e9}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(digits) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value != int(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(value)


def load_corpus(paths: list[str]) -> "Corpus":
    """The corpus at these paths, or the shipped one."""
    from capgap.lm.corpus import load_shipped, load_text

    return load_text(paths) if paths else load_shipped()


def require_folder(path: Path, operation: str) -> Path:
    """The path, if it is a folder."""
    if not path.is_dir():
        raise InputError(f"{operation}: no such folder: {path}")
    return path
