"""The main job: capgap reproduce."""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from capgap.cli.options import add_command, count
from capgap.cli.progress import sweep_progress

if TYPE_CHECKING:
    from capgap.comparison.measured import FittedLaw
    from capgap.reproduce import Reproduction

__all__ = ["add_commands"]

DESCRIPTION = """theory, a written prediction, a real distillation, a report: the main job"""


def add_commands(commands: Any) -> None:
    """Add reproduce."""
    parser = add_command(
        commands,
        "reproduce",
        run,
        DESCRIPTION,
        "capgap reproduce --depth 2 --tokens 3M --out my-figures",
    )
    parser.add_argument(
        "--project", type=Path, metavar="DIR", help="clone of the project (found by itself)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="figures and report (figures)")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs") / "reproduce", metavar="DIR",
        help="where the new runs are kept (runs/reproduce)",
    )  # fmt: skip
    parser.add_argument("--depth", type=int, metavar="K", help="layers of the student (3)")
    parser.add_argument("--tokens", type=count, metavar="D", help="its training tokens (3.15M)")
    parser.add_argument("--teacher", metavar="ID", help="a teacher among the measured runs (398k)")
    parser.add_argument("--seed", type=int, metavar="K", help="its seed (0)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (cpu)")
    parser.add_argument(
        "--processes", type=int, default=min(2, os.cpu_count() or 1), metavar="K",
        help="runs at a time (2)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> None:
    """``capgap reproduce``."""
    from capgap.reproduce import Choice, reproduce
    from capgap.reproduce.project import find_project
    from capgap.reproduce.story import write_report

    given = {
        name: value
        for name in ("depth", "tokens", "teacher", "seed")
        if (value := getattr(options, name)) is not None
    }
    project = find_project(options.project)
    steps = Console(stderr=True)

    def say(line: str) -> None:
        if steps.is_terminal:
            steps.print(line, style=None if line.startswith(" ") else "bold", highlight=False)

    @contextmanager
    def watch(plan: Any) -> Iterator[Any]:
        with sweep_progress(plan, frozenset()) as report:
            yield report

    result = reproduce(
        Choice(**given),
        out=options.out or project / "figures",
        runs=options.runs,
        watch=watch,
        say=say,
        project=project,
        processes=options.processes,
        device=options.device,
    )
    report = write_report(result)
    if options.json:
        print(json.dumps(_summary(result, report)))
    else:
        _print(result, report)


def _summary(result: "Reproduction", report: Path) -> dict[str, Any]:
    return {
        "prediction": result.forecast.to_dict(),
        "written": result.written,
        "taught": result.taught.to_dict(),
        "alone": result.alone.to_dict(),
        "inside": result.primary.inside,
        "error": result.primary.error,
        "gain": result.gain.difference,
        "gain_standard_error": result.gain.standard_error,
        "coefficients": {
            law.name: law.fit.coefficients
            for law in (result.laws.supervised, *result.laws.distilled)
        },
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory,
        "report": str(report),
    }


def _print(result: "Reproduction", report: Path) -> None:
    laws = result.laws
    print(
        f"{len(laws.supervised_runs.L)} supervised runs, {len(laws.distillation_runs.L_S)}"
        f" distillations, {laws.failed} failed; noise of seeds"
        f" {100 * laws.noise.standard_deviation:.2f}%"
    )
    for law in (laws.supervised, *laws.distilled):
        _print_law(law)
    for name, reason in laws.left_out:
        print(f"\n{name}: left out: {reason}")
    print(f"\nprediction for {result.taught.N:,} parameters, {result.taught.D:,} tokens,")
    print(f"teacher at {result.teacher.loss:.4f} nats, written {result.written}:")
    for verdict in result.verdicts:
        row = verdict.prediction
        star = "*" if verdict is result.primary else " "
        print(
            f"{star} {row.law:<12} {row.loss:.4f} [{row.low:.4f}, {row.high:.4f}]"
            f"   measured {verdict.measured:.4f}   {'inside' if verdict.inside else 'OUTSIDE'}"
        )
    print("* best on held-out runs: the prediction that counts")
    if not result.alone_is_new:
        print("the student alone is one of the measured runs: its prediction is no test")
    print(
        f"teacher's effect: {result.gain.difference:+.4f} +- {result.gain.standard_error:.4f} nats"
        " (standard error over speeches)"
    )
    print(f"\nreport: {report}")


def _print_law(law: "FittedLaw") -> None:
    limits = law.refits.interval(0.9)
    print(
        f"\n{law.name}: {law.fit.status}; held-out error"
        f" {100 * law.held_out.root_mean_square:.2f}% (root mean square), 90% intervals held for"
        f" {law.coverage:.0%}"
    )
    for key, value in law.fit.coefficients.items():
        if key in limits:
            low, high = limits[key]
            print(f"  {key:<6} {value:>11.4g}   90% interval {low:.4g} to {high:.4g}")
