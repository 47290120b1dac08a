"""The best teacher's width over student samples and label noise: borders, leaps and stairs."""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

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
from capgap.plotting.finite_theory import (
    Series,
    color_bar,
    draw_best_teacher_map,
    draw_series,
    note_vertical,
    write_on,
)
from capgap.plotting.kernel_population import kernel_command_line
from capgap.plotting.style import MUTED
from capgap.spectrum import Spectrum, power_law
from capgap.theory.domain import FloatArray
from capgap.theory.finite import Phases, critical_theta, least_squares_pair, phases

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "phase_diagram_of_teachers"
MODES, STUDENT, TEACHER_SAMPLES = 100, 20, 200
TARGET_DECAY = 1.2
TARGETS = {
    "level": Spectrum(np.ones(MODES), np.full(MODES, MODES**-0.5)),
    "falling": power_law(
        MODES, 1.0, TARGET_DECAY, 1 / np.sum(np.arange(1.0, MODES + 1) ** -TARGET_DECAY)
    ),
}
# The grid of n_S holds counts; the noise is a variance, of which the target's power is 1.
STUDENT_SAMPLES = np.unique(np.round(np.geomspace(22, 20_000, 110)))
NOISES, FINE_NOISES = np.geomspace(0.01, 4.0, 91), np.geomspace(0.01, 4.0, 1201)
CUT = 0.3  # noise of the lower panels
AWAY = 3.0  # factor of n_S on either side of the jump


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return borders, leaps and what the wrong teacher costs."""
    maps = {name: [phases(target, STUDENT, TEACHER_SAMPLES, noise) for noise in NOISES]
            for name, target in TARGETS.items()}  # fmt: skip
    cuts = {name: phases(target, STUDENT, TEACHER_SAMPLES, CUT) for name, target in TARGETS.items()}
    headline = found(cuts)
    jump = headline["border n_S, level"]
    lines = cut_lines(jump)
    names: list[str] = []
    columns: dict[str, list[float]] = {}
    for name, rows in maps.items():
        for noise, row in zip(NOISES, rows, strict=True):
            names += [name] * len(STUDENT_SAMPLES)
            add_rows(columns, {
                "noise": noise, "n_S": STUDENT_SAMPLES, "best_m": sizes_of(row),
                "border_n_S": border_of(TARGETS[name], float(noise)),
            })  # fmt: skip
    with style():
        figure, panels = new_panels(4, width=12.6, height=9.4, rows=2, headroom=0.85, right=0.895)
        draw_maps(panels[:2], maps)
        draw_series(panels[2], lines)
        note_vertical(panels[2], STUDENT, "m = n")
        panels[2].set(xlim=(0, MODES + 1.5), ylim=(0.85, 1.1))
        panels[2].set_xlabel("teacher's width m")
        panels[2].set_ylabel("student's risk $E_S$")
        panels[2].legend(loc="upper left", bbox_to_anchor=(0.27, 1), fontsize=8)
        panel_title(panels[2], f"level target, σ² = {CUT:g}: two equally good teachers at the jump")
        draw_series(panels[3], stairs(cuts), stairs=True)
        note_vertical(panels[3], TEACHER_SAMPLES, "$n_S = n_T$", left=True)
        panels[3].set(xscale="log", xlim=(STUDENT_SAMPLES[0], STUDENT_SAMPLES[-1]), ylim=(0, 5.2))
        panels[3].set_xlabel("student samples $n_S$")
        panels[3].set_ylabel("best teacher's width / student's, $m^*/n$")
        panels[3].legend(loc="center right", bbox_to_anchor=(1, 0.7), fontsize=8)
        panel_title(panels[3], f"σ² = {CUT:g}: one leap, or many steps")
        figure_headline(
            figure,
            "A teacher wider than its student is best only for students that see more than it did",
            f"Least squares twice, student of n = {STUDENT} of {MODES} features, teacher trained on"
            f" $n_T$ = {TEACHER_SAMPLES} samples. Thick line: the exact border, from which a wider"
            " teacher is best.",
        )
        source_line(
            figure,
            "Exact for Gaussian features. Each width's risk is a line in"
            " $\\theta = n/(n_S - n - 1)$; the best is their lower envelope, so it changes by"
            " jumps. Where the target's power is level it jumps over all sizes between.\n"
            "Left of $n_S = n_T$ there is no such border for any target or noise. Above σ² ="
            f" {headline['no teacher above noise, level']:.3g} the level target cannot be learned"
            " from so few samples. Falling target: power"
            f" $i^{{-{TARGET_DECAY:g}}}$. Dashed: the noise of the lower panels.",
        )
        save_figure(figure, out, NAME, {"target": names, **columns}, provenance(headline))
    return headline


def draw_maps(panels: "list[Axes]", maps: dict[str, list[Phases]]) -> None:
    """Both maps, their bar, and what their regions mean."""
    for axes, (name, rows) in zip(panels, maps.items(), strict=True):
        ratio = np.array([sizes_of(row) for row in rows]) / STUDENT
        border = np.array([border_of(TARGETS[name], float(noise)) for noise in FINE_NOISES])
        drawn = draw_best_teacher_map(
            axes, STUDENT_SAMPLES, NOISES, ratio, (border, FINE_NOISES), MODES / STUDENT
        )
        axes.axvline(TEACHER_SAMPLES, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
        write_on(axes, TEACHER_SAMPLES, 0.017, "$n_S = n_T$")
        axes.axhline(CUT, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_xlabel("student samples $n_S$")
        axes.set_ylabel(r"noise of the data's labels $\sigma^2$")
        write_on(axes, 70, 0.04, "as wide as the student")
    write_on(panels[0], 2500, 0.04, "all that there is to know")
    write_on(panels[0], 600, 2.0, "none: what a teacher learns is noise")
    write_on(panels[1], 600, 2.6, "narrower than the student")
    write_on(panels[1], 3500, 0.3, "wider, step by step")
    write_on(panels[1], 2500, 0.03, "all, at once")
    panel_title(panels[0], "level target: all features matter equally")
    panel_title(panels[1], "falling target: each feature matters less than the one before")
    color_bar(
        panels[1], drawn, "best teacher's width / student's, $m^*/n$", (0.915, 0.56, 0.014, 0.34)
    )


def sizes_of(row: Phases) -> FloatArray:
    """Best teacher's width at each n_S of the grid."""
    band = np.searchsorted(row.samples, STUDENT_SAMPLES, side="right")
    return np.array(row.sizes, dtype=np.float64)[band]


def border_of(target: Spectrum, noise: float) -> float:
    """n_S from which a teacher wider than the student is best, or infinity."""
    steepness = critical_theta(target, STUDENT, TEACHER_SAMPLES, noise)
    return 1 + STUDENT + STUDENT / steepness if steepness > 0 else inf


def cut_lines(jump: float) -> list[Series]:
    """Risk of the level target's student against m, on both sides of the jump and at it."""
    m = np.arange(MODES + 1)
    lines = []
    for name, n_S in (
        ("few samples", round(jump / AWAY)), ("the jump", round(jump)), ("many", round(jump * AWAY))
    ):  # fmt: skip
        risk = least_squares_pair(
            TARGETS["level"], m, STUDENT, TEACHER_SAMPLES, n_S, CUT
        ).student_risk
        best = int(np.argmin(risk))
        rings = [STUDENT, MODES] if name == "the jump" else [best]
        label = f"{name}: $n_S$ = {n_S}"
        marks = np.array([[i, risk[i]] for i in rings])
        lines.append(Series(label, m.astype(np.float64), risk, marks=marks))
    return lines


def stairs(cuts: dict[str, Phases]) -> list[Series]:
    """Best width over the student's against n_S, at the borders themselves."""
    series = []
    for name, row in cuts.items():
        x = np.array([STUDENT_SAMPLES[0], *row.samples, STUDENT_SAMPLES[-1]])
        y = np.array([*row.sizes, row.sizes[-1]]) / STUDENT
        kept = x <= STUDENT_SAMPLES[-1]
        series.append(Series(f"{name} target", x[kept], y[kept]))
    return series


def found(cuts: dict[str, Phases]) -> dict[str, float]:
    """Borders at the noise of the cut, sizes on both sides, and where teachers are useless."""
    headline: dict[str, float] = {}
    for name, row in cuts.items():
        headline[f"border n_S, {name}"] = row.samples[0]
        headline[f"m below, {name}"] = row.sizes[0]
        headline[f"m above, {name}"] = row.sizes[1]
        headline[f"phases, {name}"] = len(row.sizes)
    level = TARGETS["level"]
    for n_S in (round(headline["border n_S, level"] * factor) for factor in (1 / AWAY, AWAY)):
        risk = least_squares_pair(
            level, [STUDENT, MODES], STUDENT, TEACHER_SAMPLES, n_S, CUT
        ).student_risk
        key = f"risk of the all-knowing teacher's student / m = n, level, n_S = {n_S}"
        headline[key] = float(risk[1] / risk[0])
    # Learning all M features costs M (sigma^2)/(n_T - M - 1), learning none the power, 1.
    headline["no teacher above noise, level"] = (TEACHER_SAMPLES - 1) / MODES - 1
    leftmost = [border_of(t, float(noise)) for t in TARGETS.values() for noise in NOISES]
    headline["least border n_S of both maps"] = min(leftmost)
    return headline


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "exact means of two least-squares fits on Gaussian features, derived here",
        "targets": {"level": "power 1/M", "falling": f"power i^-{TARGET_DECAY:g}, total 1"},
        "modes": MODES,
        "student": STUDENT,
        "teacher_samples": TEACHER_SAMPLES,
        "units": "noise and risks in the unit of the target's power",
        "seed": None,
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
