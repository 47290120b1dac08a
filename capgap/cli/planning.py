"""Commands that ask the laws: predict, plan, coefficients."""

import argparse
import json
from pathlib import Path
from typing import Any

from capgap.cli.options import add_command, amount, real_number
from capgap.cli.planning_json import intervals_of, plan_record, print_json, setting_record
from capgap.cli.planning_options import (
    add_common,
    add_sharing,
    add_student,
    basis,
    find,
    laws,
    limits,
    progress,
)
from capgap.cli.planning_tables import print_plan, print_prediction
from capgap.errors import InputError
from capgap.prediction.plan import make_plan
from capgap.prediction.predict import predict
from capgap.prediction.question import Question
from capgap.prediction.scenario import SCENARIOS, ScenarioName
from capgap.prediction.served import ServedPlan, make_served_plan
from capgap.prediction.target import TargetPlan, make_target_plan
from capgap.prediction.teacher_files import read_teachers
from capgap.theory.law_set import save_law_set, to_dict

__all__ = ["add_commands"]

DRAWS = 200
DRAWS_FOR_TARGET = 60


def add_commands(commands: Any) -> None:
    """Add predict, plan and coefficients."""
    parser = add_command(
        commands,
        "predict",
        run_predict,
        "predict a student's loss, with a teacher and without",
        "capgap predict --student 1e9 --tokens 2e10 --teacher-loss 2.1",
    )
    add_student(parser, required=True)
    parser.add_argument(
        "--tokens", type=amount, required=True, metavar="D", help="its training tokens"
    )
    teacher = parser.add_mutually_exclusive_group(required=True)
    teacher.add_argument(
        "--teacher-loss", type=real_number, metavar="L", help="the teacher's loss, nats per token"
    )
    teacher.add_argument(
        "--teacher", type=_pair, metavar="N:D", help="or its parameters and training tokens"
    )
    add_common(parser, draws=1000)
    _add_plan(commands)
    parser = add_command(
        commands,
        "coefficients",
        run_coefficients,
        "print a set of coefficients as JSON, to read, edit and use",
        "capgap coefficients reconstructed --out mine.json",
    )
    parser.add_argument(
        "name", nargs="?", default="reconstructed", metavar="NAME",
        help="printed, reconstructed, chinchilla, chinchilla-replicated, or a file"
        " (reconstructed)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead")


def _add_plan(commands: Any) -> None:
    parser = add_command(
        commands,
        "plan",
        run_plan,
        "should I distil, from which teacher, on how many tokens, and how sure is that",
        "capgap plan --student 1B --budget 1e22 --scenario inference",
    )
    add_student(parser, required=False)
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--budget", type=amount, metavar="C", help="FLOPs per student")
    goal.add_argument(
        "--target-loss", type=real_number, metavar="L",
        help="or the loss to reach with the least FLOPs, nats per token",
    )  # fmt: skip
    parser.add_argument(
        "--serve", type=amount, metavar="T",
        help="the budget also pays for serving so many tokens; --student may be left out",
    )  # fmt: skip
    parser.add_argument(
        "--scenario", choices=SCENARIOS,
        help="what the budget bears of the teacher: nothing (best), its inference, its"
        " pretraining, both; supervised: no teacher (both; with --teachers inference)",
    )  # fmt: skip
    parser.add_argument(
        "--teachers", type=Path, metavar="FILE",
        help="choose among these: CSV with name,parameters,tokens,loss, or JSON",
    )  # fmt: skip
    add_sharing(parser)
    add_common(parser, draws=DRAWS, note=f"; {DRAWS_FOR_TARGET} with --target-loss")
    parser.set_defaults(draws=None)  # fewer for a target, which has to be solved for in each


def run_predict(options: argparse.Namespace) -> None:
    """``capgap predict``."""
    chosen, draws = laws(options)
    teacher = options.teacher or options.teacher_loss
    found = predict(chosen, options.student, options.tokens, teacher, draws, level=options.level)
    if not options.json:
        print_prediction(found, chosen.name)
        return
    print_json(
        {
            "student_parameters": found.N_S,
            "student_tokens": found.D_S,
            "teacher_loss": found.L_T,
            "student_loss": found.student_loss,
            "supervised_loss": found.supervised_loss,
            "interval": found.spread.interval("student_loss", found.level),
            "gain": found.advice.gain,
            "intervals": intervals_of(found.spread, found.level),
            **setting_record(found.setting),
            "verdict": found.advice.verdict,
            "advice": found.advice.text,
            "warnings": found.warnings,
            **basis(options, chosen, found.spread),
        }
    )


def run_plan(options: argparse.Namespace) -> None:
    """``capgap plan``."""
    _check_plan(options)
    if options.draws is None:
        options.draws = DRAWS_FOR_TARGET if options.target_loss is not None else DRAWS
    chosen, draws = laws(options)
    scenario: ScenarioName = options.scenario or ("inference" if options.teachers else "both")
    question = Question(
        options.student or 1.0, options.budget or 1.0, scenario, options.students,
        options.shared_outputs, limits(options, chosen),
    )  # fmt: skip
    teachers = read_teachers(options.teachers) if options.teachers else None
    extra: ServedPlan | TargetPlan | None = None
    with progress(draws) as report:
        if options.target_loss is not None:
            extra = make_target_plan(
                chosen, question, options.target_loss, draws, level=options.level, progress=report
            )
            plan = extra.plan
        elif options.serve is not None:
            extra = make_served_plan(
                chosen, question, options.serve, draws, free_size=options.student is None,
                teachers=teachers, level=options.level, progress=report,
            )  # fmt: skip
            plan = extra.plan
        else:
            plan = make_plan(
                chosen, question, draws, teachers=teachers, level=options.level, progress=report
            )
    if options.json:
        print_json(plan_record(plan, extra) | basis(options, chosen, plan.spread))
    else:
        print_plan(plan, chosen.name, extra)


def _check_plan(options: argparse.Namespace) -> None:
    if options.student is None and options.serve is None:
        raise InputError("plan: --student must be given (with --serve its size may be free)")
    if options.target_loss is not None:
        for name in ("serve", "teachers"):
            if getattr(options, name) is not None:
                raise InputError(f"plan: --target-loss does not go with --{name}")


def run_coefficients(options: argparse.Namespace) -> None:
    """``capgap coefficients``."""
    chosen = find(options.name)
    if options.out is None:
        print(json.dumps(to_dict(chosen), indent=1, allow_nan=False))
        return
    save_law_set(chosen, options.out)
    print(f"{chosen.name} in {options.out}; use it with --coefficients {options.out}")


def _pair(text: str) -> tuple[float, float]:
    parameters, colon, tokens = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} must be PARAMETERS:TOKENS")
    return amount(parameters), amount(tokens)
