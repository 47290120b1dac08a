"""Students on more and more tokens: student loss against teacher size."""

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
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "student_tokens"
STUDENTS = (198e6, 546e6, 1.82e9)
TOKENS_PER_STUDENT_PARAMETER = (20, 40, 80, 160, 320)
TOKENS_PER_TEACHER_PARAMETER = 20.0
TEACHERS = np.geomspace(1e8, 1e11, 151)


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the best teacher's size, its loss and the student's."""
    laws = laws or law_set()
    cases: list[Panel] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    for N_S in STUDENTS:
        curves = [profile(laws, N_S, M) for M in TOKENS_PER_STUDENT_PARAMETER]
        title = f"student {short(N_S)}"
        cases.append(Panel(title, curves, TEACHERS, teacher_loss(laws, TEACHERS)))
        for M, curve in zip(TOKENS_PER_STUDENT_PARAMETER, curves, strict=True):
            add_rows(columns, {
                "N_S": N_S, "tokens_per_parameter": M, "D_S": M * N_S, "N_T": curve.x,
                "D_T": TOKENS_PER_TEACHER_PARAMETER * curve.x, "L_T": teacher_loss(laws, curve.x),
                "L_S": curve.y, "fitted": curve.inside, "minimum": curve.minimum,
            })  # fmt: skip
            if curve.best is not None:
                headline[f"best N_T, student {short(N_S)}, M_S = {M}"] = curve.best[0]
                headline[f"least L_S, student {short(N_S)}, M_S = {M}"] = curve.best[1]
    with style():
        figure = draw_profiles(
            cases,
            title="Does a student on more tokens want a better teacher?",
            note="Marks: the best teacher size. Teachers are trained on 20 tokens per parameter.",
            x_label="teacher parameters $N_T$",
            legend="student tokens per parameter",
            reference="teacher loss",
            rows=1,
        )
        law_caption(figure, laws, outside="Dashed")
        settings = {"tokens_per_teacher_parameter": TOKENS_PER_TEACHER_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def teacher_loss(laws: LawSet, N_T: FloatArray) -> FloatArray:
    """Loss of a teacher of N_T parameters at its tokens per parameter."""
    return laws.supervised.loss(N_T, TOKENS_PER_TEACHER_PARAMETER * N_T)


def profile(laws: LawSet, N_S: float, tokens_per_parameter: float) -> Curve:
    """Student loss against N_T at one D_S."""
    D_S = tokens_per_parameter * N_S
    return sample_curve(
        f"{tokens_per_parameter:g}",
        lambda N_T: laws.taught.loss(N_S, D_S, teacher_loss(laws, N_T)),
        TEACHERS,
        lambda N_T: within(laws, N_S=N_S, D_S=D_S, L_T=teacher_loss(laws, N_T)),
    )


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
