"""The flat floor of the capacity gap, and what the paper's proof has in its place."""

from pathlib import Path

import numpy as np

from capgap.plotting import (
    KernelCurve,
    add_rows,
    figure_headline,
    new_panels,
    panel_title,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.kernel_population import (
    draw_best_teachers,
    draw_floor_and_slip,
    kernel_command_line,
)
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import KernelCapacity, exchanged_cases, kernel_population

NAME = "kernel_flat_floor"
FUNCTIONS, SEED = 1000, 0
TEACHER_NORM, STUDENT_NORM, STUDENT = 5.0, 4.0, 400
SEARCHED = (400, 450, 500, 550, 600, 650, 700, 800, 900, 1000)
STEPS, RATE = 400, 0.3
RATIOS = np.linspace(0.4, 1.3, 181)
FREE_TEACHER = 9.0  # in the right panel: norms of students of 200 functions are below it
STUDENTS = (100, 200, 300, 450, 600)


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return floor, gap and what the exchanged cases claim."""
    alpha = np.random.default_rng(SEED).uniform(-1, 1, FUNCTIONS)
    errors = kernel_population(alpha, STUDENT, TEACHER_NORM, STUDENT_NORM)
    slip = exchanged_cases(alpha, STUDENT, TEACHER_NORM, STUDENT_NORM)
    curve = KernelCurve(
        STUDENT, errors.m, errors.student_error, errors.first_best, errors.last_best
    )
    points = np.array([(m, searched_error(alpha, m)) for m in SEARCHED])
    off = points[:, 1] / errors.student_error[np.array(SEARCHED) - 1] - 1
    ends = np.array([floor_ends(alpha, ratio) for ratio in RATIOS])
    norms = KernelCapacity(alpha, FREE_TEACHER).norm
    slip_error = np.sqrt(slip.squared_error)
    headline = {
        "first best m": float(errors.first_best),
        "last best m": float(errors.last_best),
        "least error": float(errors.student_error.min()),
        "error with the largest teacher": float(errors.student_error[-1]),
        "exchanged cases, least error": float(slip_error.min()),
        "exchanged cases, error with the largest teacher": float(slip_error[-1]),
        "largest relative difference of a search": float(np.max(np.abs(off))),
    }
    columns: dict[str, list[float]] = {}
    series = ("student", errors.m, errors.student_error), ("exchanged", slip.m, slip_error)
    names: list[str] = []
    for name, x, y in (*series, ("search", *points.T)):
        names += [name] * len(x)
        add_rows(columns, {"x": np.asarray(x, dtype=np.float64), "y": y})
    for n, last in zip(STUDENTS, ends.T, strict=True):
        names += [f"last best m over D/T, n = {n}"] * len(RATIOS)
        add_rows(columns, {"x": RATIOS, "y": last.astype(np.float64)})
    with style():
        figure, (left, right) = new_panels(2, width=11, height=5.4, headroom=0.85, right=0.93)
        draw_floor_and_slip(left, curve, slip.m, slip_error, points)
        left.set_xlim(150, 1000)
        left.set_ylim(14.1, 16.9)
        left.text(
            (errors.first_best + errors.last_best) / 2, 16.75, "floor: best teachers", ha="center",
            va="top", fontsize=8,
        )  # fmt: skip
        draw_best_teachers(
            right,
            RATIOS,
            [(f"n = {n}", n, last) for n, last in zip(STUDENTS, ends.T, strict=True)],
            np.array([min(FREE_TEACHER, norms[n]) / FREE_TEACHER for n in STUDENTS]),
        )
        panel_title(left, f"n = {STUDENT}, T = {TEACHER_NORM:g}, D = {STUDENT_NORM:g}")
        panel_title(right, f"T = {FREE_TEACHER:g}; dotted: m = n; at 1000 there is no gap")
        figure_headline(
            figure,
            "The capacity gap opens later than at m = n",
            "Teachers somewhat larger than the student do no harm: its own limit D binds first,"
            " or theirs does not bind yet",
        )
        source_line(
            figure,
            "Setting of Busbridge et al. 2025 (arXiv 2502.08606), appendix C.1: 1000 coefficients"
            f" from U[-1, 1] (seed {SEED}). Dots left: projected gradient descent on both fits."
            "\nThe proof's Case 2 exchanges the two cases of Q: it rises where the floor is, below"
            " any student of norm ≤ D, and is flat where the gap is. Dots right: D = min(T, norm"
            " of the target's first n); a smaller D moves the gap on.",
        )
        record = provenance(headline)
        save_figure(figure, out, NAME, {"series": names, **columns}, record)
    return headline


def searched_error(alpha: FloatArray, m: int) -> float:
    """Student's error with both fits found by projected gradient descent."""
    teacher = descend(alpha, m, TEACHER_NORM)
    return float(np.linalg.norm(descend(teacher, STUDENT, STUDENT_NORM) - alpha))


def descend(target: FloatArray, size: int, limit: float) -> FloatArray:
    """Minimize the distance to a target on its first functions, pulled back into the ball."""
    fit = np.zeros_like(target)
    for _ in range(STEPS):
        fit[:size] += RATE * (target[:size] - fit[:size])
        norm = float(np.linalg.norm(fit))
        if norm > limit:
            fit *= limit / norm
    return fit


def floor_ends(alpha: FloatArray, ratio: float) -> FloatArray:
    """Last best teacher of each student where D/T is `ratio`."""
    model = KernelCapacity(alpha, FREE_TEACHER, ratio * FREE_TEACHER)
    return np.asarray(model.best_teachers(np.array(STUDENTS))[1], dtype=np.float64)


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "Busbridge et al. 2025, arXiv 2502.08606, appendix C.1",
        "coefficients": f"{FUNCTIONS} values of numpy default_rng({SEED}).uniform(-1, 1)",
        "left": {"T": TEACHER_NORM, "D": STUDENT_NORM, "n": STUDENT},
        "right": {"T": FREE_TEACHER, "n": list(STUDENTS)},
        "search": {"method": "projected gradient descent", "steps": STEPS, "rate": RATE},
        "seed": SEED,
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
