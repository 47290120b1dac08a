"""The command line that all pictures of laws share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from capgap.errors import CapgapError
from capgap.theory.law_set import LawSet
from capgap.theory.named_laws import find_law_set

__all__ = ["DrawLaws", "draw_from_command_line"]


class DrawLaws(Protocol):
    """A script's `run`: draws into a folder and returns the numbers worth printing."""

    def __call__(self, out: Path, laws: LawSet | None = None) -> dict[str, float]: ...


def draw_from_command_line(
    run: DrawLaws, description: str | None, arguments: Sequence[str] | None = None
) -> None:
    """Draw with the laws and into the folder of the command line, and print what was found.

    Bad input ends in one line and exit status 2.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument(
        "--coefficients",
        default="reconstructed",
        metavar="NAME_OR_FILE",
        help="a named law set, or a file of one (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        found = run(options.out, find_law_set(options.coefficients))
    except CapgapError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for name, value in found.items():
        print(f"{name}: {value:.4g}")
