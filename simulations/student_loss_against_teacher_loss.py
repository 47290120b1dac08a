"""The distillation law as a picture: student loss against teacher loss, four student sizes."""

from pathlib import Path

import numpy as np

from capgap.plotting import (
    StudentCurve,
    add_rows,
    draw_from_command_line,
    draw_student_loss,
    law_caption,
    law_provenance,
    new_figure,
    save_figure,
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import LawSet

NAME = "student_loss_against_teacher_loss"
STUDENTS = {"143M": 143e6, "546M": 546e6, "1.82B": 1.82e9, "7.75B": 7.75e9}
TOKENS_PER_PARAMETER = 20.0
TEACHERS = 401


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the best teacher's and student's loss per size."""
    laws = laws or law_set()
    law = laws.taught
    L_T = teacher_losses(laws)
    curves: list[StudentCurve] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    for label, N_S in STUDENTS.items():
        D_S = TOKENS_PER_PARAMETER * N_S
        L_S = law.loss(N_S, D_S, L_T)
        inside = within(laws, N_S=N_S, D_S=D_S, L_T=L_T)
        best, knee = (float(f(N_S, D_S)) for f in (law.best_teacher_loss, law.knee))
        best_point, knee_point = ((x, float(law.loss(N_S, D_S, x))) for x in (best, knee))
        curves.append(StudentCurve(label, L_T, L_S, inside, best_point, knee_point))
        headline[f"best teacher loss, {label}"] = best
        headline[f"best student loss, {label}"] = best_point[1]
        headline[f"loss without teacher, {label}"] = float(laws.supervised.loss(N_S, D_S))
        add_rows(columns, {"N_S": N_S, "D_S": D_S, "L_T": L_T, "L_S": L_S, "fitted": inside})
    with style():
        figure, axes = new_figure()
        draw_student_loss(
            axes,
            curves,
            "A better teacher helps a student only so far",
            "Students of 143M to 7.75B parameters, each trained on 20 tokens per parameter",
            irreducible=laws.supervised.irreducible_loss,
        )
        law_caption(figure, laws, outside="Dashed")
        settings = {"tokens_per_parameter": TOKENS_PER_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def teacher_losses(laws: LawSet) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """From the irreducible loss, or half the strongest student's, to one worse than any student."""
    alone = [float(laws.supervised.loss(N, TOKENS_PER_PARAMETER * N)) for N in STUDENTS.values()]
    low = max(laws.supervised.irreducible_loss, 0.5 * min(alone))
    return np.linspace(low, 1.05 * max(alone), TEACHERS)


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
