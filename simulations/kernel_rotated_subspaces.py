"""Students whose functions are not the teacher's first ones: the best teacher is elsewhere."""

from pathlib import Path

import numpy as np

from capgap.plotting import (
    add_rows,
    figure_headline,
    new_panels,
    panel_title,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.kernel_population import (
    draw_best_of_turned,
    draw_turned_students,
    kernel_command_line,
)
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import SubspacePopulation, rotated_basis, subspace_population

NAME = "kernel_rotated_subspaces"
FUNCTIONS, STUDENT = 120, 30
DECAYS = (0.0, 0.5, 1.0)  # of the target's coefficients; the left panel shows the second
SHOWN_DECAY = 0.5
TEACHER_SHARE = 0.6  # of the target's norm
DEGREES = (0, 15, 30, 45, 60)
SWEEP = np.linspace(0, 30, 121)


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return best teachers and how often students win."""
    shown = {degrees: errors_of(SHOWN_DECAY, degrees) for degrees in DEGREES}
    best = {
        decay: np.array([errors_of(decay, degrees).best for degrees in SWEEP]) for decay in DECAYS
    }
    headline: dict[str, float] = {}
    for degrees, errors in shown.items():
        wins = errors.student_squared_error < errors.teacher_squared_error * (1 - 1e-9)
        headline[f"best m, turned by {degrees} degrees"] = errors.best
        headline[f"students that beat their teachers, {degrees} degrees"] = int(wins.sum())
    columns: dict[str, list[float]] = {}
    names: list[str] = []
    m = shown[0].m
    curves = {"teacher": shown[0].teacher_squared_error}
    curves |= {f"turned by {d} degrees": e.student_squared_error for d, e in shown.items()}
    for name, squared in curves.items():
        names += [name] * len(m)
        add_rows(columns, {"x": m.astype(np.float64), "y": np.sqrt(squared)})
    for decay in DECAYS:
        names += [f"best m over degrees, decay {decay:g}"] * len(SWEEP)
        add_rows(columns, {"x": SWEEP, "y": best[decay].astype(np.float64)})
    with style():
        figure, (left, right) = new_panels(2, width=11, height=5.3, headroom=0.85, right=0.95)
        draw_turned_students(
            left, m, np.sqrt(shown[0].teacher_squared_error),
            [(f"student turned by {d}°", np.sqrt(e.student_squared_error), e.best)
             for d, e in shown.items()],
            STUDENT,
        )  # fmt: skip
        draw_best_of_turned(
            right, SWEEP, [(f"$i^{{-{d:g}}}$" if d else "equal", best[d]) for d in DECAYS], STUDENT
        )
        panel_title(
            left, f"n = {STUDENT}, coefficients $i^{{-{SHOWN_DECAY:g}}}$; dots: best teacher"
        )
        panel_title(right, "the best teacher, by the target's coefficients; 2n = 60 from 16° on")
        figure_headline(
            figure,
            "Nothing forces the best teacher to be as large as the student",
            "It is where the student's functions are the teacher's first n; turned away from them,"
            " it learns most from a larger teacher",
        )
        source_line(
            figure,
            "Extension of the setting of Busbridge et al. 2025 (arXiv 2502.08606), appendix C.1,"
            f" to general subspaces; infinite data, {FUNCTIONS} functions.\n"
            "The student's i-th function is cos(angle) times the teacher's i-th plus sin(angle)"
            f" times its (n+i)-th; T = {TEACHER_SHARE:g} of the target's norm, no limit D.",
        )
        save_figure(figure, out, NAME, {"series": names, **columns}, provenance(headline))
    return headline


def target(decay: float) -> FloatArray:
    """Coefficients that fall as a power of the index."""
    return np.asarray(np.arange(1, FUNCTIONS + 1) ** -decay, dtype=np.float64)


def errors_of(decay: float, degrees: float) -> SubspacePopulation:
    """Errors of the student turned by an angle."""
    f = target(decay)
    basis = rotated_basis(FUNCTIONS, STUDENT, float(np.deg2rad(degrees)))
    return subspace_population(f, basis, T=TEACHER_SHARE * float(np.linalg.norm(f)))


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "extension of Busbridge et al. 2025, arXiv 2502.08606, appendix C.1",
        "coefficients": {"form": "i^-decay", "decay": list(DECAYS), "shown": SHOWN_DECAY},
        "n": STUDENT,
        "teacher_norm": f"{TEACHER_SHARE:g} of the target's",
        "seed": None,
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
