"""Picture of stored teacher outputs: distance from the teacher and loss gap by bytes per token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capgap.plotting.style import (
    INK,
    MUTED,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CachePoint", "draw_teacher_caches"]

KINDS = ("full", "hidden", "top-k", "top-p", "sampled")
MARKS = dict(zip(KINDS, "sDo^v", strict=True))
# Distances below are those of rounding.
SMALLEST = 1e-4


@dataclass(frozen=True, slots=True)
class CachePoint:
    """A form of stored outputs.

    Attributes
    ----------
    form : str
        As `capgap.lm.teacher_outputs.TeacherOutputs.label` writes it.
    bytes_per_token : float
    distance : float
        Total variation between teacher and stored target.
    gap, gap_error : float
        Student's loss less that of online students, and its standard error, nats per token.
    """

    form: str
    bytes_per_token: float
    distance: float
    gap: float
    gap_error: float


def draw_teacher_caches(
    points: Sequence[CachePoint], untaught: float | None, title: str, note: str
) -> "Figure":
    """Two panels over bytes per token: distance of the target, and loss gap with its error.

    Parameters
    ----------
    points : sequence of CachePoint
        Open marks: tail dropped. Distances below 0.0001 are drawn there.
    untaught : float or None
        Gap of students without teacher, a dotted line.
    title, note : str
        Headline, and the line under it.
    """
    figure, (left, right) = new_panels(2, width=11.5, height=5.2, headroom=1.0, right=0.9)
    figure_headline(figure, title, note)
    for point in points:
        _mark(left, point, max(point.distance, SMALLEST), 0.0)
        _mark(right, point, point.gap, point.gap_error)
    panel_title(left, "Distance of the stored target from the teacher")
    left.set(yscale="log", ylabel="total variation")
    panel_title(right, "Validation loss less that of online students")
    right.axhline(0, color=INK, linewidth=0.8)
    if untaught is not None:
        right.axhline(untaught, color=MUTED, linewidth=1.2, linestyle="dotted")
    right.set_yscale("symlog", linthresh=0.02)
    right.set_ylabel("nats per token")
    handles = [
        right.plot([], [], MARKS[kind], color=color, label=kind)[0]
        for kind, color in zip(KINDS, ordered_colors(len(KINDS)), strict=True)
    ]
    right.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def _mark(axes: "Axes", point: CachePoint, value: float, error: float) -> None:
    """A form at its bytes per token, with its number."""
    kind, _, rest = point.form.partition(":")
    color = ordered_colors(len(KINDS))[KINDS.index(kind)]
    axes.errorbar(
        point.bytes_per_token, value, yerr=error, fmt=MARKS[kind], color=color,
        markerfacecolor="white" if "drop" in rest else color, markersize=6, elinewidth=1,
    )  # fmt: skip
    axes.annotate(
        rest.partition(",")[0] or kind, (point.bytes_per_token, value), xytext=(5, 3),
        fontsize=7, textcoords="offset points", color=INK,
    )  # fmt: skip
    axes.set(xscale="log", xlabel="bytes per token")
