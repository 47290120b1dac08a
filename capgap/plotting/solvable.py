"""Picture of the laws on solvable models: curves, the slope theta, held-out errors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.solvable.evidence import Curve, StrongSlopes
from capgap.comparison.solvable.scores import Score
from capgap.plotting.style import (
    FAINT,
    INK,
    MUTED,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
    save_figure,
    source_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_solvable", "save_solvable"]

_LINES = {
    "Eq. 8 reduced": ("#c2410c", "--", 1.6),
    "spectral": ("#5eb5a6", "-", 4.0),
    "additive pq, own corner": ("#1d4ed8", "-.", 1.3),
}
_HARD = 0.02  # log error of the best law; there is nothing between 0.3% and 4%
_LEAST = 1e-6  # log error; what is drawn at the edge is smaller


def draw_solvable(
    curves: Sequence[Curve], slopes: Sequence[StrongSlopes], scores: Sequence[Score],
    perfect: Sequence[str],
) -> "Figure":  # fmt: skip
    """Two students' curves with laws; theta against N_S/D_S; errors on held-out students.

    `perfect` names the settings whose teachers are perfect.
    """
    figure, panels = new_panels(len(curves) + 2, width=10.6, height=8.6, rows=2, headroom=0.95)
    figure.subplots_adjust(left=0.08, hspace=0.34, wspace=0.42)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
    _draw_slopes(panels[-2], slopes)
    _draw_errors(panels[-1], scores, perfect)
    figure_headline(figure, *_words(scores, perfect))
    return figure


def _draw_curve(axes: "Axes", curve: Curve) -> None:
    order = np.argsort(curve.L_T)
    x = curve.L_T[order]
    for name, y in curve.fitted.items():
        color, dashes, width = _LINES[name]
        axes.plot(x, y[order], dashes, color=color, linewidth=width, label=name)
    axes.plot(x, curve.exact[order], "o", color=INK, markersize=3, label="exact", zorder=2.5)
    # Around the corner: half of what a teacher saves a student trained on data.
    low = float(curve.exact.min())
    span = 0.5 * (curve.own - low)
    shown = x[curve.exact[order] <= low + span]
    axes.set_ylim(low - 0.12 * span, low + 1.05 * span)
    axes.set_xlim(float(x[0]) - 0.04 * span, float(shown[-1]) + 0.04 * span)
    axes.set_xlabel("teacher's loss $L_T$")
    axes.set_ylabel("student's loss $L_S$")
    axes.legend(fontsize=7.5, loc="upper left")
    panel_title(
        axes,
        f"{curve.setting.name}: {curve.N} modes, {curve.D} samples"
        f" (trained on data: {curve.own:.2f})",
    )


def _draw_slopes(axes: "Axes", slopes: Sequence[StrongSlopes]) -> None:
    for color, one, marker in zip(
        ordered_colors(len(slopes)), slopes, "osD^vP*"[: len(slopes)], strict=True
    ):
        axes.loglog(
            one.N / one.D, one.measured, marker, color=color, markersize=4.5, alpha=0.9,
            label=one.setting.name,
        )  # fmt: skip
        axes.loglog(one.N / one.D, one.derived, "_", color=INK, markersize=8, markeredgewidth=0.8)
    ratio = np.geomspace(1e-3, 0.93, 200)
    axes.loglog(ratio, ratio / (1 - ratio), "-", color=MUTED, linewidth=1.0, zorder=0)
    axes.annotate(
        r"$\frac{N/D}{1 - N/D}$", (0.02, 0.02), xytext=(-34, 10), textcoords="offset points",
        fontsize=9, color=MUTED,
    )  # fmt: skip
    wide = max(slopes, key=lambda one: float(np.max(one.N / one.D)))
    limit = wide.setting.a - 1
    axes.loglog([3, 200], [limit, limit], ":", color=MUTED, linewidth=1.2)
    axes.annotate(
        "$a - 1$", (200, limit), xytext=(0, -11), textcoords="offset points", fontsize=8.5,
        color=MUTED, ha="right",
    )  # fmt: skip
    axes.set_xlabel("$N_S/D_S$ (modes per sample)")
    axes.set_ylabel(r"slope $\theta$ under strong teachers")
    axes.legend(fontsize=7, loc="lower right")
    panel_title(axes, r"What $\theta$ depends on: measured (symbols), derived (dashes)")


def _draw_errors(axes: "Axes", scores: Sequence[Score], perfect: Sequence[str]) -> None:
    laws = list(dict.fromkeys(one.law for one in scores))
    for k, law in enumerate(laws):
        mine = [one for one in scores if one.law == law and not one.excess]
        for one in mine:
            good = one.setting in perfect
            axes.plot(
                max(one.cell, _LEAST), k + (0.14 if good else -0.14), "o" if good else "x",
                color="#0f766e" if good else "#c2410c", markersize=4, alpha=0.8,
            )  # fmt: skip
        middle = float(np.median([one.cell for one in mine if one.setting in perfect]))
        axes.plot([middle, middle], [k - 0.05, k + 0.38], "-", color=INK, linewidth=2)
    axes.set_xscale("log")
    labels = [law.replace(", ", ",\n") for law in laws]
    axes.set_yticks(range(len(laws)), labels, fontsize=7.5)
    axes.set_ylim(len(laws) - 0.4, -0.6)
    axes.grid(axis="y", color=FAINT)
    axes.set_xlabel("log error on students left out (root mean square)")
    axes.plot([], [], "o", color="#0f766e", markersize=4, label="perfect teachers; bar: median")
    axes.plot([], [], "x", color="#c2410c", markersize=4, label="teachers trained on data")
    axes.legend(fontsize=7, loc="upper left")
    panel_title(axes, "Held-out errors, one symbol per setting")


def _words(scores: Sequence[Score], perfect: Sequence[str]) -> tuple[str, str]:
    def middle(law: str) -> float:
        kept = [s.cell for s in scores if s.law == law and s.setting in perfect and not s.excess]
        return 100 * float(np.median(kept))

    title = (
        f"Perfect teachers: Eq. 8 foretells students to {middle('Eq. 8 reduced'):.2g}%, a law"
        f" derived from a spectrum to {middle('spectral'):.2g}%"
    )
    best: dict[str, float] = {}
    for one in scores:
        if one.setting not in perfect and not one.excess:
            best[one.setting] = min(one.cell, best.get(one.setting, one.cell))
    hard = [value for value in best.values() if value > _HARD]
    note = "Exact least squares, ridge, SGD and random features; medians over settings."
    if hard:
        note += (
            f" With teachers that overfit, or differ in samples alone ({len(hard)} settings), no"
            f" law comes below {100 * min(hard):.1f}%"
        )
    return title, note


def save_solvable(
    curves: Sequence[Curve],
    slopes: Sequence[StrongSlopes],
    scores: Sequence[Score],
    perfect: Sequence[str],
    record: Mapping[str, object],
    out: Path,
    name: str,
) -> None:
    """Write the picture, the table of scores and what was measured against what was derived."""
    columns: dict[str, list[str]] = {
        "setting": [one.setting for one in scores],
        "law": [one.law for one in scores],
        "losses": ["excess" if one.excess else "with floor" for one in scores],
        "coefficients": [str(one.coefficients) for one in scores],
        "status": [one.status for one in scores],
    }
    for key in ("in_sample", "cell", "teacher", "samples"):
        columns[key] = [f"{getattr(one, key):.3e}" for one in scores]
    for key in ("rho", "s", "c", "p", "q", "nu", "a"):
        columns[key] = [f"{one.values[key]:.4g}" if key in one.values else "" for one in scores]
        columns[f"{key}_se"] = [
            f"{one.errors[key]:.2g}" if key in one.errors else "" for one in scores
        ]
    with style():
        figure = draw_solvable(curves, slopes, scores, perfect)
        source_line(
            figure,
            "Theory: deterministic equivalents of ridge and random-feature regression, exact least"
            " squares; losses = noise + excess risk. Errors: log predicted - log exact, eight folds"
            " of student cells.",
        )
        save_figure(figure, out, name, columns, record)
