"""Teachers of equal compute over six students: student loss against teacher size."""

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

NAME = "isoflop_teachers"
STUDENTS = (143e6, 198e6, 546e6, 975e6, 1.82e9, 2.72e9)
TOKENS_PER_STUDENT_PARAMETER = 20.0
COMPUTE = (3e19, 1e20, 3e20, 1e21, 3e21, 1e22)
TEACHERS = np.geomspace(1e8, 2e11, 121)


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the best teacher of each student and budget."""
    laws = laws or law_set()
    cases: list[Panel] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    for N_S in STUDENTS:
        D_S = TOKENS_PER_STUDENT_PARAMETER * N_S
        alone = float(laws.supervised.loss(N_S, D_S))
        curves = [profile(laws, N_S, D_S, C) for C in COMPUTE]
        title = f"student {short(N_S)}, alone {alone:.3f}"
        cases.append(Panel(title, curves, TEACHERS, np.full_like(TEACHERS, alone)))
        for C, curve in zip(COMPUTE, curves, strict=True):
            D_T, L_T = teacher(laws, curve.x, C)
            add_rows(columns, {
                "N_S": N_S, "D_S": D_S, "teacher_flops": C, "N_T": curve.x,
                "D_T": D_T, "L_T": L_T, "L_S": curve.y, "fitted": curve.inside,
                "minimum": curve.minimum,
            })  # fmt: skip
            headline[f"minima, student {short(N_S)}, {C:.0e} FLOPs"] = int(curve.minimum.sum())
            if curve.best is not None:
                headline[f"best N_T, student {short(N_S)}, {C:.0e} FLOPs"] = curve.best[0]
    twice = sum(headline[name] == 2 for name in headline if name.startswith("minima"))
    with style():
        figure = draw_profiles(
            cases,
            title="Which size of teacher makes the most of its compute?",
            note="Along a curve, the teacher's training takes the same compute, $3 F(N_T) D_T$."
            f" Marks: minima; {twice} curves have two, around teachers that are too strong.",
            x_label="teacher parameters $N_T$",
            legend="teacher FLOPs",
            reference="student without teacher",
        )
        law_caption(
            figure, laws, "Students are trained on 20 tokens per parameter.", outside="Dashed"
        )
        settings = {"tokens_per_student_parameter": TOKENS_PER_STUDENT_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def teacher(laws: LawSet, N_T: FloatArray, compute: float) -> tuple[FloatArray, FloatArray]:
    """D_T that the compute buys, and the teacher's loss."""
    D_T = np.asarray(compute / (3 * laws.family.forward_flops(N_T)))
    return D_T, laws.supervised.loss(N_T, D_T)


def profile(laws: LawSet, N_S: float, D_S: float, compute: float) -> Curve:
    """Student loss against N_T at one teacher compute."""
    return sample_curve(
        scientific(compute),
        lambda N_T: laws.taught.loss(N_S, D_S, teacher(laws, N_T, compute)[1]),
        TEACHERS,
        lambda N_T: within(laws, N_S=N_S, D_S=D_S, L_T=teacher(laws, N_T, compute)[1]),
    )


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
