"""Does an assistant between teacher and student help? By its own samples, or hardly."""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize, minimize_scalar

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
    draw_saved_map,
    draw_series,
    note_vertical,
    plain_numbers,
    write_on,
)
from capgap.plotting.kernel_population import kernel_command_line
from capgap.plotting.style import INK, MUTED
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.domain import FloatArray
from capgap.theory.finite import best_assistant, chain, least_squares_pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "chain_of_assistants"
MODES, DECAY, TARGET_DECAY, STUDENT = 200, 1.5, 1.5, 20
SPECTRUM = power_law(
    MODES, DECAY, TARGET_DECAY, 1 / np.sum(np.arange(1.0, MODES + 1) ** -TARGET_DECAY)
)
TEACHERS = np.unique(np.round(np.geomspace(STUDENT + 1, MODES, 48))).astype(np.int64)
STUDENT_SAMPLES = np.unique(np.round(np.geomspace(22, 400, 72)))
LEVELS = (0.1, 0.3, 0.5)
CASE_SAMPLES, CASE_ASSISTANTS = 40, (40, 60, 80, 160)
TUNED_SAMPLES = (22, 28, 40, 57, 80, 113, 160, 226, 320, 640, 1280)
RIDGES = (-6.0, 1.0)  # decades searched for the best ridge


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return what assistants save, and against which students."""
    saved = {r: saved_map(r) for r in (1, 2)}
    case = [case_line(samples) for samples in CASE_ASSISTANTS]
    tuned = tuned_table()
    headline = found(saved, tuned)
    names: list[str] = []
    columns: dict[str, list[float]] = {}

    def put(part: str, **values: float | FloatArray) -> None:
        before = len(columns.get("m", ()))
        add_rows(columns, values)
        names.extend([part] * (len(columns["m"]) - before))

    for r, values in saved.items():
        put("map", m=TEACHERS.astype(np.float64)[:, None], n_S=STUDENT_SAMPLES,
            n_A=r * STUDENT_SAMPLES, k=np.nan, risk=np.nan, saved=values)  # fmt: skip
    direct = direct_risk(MODES, CASE_SAMPLES)
    for n_A, line in zip(CASE_ASSISTANTS, case, strict=True):
        put("case", m=float(MODES), n_S=float(CASE_SAMPLES), n_A=float(n_A), k=line.x, risk=line.y,
            saved=1 - line.y / direct)  # fmt: skip
    for n_S, row in zip(TUNED_SAMPLES, tuned, strict=True):
        put("tuned ridges", m=float(MODES), n_S=float(n_S), n_A=float(n_S), k=float(MODES),
            risk=row[1], saved=1 - row[1] / row[0])  # fmt: skip
        put("all samples from the teacher, tuned", m=float(MODES), n_S=2.0 * n_S, n_A=0.0, k=0.0,
            risk=row[2], saved=1 - row[2] / row[0])  # fmt: skip
    with style():
        figure, panels = new_panels(4, width=12.6, height=9.4, rows=2, headroom=0.85, right=0.895)
        draw_maps(panels[:2], saved)
        draw_case(panels[2], case, direct)
        draw_tuned(panels[3], saved[1][-1], tuned)
        figure_headline(
            figure,
            "An assistant helps by the samples it brings; on equal samples it mends little but bad"
            " tuning",
            f"Perfect teacher of m, student of n = {STUDENT} features; the assistant between them"
            " has the best width. Gray: it saves nothing.",
        )
        source_line(
            figure,
            "First three: least squares throughout, exact for Gaussian features. Lower right:"
            " ridges of both tuned, deterministic equivalent. At every point shown, a student that"
            " gets the assistant's samples from the teacher too is better still.\n"
            f"Eigenvalues $i^{{-{DECAY:g}}}$, target's power $i^{{-{TARGET_DECAY:g}}}$, i ≤"
            f" {MODES}, total 1. Rings: an assistant of k > n features stops helping at"
            " $k = n + (n_A - n_S)/2$, for any spectrum and target.",
        )
        save_figure(figure, out, NAME, {"part": names, **columns}, provenance(headline))
    return headline


def direct_risk(m: int, n_S: float) -> float:
    """Risk of the least-squares student of a perfect teacher of m features."""
    return float(least_squares_pair(SPECTRUM, [m], STUDENT, inf, n_S, 0.0).student_risk[0])


def assisted_risk(m: int, n_A: float, n_S: float) -> tuple[FloatArray, FloatArray]:
    """Widths k of assistants of a perfect teacher of m, and risks of their students.

    What the teacher does not know is out of play: the assistant is a teacher of a target that
    has m features, and the rest is lost as it is.
    """
    known = Spectrum(SPECTRUM.eigenvalues[:m], SPECTRUM.coefficients[:m])
    k = np.arange(1, int(min(m, n_A - 2)) + 1)
    risk = least_squares_pair(known, k, STUDENT, n_A, n_S, 0.0).student_risk
    return k.astype(np.float64), risk + SPECTRUM.tail(m)


def saved_map(ratio: int) -> FloatArray:
    """Share of the student's risk that the best assistant of ratio x n_S samples saves."""
    saved = [
        [1 - float(np.min(assisted_risk(int(m), ratio * n_S, n_S)[1])) / direct_risk(int(m), n_S)
         for n_S in STUDENT_SAMPLES]
        for m in TEACHERS
    ]  # fmt: skip
    # Rounding of an assistant that is a copy is no saving.
    return np.where(np.abs(saved) < 1e-12, 0.0, saved)


def case_line(n_A: int) -> Series:
    """Risk along the assistant's width, with the width from which it does not help."""
    k, risk = assisted_risk(MODES, n_A, CASE_SAMPLES)
    label = f"$n_A$ = {n_A}"
    ring = STUDENT + (n_A - CASE_SAMPLES) / 2
    shown = ring <= k[-1]
    marks = np.array([[ring, direct_risk(MODES, CASE_SAMPLES)]]) if shown else np.empty((0, 2))
    return Series(label, k, risk, marks=marks)


def tuned_table() -> FloatArray:
    """For each n_S: direct risk, risk behind an assistant as wide as its teacher, all samples.

    Ridges of student and assistant are the best ones. The third student has 2 n_S samples of
    the teacher's labels and no assistant.
    """
    rows, start = [], np.array([-3.0, -3.0])
    for n_S in TUNED_SAMPLES:
        direct, ridge = tuned_direct(n_S)
        together, start = tuned_assisted(n_S, np.array([start[0], ridge]))
        rows.append((direct, together, tuned_direct(2 * n_S)[0]))
    return np.array(rows)


def tuned_direct(n_S: float) -> tuple[float, float]:
    """Least risk over the student's ridge, and its decade."""
    best = minimize_scalar(
        lambda x: chain(SPECTRUM, [Stage(MODES, inf), Stage(STUDENT, n_S, 10**x)]).risk[-1],
        bounds=RIDGES, method="bounded",
    )  # fmt: skip
    return float(best.fun), float(best.x)


def tuned_assisted(n_S: float, start: FloatArray) -> tuple[float, FloatArray]:
    """Least risk over both ridges behind an assistant of all features and n_S samples."""

    def risk(x: FloatArray) -> float:
        assistant, student = Stage(MODES, n_S, 10 ** x[0]), Stage(STUDENT, n_S, 10 ** x[1])
        return chain(SPECTRUM, [Stage(MODES, inf), assistant, student]).risk[-1]

    # From a well regularized assistant, with a student that regularizes and with one that need not.
    starts = [start, np.array([start[0], RIDGES[0] + 1])]
    found = [
        minimize(risk, x, method="Nelder-Mead", bounds=[RIDGES] * 2, options={"xatol": 1e-3})
        for x in starts
    ]
    best = min(found, key=lambda one: float(one.fun))
    return float(best.fun), np.asarray(best.x)


def found(saved: dict[int, FloatArray], tuned: FloatArray) -> dict[str, float]:
    """What assistants save at most, where they save nothing, and what all samples would save."""
    headline: dict[str, float] = {}
    for r, values in saved.items():
        headline[f"most saved, n_A = {r} n_S"] = float(values.max())
        headline[f"share of the map where an assistant helps, n_A = {r} n_S"] = float(
            np.mean(values > 0)
        )
    helped = STUDENT_SAMPLES[np.any(saved[1] > 0, axis=0)]
    headline["last n_S at which one on equal samples helps"] = float(helped[-1])
    scan = best_assistant(SPECTRUM, Stage(MODES, inf), Stage(STUDENT, CASE_SAMPLES), CASE_SAMPLES)
    headline[f"best k on equal samples, n_S = {CASE_SAMPLES}"] = scan.width
    headline[f"saved by it, n_S = {CASE_SAMPLES}"] = scan.gain / scan.direct_risk
    gains = 1 - tuned[:, 1] / tuned[:, 0]
    headline["most saved on equal samples, ridges tuned"] = float(gains.max())
    headline["its n_S, ridges tuned"] = float(TUNED_SAMPLES[int(np.argmax(gains))])
    headline["most lost on equal samples, ridges tuned"] = float(-gains.min())
    headline["best chain against all samples from the teacher, map"] = worst_rival(saved)
    headline["best chain against all samples from the teacher, ridges tuned"] = float(
        np.max(1 - tuned[:, 1] / tuned[:, 2])
    )
    return headline


def worst_rival(saved: dict[int, FloatArray]) -> float:
    """Most that a chain saves against a student of n_A + n_S of the teacher's samples; < 0."""
    most = -inf
    for r, values in saved.items():
        for i, m in enumerate(TEACHERS):
            for j, n_S in enumerate(STUDENT_SAMPLES):
                chained = (1 - values[i, j]) * direct_risk(int(m), n_S)
                most = max(most, 1 - chained / direct_risk(int(m), (1 + r) * n_S))
    return float(most)


def draw_maps(panels: "list[Axes]", saved: dict[int, FloatArray]) -> None:
    """What the best assistant saves over the student's samples and the teacher's width."""
    for axes, (r, values) in zip(panels, saved.items(), strict=True):
        drawn = draw_saved_map(axes, STUDENT_SAMPLES, TEACHERS / STUDENT, values, LEVELS)
        axes.set_xlabel("student samples $n_S$")
        axes.set_ylabel("teacher's width / student's, m/n")
        plain_numbers(axes.xaxis)
        plain_numbers(axes.yaxis)
        more = "as many samples as the student" if r == 1 else f"{r} x the student's samples"
        panel_title(axes, f"the assistant has {more}")
    write_on(panels[0], 150, 3.0, "no assistant helps")
    color_bar(
        panels[1], drawn, "share of the student's risk that the best assistant saves",
        (0.915, 0.56, 0.014, 0.34),
    )  # fmt: skip


def draw_case(axes: "Axes", case: list[Series], direct: float) -> None:
    """Risk along the assistant's width, against no assistant."""
    draw_series(axes, case)
    axes.axhline(direct, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        "no assistant", (1, direct), xycoords=("axes fraction", "data"), xytext=(-4, 4),
        textcoords="offset points", ha="right", fontsize=8,
    )  # fmt: skip
    axes.set(xscale="log", xlim=(3, MODES), ylim=(0.08, 2.2 * direct))
    plain_numbers(axes.xaxis)
    note_vertical(axes, STUDENT, "k = n")
    axes.set_xlabel("assistant's width k")
    axes.set_ylabel("student's risk $E_S$")
    axes.legend(loc="upper left", fontsize=8)
    panel_title(axes, f"teacher of m = {MODES}, $n_S$ = {CASE_SAMPLES}: what width?")


def draw_tuned(axes: "Axes", untuned: FloatArray, tuned: FloatArray) -> None:
    """What an assistant on equal samples saves, by how well student and assistant are tuned."""
    x = np.array(TUNED_SAMPLES, dtype=np.float64)
    chained, all_samples = (100 * (1 - tuned[:, i] / tuned[:, 0]) for i in (1, 2))
    draw_series(
        axes,
        [
            Series("best assistant, least squares", STUDENT_SAMPLES, 100 * untuned),
            Series("assistant of all features, ridges tuned", x, chained),
            Series("no assistant, the student has its samples, tuned", x, all_samples),
        ],
        dashes=["-", "-", "--"],
    )  # fmt: skip
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set(xscale="log", xlim=(22, TUNED_SAMPLES[-1]), ylim=(-12, 50))
    plain_numbers(axes.xaxis)
    axes.set_xlabel("student samples $n_S$ = assistant's samples $n_A$")
    axes.set_ylabel("saved (% of the risk without assistant)")
    axes.legend(loc="upper right", fontsize=8)
    panel_title(axes, f"equal samples, teacher of m = {MODES}: how well is the student tuned?")


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "exact means of three least-squares fits and the deterministic equivalent of"
        " three ridge fits, Gaussian features, derived here",
        "spectrum": {
            "modes": MODES, "eigenvalues": f"i^-{DECAY:g}",
            "power": f"i^-{TARGET_DECAY:g}, total 1",
        },
        "student": STUDENT,
        "tuned_assistant": f"of all {MODES} features; ridges in decades {list(RIDGES)}",
        "units": "excess risks, squared, in the unit of the target's power",
        "seed": None,
        "headline": headline,
    }  # fmt: skip


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
