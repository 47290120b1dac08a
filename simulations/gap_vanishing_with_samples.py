"""A ridge student under perfect teachers of every width: its gap, and how samples close it."""

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
from capgap.plotting.finite_theory import Series, draw_series, note_vertical, plain_numbers
from capgap.plotting.kernel_population import kernel_command_line
from capgap.spectrum import Stage, power_law
from capgap.theory.finite import Capacity, capacity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "gap_vanishing_with_samples"
MODES, DECAY, TARGET_DECAY = 1000, 1.5, 1.5
SPECTRUM = power_law(
    MODES, DECAY, TARGET_DECAY, 1 / np.sum(np.arange(1.0, MODES + 1) ** -TARGET_DECAY)
)
STUDENT, RIDGE = 200, 1e-3
CURVES = (20, 50, 100, 200, 400, 1000, 10_000)
RIDGES = (0.0, 1e-4, 1e-3, 1e-2)
GRID = np.unique(np.round(np.geomspace(10, 100_000, 161)))
LEAST = 1e-4  # gaps below are not drawn


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return effective capacities, gaps, and where they are most."""
    curves = {n_S: capacity(SPECTRUM, Stage(STUDENT, n_S, RIDGE)) for n_S in CURVES}
    # Without ridge and with as many samples as features the risk is infinite.
    grids = {ridge: [n_S for n_S in GRID if ridge or n_S != STUDENT] for ridge in RIDGES}
    scans = {
        ridge: [capacity(SPECTRUM, Stage(STUDENT, n_S, ridge)) for n_S in grid]
        for ridge, grid in grids.items()
    }
    headline: dict[str, float] = {}
    for n_S, found in curves.items():
        headline[f"m*, n_S = {n_S}"] = found.size
        headline[f"gap, n_S = {n_S}"] = gap_of(found)
    for ridge in RIDGES[1:]:
        gaps = [gap_of(found) for found in scans[ridge]]
        headline[f"largest gap, ridge {ridge:g}"] = max(gaps)
        headline[f"its n_S, ridge {ridge:g}"] = float(grids[ridge][int(np.argmax(gaps))])
    names: list[str] = []
    columns: dict[str, list[float]] = {}
    for n_S, found in curves.items():
        names += ["curve"] * (MODES + 1)
        add_rows(columns, {
            "n_S": float(n_S), "ridge": RIDGE, "m": np.arange(MODES + 1.0),
            "student_risk": found.student_risk, "m_star": float(found.size), "gap": gap_of(found),
        })  # fmt: skip
    for ridge, scan in scans.items():
        names += ["scan"] * len(scan)
        add_rows(columns, {
            "n_S": np.array(grids[ridge]), "ridge": ridge, "m": float(MODES),
            "student_risk": np.array([found.student_risk[-1] for found in scan]),
            "m_star": np.array([float(found.size) for found in scan]),
            "gap": np.array([gap_of(found) for found in scan]),
        })  # fmt: skip
    with style():
        figure, panels = new_panels(3, width=13.6, height=5.3, headroom=0.85, ratios=(1.25, 1, 1))
        draw_curves(panels[0], curves)
        draw_scans(panels[1:], grids, scans)
        figure_headline(
            figure,
            "Samples close the capacity gap; with too little ridge they open it first",
            f"Ridge student of n = {STUDENT} of {MODES} features, taught by perfect teachers of m."
            " Rings: m*, its effective capacity, the width of its best teacher.",
        )
        source_line(
            figure,
            "Deterministic equivalent (Gaussian features). m* counts the modes with"
            " $s_i > 1 - \\sqrt{1-\\gamma}$, $s_i = \\lambda_i/(\\lambda_i + \\kappa)$; beyond n"
            " the student loses $\\gamma/(1-\\gamma)$ of all that the teacher adds.\n"
            f"Eigenvalues $i^{{-{DECAY:g}}}$, target's power $i^{{-{TARGET_DECAY:g}}}$, total 1."
            " Gap: risk under the teacher that knows all, over that under the best, minus one."
            " Without ridge it is infinite at $n_S = n$.",
        )
        save_figure(figure, out, NAME, {"part": names, **columns}, provenance(headline))
    return headline


def gap_of(found: Capacity) -> float:
    """Risk under the teacher that knows all, over that under the best perfect one, minus one."""
    return float(found.student_risk[-1] / found.student_risk[found.size] - 1)


def draw_curves(axes: "Axes", curves: dict[int, Capacity]) -> None:
    """Student's risk against the teacher's width, one curve for each number of samples."""
    m = np.arange(1.0, MODES + 1)
    draw_series(axes, [
        Series(
            f"$n_S$ = {n_S:,}", m, found.student_risk[1:],
            marks=np.array([[found.size, found.student_risk[found.size]]]),
        )
        for n_S, found in curves.items()
    ])  # fmt: skip
    note_vertical(axes, STUDENT, "m = n")
    axes.set(xscale="log", yscale="log", xlim=(1, MODES))
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    axes.set_xlabel("teacher's width m")
    axes.set_ylabel("student's risk $E_S$")
    axes.legend(loc="lower left", fontsize=8)
    panel_title(axes, f"ridge {RIDGE:g}")


def draw_scans(
    panels: "list[Axes]", grids: dict[float, list[float]], scans: dict[float, list[Capacity]]
) -> None:
    """Height of the gap and effective capacity against the student's samples."""
    gaps, sizes = [], []
    for ridge, scan in scans.items():
        label = f"ridge {ridge:g}" if ridge else "no ridge"
        x = np.array(grids[ridge])
        gaps.append(Series(label, x, np.array([gap_of(found) for found in scan])))
        sizes.append(Series(label, x, np.array([float(found.size) for found in scan])))
    for axes, family in zip(panels, (gaps, sizes), strict=True):
        draw_series(axes, family)
        axes.set(xscale="log", yscale="log", xlim=(GRID[0], GRID[-1]))
        axes.set_xlabel("student samples $n_S$")
    panels[0].set(ylim=(LEAST, 10))
    note_vertical(panels[0], STUDENT, "$n_S = n$", bottom=True)
    note_vertical(panels[1], STUDENT, "$n_S = n$", bottom=True)
    for axes in panels:
        plain_numbers(axes.xaxis)
        plain_numbers(axes.yaxis)
    panels[0].set_ylabel("gap: $E_S(M)/E_S(m^*) - 1$")
    panels[1].set_ylabel("effective capacity m*")
    panels[0].legend(loc="upper right", fontsize=8)
    panels[1].legend(loc="center right", fontsize=8)
    panel_title(panels[0], "what too strong a teacher costs")
    panel_title(panels[1], "the best teacher grows with the samples, up to n")


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "deterministic equivalent of ridge regression, theorem on perfect teachers"
        " derived here; one stage: Simon et al., arXiv 2110.03922",
        "spectrum": {
            "modes": MODES, "eigenvalues": f"i^-{DECAY:g}",
            "power": f"i^-{TARGET_DECAY:g}, total 1",
        },
        "student": {"features": STUDENT, "ridge": RIDGE},
        "units": "excess risks, squared, in the unit of the target's power",
        "seed": None,
        "headline": headline,
    }  # fmt: skip


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
