"""Profiles of the distillation law: student loss along one number, a curve for each case."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from capgap.errors import InputError
from capgap.plotting.curves import BoolArray, Curve
from capgap.plotting.style import (
    INK,
    FloatArray,
    count_axis,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Panel", "draw_curves", "draw_profiles", "draw_split"]

_MARKERS = "osD^vp"
_DASHES = (0, (2.2, 1.6))
_DOTS = (0, (1, 1.6))


def draw_split(
    axes: "Axes", x: FloatArray, y: FloatArray, inside: BoolArray, color: object, width: float = 1.7
) -> None:
    """Draw a curve: solid where the law was fitted, thin and dashed where it is extrapolated."""
    axes.plot(x, y, color=color, linewidth=0.6 * width, linestyle=_DASHES)
    axes.plot(x, np.where(inside, y, np.nan), color=color, linewidth=width)


def draw_curves(axes: "Axes", curves: Sequence[Curve]) -> None:
    """Draw ordered curves from dark to light, each minimum marked with the curve's own shape."""
    if not 1 <= len(curves) <= len(_MARKERS):
        raise InputError(
            f"draw_curves: {len(curves)} curves, must be 1 to {len(_MARKERS)} to stay distinct"
        )
    for color, shape, curve in zip(ordered_colors(len(curves)), _MARKERS, curves, strict=False):
        draw_split(axes, curve.x, curve.y, curve.inside, color)
        axes.plot(
            curve.x[curve.minimum], curve.y[curve.minimum], shape, color=color,
            markeredgecolor="white", markersize=6.5, zorder=3,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one case, and a loss to hold them against (drawn dotted) over its own x."""

    title: str
    curves: Sequence[Curve]
    reference_x: FloatArray
    reference_y: FloatArray


def draw_profiles(
    cases: Sequence[Panel], *, title: str, note: str, x_label: str, legend: str, reference: str,
    rows: int = 2, common_y: bool = False,
) -> "Figure":  # fmt: skip
    """Draw a panel for each case: student loss against a number of parameters.

    Parameters
    ----------
    cases : sequence of Panel
        With the same curves in each, ordered alike.
    title, note, x_label : str
    legend, reference : str
        What tells the curves apart, and what the dotted line is.
    rows : int
    common_y : bool
        One range of losses for all panels, to compare heights; otherwise shapes show better.
    """
    columns = -(-len(cases) // rows)
    height = 4.1 if rows == 1 else 0.8 + 2.85 * rows
    figure, panels = new_panels(len(cases), width=9.4, height=height, rows=rows, headroom=1.0)
    together = _window([curve for case in cases for curve in case.curves])
    lowest = min(float(case.reference_y.min()) for case in cases)
    together = min(together[0], lowest - 0.05 * (together[1] - lowest)), together[1]
    for i, (axes, case) in enumerate(zip(panels, cases, strict=True)):
        axes.plot(
            case.reference_x, case.reference_y, color=INK, linewidth=1.2, linestyle=_DOTS, zorder=1
        )
        draw_curves(axes, case.curves)
        axes.set_ylim(*(together if common_y else _window(case.curves)))
        axes.set_xlim(case.curves[0].x[0], case.curves[0].x[-1])
        count_axis(axes.xaxis, x_label if i >= len(cases) - columns else "")
        panel_title(axes, case.title)
        if i % columns == 0:
            axes.set_ylabel("student loss $L_S$ (nats per token)")
        elif common_y:
            axes.tick_params(labelleft=False)
    figure_headline(figure, title, note)
    _curve_legend(figure, [curve.label for curve in cases[0].curves], legend, reference)
    return figure


def _window(curves: Sequence[Curve]) -> tuple[float, float]:
    """Losses worth showing: all minima, and above them half of what separates them."""
    low = min(float(curve.y.min()) for curve in curves)
    high = max(float(curve.y.min()) for curve in curves)
    above = max(0.5 * (high - low), 0.015 * low)
    return low - 0.15 * above, high + above


def _curve_legend(figure: "Figure", labels: Sequence[str], title: str, reference: str) -> None:
    """One line under the headline: what the curves of every panel are."""
    from matplotlib.lines import Line2D

    colors = ordered_colors(len(labels))
    handles = [Line2D([], [], linewidth=0, label=title)]
    handles += [
        Line2D([], [], color=color, marker=shape, markeredgecolor="white", label=label)
        for color, shape, label in zip(colors, _MARKERS, labels, strict=False)
    ]
    handles.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=_DOTS, label=reference))
    figure.legend(
        handles=handles, loc="upper left", ncols=len(handles), fontsize=8,
        bbox_to_anchor=(-0.02, 1 - 0.5 / figure.get_figheight()), handlelength=1.8,
        columnspacing=1.4, handletextpad=0.5, borderaxespad=0.3,
    )  # fmt: skip
