"""Reliability diagrams: what came true over what was said, with counts and the band of chance."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.files import write_atomically
from capgap.measurement.calibration.judgment import Judgment
from capgap.plotting.style import (
    FAINT,
    MUTED,
    FloatArray,
    figure_headline,
    panel_title,
    source_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.gridspec import SubplotSpec

__all__ = ["Panel", "draw_panel", "draw_reliability", "reliability_columns", "save_reliability"]

FIRST, SECOND = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Panel:
    """One diagram: a judgment, and perhaps a second one of the same confidences.

    `name` and `second_name` are for the legend of a panel with two.
    """

    title: str
    judgment: Judgment
    second: Judgment | None = None
    name: str = ""
    second_name: str = ""


def draw_reliability(
    panels: Sequence[Panel], title: str, note: str | None = None, *, columns: int = 4
) -> "Figure":
    """A grid of diagrams with a headline and a line on how to read them."""
    across = min(columns, len(panels))
    rows = -(-len(panels) // across)
    figure = new_grid(across, rows)
    grid = figure.add_gridspec(rows, across, **grid_margins(figure))
    for place, panel in enumerate(panels):
        row, column = divmod(place, across)
        draw_panel(figure, grid[row, column], panel, leftmost=column == 0)
    figure_headline(figure, title, NOTE if note is None else note)
    source_line(figure, _source(panels))
    return figure


NOTE = "on the diagonal: calibrated; above it: under-confident; below it: over-confident"


def new_grid(columns: int, rows: int) -> "Figure":
    """An empty figure of square diagrams."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = 2.85 if columns > 1 else 5.2
    width, height = 0.5 + side * columns, 1.45 + (side + 0.6) * rows
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def grid_margins(figure: "Figure") -> dict[str, float]:
    """Room for headline, labels and source line, as shares of the figure."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    return {
        "left": 0.62 / width, "right": 1 - 0.15 / width, "bottom": 0.88 / height,
        "top": 1 - 0.95 / height, "wspace": 0.24, "hspace": 0.36,
    }  # fmt: skip


def draw_panel(
    figure: "Figure | SubFigure", place: "SubplotSpec", panel: Panel, *, leftmost: bool = True
) -> "tuple[Axes, Axes]":
    """Draw a diagram and its counts into a cell of a grid; returns both axes."""
    inner = place.subgridspec(2, 1, height_ratios=(5.2, 1), hspace=0.07)
    axes = figure.add_subplot(inner[0])
    counts = figure.add_subplot(inner[1], sharex=axes)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    _draw_band(axes, panel.judgment, MUTED if panel.second is None else FIRST)
    _draw_curve(axes, panel.judgment, FIRST, "o", panel.name)
    if panel.second is not None:
        _draw_band(axes, panel.second, SECOND)
        _draw_curve(axes, panel.second, SECOND, "s", panel.second_name)
    _ece_labels(axes, panel)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.tick_params(labelbottom=False)
    panel_title(axes, panel.title)
    _draw_counts(counts, panel.judgment)
    if leftmost:
        axes.set_ylabel("what came true")
        counts.set_ylabel("share", fontsize=8)
    return axes, counts


def _draw_band(axes: "Axes", judgment: Judgment, color: str) -> None:
    """Where a calibrated model would lie by chance."""
    x = judgment.table.mean_confidence
    seen = np.isfinite(x)
    low, high = judgment.band_low[seen], judgment.band_high[seen]
    axes.fill_between(x[seen], low, high, color=color, alpha=0.3, linewidth=0, zorder=2)


def _draw_curve(axes: "Axes", judgment: Judgment, color: str, marker: str, name: str) -> None:
    x, y = judgment.table.mean_confidence, judgment.table.mean_outcome
    seen = np.isfinite(x)
    axes.plot(
        x[seen], y[seen], color=color, marker=marker, markersize=3.8, linewidth=1.3,
        markeredgecolor="white", markeredgewidth=0.5, label=name, zorder=3,
    )  # fmt: skip


def _ece_labels(axes: "Axes", panel: Panel) -> None:
    """ECE of each curve, with its interval, where diagrams are empty: top left, or below."""
    told = [(panel.judgment, panel.name, FIRST)]
    if panel.second is not None:
        told.append((panel.second, panel.second_name, SECOND))
    above = [j.table.sum_gap.sum() > 0.02 * j.table.count.sum() for j, _, _ in told]
    top = not any(above)
    for line, (judgment, name, color) in enumerate(told):
        text = f"{name}\nECE {judgment.percent}" if name else f"ECE {judgment.percent}"
        height = (1 - 0.04 - 0.2 * line) if top else (0.04 + 0.2 * (len(told) - 1 - line))
        axes.text(
            0.04 if top else 0.97, height, text, transform=axes.transAxes, fontsize=7.6,
            color=color, va="top" if top else "bottom", ha="left" if top else "right",
            linespacing=1.25,
        )  # fmt: skip


def _draw_counts(axes: "Axes", judgment: Judgment) -> None:
    edges, count = judgment.table.edges, judgment.table.count
    axes.bar(
        edges[:-1], count / count.sum(), width=np.diff(edges), align="edge", color=FAINT,
        edgecolor=MUTED, linewidth=0.5,
    )  # fmt: skip
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("confidence")


def _source(panels: Sequence[Panel]) -> str:
    first = panels[0].judgment
    return (
        f"{int(first.table.count.sum()):,} predictions in {first.interval.groups} groups;"
        f" ECE with {first.interval.level:.0%} interval, groups resampled. Bars: share of"
        f" predictions.\nBand on the diagonal: where a calibrated model would lie with chance"
        f" {first.null.level:.0%}, bin by bin."
    )


def reliability_columns(panels: Sequence[Panel]) -> dict[str, FloatArray | list[str]]:
    """The numbers drawn: a row for each judgment and bin; nan where a bin is empty."""
    told = [
        (panel.title, name, judgment)
        for panel in panels
        for name, judgment in ((panel.name, panel.judgment), (panel.second_name, panel.second))
        if judgment is not None
    ]
    titles = [title for title, _, j in told for _ in range(j.table.bins)]
    names = [name for _, name, j in told for _ in range(j.table.bins)]
    all_of = [judgment for _, _, judgment in told]
    return {
        "panel": titles,
        "curve": names,
        "low": np.concatenate([j.table.edges[:-1] for j in all_of]),
        "high": np.concatenate([j.table.edges[1:] for j in all_of]),
        "count": np.concatenate([j.table.count.astype(np.float64) for j in all_of]),
        "confidence": np.concatenate([j.table.mean_confidence for j in all_of]),
        "outcome": np.concatenate([j.table.mean_outcome for j in all_of]),
        "band_low": np.concatenate([j.band_low for j in all_of]),
        "band_high": np.concatenate([j.band_high for j in all_of]),
    }


def save_reliability(panels: Sequence[Panel], path: Path, title: str) -> None:
    """Draw a grid of diagrams and write it as one PNG."""
    with style():
        figure = draw_reliability(panels, title, columns=2 if len(panels) == 4 else 4)
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue())
