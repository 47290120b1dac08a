"""Pictures of the audit: which B' meets the figures, and what rules of thumb cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.style import INK, MUTED, FloatArray, count_axis, ordered_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import ContourSet

__all__ = [
    "ModelProfile",
    "StudentPoints",
    "draw_checks",
    "draw_factor_profile",
    "draw_regret",
    "draw_repairs",
    "draw_residuals",
    "draw_student_points",
]

SMALLEST = 1e-4  # nats: lower end of the regret scale
BANDS = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)
LEVELS = (0.01, 0.1)


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """Misfit against the factor on B' under one error model, with the 90% interval."""

    label: str
    factor: FloatArray
    misfit: FloatArray
    best: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class StudentPoints:
    """Points read off a figure for one student, and curves of two coefficient sets."""

    label: str
    budget: FloatArray
    loss: FloatArray
    curve_budget: FloatArray
    printed: FloatArray
    ours: FloatArray


def draw_factor_profile(
    axes: "Axes",
    models: Sequence[ModelProfile],
    noise: float,
    candidates: Mapping[str, float],
    zoom: tuple[float, float] = (74.0, 112.0),
) -> None:
    """Misfit against the factor, one line per error model; an inset shows the 90% intervals."""
    dashes = ["solid", (0, (4, 2)), (0, (1, 1.5))]
    inset = axes.inset_axes((0.13, 0.09, 0.4, 0.34))
    axes.plot([150, 1100], [noise] * 2, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate(
        "scatter of the\nsupervised points", (1000, noise), (0, -4), va="top", ha="right",
        textcoords="offset points", fontsize=7, color=MUTED,
    )  # fmt: skip
    colors = ordered_colors(len(models) + 1)
    for k, (model, dash, color) in enumerate(zip(models, dashes, colors, strict=False)):
        axes.plot(model.factor, model.misfit, color=color, linestyle=dash, label=model.label)
        near = (model.factor >= zoom[0]) & (model.factor <= zoom[1])
        inset.plot(model.factor[near], model.misfit[near], color=color, linestyle=dash)
        height = -0.0013 - 0.0024 * k
        inset.plot(model.interval, [height] * 2, color=color, linewidth=2.6, solid_capstyle="butt")
        inset.plot(model.best, height, "o", color=color, markersize=4, markeredgecolor="white")
    for label, value in candidates.items():
        axes.axvline(value, color=INK, linewidth=0.8, zorder=0.5)
        after = value > 90 or value < 2
        axes.annotate(
            label, (value, 1), (3 if after else -3, -2), fontsize=7.5, va="top",
            xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="left" if after else "right",
        )  # fmt: skip
        if zoom[0] < value < zoom[1]:
            inset.axvline(value, color=INK, linewidth=0.8, zorder=0.5)
    axes.set(xscale="log", yscale="log", xlim=(0.9, 1100), ylim=(0.00095, 0.14))
    axes.set_xlabel("factor on the printed B′")
    axes.set_ylabel("misfit (nats per token, root mean square)")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=7.5, loc="lower left", bbox_to_anchor=(0.0, 0.52), handlelength=2.6)
    inset.set(xlim=zoom, ylim=(-0.0058, 0.0195), xticks=[80, 90, 100, 110])
    inset.set_yticks([0, 0.01], ["0", "0.01"])
    inset.tick_params(labelsize=6.5, length=2, pad=1.5)
    inset.annotate("bars: 90% intervals", (0.5, 1.03), xycoords="axes fraction", fontsize=6.5,
                   color=MUTED, ha="center", va="bottom")  # fmt: skip


def draw_student_points(axes: "Axes", students: Sequence[StudentPoints]) -> None:
    """Loss against budget: points of the figure, printed curves dashed, ours solid."""
    for color, student in zip(ordered_colors(len(students)), students, strict=True):
        axes.plot(student.curve_budget, student.printed, color=color, linewidth=1.1,
                  linestyle=(0, (4, 2)))  # fmt: skip
        axes.plot(student.curve_budget, student.ours, color=color, linewidth=1.6)
        axes.plot(student.budget, student.loss, "o", color="white", markeredgecolor=color,
                  markersize=4.6, markeredgewidth=1.2)  # fmt: skip
        axes.annotate(student.label, (student.curve_budget[-1], student.ours[-1]), (4, 0),
                      textcoords="offset points", color=color, fontsize=8, va="center")  # fmt: skip
    axes.plot([], [], "o", color="white", markeredgecolor=INK, markersize=4.6, label="Fig. 8")
    axes.plot([], [], color=INK, linewidth=1.6, label="B′ × 100")
    axes.plot([], [], color=INK, linewidth=1.1, linestyle=(0, (4, 2)), label="as printed")
    axes.legend(fontsize=7.5, loc="upper right", handlelength=2.2)
    axes.set(xscale="log")
    axes.set_xlabel("student's budget (FLOPs)")
    axes.set_ylabel("student loss (nats per token)")


def draw_checks(
    axes: "Axes", names: Sequence[str], series: Mapping[str, FloatArray], linear: float = 1.0
) -> None:
    """Distance of the law from the paper's numbers, one row each, in units of their error."""
    markers = ["X", "^", "o"]
    rows = np.arange(len(names))[::-1]
    axes.axvspan(-1, 1, color=MUTED, alpha=0.18, linewidth=0)
    colors = ordered_colors(len(series) + 1)
    for color, marker, (label, values) in zip(colors, markers, series.items(), strict=False):
        axes.plot(values, rows, marker, color=color, markersize=5.5, markeredgecolor="white",
                  markeredgewidth=0.6, label=label)  # fmt: skip
    axes.set_xscale("symlog", linthresh=linear, linscale=0.8)
    axes.set_xticks([-30, -10, -3, -1, 0, 1, 3])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    axes.set_yticks(rows, names, fontsize=7)
    axes.set(xlim=(-45, 4), ylim=(-0.7, len(names) + 1.2))
    axes.set_xlabel("law minus paper, in units of the paper's error")
    axes.legend(fontsize=7.5, loc="upper left", ncols=3, handletextpad=0.1, columnspacing=0.9)


def draw_residuals(
    axes: "Axes", students: Sequence[str], series: Mapping[str, Sequence[FloatArray]]
) -> None:
    """Predicted minus read by student: every point, and means as bars, one column per series."""
    axes.axhline(0, color=INK, linewidth=0.8)
    colors = ordered_colors(len(series) + 1)
    width = 0.8 / len(series)
    for k, (color, (label, groups)) in enumerate(zip(colors, series.items(), strict=False)):
        for i, values in enumerate(groups):
            center = i + (k - (len(series) - 1) / 2) * width
            x = center + width * 0.5 * (np.linspace(0, 1, len(values)) - 0.5)
            axes.plot(x, values, ".", color=color, markersize=3.5, alpha=0.75)
            axes.plot([center - 0.38 * width, center + 0.38 * width], [values.mean()] * 2,
                      color=color, linewidth=2.6, label=label if i == 0 else None,
                      solid_capstyle="butt")  # fmt: skip
    axes.set_xticks(range(len(students)), students)
    axes.grid(False, axis="x")
    axes.set_xlabel("student")
    axes.set_ylabel("law minus Fig. 8 (nats per token)")
    axes.legend(fontsize=7.5, loc="lower left", handlelength=1.2)


def draw_repairs(
    axes: "Axes", names: Sequence[str], misfit: FloatArray, values: Sequence[str], noise: float
) -> None:
    """Least misfit with one coefficient changed, one row each, the changed value beside it."""
    rows = np.arange(len(names))[::-1]
    color = ordered_colors(3)[0]
    axes.axvline(noise, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate("scatter of the\nsupervised points", (noise, 0), (3, 3), fontsize=7, color=MUTED,
                  xycoords=("data", "axes fraction"), textcoords="offset points")  # fmt: skip
    axes.hlines(rows, noise, misfit, color=color, linewidth=1.2)
    axes.plot(misfit, rows, "o", color=color, markersize=6, markeredgecolor="white")
    for row, x, text in zip(rows, misfit, values, strict=True):
        axes.annotate(text, (x, row), (6, 0), textcoords="offset points", fontsize=7, va="center")
    axes.set_yticks(rows, names)
    axes.set(xscale="log", xlim=(0.002, 0.4), ylim=(-1.6, len(names) - 0.4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("least misfit (nats per token, shifts taken out)")


def draw_regret(
    axes: "Axes", N_S: FloatArray, budget: FloatArray, nats: FloatArray, title: str, note: str
) -> "ContourSet":
    """Regret over student size and budget, in bands of half a decade, dark = large.

    `nats` has shape (sizes, budgets). Lines at 0.01 and 0.1 nat carry their value.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.patheffects import withStroke

    shown = np.maximum(nats, SMALLEST / 10).T
    bands = axes.contourf(
        N_S, budget, shown, BANDS, norm=LogNorm(BANDS[0], BANDS[-1]), cmap="YlGnBu", extend="both"
    )
    count_axis(axes.xaxis, "student size $N_S$ (parameters)")
    axes.set(yscale="log", xlim=(N_S[0], N_S[-1]), ylim=(budget[0], budget[-1]))
    axes.set_ylabel("budget $C$ (FLOPs)")
    axes.grid(False)
    for level, width in zip(LEVELS, (1.3, 2.0), strict=True):
        if np.any(shown > level) and np.any(shown < level):
            lines = axes.contour(N_S, budget, shown, [level], colors=[INK], linewidths=width)
            for text in axes.clabel(lines, fmt=f"{level:g}", fontsize=7):
                text.set_path_effects([withStroke(linewidth=2.2, foreground="white")])
    axes.set_title(title, fontsize=9, pad=26)
    axes.annotate(note, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
                  fontsize=7.2, color=MUTED, va="bottom", linespacing=1.25)  # fmt: skip
    return bands
