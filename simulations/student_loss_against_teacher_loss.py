"""The distillation law as a picture: student loss against teacher loss, four student sizes."""

import argparse
from pathlib import Path

import numpy as np

from capgap.plotting import (
    StudentCurve,
    draw_student_loss,
    new_figure,
    save_figure,
    source_line,
    style,
)
from capgap.theory.coefficients import coefficient_set, distillation_law

NAME = "student_loss_against_teacher_loss"
STUDENTS = {"143M": 143e6, "546M": 546e6, "1.82B": 1.82e9, "7.75B": 7.75e9}
TOKENS_PER_PARAMETER = 20.0
TEACHER_LOSS = np.linspace(1.6, 3.0, 281)


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return the best teacher's and student's loss per size."""
    law = distillation_law("reconstructed")
    curves: list[StudentCurve] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {"N_S": [], "D_S": [], "L_T": [], "L_S": []}
    for label, N_S in STUDENTS.items():
        D_S = TOKENS_PER_PARAMETER * N_S
        L_S = law.loss(N_S, D_S, TEACHER_LOSS)
        best, knee = (float(f(N_S, D_S)) for f in (law.best_teacher_loss, law.knee))
        best_point = (best, float(law.loss(N_S, D_S, best)))
        knee_point = (knee, float(law.loss(N_S, D_S, knee)))
        curves.append(StudentCurve(label, TEACHER_LOSS, L_S, best_point, knee_point))
        headline[f"best teacher loss, {label}"] = best
        headline[f"best student loss, {label}"] = best_point[1]
        rows = (np.full_like(L_S, N_S), np.full_like(L_S, D_S), TEACHER_LOSS, L_S)
        for name, values in zip(columns, rows, strict=True):
            columns[name] += values.tolist()
    with style():
        figure, axes = new_figure()
        draw_student_loss(
            axes,
            curves,
            "A better teacher helps a student only so far",
            "Students of 143M to 7.75B parameters, each trained on 20 tokens per parameter",
        )
        source_line(
            figure,
            "Distillation scaling law, Eq. 8 of Busbridge et al. 2025 (arXiv 2502.08606), Table 6."
            " Coefficients RECONSTRUCTED here:\nB′ is 100 times the printed value, which"
            " contradicts the paper's own figures; the factor is ours, not the authors'.\n"
            "Knee: teacher loss = 0.93 × the student's own supervised loss.",
        )
        save_figure(figure, out, NAME, columns, _provenance(headline))
    return headline


def _provenance(headline: dict[str, float]) -> dict[str, object]:
    chosen = coefficient_set("reconstructed")
    return {
        "figure": NAME,
        "source": "Busbridge et al. 2025, arXiv 2502.08606, Eq. 8 and Table 6",
        "coefficient_set": "reconstructed: printed B' x 100, ours and not the authors'",
        "supervised": dict(chosen.supervised),
        "distillation": dict(chosen.distillation),
        "tokens_per_parameter": TOKENS_PER_PARAMETER,
        "units": "losses in nats per token, N_S non-embedding parameters, D_S tokens",
        "seed": None,
        "headline": headline,
    }


def main() -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    for name, value in run(parser.parse_args().out).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
