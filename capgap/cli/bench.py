"""The command bench: how fast training is on this machine, and which goals it meets."""

import argparse
import csv
import io
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.cli.options import add_command
from capgap.counts import short
from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.measurement.machine import code_version, processor

if TYPE_CHECKING:
    from capgap.lm.speed.report import DepthSpeed, SpeedReport

__all__ = ["add_commands"]

DEEPEST = 64


def add_commands(commands: Any) -> None:
    """Add bench."""
    parser = add_command(
        commands,
        "bench",
        run_bench,
        "time training steps against a plain PyTorch loop and the machine's matmul peak",
        "capgap bench --depths 2,4,6 --threads 2 --out speed.csv",
    )
    parser.add_argument(
        "--depths", type=_depths, default=(2, 3, 4, 6, 8), metavar="D,D,..",
        help="layers of the models (2,3,4,6,8)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="K", help="of torch (1)")
    parser.add_argument(
        "--device",
        default="cpu",
        metavar="NAME",
        help="cpu or cuda (cpu); cuda: written, not yet run",
    )
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16", "both"), default="both",
        help="of matrix products; the first is that of the distilled steps (both)",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true", help="time torch.compile too; minutes to start"
    )
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall",
        help="cpu counts processor time: for a machine that is not idle, with one thread (wall)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="fewer repetitions, no students, no profile"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="save a table of all times")


def run_bench(options: argparse.Namespace) -> None:
    """``capgap bench``."""
    if options.threads < 1:
        raise InputError(f"bench: threads = {options.threads} must be at least 1")
    from capgap.lm.memory import keep_freed_memory
    from capgap.lm.speed.measure import measure_speed
    from capgap.lm.training import open_device

    keep_freed_memory()
    both = ("float32", "bfloat16")
    report = measure_speed(
        options.depths,
        device=open_device(options.device),
        threads=options.threads,
        precisions=both if options.precision == "both" else (options.precision,),
        compiled=options.compile,
        repetitions=5 if options.quick else 25,
        clock=options.clock,
        students=not options.quick,
        profiled=not options.quick,
    )
    if options.out is not None:
        write_atomically(options.out, _table(report).encode())
    if options.json:
        print(json.dumps(_record(report)))
    else:
        print(_text(report))


def _depths(text: str) -> tuple[int, ...]:
    try:
        depths = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as 2,4,6") from None
    if not all(1 <= depth <= DEEPEST for depth in depths):
        raise argparse.ArgumentTypeError(f"{text!r}: depths must lie between 1 and {DEEPEST}")
    return depths


def _record(report: "SpeedReport") -> dict[str, Any]:
    goals = [asdict(goal) | {"met": goal.met} for goal in report.goals]
    made = {"processor": processor(), "torch": version("torch"), "code": code_version()}
    return asdict(report) | {"goals": goals, "made": made}


def _table(report: "SpeedReport") -> str:
    """One row for each piece of work."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["device", "threads", "clock", "depth", "N", "piece", "seconds", "tokens_per_second",
         "plain_over_this", "share_of_float32_peak", "peak_bytes"]
    )  # fmt: skip
    peak = report.peaks["float32"]
    for size in report.sizes:
        for name, seconds in size.seconds.items():
            steps = name == "plain" or name in size.ours
            rates = (
                f"{size.tokens / seconds:.6g}", f"{size.against_plain(name):.4g}",
                f"{size.share_of_peak(name, peak):.4g}",
            ) if steps else ("", "", "")  # fmt: skip
            writer.writerow(
                [report.device, report.threads, report.clock, size.depth, size.N, name,
                 f"{seconds:.6g}", *rates, size.peak_bytes]
            )  # fmt: skip
    return buffer.getvalue()


def _text(report: "SpeedReport") -> str:
    peaks = ", ".join(f"{n} {short(p)}FLOP/s" for n, p in sorted(report.peaks.items()))
    lines = [
        f"{report.device}, {report.threads} thread(s), least {report.clock} time of interleaved"
        f" repetitions; matmul peak: {peaks}",
        "",
        f"{'depth':>5} {'N':>7}  {'step':<18} {'ms':>8} {'tokens/s':>9} {'plain/this':>10}"
        f" {'of f32 peak':>11}",
    ]
    for size in report.sizes:
        lines += _rows(size, report.peaks["float32"])
    lines += ["", "goals:"]
    for goal in report.goals:
        sign, verdict = ">=" if goal.at_least else "<=", "met" if goal.met else "MISSED"
        lines.append(
            f"  depth {goal.depth}: {goal.text}: {goal.ratio:.2f} ({sign} {goal.bound:g}) {verdict}"
        )
    return "\n".join(lines)


def _rows(size: "DepthSpeed", peak: float) -> list[str]:
    rows = [
        f"{size.depth:>5} {short(size.N):>7}  {name:<18} {1e3 * size.seconds[name]:>8.2f}"
        f" {short(size.tokens / size.seconds[name]):>9} {size.against_plain(name):>10.2f}"
        f" {size.share_of_peak(name, peak):>11.0%}"
        for name in ("plain", *size.ours)
    ]
    if size.shares:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in size.shares.items())
        rows.append(f"{'':>13}  of a step: {shares}")
    rows.append(f"{'':>13}  peak memory {size.peak_bytes / 2**20:.0f} MiB")
    return rows
