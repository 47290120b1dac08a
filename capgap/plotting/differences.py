"""Maps of what a teacher changes, over student parameters and tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capgap.plotting.maps import hatch_outside, label_levels
from capgap.plotting.style import (
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

__all__ = ["Map", "draw_difference", "draw_difference_maps"]


@dataclass(frozen=True, slots=True)
class Map:
    """Values z[i, j] at x[j], y[i]; a marked point; whether what is held fixed was in the fit."""

    title: str
    x: FloatArray
    y: FloatArray
    z: FloatArray
    mark: tuple[float, float]
    inside: bool


def draw_difference_maps(
    maps: Sequence[Map],
    steps: Sequence[float],
    fitted: Mapping[str, Interval],
    *,
    title: str,
    note: str,
    bar: str,
) -> "Figure":
    """Draw differences over student parameters and tokens, levels at zero and plus, minus `steps`.

    Six panels at most; `fitted` holds the ranges of N_S and D_S, `bar` names the color bar.
    """
    levels = sorted([*(-step for step in steps), 0.0, *steps])
    figure, panels = new_panels(len(maps), width=9.4, height=6.6, rows=2, right=0.88)
    for i, (axes, field) in enumerate(zip(panels, maps, strict=True)):
        drawn = draw_difference(axes, field.x, field.y, field.z, levels)
        count_axis(axes.xaxis, "student parameters $N_S$" if i >= len(maps) // 2 else "")
        count_axis(axes.yaxis, "student tokens $D_S$" if i % 3 == 0 else "")
        axes.set(xlim=(field.x[0], field.x[-1]), ylim=(field.y[0], field.y[-1]))
        axes.tick_params(labelleft=i % 3 == 0)
        hatch_outside(axes, fitted.get("N_S"), fitted.get("D_S"), anywhere=field.inside)
        axes.plot(*field.mark, "*", color="white", markeredgecolor=INK, markersize=13, zorder=4)
        panel_title(axes, field.title)
    color_bar = figure.colorbar(
        drawn, cax=figure.add_axes((0.905, 0.16, 0.016, 0.68)), ticks=levels, label=bar,
        format=lambda value, _: _signed(value),
    )  # fmt: skip
    color_bar.ax.axhline(0.0, color=INK, linewidth=2.2)
    figure_headline(figure, title, note)
    return figure


def draw_difference(
    axes: "Axes", x: FloatArray, y: FloatArray, z: FloatArray, levels: Sequence[float]
) -> "ScalarMappable":
    """Draw a difference by levels around zero: blue below, red above, zero as a bold line.

    Lines below zero are dashed and all are labeled, so that it can be read in gray.
    """
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    colors = colormaps["RdBu_r"]
    norm = BoundaryNorm(levels, colors.N, extend="both")
    drawn = axes.contourf(x, y, z, levels, cmap=colors, norm=norm, extend="both", alpha=0.85)
    for some, width, dashes in (
        ([v for v in levels if v < 0], 0.7, "dashed"),
        ([v for v in levels if v > 0], 0.7, "solid"),
        ([0.0], 2.2, "solid"),
    ):
        present = [v for v in some if z.min() < v < z.max()]
        if present:  # matplotlib warns about lines that are not there
            axes.contour(x, y, z, present, colors=INK, linewidths=width, linestyles=dashes)
    # Lines of harm are steep where tokens are many, lines of help are level where sizes are small.
    label_levels(axes, x, y, z, [v for v in levels if v > 0], _signed, row=0.9)
    label_levels(axes, x, y, z, [v for v in levels if v < 0], _signed, column=0.14)
    return drawn


def _signed(value: float) -> str:
    return f"{value:+g}" if value else "0"
