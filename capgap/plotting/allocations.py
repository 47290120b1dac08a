"""Pictures of optimal allocations: quantities of several students against a budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from capgap.errors import InputError
from capgap.plotting.curves import BoolArray
from capgap.plotting.laws import draw_split
from capgap.plotting.style import MUTED, FloatArray, ordered_colors, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "StudentLine",
    "draw_students",
    "label_ends",
    "name_row",
    "share_limits",
    "student_key",
]

_BAND = "band: all allocations within 0.001 nat of the best"


@dataclass(frozen=True, slots=True)
class StudentLine:
    """One student's optimal quantity against budget; `band` is (budgets, least, greatest)."""

    label: str
    y: FloatArray
    inside: BoolArray
    band: tuple[FloatArray, FloatArray, FloatArray] | None = None


def draw_students(axes: "Axes", budget: FloatArray, lines: Sequence[StudentLine]) -> None:
    """Draw one quantity of several students from dark to light, and the bands that are known.

    The y axis must have its scale; its limits are set.
    """
    if not lines:
        raise InputError("draw_students: 0 lines, must be at least 1")
    axes.set_ylim(*_limits(lines, logarithmic=axes.get_yscale() == "log"))
    for color, line in zip(ordered_colors(len(lines)), lines, strict=True):
        if line.band is not None:
            axes.fill_between(*line.band, color=color, alpha=0.25, linewidth=0)
        draw_split(axes, budget, line.y, line.inside, color)


def label_ends(axes: "Axes", x: float, lines: Sequence[StudentLine]) -> None:
    """Write the students' labels beside the right ends of their lines; limits must be set."""
    ends = [(x, float(line.y[-1])) for line in lines]
    heights = axes.transAxes.inverted().transform(axes.transData.transform(ends))[:, 1]
    gap = 11 / (72 * axes.get_window_extent().height / axes.figure.dpi)
    colors = ordered_colors(len(lines))
    places = spread(heights.tolist(), gap)
    for rank, i in enumerate(np.argsort(places)):
        places[i] = max(places[i], rank * gap)  # none beneath the panel
    for color, line, y in zip(colors, lines, places, strict=True):
        axes.annotate(
            line.label, (1.0, y), xycoords="axes fraction", xytext=(5, 0),
            textcoords="offset points", va="center", color=color, fontsize=8.5,
            annotation_clip=False,
        )  # fmt: skip


def name_row(axes: "Axes", text: str) -> None:
    """Write what a row of panels shows to the left of its first panel."""
    axes.annotate(
        text, (0, 0.5), xycoords="axes fraction", xytext=(-46, 0), textcoords="offset points",
        rotation=90, ha="center", va="center", fontsize=9.5, fontweight="bold",
    )  # fmt: skip


def share_limits(panels: Sequence["Axes"], limits: tuple[float, float] | None = None) -> None:
    """Give panels one y range: the given one, or the least that holds them all."""
    if limits is None:
        bottoms, tops = zip(*(axes.get_ylim() for axes in panels), strict=True)
        limits = (min(bottoms), max(tops))
    for axes in panels:
        axes.set_ylim(*limits)


def student_key(axes: "Axes", lines: Sequence[StudentLine], notes: Sequence[str]) -> None:
    """Turn a panel into the key of pictures made by `draw_students`, with notes under it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.set_axis_off()
    colors = ordered_colors(len(lines))
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=color, label=line.label)
        for color, line in zip(colors, lines, strict=True)
    ]
    for color, line in zip(colors, lines, strict=True):
        if line.band is not None:
            handles.append(Patch(color=color, alpha=0.25, linewidth=0, label=_BAND))
    axes.legend(
        handles=handles, loc="upper left", ncols=len(handles), fontsize=8.5, handlelength=1.8,
        bbox_to_anchor=(-0.05, 1.1), columnspacing=1.3, handletextpad=0.6, borderaxespad=0.0,
    )  # fmt: skip
    axes.text(
        -0.05, 0.84, "\n".join(notes), transform=axes.transAxes, va="top", fontsize=8.5,
        color=MUTED, linespacing=1.45,
    )  # fmt: skip


def _limits(lines: Sequence[StudentLine], *, logarithmic: bool) -> tuple[float, float]:
    """Least and greatest value of the lines, and a margin; bands may run out of the panel."""
    low, high = (float(pick([pick(line.y) for line in lines])) for pick in (np.min, np.max))
    if logarithmic:
        return low / 2.5, high * 2.5
    margin = max(0.08 * (high - low), 0.01)
    return low - margin, high + margin
