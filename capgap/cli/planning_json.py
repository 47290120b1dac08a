"""The answers of predict and plan as JSON."""

import json
import math
from typing import Any

import numpy as np

from capgap.prediction.existing import Option
from capgap.prediction.plan import Plan
from capgap.prediction.predict import Setting
from capgap.prediction.served import ServedPlan
from capgap.prediction.target import TargetPlan
from capgap.prediction.uncertainty import Spread

__all__ = ["intervals_of", "plan_record", "print_json", "setting_record"]

NAMES = {
    "N_T": "teacher_parameters",
    "D_T": "teacher_tokens",
    "D_S": "student_tokens",
    "L_T": "teacher_loss",
}


def plan_record(plan: Plan, extra: ServedPlan | TargetPlan | None) -> dict[str, Any]:
    """Everything a plan says; parameters, tokens, FLOPs, nats per token."""
    found = plan.allocation
    record: dict[str, Any] = {
        "scenario": plan.question.scenario,
        "student_parameters": plan.question.N_S,
        "budget": plan.question.budget,
        "students": plan.question.students,
        "student_loss": float(found.student_loss),
        "supervised_loss": plan.supervised_loss,
        "gain": plan.advice.gain,
        "teacher_parameters": float(found.N_T),
        "teacher_tokens": float(found.D_T),
        "student_tokens": float(found.D_S),
        "teacher_loss": float(found.L_T),
        "flops": {
            "total": float(found.flops),
            "student_training": float(found.student_training),
            "teacher_inference": float(found.teacher_inference),
            "teacher_pretraining": float(found.teacher_pretraining),
        },
        "intervals": intervals_of(plan.spread, plan.level),
        "flat": None,
        "verdict": plan.advice.verdict,
        "advice": plan.advice.text,
        "warnings": plan.warnings,
    }
    if plan.flat is not None:
        record["flat"] = {"slack": plan.flat.slack}
        record["flat"] |= {NAMES[key]: getattr(plan.flat, key) for key in NAMES}
    if plan.setting is not None:
        record |= setting_record(plan.setting)
    if plan.choice is not None:
        record["teachers"] = [_option(option) for option in plan.choice.options]
        record["lead"] = plan.choice.lead
        record["lead_interval"] = plan.choice.lead_interval
    if isinstance(extra, ServedPlan):
        record["flops"] |= {
            "total": float(found.flops) + extra.serving_flops,
            "serving": extra.serving_flops,
        }
        record |= {"budget": extra.budget, "serve": extra.serve}
        record["student_parameters_flat"] = extra.sizes
        record["supervised_parameters"] = float(plan.alone.N_S)
    if isinstance(extra, TargetPlan):
        record |= _target(extra)
    return record


def _target(found: TargetPlan) -> dict[str, Any]:
    level, budgets = found.plan.level, found.budgets
    alone = found.supervised_budget
    return {
        "target_loss": found.target_loss,
        "budget_interval": budgets.interval("budget", level),
        "unreachable": budgets.share("budget", np.isinf),
        "supervised_budget": alone,
        "supervised_budget_interval": budgets.interval("supervised_budget", level),
        "supervised_unreachable": budgets.share("supervised_budget", np.isinf),
        "compute_ratio": None if alone is None else alone / found.plan.question.budget,
        "compute_ratio_interval": budgets.interval("ratio", level),
    }


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.teacher.name,
        "teacher_parameters": option.teacher.N_T,
        "teacher_tokens": option.teacher.D_T,
        "teacher_loss": option.L_T,
        "student_tokens": option.D_S,
        "student_loss": option.student_loss,
        "interval": option.interval,
        "share_best": option.share_best,
        "flops": {
            "student_training": option.student_training,
            "teacher_inference": option.teacher_inference,
            "teacher_pretraining": option.teacher_pretraining,
        },
    }


def intervals_of(spread: Spread, level: float) -> dict[str, Any]:
    """Intervals of the plan's numbers, and of the optimum over the draws."""
    found: dict[str, Any] = {"level": level}
    optimum = {f"best_{key}": name for key, name in NAMES.items()}
    optimum["best_loss"] = "student_loss"
    for key in spread.values:
        interval = spread.interval(key, level)
        if key in optimum:
            found.setdefault("optimum", {})[optimum[key]] = interval
        else:
            found[key] = interval
    return found


def setting_record(setting: Setting) -> dict[str, Any]:
    """Where student and teacher stand in the law."""
    return {
        "regime": setting.regime,
        "knee": setting.knee,
        "best_teacher_loss": setting.best_teacher_loss,
        "best_teacher_reachable": setting.reachable,
    }


def print_json(record: dict[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(_finite(record), allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON knows neither nan nor infinity: what is not decided is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
