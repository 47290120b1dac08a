"""Picture of the mapping problem: student loss against teacher loss, by student width."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.style import (
    INK,
    MUTED,
    FloatArray,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MappingCurve", "draw_mapping"]

_FORMS = {
    "width": "teachers by width",
    "time": "teachers by steps",
}


@dataclass(frozen=True, slots=True)
class MappingCurve:
    """One panel: a student width and a form of the experiment.

    Attributes
    ----------
    student_width : int
    form : str
        "width" or "time".
    sizes : tuple of int
        Width or steps of each teacher.
    teacher_loss, student_loss : arrays, shape (seeds, teachers)
        Cross-entropy to the labels, nats.
    verdict : str
        A few words for the panel's title.
    """

    student_width: int
    form: str
    sizes: tuple[int, ...]
    teacher_loss: FloatArray
    student_loss: FloatArray
    verdict: str


def draw_mapping(
    curves: Sequence[MappingCurve],
    shortcut: float,
    title: str,
    note: str,
) -> "Figure":
    """A row of panels per form, a column per student width; quartile bands over seeds.

    The teacher's loss is logarithmic and falls to the right, so that teachers get stronger to
    the right; each panel has its own scale of the student's loss. Dashed: a student as good as
    its teacher. Dotted: the least loss without any knowledge of pairs.
    """
    forms = [form for form in _FORMS if any(c.form == form for c in curves)]
    widths = sorted({c.student_width for c in curves})
    figure, panels = new_panels(
        len(forms) * len(widths), width=max(10.5, 3.75 * len(widths)),
        height=1.8 + 3.2 * len(forms), rows=len(forms), headroom=1.1,
    )  # fmt: skip
    figure.subplots_adjust(left=0.06, right=0.985, hspace=0.42, wspace=0.2)
    by_place: Mapping[tuple[str, int], MappingCurve] = {
        (c.form, c.student_width): c for c in curves
    }
    colors = ordered_colors(len(widths))
    for row, form in enumerate(forms):
        for column, width in enumerate(widths):
            axes = panels[row * len(widths) + column]
            curve = by_place.get((form, width))
            if curve is None:
                axes.set_axis_off()
                continue
            _draw_curve(axes, curve, colors[column], shortcut)
            panel_title(axes, f"Student of width {width}; {_FORMS[form]}\n{curve.verdict}")
            if column == 0:
                axes.set_ylabel("student loss (nats)")
            axes.set_xlabel("teacher loss (nats)")
    figure_headline(figure, title, note)
    return figure


def _draw_curve(
    axes: "Axes", curve: MappingCurve, color: tuple[float, float, float, float], shortcut: float
) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    order = np.argsort(-curve.teacher_loss.mean(axis=0), kind="stable")
    x = np.median(curve.teacher_loss, axis=0)[order]
    low, middle, high = np.quantile(curve.student_loss[:, order], [0.25, 0.5, 0.75], axis=0)
    axes.set_xscale("log")
    axes.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(x, middle, "o-", color=color, markersize=4)
    span = float(high.max() - low.min())
    bottom, top = max(0.0, float(low.min()) - 0.12 * span), float(high.max()) + 0.12 * span
    same = np.geomspace(max(bottom, float(x.min()), 1e-9), float(x.max()), 50)
    axes.plot(same, same, "--", color=MUTED, linewidth=1.0)
    axes.axhline(shortcut, linestyle=":", color=MUTED, linewidth=1.0)
    for place, teacher in enumerate(order):
        axes.annotate(
            str(curve.sizes[teacher]), (x[place], middle[place]), xytext=(4, 4),
            textcoords="offset points", fontsize=6.5, color=INK, ha="left",
        )  # fmt: skip
    axes.set_ylim(bottom, top)
    axes.set_xlim(1.15 * float(x.max()), float(x.min()) / 1.15)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
