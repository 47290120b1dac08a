"""The command that makes many runs: sweep."""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from capgap.cli.options import DEFAULT_RUNS, add_command, load_corpus
from capgap.cli.progress import describe, sweep_progress
from capgap.errors import InputError
from capgap.measurement.engines import ENGINES
from capgap.measurement.records import RunStore

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add sweep."""
    sweep = add_command(
        commands,
        "sweep",
        run_sweep_file,
        "make all runs of a file that are not there yet; safe to interrupt and repeat",
        "capgap sweep simulations/measured_runs.toml --runs my-runs --processes 2\n"
        "  capgap sweep runs.toml --engine ray --gpus-per-run 0.25",
    )
    sweep.add_argument("file", type=Path, metavar="FILE", help="runs and grids of runs, TOML")
    sweep.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="where runs are kept (runs)"
    )
    sweep.add_argument(
        "--teacher-runs", type=Path, action="append", default=[], metavar="DIR",
        help="another folder where teachers may be found; may be repeated",
    )  # fmt: skip
    sweep.add_argument(
        "--together", type=int, default=1, metavar="K",
        help="up to K students learn from one pass of their teacher (1)",
    )  # fmt: skip
    sweep.add_argument("--dry-run", action="store_true", help="list the runs; make none")
    sweep.add_argument("--json", action="store_true", help="print the records as JSON")
    place = sweep.add_argument_group("where and how many at a time")
    place.add_argument(
        "--engine", choices=ENGINES, default="local", help="processes here, or Ray tasks (local)"
    )
    place.add_argument(
        "--processes", type=int, metavar="K", help="runs at a time (as many as there is room for)"
    )
    place.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, mps, ... (cpu)"
    )
    place.add_argument("--threads", type=int, default=1, metavar="K", help="CPU threads a run (1)")
    place.add_argument(
        "--cpus-per-run", type=float, metavar="X", help="cores that Ray reserves for a run (1)"
    )
    place.add_argument(
        "--gpus-per-run", type=float, metavar="X", help="GPUs that Ray reserves, such as 0.25"
    )
    place.add_argument("--address", metavar="HOST", help="of the Ray cluster (one on this machine)")
    place.add_argument(
        "--share", type=_share, metavar="I/N",
        help="make the I-th of N shares, I from 0, beside N - 1 others with the same folder",
    )  # fmt: skip


def _share(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    try:
        return int(first), int(second)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must look like 0/4") from None


def run_sweep_file(options: argparse.Namespace) -> None:
    """``capgap sweep``."""
    from capgap.measurement.engines import make_engine
    from capgap.measurement.sweep import SweepPlan, expand, read_sweep, run_sweep

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError("sweep: torchrun is for one run (capgap train); start sweeps without it")
    if options.threads < 1:
        raise InputError(f"threads = {options.threads} must be at least 1")
    text, contents = read_sweep(options.file)
    plan = SweepPlan(text, expand(contents, load_corpus(list(text)).fingerprint))
    store = RunStore(options.runs)
    done = frozenset(config.id for config in plan.configs if store.has(config.id))
    own = SweepPlan(text, plan.part(options.share))
    if options.dry_run:
        for config in own.configs:
            print(f"{config.id}  {'made' if config.id in done else 'to do'}  {describe(config)}")
        return
    engine = make_engine(
        options.engine,
        processes=options.processes,
        cpus_per_run=options.cpus_per_run,
        gpus_per_run=options.gpus_per_run,
        address=options.address,
    )
    with sweep_progress(own, done, quiet_lines=options.json) as report:
        records = run_sweep(
            plan,
            store,
            engine=engine,
            device=options.device,
            threads=options.threads,
            teachers=[RunStore(folder) for folder in options.teacher_runs],
            share=options.share,
            together=options.together,
            report=report,
        )
    if options.json:
        print(json.dumps([record.to_dict() for record in records]))
        return
    failed = sum(record.status != "ok" for record in records)
    there = sum(record.id in done for record in records)
    print(
        f"{len(records)} runs in {store.folder}: {there} were there,"
        f" {len(records) - there} made, {failed} failed"
    )
