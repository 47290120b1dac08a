"""Pictures of distillation with finite samples: hinges, phases, vanishing gaps, assistants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from capgap.errors import InputError
from capgap.plotting.style import FAINT, INK, MUTED, FloatArray, ordered_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.collections import QuadMesh

__all__ = [
    "Series",
    "color_bar",
    "draw_best_teacher_map",
    "draw_diagonal",
    "draw_saved_map",
    "draw_series",
    "note_vertical",
    "plain_numbers",
    "write_on",
]

ALARM = "#b4342d"


@dataclass(frozen=True, slots=True)
class Series:
    """One curve, with points simulated on it and points of it that matter.

    Attributes
    ----------
    label : str
        Empty: no entry in the legend.
    x, y : array
    simulated : array, shape (points, 3)
        x, y and standard error of y.
    marks : array, shape (points, 2)
        Places on the curve that the picture is about.
    """

    label: str
    x: FloatArray
    y: FloatArray
    simulated: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    marks: FloatArray = field(default_factory=lambda: np.empty((0, 2)))


def draw_series(
    axes: "Axes",
    series: Sequence[Series],
    *,
    dashes: Sequence[object] | None = None,
    stairs: bool = False,
    colors: Sequence[object] | None = None,
) -> None:
    """Draw curves from dark to light, simulated points with two standard errors, and marks.

    `dashes` and `colors` hold one style per curve; `stairs` joins points by steps.
    """
    if not series:
        raise InputError("draw_series: 0 series, must be at least 1")
    shades = colors or ordered_colors(len(series))
    styles = dashes or ["-"] * len(series)
    for one, color, dash in zip(series, shades, styles, strict=True):
        style: dict[str, object] = {"color": color, "linestyle": dash, "label": one.label or None}
        if stairs:
            style["drawstyle"] = "steps-post"
        axes.plot(one.x, one.y, **style)  # type: ignore[arg-type]
        if one.simulated.size:
            x, y, error = one.simulated.T
            axes.errorbar(
                x, y, 2 * error, fmt="o", color=color, markersize=4.6, markeredgecolor="white",
                markeredgewidth=0.6, elinewidth=1.1, zorder=5,
            )  # fmt: skip
        if one.marks.size:
            axes.plot(
                *one.marks.T, "o", color="white", markeredgecolor=color, markeredgewidth=1.5,
                markersize=6.5, zorder=6,
            )  # fmt: skip


def draw_diagonal(axes: "Axes", upto: float, text: str, at: float) -> None:
    """Line where the student is as good as its teacher, named at a share of its length."""
    axes.plot([0, upto], [0, upto], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        text, (at * upto, at * upto), xytext=(4, -4), textcoords="offset points", color=MUTED,
        fontsize=7.5, va="top",
    )  # fmt: skip


def note_vertical(
    axes: "Axes", x: float, text: str, *, left: bool = False, bottom: bool = False
) -> None:
    """Dotted vertical line with its name at the top or bottom, right or left of it."""
    axes.axvline(x, color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        text, (x, 0 if bottom else 1), xycoords=("data", "axes fraction"),
        xytext=(-3 if left else 3, 3 if bottom else -3), textcoords="offset points",
        color=MUTED, va="bottom" if bottom else "top", ha="right" if left else "left", fontsize=8,
    )  # fmt: skip


def plain_numbers(axis: "XAxis | YAxis") -> None:
    """Write 0.1, 1, 10 on a logarithmic axis, and 2 and 5 of each decade where it is short."""
    from matplotlib.ticker import LogLocator

    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_formatter(lambda value, _: "")


def write_on(
    axes: "Axes", x: float, y: float, text: str, *, color: str = INK, ha: str = "center"
) -> None:
    """Write into a map, white around the letters."""
    from matplotlib.patheffects import withStroke

    axes.text(
        x, y, text, fontsize=8, color=color, ha=ha, va="center", zorder=6,
        path_effects=[withStroke(linewidth=2.2, foreground="white", alpha=0.85)],
    )  # fmt: skip


def draw_best_teacher_map(
    axes: "Axes",
    n_S: FloatArray,
    noise: FloatArray,
    ratio: FloatArray,
    border: tuple[FloatArray, FloatArray],
    most: float,
) -> "QuadMesh":
    """Best teacher's width over the student's, (noise, n_S): blue below one, red above.

    `border` holds n_S from which a larger teacher is best (infinity: none) and noise, `most` is
    the largest ratio.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, TwoSlopeNorm

    # Its dark ends would swallow what is written on them.
    soft = ListedColormap(colormaps["RdBu_r"](np.linspace(0.16, 0.84, 256)))
    drawn = axes.pcolormesh(
        n_S, noise, ratio, cmap=soft, norm=TwoSlopeNorm(1.0, 0.0, most), shading="nearest",
        rasterized=True,
    )  # fmt: skip
    axes.plot(*border, color=INK, linewidth=2.0)
    axes.set(xscale="log", yscale="log", xlim=(n_S[0], n_S[-1]), ylim=(noise[0], noise[-1]))
    axes.grid(False)
    return drawn


def draw_saved_map(
    axes: "Axes", x: FloatArray, y: FloatArray, saved: FloatArray, levels: Sequence[float]
) -> "QuadMesh":
    """Share of the student's risk that an assistant saves, (y, x), white where it saves nothing."""
    from matplotlib.patheffects import withStroke

    drawn = axes.pcolormesh(
        x, y, np.where(saved > 0, saved, np.nan), cmap="YlGnBu", vmin=0, vmax=1,
        shading="nearest", rasterized=True,
    )  # fmt: skip
    inside = [level for level in levels if saved.min() < level < saved.max()]
    if inside:
        lines = axes.contour(x, y, saved, inside, colors=INK, linewidths=0.7)
        labels = axes.clabel(lines, fmt=lambda v: f"{v:.0%}", fontsize=7.5)
        for label in labels or []:
            label.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes.grid(False)
    axes.set_facecolor(FAINT)
    return drawn


def color_bar(
    axes: "Axes", drawn: "QuadMesh", label: str, place: tuple[float, float, float, float]
) -> None:
    """Bar of a map's colors at left, bottom, width, height, shares of the figure."""
    bar = axes.figure.colorbar(drawn, cax=axes.figure.add_axes(place))
    bar.set_label(label, fontsize=8.5)
    bar.outline.set_visible(False)
