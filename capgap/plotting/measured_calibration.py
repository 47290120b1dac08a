"""Picture of a study: a teacher and its students, against data and against the teacher."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from capgap.measurement.calibration.judgment import Judgment
from capgap.measurement.calibration.tokens import Against
from capgap.plotting.calibration import (
    FIRST,
    SECOND,
    Panel,
    draw_panel,
    grid_margins,
    new_grid,
    reliability_columns,
)
from capgap.plotting.style import (
    INK,
    FloatArray,
    figure_headline,
    panel_title,
    save_figure,
    source_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Study", "draw_study", "save_study", "study_columns"]

Study = Mapping[str, Mapping[Against, Judgment]]
"""For each model, the teacher first, its judgments against data and against the teacher."""

NAMES: dict[Against, str] = {
    "data": "data",
    "matched": "teacher's probability",
    "own": "teacher's own confidence",
    "top-1": "teacher's first choice",
}
MARKS: dict[Against, tuple[str, str, str]] = {
    "data": (INK, "D", INK),
    "matched": (FIRST, "o", FIRST),
    "own": (FIRST, "o", "white"),
    "top-1": (SECOND, "s", SECOND),
}


def draw_study(found: Study, title: str, note: str) -> "Figure":
    """Above: each model against data. Below: each student against its teacher; all errors."""
    names = list(found)
    figure = new_grid(len(names), 2)
    grid = figure.add_gridspec(2, len(names), **grid_margins(figure))
    for column, name in enumerate(names):
        panel = Panel(f"{name}, against data", found[name]["data"])
        draw_panel(figure, grid[0, column], panel, leftmost=column == 0)
        if column == 0:
            _draw_errors(figure.add_subplot(grid[1, 0]), found)
        else:
            draw_panel(figure, grid[1, column], _against_teacher(name, found), leftmost=False)
    figure_headline(figure, title, note)
    source_line(figure, _source(found))
    return figure


def _against_teacher(name: str, found: Study) -> Panel:
    mine = found[name]
    return Panel(
        f"{name}, against teacher", mine["matched"], mine["top-1"], NAMES["matched"],
        NAMES["top-1"],
    )  # fmt: skip


def _draw_errors(axes: "Axes", found: Study) -> None:
    """Every ECE with its interval, on one logarithmic axis."""
    for place, (name, judgments) in enumerate(found.items()):
        axes.text(
            0.0, place - 0.36, name, fontsize=8, transform=axes.get_yaxis_transform(), va="center"
        )
        for against, judgment in judgments.items():
            y = place - 0.12 + 0.15 * list(NAMES).index(against)
            color, marker, face = MARKS[against]
            low, high = (100 * v for v in (judgment.interval.low, judgment.interval.high))
            axes.plot([max(low, 0.01), high], [y, y], color=color, linewidth=2.2, alpha=0.55)
            axes.plot(
                100 * judgment.ece, y, marker, color=color, markersize=4.5, markerfacecolor=face,
                label=NAMES[against] if place == 1 else None,
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set(xlim=(0.15, 50), ylim=(len(found) - 0.3, -1.75), xlabel="ECE, percent")
    axes.set_xticks([0.2, 1, 5, 25], ["0.2", "1", "5", "25"])
    axes.minorticks_off()
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    panel_title(axes, "all errors, against")
    axes.legend(
        loc="upper left", fontsize=7.2, handletextpad=0.3, borderaxespad=0.1, labelspacing=0.25
    )


def _source(found: Study) -> str:
    first = next(iter(found.values()))["data"]
    return (
        f"{int(first.table.count.sum()):,} bytes of {first.interval.groups} held-out speeches,"
        f" each predicted once; confidence: the top probability, 21 equal bins. ECE with"
        f" {first.interval.level:.0%} interval, speeches resampled. Bands on the diagonal: where a"
        f" calibrated model would lie with chance {first.null.level:.0%}, bin by bin.\n"
        "Teacher's probability:"
        " that of the student's first choice (ECE_Dist); teacher's first choice: whether it is"
        " the student's. Gray bars: share of predictions."
    )


def study_columns(found: Study) -> dict[str, FloatArray | list[str]]:
    """The numbers drawn: a row for each model, comparison and bin."""
    panels = [
        Panel(name, judgment, name=against)
        for name, judgments in found.items()
        for against, judgment in judgments.items()
    ]
    columns = reliability_columns(panels)
    renamed = {"panel": "model", "curve": "against"}
    return {renamed.get(key, key): values for key, values in columns.items()}


def save_study(
    found: Study,
    out: Path,
    title: str,
    note: str,
    provenance: Mapping[str, object],
    name: str = "measured_calibration",
) -> None:
    """Write picture, the numbers of `study_columns`, and errors with their origin."""
    with style():
        figure = draw_study(found, title, note)
        save_figure(figure, out, name, study_columns(found), provenance)
