"""The command that shows runs."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from capgap.cli.options import DEFAULT_RUNS, add_command, require_folder
from capgap.counts import short
from capgap.errors import InputError
from capgap.measurement.records import RunRecord, RunStore

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add runs."""
    table = add_command(
        commands,
        "runs",
        run_table,
        "show the records of runs",
        "capgap runs --runs simulations/runs --where half=student --where depth=2",
    )
    table.add_argument("--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="folder")
    table.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="keep runs with this setting or result; may be repeated",
    )
    form = table.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="whole records, as JSON")
    form.add_argument("--csv", action="store_true", help="the table, as CSV")


def run_table(options: argparse.Namespace) -> None:
    """``capgap runs``."""
    records = list(RunStore(require_folder(options.runs, "runs")))
    for condition in options.where:
        if "=" not in condition:
            raise InputError(f"runs: {condition!r} must be KEY=VALUE, such as half=student")
        records = [record for record in records if _matches(record, condition)]
    records.sort(key=lambda r: (r.config.teacher is not None, r.N, r.D, r.L_T or 0.0, r.id))
    if options.json:
        print(json.dumps([record.to_dict() for record in records]))
        return
    if options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([COLUMNS, *(_row(record) for record in records)])
        return
    _print_table(records)


COLUMNS = (
    "id", "half", "N", "D", "unique", "seed", "N_T", "L_T", "loss", "se", "status",
)  # fmt: skip


def _row(record: RunRecord) -> tuple[str, ...]:
    config = record.config
    return (
        record.id,
        config.half,
        str(record.N),
        str(record.D),
        str(record.unique_tokens),
        str(config.seed),
        "" if config.teacher is None else str(config.teacher.N),
        "" if record.L_T is None else f"{record.L_T:.4f}",
        "" if record.loss is None else f"{record.loss:.4f}",
        "" if record.standard_error is None else f"{record.standard_error:.4f}",
        record.status,
    )


def _print_table(records: Sequence[RunRecord]) -> None:
    """A table that fits into 80 columns; ids are cut to what commands accept."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("id", "half", "N", "D", "passes", "seed", "N_T", "L_T", "loss", "se", "status"):
        left = name in ("id", "half", "status")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for record in records:
        row = dict(zip(COLUMNS, _row(record), strict=True))
        N_T = short(float(row["N_T"])) if row["N_T"] else ""
        table.add_row(
            row["id"][:8], row["half"], short(record.N), short(record.D),
            f"{record.D / record.unique_tokens:.2f}", row["seed"], N_T, row["L_T"], row["loss"],
            row["se"], row["status"],
        )  # fmt: skip
    # In a pipe there is no width to fit into: never cut a number.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    print(f"{len(records)} runs; N parameters, D tokens, losses in nats per token")


def _matches(record: RunRecord, condition: str) -> bool:
    key, _, wanted = condition.partition("=")
    values = {**record.config.to_dict(), **record.to_dict()}
    del values["config"]
    if key not in values:
        raise InputError(f"runs: no key {key!r} in a record; there are {', '.join(sorted(values))}")
    value = values[key]
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == float(value)
        except ValueError:
            return False
    if isinstance(value, dict):
        return bool(value.get("id") == wanted)
    return str(value) == wanted or (value is None and wanted in ("none", "null"))
