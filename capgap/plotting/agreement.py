"""Picture of theory against simulation: numbers, z-scores, and how finite-size errors shrink."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.agreement import Agreement, Row
from capgap.comparison.agreement.finite_size import Order
from capgap.comparison.agreement.summary import LIMIT
from capgap.plotting.style import (
    FAINT,
    INK,
    MUTED,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
    source_line,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_agreement"]

_EDGE = 9.0  # of the z-axis; larger ones stand at its edge
_WORDS = {
    "C.1": "C.1 bounded norms",
    "2a": "2a least squares",
    "2b": "2b ridge chains",
    "2c": "2c perfect teacher",
    "2d": "2d random features",
    "2e": "2e self-distillation",
    "2f": "2f one-pass SGD",
}
Color = tuple[float, float, float, float]


def draw_agreement(rows: Sequence[Row], verdict: Agreement, order: Order) -> "Figure":
    """Draw simulated against theoretical risks, the z-scores, and errors of single sizes.

    Parameters
    ----------
    rows : sequence of Row
        The table.
    verdict : Agreement
        Of these rows.
    order : Order
        Of their finite-size errors.
    """
    models = list(dict.fromkeys(row.model for row in rows))
    colors = dict(zip(models, ordered_colors(len(models)), strict=True))
    figure, panels = new_panels(3, width=13.4, height=5.2, ratios=[1.0, 1.5, 1.0], headroom=0.95)
    _draw_scatter(panels[0], rows, colors)
    _draw_scores(panels[1], rows, colors)
    _draw_sizes(panels[2], rows, colors)
    panel_title(panels[0], "excess risk of every stage")
    panel_title(
        panels[1], f"z-scores; crosses: theories with a mistake; beyond ±{_EDGE:g}: at the edge"
    )
    panel_title(panels[2], "asymptotic formulas: their error at one size")
    title = (
        "Closed forms and simulations agree"
        if verdict.agrees
        else "Closed forms and simulations do not all agree"
    )
    figure_headline(
        figure,
        title,
        f"{verdict.configurations} configurations, largest |z| {verdict.worst_z:.2f}; mean z² of"
        f" students {verdict.mean_square:.2f} (99% within {verdict.low:.2f}–{verdict.high:.2f});"
        f" {verdict.caught} of {verdict.controls} wrong theories rejected.",
    )
    source_line(
        figure,
        "z: (mean of independent simulations − theory) / standard error. Asymptotic formulas"
        " (2b, 2c, 2d, drawn inputs of 2e): simulated at sizes ×2, ×4, ×8 and extrapolated in"
        " 1/size;\nover all of them errors shrink as size to the power"
        f" −{order.p:.2f} (95%: {order.low:.2f}–{order.high:.2f}). Diamonds: kernels on"
        " handwritten digits, whose features are not independent; they are not judged.",
    )
    return figure


def _draw_scatter(axes: "Axes", rows: Sequence[Row], colors: dict[str, Color]) -> None:
    shown = [row for row in rows if row.kind in ("exact", "asymptotic", "real data")]
    shown = [row for row in shown if row.theory > 0]
    ends = [min(row.theory for row in shown) / 1.3, max(row.theory for row in shown) * 1.3]
    axes.plot(ends, ends, color=MUTED, linewidth=0.9, zorder=1)
    for model, color in colors.items():
        mine = [row for row in shown if row.model == model and row.kind != "real data"]
        axes.errorbar(
            [row.theory for row in mine], [row.mean for row in mine],
            yerr=[row.standard_error for row in mine], fmt="o", color=color, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.6, elinewidth=0.9, zorder=3,
        )  # fmt: skip
        axes.plot([], [], "o", color=color, markersize=5.5, label=_WORDS.get(model, model))
    real = [row for row in shown if row.kind == "real data"]
    if real:
        axes.plot(
            [row.theory for row in real], [row.mean for row in real], "D", color="white",
            markeredgecolor=INK, markersize=5, zorder=2, label="kernels on digits",
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_xlabel("theory")
    axes.set_ylabel("simulation")
    axes.legend(loc="upper left", fontsize=7.5, handlelength=1.0)


def _draw_scores(axes: "Axes", rows: Sequence[Row], colors: dict[str, Color]) -> None:
    names = list(dict.fromkeys(row.configuration for row in rows if row.kind != "real data"))
    place = {name: k for k, name in enumerate(names)}
    axes.axhspan(-LIMIT, LIMIT, color=FAINT, zorder=0, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    for row in rows:
        if row.kind not in ("exact", "asymptotic", "control") or row.z == 0:
            continue
        wrong = row.kind == "control"
        axes.plot(
            place[row.configuration], float(np.clip(row.z, -_EDGE, _EDGE)),
            "x" if wrong else "o" if row.last else ".",
            color=INK if wrong else colors[row.model], markersize=6 if row.last else 5,
            markeredgecolor=INK if wrong else "white" if row.last else colors[row.model],
            markeredgewidth=1.4 if wrong else 0.6, zorder=3,
        )  # fmt: skip
    firsts: dict[str, list[int]] = {}
    for row in rows:
        if row.configuration in place:
            firsts.setdefault(row.model, []).append(place[row.configuration])
    centers = [float(np.mean([min(k), max(k)])) for k in firsts.values()]
    for k in firsts.values():
        axes.axvline(min(k) - 0.5, color="white", linewidth=1.5, zorder=1)
    axes.set_xticks(centers, list(firsts))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set(xlim=(-0.8, len(names) - 0.2), ylim=(-_EDGE - 0.7, _EDGE + 0.7))
    axes.set_yticks([-8, -4, -2, 0, 2, 4, 8])
    axes.set_xlabel("configurations, by model (large dots: students)")
    axes.set_ylabel("z")


def _draw_sizes(axes: "Axes", rows: Sequence[Row], colors: dict[str, Color]) -> None:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "one size" and row.last:
            groups.setdefault(row.configuration, []).append(row)
    ends = np.array([0.0, max(1 / row.scale for group in groups.values() for row in group)])
    # Points of one size stand side by side, in the order of the table.
    aside = np.linspace(-0.02, 0.02, len(groups)) * ends[1] * 2
    for shift, group in zip(aside, groups.values(), strict=True):
        x = np.array([1 / row.scale for row in group])
        y = np.array([100 * (row.mean / row.theory - 1) for row in group])
        error = np.array([100 * row.standard_error / row.theory for row in group])
        slope = float(np.sum(x * y / error**2) / np.sum(x**2 / error**2))
        signs = group[0].features == "rademacher"
        color = colors[group[0].model]
        axes.plot(
            ends, slope * ends, color=color, linewidth=1.0, linestyle=(0, (3, 2)) if signs else "-"
        )
        axes.errorbar(
            x + shift, y, yerr=error, fmt="o", color="white" if signs else color, ecolor=color,
            markeredgecolor=color, markersize=4, elinewidth=0.9,
        )  # fmt: skip
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.plot([], [], "o-", color=INK, markersize=4, linewidth=1.0, label="Gaussian features")
    axes.plot(
        [], [], marker="o", color=INK, markerfacecolor="white", linestyle=(0, (3, 2)),
        markersize=4, linewidth=1.0, label="random signs",
    )  # fmt: skip
    axes.legend(loc="upper left", fontsize=7.5, handlelength=2.0)
    scales = sorted({int(row.scale) for group in groups.values() for row in group})
    axes.set_xticks([0, *(1 / s for s in scales)], ["∞", *(f"×{s}" for s in scales)])
    axes.set_xlim(0, float(ends[1]) * 1.1)
    axes.set_xlabel("size (axis: 1/size; lines: c/size)")
    axes.set_ylabel("simulation / theory − 1 (%)")
