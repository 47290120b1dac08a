"""One restrained style; figures without global state, saved with numbers and provenance.

matplotlib is imported inside the functions, so that importing this module is free. There is
no pyplot state, and the style lives in a context: it leaves matplotlib's settings alone.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

import capgap
from capgap.counts import short
from capgap.errors import InputError
from capgap.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

__all__ = [
    "FAINT",
    "INK",
    "MUTED",
    "FloatArray",
    "count_axis",
    "figure_headline",
    "headline",
    "new_figure",
    "new_panels",
    "ordered_colors",
    "panel_title",
    "save_figure",
    "scientific",
    "source_line",
    "spread",
    "style",
]

INK, MUTED, FAINT = "#22262b", "#6b7280", "#e5e7eb"

FloatArray = npt.NDArray[np.float64]


@contextmanager
def style() -> Iterator[None]:
    """Context in which figures take the project's look; settings are restored at its end.

    >>> import matplotlib
    >>> with style():
    ...     matplotlib.rcParams["axes.spines.top"]
    False
    >>> matplotlib.rcParams["axes.spines.top"]
    True
    """
    import matplotlib

    settings: dict[str, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        "axes.titlesize": 11.0,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 23.0,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.7,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "lines.linewidth": 1.9,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "hatch.linewidth": 0.5,
        "savefig.dpi": 200,
        "figure.dpi": 100,
    }
    with matplotlib.rc_context(cast(Any, settings)):
        yield


def new_figure(width: float = 6.8, height: float = 4.6) -> "tuple[Figure, Axes]":
    """Return a figure (inches) with one set of axes and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.225, 0.79, 0.63))
    return figure, axes


def new_panels(
    count: int,
    *,
    width: float,
    height: float = 4.4,
    rows: int = 1,
    ratios: Sequence[float] | None = None,
    right: float = 0.965,
    headroom: float | None = None,
) -> "tuple[Figure, list[Axes]]":
    """Return a figure (inches) with panels in rows, and room for headline and source line.

    `right` is where the panels end, as a share of the width: less leaves room for a color bar.
    `headroom` is the space above the panels, in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    columns = -(-count // rows)
    top = 1 - (headroom or (0.62 if rows == 1 else 0.9)) / height
    grid = figure.add_gridspec(
        rows, columns, width_ratios=ratios, left=0.075, right=right, bottom=0.98 / height, top=top,
        wspace=0.28, hspace=0.32,
    )  # fmt: skip
    return figure, [figure.add_subplot(grid[i // columns, i % columns]) for i in range(count)]


def ordered_colors(count: int) -> list[tuple[float, float, float, float]]:
    """Return `count` colors from dark to light for an ordered quantity (viridis).

    Lightness rises along the list, so the order survives any color blindness and gray print.

    >>> len(ordered_colors(3))
    3
    """
    from matplotlib import colormaps

    values = colormaps["viridis"](np.linspace(0.0, 0.76, count))
    return [(float(r), float(g), float(b), float(a)) for r, g, b, a in values]


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move values apart, as little as may be, until neighbors are `gap` from each other.

    For labels beside the ends of curves. The order is kept; clusters move as one around
    their mean (least squares with order constraints, pooled as in isotonic regression).

    >>> spread([1.0, 1.0, 5.0], 0.5)
    [0.75, 1.25, 5.0]
    """
    order = np.argsort(values, kind="stable")
    # With gaps taken out, what remains must not decrease: pool neighbors that do.
    pools: list[list[float]] = []
    for rank, place in enumerate(order):
        pools.append([float(values[place]) - rank * gap])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    moved = [float(np.mean(pool)) for pool in pools for _ in pool]
    result = [0.0] * len(moved)
    for rank, place in enumerate(order):
        result[place] = moved[rank] + rank * gap
    return result


def source_line(figure: "Figure", text: str) -> None:
    """Write where the numbers come from, at the foot of the figure."""
    figure.text(0.012, 0.016, text, fontsize=7, color=MUTED, va="bottom", linespacing=1.4)


def headline(axes: "Axes", title: str, note: str) -> None:
    """Title of the axes, and a line of explanation under it."""
    axes.set_title(title)
    axes.annotate(
        note,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 9),
        textcoords="offset points",
        color=MUTED,
        fontsize=8.5,
    )


def figure_headline(figure: "Figure", title: str, note: str) -> None:
    """Title of a figure of several panels, and a line of explanation under it."""
    height = float(figure.get_figheight())
    figure.text(0.012, 1 - 0.14 / height, title, fontsize=12, fontweight="bold", va="top")
    figure.text(0.012, 1 - 0.38 / height, note, fontsize=8.5, color=MUTED, va="top")


def panel_title(axes: "Axes", text: str) -> None:
    """Say in a small line above a panel which case it shows."""
    axes.set_title(text, fontsize=9, fontweight="normal", pad=5)


def count_axis(axis: "XAxis | YAxis", label: str) -> None:
    """Make an axis of parameters or tokens logarithmic, its ticks written 100M, 1B, 10B, 1T."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: short(value))
    axis.set_minor_formatter(lambda value, _: "")
    axis.set_label_text(label)


def scientific(value: float) -> str:
    r"""A power of ten with its digits, in matplotlib's mathematics.

    >>> scientific(3e19), scientific(1e20)
    ('$3 \\cdot 10^{19}$', '$10^{20}$')
    """
    digits, exponent = f"{value:e}".split("e")
    factor = "" if float(digits) == 1 else rf"{float(digits):.3g} \cdot "
    return f"${factor}10^{{{int(exponent)}}}$"


def save_figure(
    figure: "Figure",
    out: Path,
    name: str,
    columns: Mapping[str, Sequence[float] | FloatArray | Sequence[str]],
    provenance: Mapping[str, object],
) -> None:
    """Write NAME.png, NAME.svg, NAME.csv (the numbers drawn) and NAME.json (their origin).

    Letters are outlines in the SVG, so it looks the same where the font is not installed.
    Every file is written beside its target and then renamed, so a reader never meets half a
    file. The JSON holds `provenance` and the versions of capgap, numpy and matplotlib, and no
    time of day: the same inputs give the same bytes.

    Raises
    ------
    InputError
        The columns have different lengths.
    CapgapError
        The folder cannot be written.
    """
    import matplotlib

    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"save_figure: column lengths {lengths} must be equal")
    versions = {
        "capgap": capgap.__version__,
        "matplotlib": matplotlib.__version__,
        "numpy": np.__version__,
    }
    record = {**provenance, "versions": versions}

    picture, drawing = io.BytesIO(), io.BytesIO()
    figure.savefig(picture, format="png")
    # Names within an SVG are random, and a date is written, unless both are fixed.
    with matplotlib.rc_context({"svg.hashsalt": "capgap", "svg.fonttype": "path"}):
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    write_atomically(out / f"{name}.png", picture.getvalue())
    write_atomically(out / f"{name}.svg", drawing.getvalue())
    write_atomically(out / f"{name}.csv", _csv_text(columns).encode())
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(out / f"{name}.json", text.encode())


def _csv_text(columns: Mapping[str, Sequence[float] | FloatArray | Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([v if isinstance(v, (str, int)) else repr(float(v)) for v in row])
    return text.getvalue()
