"""Does a teacher too strong spoil the student of the mapping problem? On demand.

Default: six classes, students of width 64, 128 and 192, teachers up to 256, minutes on two
cores. --paper: the settings of Busbridge et al. 2025, arXiv 2502.08606, appendix C.2, about an
hour on one core. --longer 10 --students 64 128 --forms width: the same students trained ten
times as long. What was interrupted goes on where it stopped; --draw draws what there is.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capgap.errors import CapgapError
from capgap.measurement.mapping.experiment import MappingStudy
from capgap.measurement.mapping.records import MappingRecord, MappingStore
from capgap.measurement.mapping.settings import MappingSettings, paper_settings, small_settings
from capgap.measurement.mapping.verdict import (
    FEWEST_TEACHERS,
    CurveVerdict,
    judge,
    paper_claims,
)
from capgap.plotting.mapping import MappingCurve, draw_mapping
from capgap.plotting.style import save_figure, source_line, style

NAME = "mapping_problem"
CLAIMS = (
    "the narrow student cannot learn",
    "the middle student has a best teacher and then gets worse",
    "the wide student follows its teacher",
)
SHAPES = {
    "U": "worse beyond its best teacher",
    "falls": "falls to the strongest teacher",
    "undetermined": "rise or none: not told",
}


@dataclasses.dataclass(frozen=True)
class Judged:
    """A curve with what was found, and the records it comes from, teacher by teacher."""

    curve: MappingCurve
    verdict: CurveVerdict
    teachers: tuple[MappingRecord, ...]
    students: tuple[MappingRecord, ...]


def judged_curves(records: Sequence[MappingRecord], shortcut: float) -> list[Judged]:
    """All curves with three teachers or more; students without record are left out."""
    teachers = {r.teacher: r for r in records if r.role == "teacher"}
    found = []
    places = sorted({(r.teacher.form, r.width) for r in records if r.role == "student"})
    for form, width in places:
        taught = [r for r in records if r.role == "student" and r.width == width]
        students = sorted(
            (r for r in taught if r.teacher.form == form), key=lambda r: r.teacher.size
        )
        if len(students) < FEWEST_TEACHERS:
            continue
        own = tuple(teachers[r.teacher] for r in students)
        L_S, L_T = (np.array([r.loss for r in rows]).T for rows in (students, own))
        verdict = judge(L_S, L_T, shortcut)
        sizes = tuple(r.teacher.size for r in students)
        curve = MappingCurve(width, form, sizes, L_T, L_S, _words(verdict))
        found.append(Judged(curve, verdict, own, tuple(students)))
    return found


def _words(verdict: CurveVerdict) -> str:
    learning = {True: "", False: "; above the shortcut", None: "; at the shortcut"}
    return SHAPES[verdict.shape] + learning[verdict.learns]


def claims(curves: Sequence[Judged]) -> dict[str, dict[str, str]]:
    """The paper's statements, by form; none where a student width is missing."""
    found = {}
    for form in ("width", "time"):
        verdicts = [c.verdict for c in curves if c.curve.form == form]
        if len(verdicts) == len(CLAIMS):
            found[form] = dict(zip(CLAIMS, paper_claims(verdicts), strict=True))
    return found


def headline(curves: Sequence[Judged]) -> dict[str, float]:
    """The numbers worth printing."""
    found = {}
    for judged in curves:
        key, verdict = f"{judged.curve.form}, student {judged.curve.student_width}", judged.verdict
        found[f"{key}: best teacher"] = float(judged.students[verdict.best].teacher.size)
        found[f"{key}: loss with it (nats)"] = verdict.lowest.mean
        found[f"{key}: rise to the strongest (nats)"] = verdict.rise.mean
        found[f"{key}: rise, lower 95% limit"] = verdict.rise.low
        found[f"{key}: rise, upper 95% limit"] = verdict.rise.high
    return found


def columns(curves: Sequence[Judged]) -> dict[str, list[float] | list[str]]:
    """A row per curve, teacher and seed."""
    numbers: dict[str, list[float]] = {}
    forms: list[str] = []
    for judged in curves:
        for own, student in zip(judged.teachers, judged.students, strict=True):
            for place, seed in enumerate(student.seeds):
                forms.append(judged.curve.form)
                row = {
                    "student_width": student.width, "student_parameters": student.parameters,
                    "student_steps": student.steps, "teacher_width": own.width,
                    "teacher_steps": own.steps, "seed": seed, "teacher_loss": own.loss[place],
                    "teacher_accuracy": own.accuracy[place], "student_loss": student.loss[place],
                    "student_accuracy": student.accuracy[place],
                    "divergence": student.divergence[place],
                }  # fmt: skip
                for name, value in row.items():
                    numbers.setdefault(name, []).append(value)
    return {"form": forms, **numbers}


def draw(
    out: Path, settings: MappingSettings, records: Sequence[MappingRecord], name: str = NAME
) -> dict[str, float]:
    """Judge and draw what there is; return the numbers worth printing."""
    shortcut = settings.task.shortcut_loss
    curves = judged_curves(records, shortcut)
    numbers = headline(curves)
    worse = sum(judged.verdict.shape == "U" for judged in curves)
    factor = settings.student_factor
    longer = "" if factor == 1 else f", trained {factor:g} times as long"
    with style():
        figure = draw_mapping(
            [judged.curve for judged in curves],
            shortcut,
            f"Mapping problem: a stronger teacher makes a worse student in {worse} of"
            f" {len(curves)} cases{longer}",
            f"Lines: medians of {len(settings.seeds)} seeds, bands: 25 to 75%; numbers: teacher."
            f" Dashed: as good as it. Dotted: shortcut, the least loss without pairs"
            f" ({shortcut:.3f} nats).",
        )
        source_line(figure, _source(settings))
        record = {
            "figure": name,
            "settings": dataclasses.asdict(settings),
            "units": "losses in nats; width and steps are counts",
            "stacks of seeds, planned": (1 + len(settings.student_widths)) * len(settings.teachers),
            "stacks of seeds, drawn": len({r.teacher for r in records})
            + sum(len(j.students) for j in curves),
            "shortcut_loss": shortcut,
            "claims of the paper": claims(curves),
            "verdicts": {
                f"{j.curve.form}, student {j.curve.student_width}": dataclasses.asdict(j.verdict)
                for j in curves
            },
            "level of each one-sided limit": 0.95,
            "headline": numbers,
        }
        save_figure(figure, out, name, columns(curves), record)
    return numbers


def _source(settings: MappingSettings) -> str:
    task, times = settings.task, f"{settings.student_factor:g} times "
    return (
        f"{task.num_classes} classes; the pointer points at a 0 with probability"
        f" {task.zero_share:.3f}. Students see {times if settings.student_factor != 1 else ''}"
        f"max({settings.fewest_steps} x {settings.batch_size},"
        f" {settings.samples_per_parameter:g} N) examples. Losses are exact. Teachers get stronger"
        " to the right.\n“Worse” and “falls” by the loss with the strongest teacher minus that"
        " with the best weaker one, paired by seed, one-sided 95% limits (Student's t); best chosen"
        " by the other seeds.\nTask: Busbridge et al. 2025, arXiv 2502.08606, appendix C.2; the"
        " distribution of examples is ours."
    )


def found_records(study: MappingStudy) -> list[MappingRecord]:
    """Records of this study that are there already."""
    names = study.names()
    return [r for name in names if (r := study.store.read(name)) is not None]


def measure_speed(
    widths: Sequence[int] = (32, 64, 128, 256), members: int = 4, steps: int = 40, rounds: int = 5
) -> dict[int, tuple[float, float]]:
    """Examples per second of a stack, and its speed over a loop of single networks, by width.

    Best of some rounds, stack and loop in turn, because other work on the machine only slows.
    """
    batch, found = small_settings().batch_size, {}
    for width in widths:
        stack, loop = [], []
        for _ in range(rounds):
            stack.append(_training_time(width, [list(range(members))], steps))
            loop.append(_training_time(width, [[k] for k in range(members)], steps))
        found[width] = (steps * members * batch / min(stack), min(loop) / min(stack))
    return found


def _training_time(width: int, stacks: Sequence[Sequence[int]], steps: int) -> float:
    """Seconds to train stacks of networks, given by their seeds, one after the other."""
    from capgap.lm.mapping_mlp import Schedule, initial_stack, train_stack

    settings = small_settings()
    examples, n = settings.task.examples(), settings.task.num_classes
    inputs, targets = examples.inputs, examples.targets
    seconds = 0.0
    for seeds in stacks:
        shape = (steps, len(seeds), settings.batch_size)
        picks = np.random.default_rng(0).integers(len(examples), size=shape)
        stack = initial_stack(2 * n, width, n, [[k] for k in seeds])
        start = time.perf_counter()
        train_stack(
            stack, inputs, [targets] * len(seeds), picks.__getitem__, range(len(seeds)),
            Schedule(steps),
        )  # fmt: skip
        seconds += time.perf_counter() - start
    return seconds


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paper", action="store_true", help="the paper's settings")
    parser.add_argument("--seeds", type=int, help="number of seeds (6; with --paper 4)")
    parser.add_argument("--uniform", action="store_true", help="all examples equally likely")
    parser.add_argument("--longer", type=float, default=1.0, help="students see so many times more")
    parser.add_argument(
        "--students", type=int, nargs="+", metavar="WIDTH", help="train only these widths"
    )
    parser.add_argument(
        "--forms", choices=("width", "time"), nargs="+", default=("width", "time"),
        help="which teachers: of several widths, or stopped at several times",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads")
    parser.add_argument("--draw", action="store_true", help="draw what there is, train nothing")
    parser.add_argument("--speed", action="store_true", help="only time stacks against loops")
    parser.add_argument("--runs", type=Path, default=Path("runs/mapping_problem"))
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    options = parser.parse_args()
    if options.speed:
        for width, (speed, ratio) in measure_speed().items():
            print(f"width {width}: {speed:.3g} examples/s, {ratio:.2f} times a loop")
        return
    settings = paper_settings() if options.paper else small_settings()
    if options.seeds is not None:
        settings = dataclasses.replace(settings, seeds=tuple(range(options.seeds)))
    name = f"{NAME}_paper" if options.paper else NAME
    if options.uniform:
        task = dataclasses.replace(settings.task, zero_share=settings.task.uniform_zero_share)
        settings, name = dataclasses.replace(settings, task=task), f"{name}_uniform"
    if options.students:
        settings = dataclasses.replace(settings, student_widths=tuple(options.students))
    if options.longer != 1:
        settings = dataclasses.replace(settings, student_factor=options.longer)
        name = f"{name}_longer"
    start = time.perf_counter()
    study = MappingStudy(settings, MappingStore(options.runs), lambda r: print(_line(r, start)))
    try:
        if not options.draw:
            import torch

            torch.set_num_threads(options.threads)
            study.run(options.forms)
        for key, value in draw(options.out, settings, found_records(study), name).items():
            print(f"{key}: {value:.4g}")
    except CapgapError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _line(record: MappingRecord, start: float) -> str:
    stop = "" if record.teacher.stop is None else f" after {record.teacher.stop} steps"
    of = f" of teacher {record.teacher.width}" if record.role == "student" else ""
    loss = float(np.mean(record.loss))
    return (
        f"{time.perf_counter() - start:6.0f} s  {record.role} {record.width}{of}{stop}:"
        f" {loss:.4f} nats"
    )


if __name__ == "__main__":
    main()
