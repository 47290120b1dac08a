"""How the answers of predict and plan look on a terminal."""

import math
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from capgap.counts import short
from capgap.prediction.plan import Plan
from capgap.prediction.predict import Prediction, Setting
from capgap.prediction.served import ServedPlan
from capgap.prediction.target import TargetPlan
from capgap.prediction.uncertainty import Spread
from capgap.theory.law_set import Interval

__all__ = ["print_plan", "print_prediction", "print_rows", "print_warnings", "within"]


def print_prediction(found: Prediction, coefficients: str) -> None:
    """Losses with intervals, the regime, the advice."""
    print(
        f"{short(found.N_S)} parameters, {short(found.D_S)} tokens,"
        f" teacher at {found.L_T:.3f} nats; coefficients: {coefficients}\n"
    )
    _print_losses("alone, same tokens", found.student_loss, found.supervised_loss, found.spread,
                  found.level)  # fmt: skip
    print(f"\n{_describe_setting(found.setting, found.L_T)}")
    print(f"\n{found.advice.text}")
    print_warnings(found.warnings)


def print_plan(plan: Plan, coefficients: str, extra: ServedPlan | TargetPlan | None) -> None:
    """Losses, the allocation and how flat it is, where the FLOPs go, the advice."""
    question = plan.question
    shared = f", {question.students:g} students of one teacher" if question.students > 1 else ""
    budget = extra.budget if isinstance(extra, ServedPlan) else question.budget
    print(
        f"{short(question.N_S)} parameters, {budget:.3g} FLOPs, scenario"
        f" {question.scenario}{shared}; coefficients: {coefficients}\n"
    )
    if isinstance(extra, TargetPlan):
        _print_target(extra)
    free = isinstance(extra, ServedPlan) and extra.sizes is not None
    alone = f"alone, best size {short(float(plan.alone.N_S))}" if free else "alone, same FLOPs"
    loss = None if plan.setting is None else float(plan.allocation.student_loss)
    _print_losses(alone, loss, plan.supervised_loss, plan.spread, plan.level)
    if plan.choice is not None:
        print()
        _print_teachers(plan)
    print()
    _print_allocation(plan)
    _print_flops(plan, extra.serving_flops if isinstance(extra, ServedPlan) else 0.0)
    if isinstance(extra, ServedPlan) and extra.sizes is not None:
        print(
            f"student sizes within 0.001 nats: {within(extra.sizes, 'short')} parameters; the"
            f" ranges above are for {short(question.N_S)}"
        )
    if plan.setting is not None:
        print(_describe_setting(plan.setting, float(plan.allocation.L_T)))
    print(f"\n{plan.advice.text}")
    print_warnings(plan.warnings)


def _print_target(found: TargetPlan) -> None:
    level, budgets = found.plan.level, found.budgets

    def row(name: str, budget: float | None, key: str) -> tuple[str, ...]:
        interval = budgets.interval(key, level)
        ends = "" if interval is None else " to ".join(_budget(end) for end in interval)
        share = budgets.share(key, np.isinf)
        return name, "out of reach" if budget is None else f"{budget:.3g}", ends, f"{share:.0%}"

    rows = [row("alone", found.supervised_budget, "supervised_budget")]
    if found.plan.setting is not None:
        rows.insert(0, row("taught", found.plan.question.budget, "budget"))
    header = (f"FLOPs for {found.target_loss:g} nats", "", f"{100 * level:g}% interval",
              "out of reach in draws")  # fmt: skip
    print_rows(header, rows)
    if found.plan.setting is not None and found.supervised_budget is not None:
        ratio = found.supervised_budget / found.plan.question.budget
        ends = within(budgets.interval("ratio", level), ".2f")
        print(f"alone over taught: {ratio:.2f} ({100 * level:g}% interval {ends})")
    print()


def _budget(flops: float) -> str:
    return "never" if math.isinf(flops) else f"{flops:.2g}"


def print_warnings(warnings: Sequence[str]) -> None:
    """One line each."""
    for warning in warnings:
        print(f"note: {warning}")


def within(interval: Interval | None, kind: str = ".3f") -> str:
    """An interval in a cell of a table.

    >>> within((2.1, 2.25)), within((1e9, 2e9), "short"), within(None)
    ('2.100 to 2.250', '1B to 2B', '')
    """
    if interval is None:
        return ""
    low, high = (short(end) if kind == "short" else f"{end:{kind}}" for end in interval)
    return f"{low} to {high}" if low != high else low


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table without lines; the first column is text, the others are numbers."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # In a pipe there is no width to fit into: never cut a number.
    Console(width=None if sys.stdout.isatty() else 160).print(table, highlight=False)


def _print_losses(
    alone: str, student: float | None, supervised: float, spread: Spread, level: float
) -> None:
    def row(name: str, value: float, key: str, sign: str = "") -> tuple[str, str, str]:
        interval = spread.interval(key, level) if key in spread.values else None
        return name, f"{value:{sign}.4f}", within(interval, f"{sign}.4f")

    rows = [row(alone, supervised, "supervised_loss")]
    if student is not None:
        rows.insert(0, row("taught", student, "student_loss"))
        rows.append(row("gain", supervised - student, "gain", "+"))
    print_rows(("nats per token", "", f"{100 * level:g}% interval"), rows)


def _print_allocation(plan: Plan) -> None:
    flat, found = plan.flat, plan.allocation
    header = ["plan", ""]
    if flat is not None:
        header += [f"flat within {flat.slack:g}", f"optimum, {100 * plan.level:g}% of draws"]
    rows = []
    for name, key, kind in (
        ("teacher parameters", "N_T", "short"),
        ("teacher tokens", "D_T", "short"),
        ("teacher loss", "L_T", ".3f"),
        ("student tokens", "D_S", "short"),
    ):
        value = float(getattr(found, key))
        if math.isnan(value) or (flat is not None and getattr(flat, key) is None):
            continue
        row = [name, short(value) if kind == "short" else f"{value:{kind}}"]
        if flat is not None:
            drawn = plan.spread.values.get(f"best_{key}")
            ends = None if drawn is None else plan.spread.interval(f"best_{key}", plan.level)
            row += [within(getattr(flat, key), kind), within(ends, kind)]
        rows.append(row)
    print_rows(header, rows)


def _print_flops(plan: Plan, serving: float) -> None:
    found = plan.allocation
    total = float(found.flops) + serving
    parts = [
        f"{name} {float(part) / total:.1%}"
        for name, part in (
            ("student training", found.student_training),
            ("teacher inference", found.teacher_inference),
            ("teacher pretraining", found.teacher_pretraining),
            ("serving", serving),
        )
        if float(part) > 0
    ]
    print(f"{total:.3g} FLOPs: {', '.join(parts)}")


def _print_teachers(plan: Plan) -> None:
    assert plan.choice is not None
    rows = [
        (
            option.teacher.name,
            short(option.teacher.N_T),
            f"{option.L_T:.3f}",
            short(option.D_S) if option.affordable else "too costly",
            f"{option.student_loss:.4f}" if option.affordable else "",
            within(option.interval, ".4f"),
            f"{option.share_best:.0%}" if option.share_best is not None else "",
        )
        for option in plan.choice.options
    ]
    header = ("teacher", "parameters", "loss", "student tokens", "student loss",
              f"{100 * plan.level:g}% interval", "best in draws")  # fmt: skip
    print_rows(header, rows)
    if plan.choice.lead is not None:
        print(
            f"lead of {plan.choice.best.teacher.name} over the next: {plan.choice.lead:.4f} nats,"
            f" {within(plan.choice.lead_interval, '.4f')}"
        )


def _describe_setting(setting: Setting, L_T: float) -> str:
    side = "below" if setting.regime == "capacity gap" else "above"
    best = f"{setting.best_teacher_loss:.3f}" + ("" if setting.reachable else " (out of reach)")
    return (
        f"regime: {setting.regime} (teacher {L_T:.3f} {side} the knee {setting.knee:.3f});"
        f" best teacher loss by the law {best}"
    )
