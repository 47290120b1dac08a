"""The capacity gap in kernel regression: student error against the teacher's dimension."""

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
from capgap.plotting.kernel_population import kernel_command_line, mark_onsets, mark_simulated
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import KernelCapacity, ellipsoid_multiplier, kernel_population

NAME = "kernel_regression_capacity_gap"
TEACHER_NORM, STUDENT_NORM = 5.0, 4.5
FUNCTIONS = 1000
STUDENT_DIMENSIONS = (300, 400, 500, 600, 700, 800)
SEED = 0
SAMPLES, SAMPLE_SEED = 100_000, 1
SIMULATED_TEACHERS = (50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return best teachers, gaps, and how far simulations are off."""
    alpha = np.random.default_rng(SEED).uniform(-1, 1, FUNCTIONS)
    students = [kernel_population(alpha, n, TEACHER_NORM, STUDENT_NORM) for n in STUDENT_DIMENSIONS]
    model = KernelCapacity(alpha, TEACHER_NORM, STUDENT_NORM)
    curves = [KernelCurve(e.n, e.m, e.student_error, e.first_best, e.last_best) for e in students]
    m, teacher_error = students[0].m, students[0].teacher_error
    sampled_teacher, sampled_students = simulate(alpha)
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {"m": m.tolist(), "teacher_error": teacher_error.tolist()}
    at = np.array(SIMULATED_TEACHERS) - 1
    off = [np.abs(sampled_teacher / teacher_error[at] - 1)]
    columns["simulated_teacher_error"] = spread_out(sampled_teacher)
    for errors, sampled in zip(students, sampled_students, strict=True):
        gap = model.gap(errors.n)
        headline[f"first best m, n = {errors.n}"] = errors.first_best
        headline[f"last best m, n = {errors.n}"] = errors.last_best
        headline[f"least student error, n = {errors.n}"] = float(errors.student_error.min())
        headline[f"height of the gap in squared error, n = {errors.n}"] = gap.height
        columns[f"student_error_n{errors.n}"] = errors.student_error.tolist()
        columns[f"simulated_student_error_n{errors.n}"] = spread_out(sampled)
        off.append(np.abs(sampled / errors.student_error[at] - 1))
    headline["largest relative difference of a simulated error"] = float(np.max(off))
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
        mark_onsets(axes, curves)
        mark_simulated(
            axes, np.array(SIMULATED_TEACHERS), sampled_teacher, curves, sampled_students
        )
        source_line(
            figure,
            "Closed forms, setting of Busbridge et al. 2025 (arXiv 2502.08606), appendix C.1:"
            " 1000 coefficients from U[-1, 1], T = 5, D = 4.5.\n"
            "The floor starts at m = n and ends where the target's first m squares sum to (T/D)²"
            " times its first n.\n"
            f"Dots: both fits by constrained least squares on {SAMPLES:,} fresh samples each,"
            " functions √2 cos(πix).",
        )
        save_figure(figure, out, NAME, columns, _provenance(headline))
    return headline


def simulate(alpha: FloatArray, samples: int = SAMPLES) -> tuple[FloatArray, list[FloatArray]]:
    """Teacher and student errors from samples: x uniform, functions sqrt(2) cos(pi i x).

    The teacher is fitted to the target's values at its own samples, each student to the
    teacher's values at others. Errors are distances of functions, from coefficients.
    """
    rng = np.random.default_rng(SAMPLE_SEED)
    own, other = (gram(rng.uniform(0, np.pi, samples), alpha.size) for _ in range(2))
    teachers = np.zeros((len(SIMULATED_TEACHERS), alpha.size))
    for g, m in zip(teachers, SIMULATED_TEACHERS, strict=True):
        g[:m] = constrained_fit(own[:m, :m], (own @ alpha)[None, :m], TEACHER_NORM)[0]
    students = []
    for n in STUDENT_DIMENSIONS:
        fit = constrained_fit(other[:n, :n], teachers @ other[:, :n], STUDENT_NORM)
        rest = np.sum(alpha[n:] ** 2)
        students.append(np.sqrt(np.sum((fit - alpha[:n]) ** 2, axis=1) + rest))
    return np.sqrt(np.sum((teachers - alpha) ** 2, axis=1)), students


def gram(angle: FloatArray, size: int) -> FloatArray:
    """Mean products of the functions at the samples: 2 cos i cos j = cos(i + j) + cos(i - j)."""
    mean = np.ones(2 * size + 1)
    before, now = np.ones_like(angle), np.cos(angle)
    twice = 2 * now
    for k in range(1, 2 * size + 1):
        mean[k] = now.mean()
        before, now = now, twice * now - before
    i = np.arange(1, size + 1)
    return np.asarray(mean[i[:, None] + i] + mean[np.abs(i[:, None] - i)])


def constrained_fit(G: FloatArray, b: FloatArray, limit: float) -> FloatArray:
    """Minimizers of g'Gg - 2 b'g with ||g|| <= limit, one for each row of b."""
    values, vectors = np.linalg.eigh(G)
    fits = []
    for row in b @ vectors:
        nu = ellipsoid_multiplier(row / np.sqrt(values), 1 / values, limit)
        fits.append(vectors @ (row / (values + nu)))
    return np.array(fits)


def spread_out(values: FloatArray) -> list[float]:
    """Values at the simulated teachers, nan at the others."""
    column = np.full(FUNCTIONS, np.nan)
    column[np.array(SIMULATED_TEACHERS) - 1] = values
    return [float(v) for v in column]


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
        "simulation": {
            "functions": "sqrt(2) cos(pi i x), x uniform in [0, 1]",
            "samples": SAMPLES,
            "seed": SAMPLE_SEED,
            "draws": 1,
        },
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
