"""Pictures of who pays for the teacher: losses and gains against a budget, by scenario."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capgap.errors import InputError
from capgap.plotting.curves import BoolArray
from capgap.plotting.style import INK, MUTED, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "LOOKS",
    "Look",
    "Meeting",
    "budget_axis",
    "draw_gains",
    "draw_losses",
    "finish_gains",
    "hatch_budgets",
    "label_curves",
    "label_lines",
    "scenario_legend",
]

_LINEAR = 0.003  # nats per token; the axis of gains is linear up to about here, then logarithmic
_WIN = "#0b62a4"


@dataclass(frozen=True, slots=True)
class Look:
    """How a scenario is drawn; told apart by dashes and marker where color is not seen."""

    label: str
    word: str
    color: str
    dashes: Any
    marker: str
    width: float = 1.7


# Hues of the palette of Okabe and Ito, darkened for thin lines on white.
LOOKS: Mapping[str, Look] = {
    "supervised": Look("supervised", "supervised", INK, "solid", "s", 1.5),
    "best": Look("free teacher", "free", "#0b62a4", (0, (7, 1.4)), "o"),
    "inference": Look("inference paid", "inference", "#1b8a79", (0, (1.1, 1.1)), "^", 2.1),
    "pretraining": Look("pretraining paid", "pretraining", "#d1660a", (0, (5, 1.4, 1.1, 1.4)), "v"),
    "both": Look("both paid", "both", "#a8489b", (0, (2.6, 1.2)), "D"),
}


@dataclass(frozen=True, slots=True)
class Meeting:
    """Budget (FLOPs) and loss (nats per token) at which a scenario equals supervised training."""

    scenario: str
    budget: float
    loss: float


def draw_losses(
    axes: "Axes",
    budget: FloatArray,
    losses: Mapping[str, FloatArray],
    meetings: Sequence[Meeting] = (),
    points: Mapping[str, tuple[FloatArray, FloatArray]] | None = None,
) -> None:
    """Draw loss against FLOPs by scenario, rings where it equals supervised, points on top."""
    for name, values in _with_supervised("draw_losses", losses).items():
        look = LOOKS[name]
        axes.plot(
            budget, values, color=look.color, linestyle=look.dashes, linewidth=look.width,
            dash_capstyle="butt",
        )  # fmt: skip
    for name, (x, y) in (points or {}).items():
        axes.plot(
            x, y, LOOKS[name].marker, color=LOOKS[name].color, markerfacecolor="white",
            markeredgewidth=0.9, markersize=4.2, zorder=2.5,
        )  # fmt: skip
    for at in meetings:
        _ring(axes, at.budget, at.loss, LOOKS[at.scenario].color)


def draw_gains(
    axes: "Axes",
    budget: FloatArray,
    losses: Mapping[str, FloatArray],
    meetings: Sequence[Meeting] = (),
) -> None:
    """Draw loss minus supervised loss against FLOPs, rings at zero; see `finish_gains`."""
    axes.set_yscale("asinh", linear_width=_LINEAR)
    axes.axhline(0.0, color=INK, linewidth=LOOKS["supervised"].width)
    for name, values in _with_supervised("draw_gains", losses).items():
        look = LOOKS[name]
        if name != "supervised":
            axes.plot(
                budget, values - losses["supervised"], color=look.color, linestyle=look.dashes,
                linewidth=look.width, dash_capstyle="butt",
            )  # fmt: skip
    for at in meetings:
        _ring(axes, at.budget, 0.0, LOOKS[at.scenario].color)


def finish_gains(panels: Sequence["Axes"], differences: Sequence[FloatArray]) -> None:
    """Give panels of gains one range and few ticks, and shade where a teacher is worth it."""
    least = 1.5 * min(-_LINEAR, *(float(d.min()) for d in differences))
    most = 1.5 * max(_LINEAR, *(float(d.max()) for d in differences))
    ticks = [sign * 10.0**k for k in (-2, -1, 0, 1) for sign in (-1, 1)]
    for axes in panels:
        axes.set_ylim(least, most)
        axes.axhspan(least, 0.0, color=_WIN, alpha=0.07, linewidth=0)
        axes.set_yticks([0.0, *(v for v in ticks if least <= v <= most)])
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:+g}".replace("-", "−") if v else "0")
        axes.yaxis.set_minor_locator(_no_ticks())


def label_curves(axes: "Axes", x: FloatArray, curves: Mapping[str, FloatArray]) -> None:
    """Write each scenario's label on its curve; the axes' limits and scales must be set."""
    named = [
        (LOOKS[name].word, LOOKS[name].color, np.column_stack([x, values]))
        for name, values in curves.items()
    ]
    label_lines(axes, named)


def label_lines(axes: "Axes", lines: Sequence[tuple[str, Any, FloatArray]]) -> None:
    """Write labels on lines (label, color, points), where other lines and labels are far away.

    Points are in data coordinates, shape (points, 2), nearer to each other than a label is
    wide (some 60 points of type). The axes' limits and scales must be set.
    """
    point = axes.figure.dpi / 72
    box = axes.get_window_extent()
    drawn = [axes.transData.transform(points) for _, _, points in lines]
    placed: list[tuple[FloatArray, FloatArray]] = []
    for i, (label, color, _) in enumerate(lines):
        mine = drawn[i]
        half = point * np.array([2.4 * len(label) + 3, 6.5])
        inside = np.minimum(mine - (box.x0, box.y0), (box.x1, box.y1) - mine)
        room = np.min(inside / half - 1.0, axis=1)
        for other in (*drawn[:i], *drawn[i + 1 :]):
            gaps = np.abs(mine[:, None] - other[None]) / half
            room = np.minimum(room, gaps.max(axis=2).min(axis=1) - 1.0)
        for center, size in placed:
            gaps = np.abs(mine - center) / (half + size)
            room = np.minimum(room, 3.0 * (gaps.max(axis=1) - 1.0))
        center = mine[int(np.argmax(room))]
        placed.append((center, half))
        x, y = axes.transData.inverted().transform(center)
        axes.annotate(
            label, (float(x), float(y)), ha="center", va="center", fontsize=8, color=color,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9},
        )  # fmt: skip


def hatch_budgets(axes: "Axes", x: FloatArray, inside: BoolArray) -> None:
    """Hatch the stretches of a logarithmic x axis where the law is extrapolated."""
    edges = np.concatenate([x[:1], np.sqrt(x[1:] * x[:-1]), x[-1:]])
    changes = np.flatnonzero(np.diff(inside.astype(int))) + 1
    for first, last in zip([0, *changes], [*changes, len(x)], strict=True):
        if not inside[first]:
            axes.axvspan(
                edges[first], edges[last], facecolor="none", edgecolor="#dde0e5", hatch="////",
                linewidth=0, zorder=0.2,
            )  # fmt: skip
    for change in changes:
        axes.axvline(edges[change], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))


def budget_axis(axes: "Axes", label: str | None = "budget (FLOPs)") -> None:
    """Make the x axis one of compute: logarithmic, a tick at every second power of ten."""
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=100.0, numticks=20))
    axes.xaxis.set_minor_locator(_no_ticks())
    if label:
        axes.set_xlabel(label)


def scenario_legend(figure: "Figure", names: Sequence[str], *, points: bool = False) -> None:
    """One line in the top right corner: how each scenario is drawn."""
    from matplotlib.lines import Line2D

    handles: list[Line2D] = [
        Line2D(
            [], [], color=LOOKS[n].color, linestyle=LOOKS[n].dashes, linewidth=LOOKS[n].width,
            marker=LOOKS[n].marker if points else "", markerfacecolor="white", markersize=4.2,
            markeredgewidth=0.9, label=LOOKS[n].label,
        )
        for n in names
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="upper right", ncols=len(names), fontsize=8.5, handlelength=3.4,
        bbox_to_anchor=(0.98, 1.0), columnspacing=1.6, handletextpad=0.6, borderaxespad=0.6,
    )  # fmt: skip


def _with_supervised(operation: str, losses: Mapping[str, FloatArray]) -> Mapping[str, FloatArray]:
    if "supervised" not in losses:
        raise InputError(f"{operation}: losses must hold 'supervised', to which all compare")
    return losses


def _ring(axes: "Axes", x: float, y: float, color: str) -> None:
    axes.plot(x, y, "o", color=color, markerfacecolor="none", markeredgewidth=1.6, markersize=8)


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()
