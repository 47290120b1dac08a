"""Picture of intervals side by side: coefficients or predictions by several sources."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capgap.errors import InputError
from capgap.plotting.fit_parts import MARKERS, SERIES, few_ticks, lay_out, symbol
from capgap.plotting.fits import save_fit_figure, write_source
from capgap.plotting.style import INK, figure_headline, new_panels, panel_title, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["IntervalRow", "coefficient_rows", "draw_intervals", "save_intervals"]

_COLUMNS = 4
_DECADES = 20.0  # ratio of values from which an axis is logarithmic


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One quantity by one source: a value and its interval, infinite or NaN where open.

    `quantity` is a coefficient ("alpha") or a prediction in words ("loss at 70B, 1.4T").
    """

    quantity: str
    source: str
    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError(f"IntervalRow: value = {self.value:g} must be finite")
        if self.low > self.high:
            raise InputError(f"IntervalRow: low = {self.low:g} must be <= {self.high:g}")


def coefficient_rows(
    source: str,
    coefficients: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]],
) -> list[IntervalRow]:
    """Rows of all coefficients that were fitted: those with an interval of some width.

    >>> [row.low for row in coefficient_rows("ours", {"E": 1.8, "A": 400.0}, {"E": (1.7, 1.9)})]
    [1.7]
    """
    return [
        IntervalRow(name, source, value, *intervals[name])
        for name, value in coefficients.items()
        if name in intervals and intervals[name][0] != intervals[name][1]
    ]


def draw_intervals(
    rows: Sequence[IntervalRow],
    *,
    level: float = 0.95,
    truth: Mapping[str, float] | None = None,
    x_label: str = "",
) -> "Figure":
    """A panel for each quantity, a line for each source: value and interval.

    Parameters
    ----------
    rows : sequence of IntervalRow
        At most one for each quantity and source; panels and lines in the order they come.
    level : float
        Of the intervals, for the words.
    truth : mapping, optional
        Value of a quantity that was planted or published, drawn as a line.
    x_label : str
        Unit beneath every panel, such as "nats per token".

    Raises
    ------
    InputError
        No row, two rows of one quantity and source, or more than seven sources.
    """
    quantities, sources = _check(rows)
    lines = -(-len(quantities) // _COLUMNS)
    gap = 0.82 if x_label else 0.62  # inches between lines of panels
    columns = -(-len(quantities) // lines)
    figure, panels = new_panels(
        len(quantities), width=9.4 if columns > 2 else 6.8, rows=lines, headroom=1.0,
        height=1.98 + lines * (0.25 + 0.3 * len(sources)) + gap * (lines - 1),
    )  # fmt: skip
    # Names of sources stand beside the first column: 0.075 inches a letter.
    room = (0.3 + 0.072 * max(map(len, sources))) / figure.get_figwidth()
    lay_out(figure, panels, left=room, wspace=0.14, hspace=gap / (0.25 + 0.3 * len(sources)))
    for i, (axes, quantity) in enumerate(zip(panels, quantities, strict=True)):
        _draw_quantity(
            axes, [row for row in rows if row.quantity == quantity], sources,
            None if truth is None else truth.get(quantity),
        )  # fmt: skip
        panel_title(axes, symbol(quantity))
        axes.set_yticks(range(len(sources)), sources if i % columns == 0 else [])
        axes.set_ylim(len(sources) - 0.5, -0.5)
        axes.set_xlabel(x_label)
        few_ticks(axes)
    line = "; dotted: the true value" if truth else ""
    note = f"dots: fitted values; bars: {100 * level:g}% intervals, arrows where open{line}"
    figure_headline(figure, _title(rows, quantities, sources, truth), note)
    return figure


def _check(rows: Sequence[IntervalRow]) -> tuple[list[str], list[str]]:
    """Quantities and sources in order of appearance."""
    if not rows:
        raise InputError("draw_intervals: 0 rows, must be at least 1")
    if len({(row.quantity, row.source) for row in rows}) < len(rows):
        raise InputError("draw_intervals: rows must have one of each quantity and source")
    quantities = list(dict.fromkeys(row.quantity for row in rows))
    sources = list(dict.fromkeys(row.source for row in rows))
    if len(sources) > len(SERIES):
        raise InputError(f"draw_intervals: {len(sources)} sources, must be at most {len(SERIES)}")
    return quantities, sources


def _draw_quantity(
    axes: "Axes", rows: Sequence[IntervalRow], sources: Sequence[str], truth: float | None
) -> None:
    known = [v for row in rows for v in (row.low, row.value, row.high) if math.isfinite(v)]
    if truth is not None:
        known.append(truth)
        axes.axvline(truth, color=INK, linewidth=1.0, linestyle=(0, (1, 1.5)))
    if min(known) > 0 and max(known) / min(known) > _DECADES:
        axes.set_xscale("log")
        margin = (max(known) / min(known)) ** 0.06
        axes.set_xlim(min(known) / margin, max(known) * margin)
    else:
        margin = 0.08 * (max(known) - min(known)) or 0.05 * abs(known[0]) or 1.0
        axes.set_xlim(min(known) - margin, max(known) + margin)
    for row in rows:
        place = sources.index(row.source)
        color = SERIES[place]
        left, right = axes.get_xlim()
        low = row.low if math.isfinite(row.low) else left
        high = row.high if math.isfinite(row.high) else right
        axes.plot([low, high], [place] * 2, color=color, linewidth=2.6, solid_capstyle="butt")
        for limit, edge, shape in ((row.low, left, "<"), (row.high, right, ">")):
            if not math.isfinite(limit):
                axes.plot(edge, place, shape, color=color, markersize=7, clip_on=False, zorder=4)
        axes.plot(
            row.value, place, MARKERS[place], color=color, markeredgecolor="white",
            markersize=7, zorder=5,
        )  # fmt: skip
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _apart(rows: Sequence[IntervalRow], quantity: str) -> bool:
    """Whether two intervals of a quantity have no value in common."""
    here = [row for row in rows if row.quantity == quantity]
    lows = [row.low for row in here if math.isfinite(row.low)]
    highs = [row.high for row in here if math.isfinite(row.high)]
    return bool(lows and highs and max(lows) > min(highs))


def _holds(row: IntervalRow, value: float) -> bool:
    """Whether a value lies in an interval; an open side (also NaN) holds everything."""
    return not (value < row.low or value > row.high)


def _title(
    rows: Sequence[IntervalRow],
    quantities: Sequence[str],
    sources: Sequence[str],
    truth: Mapping[str, float] | None,
) -> str:
    known = [row for row in rows if truth and row.quantity in truth]
    if known and truth:
        hits = sum(_holds(row, truth[row.quantity]) for row in known)
        return f"{hits} of {len(known)} intervals hold the true value"
    if len(sources) == 1:
        which = "one quantity" if len(quantities) == 1 else f"{len(quantities)} quantities"
        return f"What the runs say of {which}, and how surely"
    apart = [symbol(quantity) for quantity in quantities if _apart(rows, quantity)]
    if not apart:
        every = "Both" if len(sources) == 2 else f"All {len(sources)}"
        return f"{every} sources' intervals overlap, for every quantity"
    if len(apart) == len(quantities):
        return "Some intervals do not overlap, whatever the quantity"
    return f"Intervals do not all overlap for {', '.join(apart)}; for the rest they do"


def save_intervals(
    rows: Sequence[IntervalRow],
    out: Path,
    name: str = "fit_intervals",
    *,
    level: float = 0.95,
    truth: Mapping[str, float] | None = None,
    x_label: str = "",
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture and every interval.

    Parameters
    ----------
    rows, level, truth, x_label
        As in `draw_intervals`.
    out, name, source, record
        As in `capgap.plotting.fit_residuals.save_fit_residuals`.
    """
    columns: dict[str, list[float] | list[str]] = {
        "quantity": [row.quantity for row in rows],
        "source": [row.source for row in rows],
        "value": [row.value for row in rows],
        "low": [row.low for row in rows],
        "high": [row.high for row in rows],
    }
    found = {
        "level": level,
        "truth": dict(truth or {}),
        "without_overlap": [q for q in _check(rows)[0] if _apart(rows, q)],
    }
    with style():
        figure = draw_intervals(rows, level=level, truth=truth, x_label=x_label)
        several = len({row.source for row in rows}) > 1
        caution = "Overlap is no test: two sources may differ and still overlap."
        write_source(figure, source, caution if several else "")
        save_fit_figure(figure, out, name, columns, found, record, source)
