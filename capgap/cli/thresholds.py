"""The command thresholds: from which budget on a student needs no teacher."""

import argparse
from typing import Any

from capgap.cli.options import add_command, amount
from capgap.cli.planning_json import print_json
from capgap.cli.planning_options import (
    add_common,
    add_sharing,
    add_student,
    basis,
    laws,
    limits,
    progress,
)
from capgap.cli.planning_tables import print_rows, print_warnings
from capgap.counts import short
from capgap.errors import InputError
from capgap.prediction.budget_spread import threshold_spread
from capgap.prediction.predict import draw_warnings
from capgap.prediction.scenario import SCENARIOS, default_budgets
from capgap.prediction.thresholds import Thresholds, thresholds
from capgap.prediction.uncertainty import LawDraws, Spread
from capgap.theory.law_set import LawSet

__all__ = ["add_commands"]

TAUGHT = SCENARIOS[1:]
# Beyond it every limit on tokens binds and both ways stop improving.
HIGHEST = 1e27


def add_commands(commands: Any) -> None:
    """Add thresholds."""
    parser = add_command(
        commands,
        "thresholds",
        run_thresholds,
        "budget and tokens from which a student trained alone is as good as a taught one",
        "capgap thresholds --student 1e9",
    )
    add_student(parser, required=True)
    parser.add_argument(
        "--scenario", choices=TAUGHT, action="append", help="only this one; may be repeated"
    )
    parser.add_argument(
        "--up-to", type=amount, default=HIGHEST, metavar="C",
        help=f"FLOPs up to which is searched ({HIGHEST:g})",
    )  # fmt: skip
    add_sharing(parser)
    add_common(parser, draws=40)


def run_thresholds(options: argparse.Namespace) -> None:
    """``capgap thresholds``."""
    chosen, draws = laws(options)
    names = options.scenario or TAUGHT
    found = {name: _one(chosen, draws, options, name) for name in dict.fromkeys(names)}
    first = next(iter(found.values()))
    warnings = (
        *chosen.outside(N_S=options.student),
        *_outside(chosen, found),
        *draw_warnings(draws, first[1]),
    )
    if options.json:
        record = {
            "student_parameters": options.student,
            "searched": list(_searched(options, chosen)),
            "level": options.level,
            "scenarios": {name: _record(*row, options.level) for name, row in found.items()},
            "warnings": warnings,
        }
        print_json(record | basis(options, chosen, first[1]))
        return
    print(
        f"{short(options.student)} parameters: where training alone catches up for good;"
        f" coefficients: {chosen.name}\n"
    )
    header = ("teacher", "FLOPs", f"{100 * options.level:g}% interval", "tokens alone", "taught",
              "loss", "never", "always")  # fmt: skip
    print_rows(header, [_cells(name, *row, options.level) for name, row in found.items()])
    print(
        "\nnever: share of drawn laws in which distillation is the better way at"
        f" {options.up_to:.3g} FLOPs, still or again;\nalways: in which training alone is the"
        " better way at every budget up to there"
    )
    for name, (row, _) in found.items():
        if row.catch_up is None or len(row.crossings) > 1:
            print(_story(name, row))
    print_warnings(warnings)


def _one(
    chosen: LawSet, draws: LawDraws, options: argparse.Namespace, name: Any
) -> tuple[Thresholds, Spread]:
    shared: dict[str, Any] = {
        "students": options.students,
        "shared_outputs": options.shared_outputs,
        "limits": limits(options, chosen),
    }
    (found,) = thresholds(
        chosen, options.student, name, budgets=_searched(options, chosen), **shared
    )
    with progress(draws, name) as report:
        return found, threshold_spread(draws, chosen, found, progress=report, **shared)


def _searched(options: argparse.Namespace, chosen: LawSet) -> tuple[float, float]:
    low = default_budgets(chosen)[0]
    if options.up_to <= low:
        raise InputError(f"thresholds: up-to = {options.up_to:g} must be above {low:g}")
    return low, options.up_to


def _shares(spread: Spread) -> tuple[float, float]:
    """Shares of draws in which training alone never, and always, is as good."""
    return (
        spread.share("budget", lambda budgets: budgets == float("inf")),
        spread.share("budget", lambda budgets: budgets == 0),
    )


def _record(found: Thresholds, spread: Spread, level: float) -> dict[str, Any]:
    never, always = _shares(spread)
    last = found.catch_up
    return {
        "status": found.status,
        "budget": last.budget if last else None,
        "interval": spread.interval("budget", level),
        "never": never,
        "always": always,
        "crossings": [
            {
                "budget": crossing.budget,
                "loss": crossing.loss,
                "supervised_tokens": crossing.D_S_alone,
                "student_tokens": crossing.D_S_taught,
                "better_above": crossing.better_above,
            }
            for crossing in found.crossings
        ],
    }


def _cells(name: str, found: Thresholds, spread: Spread, level: float) -> tuple[str, ...]:
    never, always = _shares(spread)
    last = found.catch_up
    mark = "" if last is None else f"{last.budget:.3g}"
    if last is None:
        mark = "always" if found.status.startswith("supervised") else "never"
    numbers = ("", "", "") if last is None else (
        short(last.D_S_alone), short(last.D_S_taught), f"{last.loss:.3f}"
    )  # fmt: skip
    interval = spread.interval("budget", level)
    ends = "" if interval is None else " to ".join(_end(end) for end in interval)
    return name, mark, ends, *numbers, f"{never:.0%}", f"{always:.0%}"


def _end(budget: float) -> str:
    return {0.0: "always", float("inf"): "never"}.get(budget, f"{budget:.2g}")


def _story(name: str, found: Thresholds) -> str:
    if not found.crossings:
        return f"{name}: {found.status}, {found.budgets[0]:.2g} to {found.budgets[1]:.2g} FLOPs"
    steps = [f"{c.better_above} is better above {c.budget:.3g} FLOPs" for c in found.crossings]
    return f"{name}: {', '.join(steps)}"


def _outside(chosen: LawSet, found: dict[str, tuple[Thresholds, Spread]]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {text}"
        for name, (row, _) in found.items()
        if row.catch_up is not None
        for text in chosen.outside(D_S=row.catch_up.D_S_alone)
    )
