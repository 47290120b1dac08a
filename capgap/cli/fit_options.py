"""Options and inputs that fit, rollout and compare-laws share."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from capgap.cli.options import real_number
from capgap.comparison.fitting.distillation_fit import check_terms
from capgap.comparison.fitting.tables import LAWS, TAUGHT_LAWS
from capgap.comparison.measured_law_set import family_of
from capgap.comparison.tables.columns import parse_columns
from capgap.comparison.tables.read import read_runs, read_tables
from capgap.comparison.tables.run_table import RunTable
from capgap.comparison.tables.run_tables import RunTables
from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.measurement.records import RunStore
from capgap.theory.coefficients import SetName
from capgap.theory.law_set import FORMAT
from capgap.theory.named_laws import find_law_set
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Source", "add_fit_options", "add_runs", "load", "parse_point", "parse_terms"]


@dataclass(frozen=True, slots=True)
class Source:
    """The runs of a command, and the supervised law or runs that go with them."""

    runs: RunTable
    supervised_law: SupervisedLaw | None
    supervised_runs: RunTable | None
    family: ModelFamily | None
    notes: tuple[str, ...]


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Where the runs are and which of them count."""
    parser.add_argument(
        "runs", metavar="RUNS",
        help="a file (CSV, JSON lines, JSON, Parquet), a folder of run records, or a public set"
        " that comes with the package (chinchilla, gemstones-hot, gadre-c4, ...)",
    )  # fmt: skip
    parser.add_argument(
        "--columns", metavar="N=params,...", help="names of the columns: N, D (or C, FLOPs), loss;"
        " or N_S, D_S, L_T, L_S; and standard_error, cell",
    )  # fmt: skip
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN<VALUE",
        help="use rows that fulfil this (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--supervised", metavar="LAW_OR_RUNS",
        help="for laws with teachers: the supervised law (a named set or a file that fit wrote),"
        " or runs without teachers, to be fitted first",
    )  # fmt: skip
    parser.add_argument("--supervised-columns", metavar="N=...", help="columns of these runs")


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """How a law is fitted."""
    parser.add_argument(
        "--own", choices=("fixed", "joint", "profiled"), default="fixed",
        help="the supervised law in a law with teachers: held fixed, fitted together, or"
        " estimated from the students alone (fixed)",
    )  # fmt: skip
    parser.add_argument(
        "--terms",
        default="scale",
        metavar="T,...",
        help="of the hinge laws: scale, tokens, p, q, r, or none (scale)",
    )
    parser.add_argument(
        "--gamma", type=float, metavar="X", help="hold gamma of the supervised law at this value"
    )
    parser.add_argument(
        "--delta", type=float, metavar="X",
        help="Huber threshold in log loss (1e-3), or in standard errors (1.345)",
    )  # fmt: skip
    parser.add_argument(
        "--standard-errors", action="store_true", help="weigh runs by their standard errors"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="K", help="of the refits (0)")
    parser.add_argument(
        "--level", type=float, default=0.9, metavar="P", help="of the intervals (0.9)"
    )
    parser.add_argument(
        "--shared", action="store_true", help="runs of a cell (equal N and D) share an error"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="draw the pictures into this folder"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def load(options: argparse.Namespace, taught: bool | None) -> Source:
    """Read the runs; `taught` says whether they need teachers (None: as they are)."""
    columns = parse_columns(options.columns) if options.columns else None
    tables = read_tables(options.runs, taught=taught, columns=columns, where=options.where)
    runs = tables.table(taught)
    law, supervised = None, None
    if runs.taught:
        law, supervised = _supervised(options, tables)
    elif options.supervised is not None:
        raise InputError("--supervised: must be left out for runs without teachers")
    return Source(runs, law, supervised, _family(options.runs), tables.notes)


def parse_terms(text: str) -> tuple[Any, ...]:
    """``tokens,p`` as a tuple; ``none`` as an empty one."""
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    return tuple(sorted(check_terms("hinge", names)))


def parse_point(text: str) -> dict[str, float]:
    """``N=70B,D=1.4T`` as numbers."""
    point = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"--at: {part!r} must be NAME=VALUE, as in N=70B,D=1.4T")
        try:
            point[name.strip()] = real_number(value)
        except argparse.ArgumentTypeError as error:
            raise InputError(f"--at: {error}") from None
    return point


def law_argument(parser: argparse.ArgumentParser) -> None:
    """``--law``."""
    parser.add_argument(
        "--law", required=True, choices=LAWS, metavar="LAW", help=f"one of {', '.join(LAWS)}"
    )


def _supervised(
    options: argparse.Namespace, tables: RunTables
) -> tuple[SupervisedLaw | None, RunTable | None]:
    if options.own == "profiled" and options.supervised is None:
        return None, None
    if options.supervised is None:
        return None, tables.supervised
    if _is_law(options.supervised):
        law = find_law_set(options.supervised).supervised
        if not isinstance(law, SupervisedLaw):
            raise InputError(
                f"--supervised: {options.supervised} holds a {type(law).__name__}, must be Eq. 1"
            )
        return law, None
    columns = parse_columns(options.supervised_columns) if options.supervised_columns else None
    return None, read_runs(options.supervised, taught=False, columns=columns)


def _is_law(text: str) -> bool:
    if text in get_args(SetName):
        return True
    path = Path(text)
    if not path.is_file() or path.suffix != ".json":
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, Mapping) and content.get("format") == FORMAT


def _family(runs: str) -> ModelFamily | None:
    """The family of a folder's models, where they are of one kind."""
    if not Path(runs).is_dir():
        return None
    try:
        return family_of(list(RunStore(Path(runs))))
    except InputError:
        return None


def default_laws(runs: RunTable) -> tuple[str, ...]:
    """Laws that are compared where none are named."""
    if not runs.taught:
        return ("plain", "supervised")
    return tuple(law for law in TAUGHT_LAWS if law != "distillation")
