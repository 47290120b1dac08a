"""The landscape of student loss over students and teachers, with its valley."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.maps import hatch_outside, label_levels
from capgap.plotting.style import (
    FAINT,
    INK,
    FloatArray,
    count_axis,
    figure_headline,
    new_panels,
    panel_title,
)
from capgap.theory.law_set import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["Landscape", "draw_landscapes"]


@dataclass(frozen=True, slots=True)
class Landscape:
    """Student loss z[i, j] at x[j] and teacher loss L_T[i], with the best teacher of each x.

    Attributes
    ----------
    title, x_label : str
    x, L_T, z : array
    best : array
        Best teacher loss of each x by the law alone, nats per token.
    marks : sequence of (x, L_T)
        Best teachers to label.
    fitted : (low, high) or None
        Range of x that the law was fitted on.
    inside : bool
        Whether what is held fixed was in the fit.
    """

    title: str
    x_label: str
    x: FloatArray
    L_T: FloatArray
    z: FloatArray
    best: FloatArray
    marks: Sequence[tuple[float, float]]
    fitted: Interval | None
    inside: bool


def draw_landscapes(
    sides: Sequence[Landscape],
    *,
    floor: float,
    fitted: Interval | None,
    title: str,
    note: str,
) -> "Figure":
    """Draw student loss over students and teacher losses, with the path of the best teacher.

    `floor` is the irreducible loss, below which there is no teacher; `fitted` the range of
    teacher losses.
    """
    from matplotlib.ticker import MaxNLocator

    figure, panels = new_panels(len(sides), width=9.4, height=5.0, right=0.885, headroom=0.95)
    bottom, top = float(sides[0].L_T[0]), float(sides[0].L_T[-1])
    lowest = min(float(side.z.min()) for side in sides)
    ticks = MaxNLocator(24, steps=[1, 2, 5, 10]).tick_values(lowest, 1.1 * top)
    levels = [float(tick) for tick in ticks]
    for axes, side in zip(panels, sides, strict=True):
        drawn = _draw_losses(axes, side, levels)
        count_axis(axes.xaxis, side.x_label)
        axes.set(xlim=(side.x[0], side.x[-1]), ylim=(bottom - 0.08 * (top - bottom), top))
        hatch_outside(axes, side.fitted, fitted, anywhere=side.inside)
        axes.axhspan(axes.get_ylim()[0], floor, color=FAINT, linewidth=0, zorder=3)
        axes.axhline(floor, color=INK, linewidth=1.0, zorder=3)
        axes.annotate(
            f"no teacher below E = {floor:.3g}", (0, floor), xytext=(5, -4),
            xycoords=("axes fraction", "data"), textcoords="offset points", ha="left",
            va="top", fontsize=7.5, zorder=5,
        )  # fmt: skip
        _draw_path(axes, side, floor)
        panel_title(axes, side.title)
    panels[0].set_ylabel("teacher loss $L_T$ (nats per token)")
    figure.colorbar(
        drawn, cax=figure.add_axes((0.905, 0.2, 0.016, 0.6)),
        label="student loss $L_S$ (nats per token)",
    )  # fmt: skip
    figure_headline(figure, title, note)
    return figure


def _draw_losses(axes: "Axes", side: Landscape, levels: Sequence[float]) -> "ScalarMappable":
    """Light where the loss is low, every other line labeled."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    light = ListedColormap(colormaps["viridis_r"](np.linspace(0.0, 0.72, 256)))
    drawn = axes.contourf(side.x, side.L_T, side.z, levels, cmap=light, extend="both", alpha=0.8)
    present = [v for v in levels if side.z.min() < v < side.z.max()]
    if present:
        axes.contour(side.x, side.L_T, side.z, present, colors=INK, linewidths=0.5)
    # Weak teachers are imitated (level lines), strong ones are too much (steep lines).
    every_other = present[::2]
    label_levels(axes, side.x, side.L_T, side.z, every_other, _three_digits, column=0.93)
    label_levels(axes, side.x, side.L_T, side.z, every_other, _three_digits, row=0.09, until=0.5)
    return drawn


def _draw_path(axes: "Axes", side: Landscape, floor: float) -> None:
    """The best teacher of each student: bold where it can exist, dotted where it cannot."""
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=4.6, foreground="white")]
    reached = np.maximum(side.best, floor)
    axes.plot(side.x, reached, color=INK, linewidth=2.2, path_effects=outline, zorder=4)
    below = side.best < floor
    axes.plot(
        side.x[below], side.best[below], color=INK, linewidth=1.4, linestyle=(0, (1, 2)), zorder=4
    )
    for x, best in side.marks:
        place = max(best, floor)
        axes.plot(x, place, "o", color="white", markeredgecolor=INK, markersize=6.5, zorder=5)
        axes.annotate(
            f"{place:.2f}", (x, place), xytext=(5, 6), textcoords="offset points", zorder=5,
            fontsize=8.5, fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _three_digits(value: float) -> str:
    return f"{value:.3g}"
