"""The capacity gap in kernel regression: student error against the teacher's dimension."""

import argparse
from pathlib import Path

import numpy as np

from capgap.plotting import (
    KernelCurve,
    draw_kernel_gap,
    new_figure,
    save_figure,
    source_line,
    style,
)
from capgap.theory.kernel_population import kernel_population

NAME = "kernel_regression_capacity_gap"
TEACHER_NORM, STUDENT_NORM = 5.0, 4.5
FUNCTIONS = 1000
STUDENT_DIMENSIONS = (300, 400, 500, 600, 700, 800)
SEED = 0


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return first and last best teacher dimension per student."""
    alpha = np.random.default_rng(SEED).uniform(-1, 1, FUNCTIONS)
    students = [kernel_population(alpha, n, TEACHER_NORM, STUDENT_NORM) for n in STUDENT_DIMENSIONS]
    curves = [KernelCurve(e.n, e.m, e.student_error, e.first_best, e.last_best) for e in students]
    m, teacher_error = students[0].m, students[0].teacher_error
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {"m": m.tolist(), "teacher_error": teacher_error.tolist()}
    for errors in students:
        headline[f"first best m, n = {errors.n}"] = errors.first_best
        headline[f"last best m, n = {errors.n}"] = errors.last_best
        headline[f"least student error, n = {errors.n}"] = float(errors.student_error.min())
        columns[f"student_error_n{errors.n}"] = errors.student_error.tolist()
    with style():
        figure, axes = new_figure()
        draw_kernel_gap(
            axes,
            m,
            teacher_error,
            curves,
            "The teacher keeps improving, its students do not",
            "Kernel regression with bounded norms and infinite data; n: the student's dimension",
        )
        source_line(
            figure,
            "Closed forms for the setting of Busbridge et al. 2025 (arXiv 2502.08606), appendix"
            " C.1, with the proof's slips corrected.\n"
            f"1000 target coefficients from U[-1, 1] (seed {SEED}); teacher norm T ≤ 5, student"
            " norm D ≤ 4.5.\nThe floor starts at m = n and ends where the target's first m"
            " squares sum to (T/D)² times its first n.",
        )
        save_figure(figure, out, NAME, columns, _provenance(headline))
    return headline


def _provenance(headline: dict[str, float]) -> dict[str, object]:
    return {
        "figure": NAME,
        "source": "Busbridge et al. 2025, arXiv 2502.08606, appendix C.1, formulas corrected",
        "coefficients": f"{FUNCTIONS} values of numpy default_rng({SEED}).uniform(-1, 1)",
        "teacher_norm": TEACHER_NORM,
        "student_norm": STUDENT_NORM,
        "student_dimensions": list(STUDENT_DIMENSIONS),
        "units": "errors are distances to the target, in the unit of the target",
        "seed": SEED,
        "headline": headline,
    }


def main() -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    for name, value in run(parser.parse_args().out).items():
        print(f"{name}: {value:g}")


if __name__ == "__main__":
    main()
