"""Students of equal compute under six teachers: student loss against student size."""

from pathlib import Path

import numpy as np

from capgap.counts import short
from capgap.plotting import (
    Curve,
    Panel,
    add_rows,
    draw_from_command_line,
    draw_profiles,
    law_caption,
    law_provenance,
    sample_curve,
    save_figure,
    scientific,
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "isoflop_students"
TEACHERS = (546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9)
TOKENS_PER_TEACHER_PARAMETER = 20.0
COMPUTE = (3e19, 1e20, 3e20, 1e21, 3e21)
STUDENTS = np.geomspace(1e8, 2e10, 116)


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the best student of each teacher and budget."""
    laws = laws or law_set()
    cases: list[Panel] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    for N_T in TEACHERS:
        D_T = TOKENS_PER_TEACHER_PARAMETER * N_T
        L_T = float(laws.supervised.loss(N_T, D_T))
        curves = [profile(laws, L_T, C) for C in COMPUTE]
        title = f"teacher {short(N_T)}, $L_T$ = {L_T:.3f}"
        cases.append(Panel(title, curves, STUDENTS, np.full_like(STUDENTS, L_T)))
        for C, curve in zip(COMPUTE, curves, strict=True):
            add_rows(columns, {
                "N_T": N_T, "D_T": D_T, "L_T": L_T, "student_flops": C, "N_S": curve.x,
                "D_S": tokens(laws, curve.x, C), "L_S": curve.y, "fitted": curve.inside,
                "minimum": curve.minimum,
            })  # fmt: skip
            if curve.best is not None:
                headline[f"best N_S, teacher {short(N_T)}, {C:.0e} FLOPs"] = curve.best[0]
    with style():
        figure = draw_profiles(
            cases,
            title="Which size of student makes the most of its compute?",
            note="Along a curve, the student's training takes the same compute, $3 F(N_S) D_S$."
            " Marks: the best size. Teachers are trained on 20 tokens per parameter.",
            x_label="student parameters $N_S$",
            legend="student FLOPs",
            reference="teacher loss",
            common_y=True,
        )
        law_caption(figure, laws, outside="Dashed")
        settings = {"tokens_per_teacher_parameter": TOKENS_PER_TEACHER_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def tokens(laws: LawSet, N_S: FloatArray, compute: float) -> FloatArray:
    """D_S that the compute buys."""
    return np.asarray(compute / (3 * laws.family.forward_flops(N_S)))


def profile(laws: LawSet, L_T: float, compute: float) -> Curve:
    """Student loss against N_S at one compute."""
    return sample_curve(
        scientific(compute),
        lambda N_S: laws.taught.loss(N_S, tokens(laws, N_S, compute), L_T),
        STUDENTS,
        lambda N_S: within(laws, N_S=N_S, D_S=tokens(laws, N_S, compute), L_T=L_T),
    )


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
