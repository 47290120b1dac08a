"""Progress bars on a terminal, silence in a pipe."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from capgap.compute import run_flops
from capgap.counts import short
from capgap.lm.config import RunConfig

if TYPE_CHECKING:
    from capgap.lm.training import Progress as TrainingProgress
    from capgap.measurement.sweep import SweepEvent, SweepPlan

__all__ = ["sweep_progress", "training_progress"]


def bars() -> Progress:
    """A rich display on standard error, invisible when that is not a terminal."""
    console = Console(stderr=True)
    # 80 columns hold all of it: 34 of text, bar, percent, time left, loss and speed.
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
        console=console,
        # Of several processes under torchrun, the first one draws.
        disable=not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0",
        transient=True,
    )


@contextmanager
def training_progress(title: str) -> Iterator[Callable[["TrainingProgress"], None]]:
    """A bar with loss, tokens per second and time left for one run."""
    with bars() as display:
        task = display.add_task(title, total=None, note="")

        def report(p: "TrainingProgress") -> None:
            note = f"loss {p.loss:.3f} {short(p.tokens_per_second)} tok/s"
            display.update(task, total=p.steps, completed=p.step, note=note)

        yield report


@contextmanager
def sweep_progress(
    plan: "SweepPlan", done: frozenset[str], quiet_lines: bool = True
) -> Iterator[Callable[["SweepEvent"], None]]:
    """One bar for the sweep, in FLOPs, and one for each run in flight."""
    todo = [config for config in plan.configs if config.id not in done]
    work = {config.id: _work(config) for config in todo}
    with bars() as display:
        title = f"{len(todo)} of {len(plan.configs)} runs to make"
        whole = display.add_task(title, total=sum(work.values()), note="")
        tasks: dict[str, int] = {}
        done_work = {config.id: 0.0 for config in todo}

        def report(event: "SweepEvent") -> None:
            config = event.config
            if event.kind == "waiting":
                if not quiet_lines:
                    line = f"{config.id}  {describe(config)}: waiting, {event.message}"
                    display.console.print(line, highlight=False, markup=False)
                return
            share = event.step / config.steps if event.kind == "step" else 1.0
            done_work[config.id] = share * work.get(config.id, 0.0)
            display.update(whole, completed=sum(done_work.values()))
            if event.kind != "step":
                if config.id in tasks:
                    display.remove_task(tasks.pop(config.id))  # type: ignore[arg-type]
                if not quiet_lines:
                    display.console.print(_line(event), highlight=False, markup=False)
                return
            if config.id not in tasks:
                tasks[config.id] = display.add_task(title_of(config), note="")
            note = f"loss {event.loss:.3f} {short(event.tokens_per_second)} tok/s"
            display.update(
                tasks[config.id],  # type: ignore[arg-type]
                total=config.steps,
                completed=event.step,
                note=note,
            )

        yield report


def title_of(config: RunConfig) -> str:
    """A run in at most 34 characters."""
    taught = f" from {short(config.teacher.N)}" if config.teacher else ""
    return f"  {short(config.shape.N)}, {short(config.D)} tokens{taught}"


def describe(config: RunConfig) -> str:
    """A run in a few words."""
    size = f"{config.shape.N:,} parameters, {short(config.D)} tokens"
    if config.teacher is None:
        return f"{size}, {config.half} half"
    return f"{size}, taught by {' and '.join(f'{teacher.N:,}' for teacher, _ in config.teachers)}"


def _line(event: "SweepEvent") -> str:
    if event.record is not None and event.record.loss is not None:
        return f"{event.config.id}  {describe(event.config)}: {event.record.loss:.4f} nats"
    reason = event.record.failure if event.record is not None else event.message
    return f"{event.config.id}  {describe(event.config)}: FAILED: {reason}"


def _work(config: RunConfig) -> float:
    teachers = sum(teacher.forward_flops for teacher, _ in config.teachers)
    return run_flops(config.forward_flops, config.D, teachers)
