"""Commands that make and show runs: train, distill, sweep, runs."""

import argparse
import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from capgap.cli.options import DEFAULT_RUNS, add_command, count, load_corpus, require_folder
from capgap.cli.progress import describe, sweep_progress, title_of, training_progress
from capgap.counts import short
from capgap.errors import InputError
from capgap.lm.config import HALVES, PRECISIONS, RunConfig
from capgap.measurement.records import RunRecord, RunStore

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add train, distill, sweep and runs."""
    train = add_command(
        commands,
        "train",
        run_train,
        "train one model on text",
        "capgap train --depth 2 --tokens 500k --half teacher",
    )
    _add_run_options(train, half="teacher")
    distill = add_command(
        commands,
        "distill",
        run_distill,
        "train one model on a teacher's predictions",
        "capgap distill --teacher 3f9a --depth 2 --tokens 500k",
    )
    distill.add_argument("--teacher", required=True, metavar="ID", help="id of the teacher's run")
    distill.add_argument(
        "--teacher-runs", type=Path, metavar="DIR", help="folder of the teacher, if another"
    )
    distill.add_argument(
        "--weight", type=float, default=1.0, metavar="LAMBDA", help="weight of the teacher (1)"
    )
    distill.add_argument(
        "--temperature", type=float, default=1.0, metavar="TAU", help="softmax temperature (1)"
    )
    _add_run_options(distill, half="student")
    sweep = add_command(
        commands,
        "sweep",
        run_sweep_file,
        "make all runs of a file that are not there yet; safe to interrupt and repeat",
        "capgap sweep simulations/measured_runs.toml --runs my-runs --processes 2",
    )
    sweep.add_argument("file", type=Path, metavar="FILE", help="runs and grids of runs, TOML")
    _add_place_options(sweep)
    sweep.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="K", help="runs at a time"
    )
    sweep.add_argument("--dry-run", action="store_true", help="list the runs; make none")
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


def _add_run_options(parser: argparse.ArgumentParser, half: str) -> None:
    parser.add_argument(
        "--depth", type=int, required=True, metavar="K", help="layers; decides the size"
    )
    parser.add_argument(
        "--tokens", type=count, required=True, metavar="D", help="training tokens (500k, 2M, ...)"
    )
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="PATH",
        help="text files, folders, or the output of corpus build (shipped speeches)",
    )  # fmt: skip
    parser.add_argument("--half", choices=HALVES, default=half, help=f"half of the text ({half})")
    defaults = RunConfig(depth=1, tokens=1_000_000, corpus="")
    for flag, name, kind, text in (
        ("--aspect-ratio", "aspect_ratio", int, "width = this x depth"),
        ("--sequence-length", "sequence_length", int, "context in tokens"),
        ("--batch-size", "batch_size", int, "sequences per step"),
        ("--learning-rate", "peak_learning_rate", float, "peak rate, the same for all sizes"),
        ("--seed", "seed", int, "of initialization and data order"),
    ):
        default = getattr(defaults, name)
        parser.add_argument(
            flag, dest=name, type=kind, default=default, metavar="X", help=f"{text} ({default})"
        )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="of matrix products (float32)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="K", help="CPU threads (1)")
    _add_place_options(parser)


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, mps, ... (cpu)"
    )
    parser.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="where runs are kept (runs)"
    )
    parser.add_argument("--json", action="store_true", help="print the records as JSON")


def run_train(options: argparse.Namespace) -> None:
    """``capgap train``."""
    _make(options, {}, [])


def run_distill(options: argparse.Namespace) -> None:
    """``capgap distill``."""
    place = RunStore(options.teacher_runs or options.runs)
    teacher = place.read(options.teacher)
    settings = {
        "teacher": teacher.config,
        "distillation_weight": options.weight,
        "temperature": options.temperature,
    }
    _make(options, settings, [place])


def _make(options: argparse.Namespace, settings: dict[str, Any], teachers: list[RunStore]) -> None:
    from capgap.measurement.runs import execute

    if options.threads < 1:
        raise InputError(f"threads = {options.threads} must be at least 1")
    corpus = load_corpus(options.text)
    names = (
        "depth", "tokens", "half", "aspect_ratio", "sequence_length", "batch_size",
        "peak_learning_rate", "seed", "precision",
    )  # fmt: skip
    given = {name: getattr(options, name) for name in names}
    config = RunConfig(corpus=corpus.fingerprint, **given, **settings)
    store = RunStore(options.runs)
    known = store.has(config.id)
    with training_progress(title_of(config)) as report:
        record = execute(
            config,
            corpus,
            store,
            device=options.device,
            threads=options.threads,
            teachers=teachers,
            progress=report,
        )
    if options.json:
        print(json.dumps(record.to_dict()))
        return
    if known:
        print(f"{record.id} was made before (remove its record to make it again)")
    _print_run(record, store)


def _print_run(record: RunRecord, store: RunStore) -> None:
    print(f"{record.id}  {describe(record.config)}")
    if record.loss is None or record.status != "ok":
        print(f"  failed: {record.failure}")
    else:
        print(
            f"  validation loss {record.loss:.4f} +- {record.standard_error:.4f} nats per token,"
            f" {record.bits_per_byte:.4f} bits per byte"
        )
    if record.L_T is not None:
        print(f"  its teacher's loss {record.L_T:.4f}")
    repeats = record.D / record.unique_tokens
    print(
        f"  {record.D:,} tokens ({record.unique_tokens:,} unique, {repeats:.2f} passes),"
        f" {record.flops:.3g} FLOPs, {record.machine.seconds:.0f} s,"
        f" {record.machine.tokens_per_second:,.0f} tokens/s"
    )
    print(f"  kept in {store.record_path(record.id)}")


def run_sweep_file(options: argparse.Namespace) -> None:
    """``capgap sweep``."""
    from capgap.measurement.sweep import SweepPlan, expand, read_sweep, run_sweep

    text, contents = read_sweep(options.file)
    plan = SweepPlan(text, expand(contents, load_corpus(list(text)).fingerprint))
    store = RunStore(options.runs)
    done = frozenset(config.id for config in plan.configs if store.has(config.id))
    if options.dry_run:
        for config in plan.configs:
            print(f"{config.id}  {'made' if config.id in done else 'to do'}  {describe(config)}")
        return
    with sweep_progress(plan, done, quiet_lines=options.json) as report:
        records = run_sweep(
            plan, store, processes=options.processes, device=options.device, report=report
        )
    if options.json:
        print(json.dumps([record.to_dict() for record in records]))
        return
    failed = sum(record.status != "ok" for record in records)
    print(
        f"{len(records)} runs in {store.folder}: {len(done)} were there,"
        f" {len(records) - len(done)} made, {failed} failed"
    )


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
        "" if config.teacher is None else str(config.teacher.shape.N),
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
