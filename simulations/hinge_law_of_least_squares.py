"""A least-squares student against its teacher: an exact hinge, and what noise makes of it."""

from math import inf
from pathlib import Path

import numpy as np

from capgap.measurement.kernel import sampled_least_squares_pair
from capgap.plotting import (
    add_rows,
    figure_headline,
    new_panels,
    panel_title,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.finite_theory import Series, draw_diagonal, draw_series
from capgap.plotting.kernel_population import kernel_command_line
from capgap.spectrum import power_law
from capgap.theory.domain import FloatArray
from capgap.theory.finite import best_teacher_size, least_squares_pair, theta

NAME = "hinge_law_of_least_squares"
MODES, DECAY, TARGET_DECAY = 100, 1.5, 1.5
SPECTRUM = power_law(MODES, DECAY, TARGET_DECAY, 1 / np.sum(np.arange(1.0, MODES + 1) ** -1.5))
STUDENT = 10
STUDENT_SAMPLES = (16, 21, 31, 111)
WIDTHS, SAMPLES_OF_WIDTHS = (5, 10, 20, 40), 81
TEACHER_SAMPLES, NOISE, SAMPLES_OF_NOISY = (50, 100, 400), 0.5, 111
SIMULATED_TEACHERS = (3, 6, 10, 20, 40, 100)
REPLICATIONS, SEED = 400, 0
SHOWN = (0.55, 0.4, 0.7)  # of both axes, target's power 1


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return corners, slopes, best teachers, simulated z-scores."""
    left = [
        case(f"$n_S$ = {n_S}: θ = {float(theta(STUDENT, n_S)):.2g}", STUDENT, inf, n_S, SEED + k)
        for k, n_S in enumerate(STUDENT_SAMPLES)
    ]
    middle = [
        case(f"n = {n}: θ = {float(theta(n, SAMPLES_OF_WIDTHS)):.2g}", n, inf, SAMPLES_OF_WIDTHS)
        for n in WIDTHS
    ]
    right = [
        case(f"$n_T$ = {n_T}", STUDENT, n_T, SAMPLES_OF_NOISY, SEED + 10 + k)
        for k, n_T in enumerate(TEACHER_SAMPLES)
    ]
    right.append(case("perfect teachers", STUDENT, inf, SAMPLES_OF_NOISY))
    families = {"samples": left, "width": middle, "noisy teacher": right}
    headline = found(families)
    names: list[str] = []
    columns: dict[str, list[float]] = {}
    for kind, family in families.items():
        for series in family:
            names += [f"{kind}, {series.label}"] * len(series.x)
            add_rows(columns, table_of(series))
    with style():
        figure, panels = new_panels(3, width=13.6, height=5.4, headroom=0.85)
        for axes, family, upto in zip(panels, families.values(), SHOWN, strict=True):
            dashes = ["-"] * len(family)
            if family is right:
                dashes[-1] = "--"
            draw_diagonal(axes, upto, "student = teacher", 0.08)
            draw_series(axes, family, dashes=dashes)
            axes.set(xlim=(0, upto), ylim=(0, upto))
            axes.set_xlabel("teacher's risk $E_T$")
            axes.legend(loc="lower right", fontsize=8, handlelength=1.8)
        panels[0].set_ylabel("student's risk $E_S$")
        panel_title(panels[0], f"perfect teachers, n = {STUDENT}: samples set the slope")
        panel_title(
            panels[1], f"perfect teachers, $n_S$ = {SAMPLES_OF_WIDTHS}: the width sets the corner"
        )
        panel_title(
            panels[2],
            f"teachers of $n_T$ noisy samples, n = {STUDENT}, $n_S$ = {SAMPLES_OF_NOISY}",
        )
        figure_headline(
            figure,
            "A teacher that knows more than its student can hold makes it worse: an exact hinge",
            "Least squares twice. Along a curve the teacher's width m grows, from the top right."
            " Rings: the best teacher. Dots: simulated, ± 2 standard errors.",
        )
        source_line(
            figure,
            "Perfect teachers: $E_S = \\max\\{E_T, (1+\\theta)\\, t_n - \\theta E_T\\}$ with"
            " $\\theta = n/(n_S - n - 1)$ and the corner at $t_n$, the target's power beyond n:"
            " exact for Gaussian features.\n"
            f"Target's power falls as $i^{{-{TARGET_DECAY:g}}}$, i ≤ {MODES}, total 1. Right: label"
            f" noise σ² = {NOISE:g}; wide teachers overfit, and the student averages part of that"
            f" away: below the line it beats its teacher. {REPLICATIONS} replications a dot.",
        )
        save_figure(figure, out, NAME, {"series": names, **columns}, provenance(headline))
    return headline


def case(label: str, n: int, n_T: float, n_S: int, seed: int | None = None) -> Series:
    """Risks of all teachers and students of one curve; simulated too if there is a seed."""
    noise = 0.0 if n_T == inf else NOISE
    m = np.arange(int(min(MODES, n_T - 2)) + 1)
    pair = least_squares_pair(SPECTRUM, m, n, n_T, n_S, noise)
    best = int(np.argmin(pair.student_risk))
    mark = np.array([[pair.teacher_risk[best], pair.student_risk[best]]])
    points = []
    for size in SIMULATED_TEACHERS if seed is not None else ():
        # A mean over samples has a standard error only where the risk has a variance.
        if size < n_T - 3:
            sampled = sampled_least_squares_pair(
                SPECTRUM, size, n, n_T, n_S, noise, replications=REPLICATIONS,
                seed=1000 * (seed or 0) + size,
            )  # fmt: skip
            x = float(pair.teacher_risk[size])
            points.append((x, float(sampled.mean[1]), float(sampled.standard_error[1])))
    simulated = np.array(points) if points else np.empty((0, 3))
    return Series(label, pair.teacher_risk, pair.student_risk, simulated, mark)


def found(families: dict[str, list[Series]]) -> dict[str, float]:
    """Corners, slopes, best teachers, and how far simulated students are off."""
    headline: dict[str, float] = {}
    for n in WIDTHS:
        headline[f"corner t_n, n = {n}"] = SPECTRUM.tail(n)
    for n_S in STUDENT_SAMPLES:
        headline[f"theta, n = {STUDENT}, n_S = {n_S}"] = float(theta(STUDENT, n_S))
    for n_T in TEACHER_SAMPLES:
        best = best_teacher_size(SPECTRUM, STUDENT, n_T, SAMPLES_OF_NOISY, NOISE)
        headline[f"best m, n_T = {n_T}"] = best.size
        headline[f"its teacher's risk, n_T = {n_T}"] = best.teacher_risk
        headline[f"its student's risk, n_T = {n_T}"] = best.student_risk
    z = np.concatenate([scores(one) for family in families.values() for one in family])
    headline["simulated students"] = z.size
    headline["largest |z| of them"] = float(np.max(np.abs(z)))
    headline["mean z^2 of them"] = float(np.mean(z**2))
    return headline


def scores(series: Series) -> FloatArray:
    """Standard errors between simulated and exact risks, where students are not copies."""
    x, y, error = series.simulated.T
    exact = np.array([series.y[np.flatnonzero(series.x == at)[0]] for at in x])
    random = error > 1e-12
    return np.asarray((y - exact)[random] / error[random])


def table_of(series: Series) -> dict[str, FloatArray]:
    """Columns of a curve: width, both risks, and simulated ones (nan where there are none)."""
    size = len(series.x)
    simulated, error = np.full(size, np.nan), np.full(size, np.nan)
    for x, y, e in series.simulated:
        at = np.flatnonzero(series.x == x)[0]
        simulated[at], error[at] = y, e
    return {
        "m": np.arange(size, dtype=np.float64), "teacher_risk": series.x,
        "student_risk": series.y, "simulated_student_risk": simulated, "standard_error": error,
    }  # fmt: skip


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "exact means of two least-squares fits on Gaussian features, derived here; the"
        " twin of the broken power law of Busbridge et al. 2025, arXiv 2502.08606",
        "target": {"modes": MODES, "power": f"i^-{TARGET_DECAY:g}, total 1"},
        "student": STUDENT,
        "noise": NOISE,
        "units": "excess risks, squared, in the unit of the target's power",
        "simulation": {"replications": REPLICATIONS, "features": "gaussian", "seed": SEED},
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
