"""Options that the commands on laws share."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from capgap.cli.options import amount
from capgap.cli.progress import bars
from capgap.errors import InputError
from capgap.prediction.scenario import Limits, default_limits
from capgap.prediction.uncertainty import LawDraws, Spread, draw_laws
from capgap.theory.law_set import LawSet
from capgap.theory.named_laws import find_law_set

__all__ = [
    "add_common", "add_sharing", "add_student", "basis", "find", "laws", "limits", "progress",
]  # fmt: skip


def add_sharing(parser: argparse.ArgumentParser) -> None:
    """Who shares the teacher, and what there is of tokens."""
    parser.add_argument(
        "--students", type=float, default=1.0, metavar="K",
        help="students that share the cost of the teacher's pretraining (1)",
    )  # fmt: skip
    parser.add_argument("--shared-outputs", action="store_true", help="they share its outputs too")
    parser.add_argument(
        "--student-tokens", type=amount, metavar="MAX", help="tokens there are for students"
    )
    parser.add_argument(
        "--teacher-tokens", type=amount, metavar="MAX", help="tokens there are for teachers"
    )


def add_student(parser: argparse.ArgumentParser, required: bool) -> None:
    """``--student``."""
    parser.add_argument(
        "--student", type=amount, required=required, metavar="N",
        help="non-embedding parameters of the student: 1e9, 1B, 300M",
    )  # fmt: skip


def add_common(parser: argparse.ArgumentParser, draws: int, note: str = "") -> None:
    """Which laws, how many draws of them, JSON."""
    parser.add_argument(
        "--coefficients", default="reconstructed", metavar="SET",
        help="printed, reconstructed, or a file of coefficients (reconstructed)",
    )  # fmt: skip
    parser.add_argument(
        "--draws", type=int, default=draws, metavar="K", help=f"laws drawn ({draws}{note})"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="of the draws (0)")
    parser.add_argument(
        "--level", type=float, default=0.9, metavar="P", help="of the intervals (0.9)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def basis(options: argparse.Namespace, chosen: LawSet, spread: Spread) -> dict[str, Any]:
    """What a JSON answer rests on."""
    return {
        "draws": {"count": options.draws, "impossible": spread.impossible, "seed": options.seed},
        "coefficients": {"name": chosen.name, "source": chosen.source},
    }


def laws(options: argparse.Namespace) -> tuple[LawSet, LawDraws]:
    """The law set that was asked for, and draws of it."""
    if not 0 < options.level < 1:
        raise InputError(f"level = {options.level:g} must be between 0 and 1")
    chosen = find(options.coefficients)
    return chosen, draw_laws(chosen, options.draws, options.seed)


def find(text: str) -> LawSet:
    """A law set by name or file."""
    try:
        return find_law_set(text)
    except (AttributeError, OverflowError, RecursionError) as error:
        # A file that is JSON, but with a list or a huge number where the format has neither.
        raise InputError(f"coefficients: {text} is not a law set: {error}") from None


def limits(options: argparse.Namespace, chosen: LawSet) -> Limits:
    """What there is of tokens, and of teachers at the scale of the laws."""
    usual = default_limits(chosen)
    low, high = usual.D_T
    top = options.teacher_tokens or high
    return replace(usual, D_T=(min(low, top), top), D_S=options.student_tokens or usual.D_S)


@contextmanager
def progress(draws: LawDraws, title: str = "laws") -> Iterator[Callable[[int], None]]:
    """A bar over draws, on a terminal."""
    with bars() as display:
        task = display.add_task(title, total=len(draws.laws), note="")

        def report(done: int) -> None:
            display.update(task, completed=done)

        yield report
