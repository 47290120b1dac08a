"""Axes of pictures of fits: symbols, ticks, legends, color strips."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from capgap.counts import short
from capgap.plotting.style import MUTED, FloatArray, count_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

__all__ = [
    "FITTED",
    "HELD_OUT",
    "MARKERS",
    "SERIES",
    "color_strip",
    "colors_of",
    "factor_ticks",
    "few_ticks",
    "input_axis",
    "lay_out",
    "legend_above",
    "round_ticks",
    "symbol",
    "value_text",
]

# Safe for color blindness (Okabe and Ito), and each series has its own marker besides.
FITTED, HELD_OUT = "#0072B2", "#D55E00"
SERIES = (FITTED, HELD_OUT, "#009E73", "#CC79A7", "#56B4E9", "#A67C00", "#000000")
MARKERS = "oDs^vPX"

_GREEK = frozenset({"alpha", "beta", "gamma", "rho", "theta", "tau", "delta", "kappa"})
_COUNTS = frozenset({"N", "D", "N_S", "D_S"})
_LABELS = {
    "N": "parameters $N$",
    "D": "training tokens $D$",
    "N_S": "student parameters $N_S$",
    "D_S": "student tokens $D_S$",
    "L_T": "teacher loss $L_T$ (nats per token)",
    "prediction": "predicted loss (nats per token)",
}


def symbol(name: str) -> str:
    r"""A coefficient or input as the paper writes it, in matplotlib's mathematics.

    >>> symbol("alpha"), symbol("c0"), symbol("N_S"), symbol("supervised.E"), symbol("width")
    ('$\\alpha$', '$c_0$', '$N_S$', '$E$ (supervised)', 'width')
    """
    *owners, last = name.split(".")
    if not all(part.isidentifier() for part in (*owners, last)):
        return name  # words, not a symbol
    if last in _GREEK:
        text = rf"$\{last}$"
    elif len(last) == 2 and last[1].isdigit():
        text = f"${last[0]}_{last[1]}$"
    else:
        text = f"${last}$" if len(last) == 1 or "_" in last[1:2] else last
    return f"{text} ({', '.join(owners)})" if owners else text


def value_text(value: float) -> str:
    """Three digits, as powers of ten where they would be long.

    >>> value_text(0.34731), value_text(2143.4), value_text(4.24e7), value_text(0.00021)
    ('0.347', '2140', '4.24e7', '2.1e-4')
    """
    text = f"{value:.3g}"
    if "e" in text and abs(value) >= 1 and abs(value) < 1e5:
        text = f"{float(text):.0f}"
    elif "e" in text or 0 < abs(value) < 1e-3:
        digits, power = f"{value:.2e}".split("e")
        text = f"{float(digits):g}e{int(power)}"
    return text.replace("-", "−") if value < 0 and "e" not in text else text


def input_axis(axis: "XAxis | YAxis", name: str, values: FloatArray) -> None:
    """Label and scale an axis for an input: counts logarithmic, losses as they are."""
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

    label = _LABELS.get(name, symbol(name))
    if name not in _COUNTS:
        axis.set_label_text(label)
        return
    count_axis(axis, label)
    distinct = np.unique(values)
    steps = np.diff(np.log(distinct))
    if 2 <= distinct.size <= 7 and steps.min() > 0.07 * steps.sum():
        axis.set_major_locator(FixedLocator(distinct.tolist()))
        axis.set_minor_locator(NullLocator())
        return
    axis.set_major_locator(LogLocator(subs=_steps(values.min(), values.max())))
    axis.set_minor_formatter(NullFormatter())


def _steps(low: float, high: float) -> tuple[float, ...]:
    """Digits that bear a tick on a logarithmic axis."""
    decades = math.log10(high / low)
    return (1.0, 2.0, 5.0) if decades < 1.2 else (1.0, 3.0) if decades < 2.3 else (1.0,)


def few_ticks(axes: "Axes") -> None:
    """About four small ticks on the x axis of a small panel, whose limits are set."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    if axes.get_xscale() == "log":
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=_steps(low, high), numticks=5))
        axes.xaxis.set_major_formatter(lambda value, _: value_text(value))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="x", labelsize=8)


def lay_out(figure: "Figure", panels: Sequence["Axes"], **room: float) -> None:
    """Move panels of one grid: `left`, `right`, `wspace`, `hspace` as a gridspec takes them."""
    from matplotlib.gridspec import GridSpec

    for axes in panels:
        place = axes.get_subplotspec()
        if place is not None:
            grid = place.get_gridspec()
            assert isinstance(grid, GridSpec)
            grid.update(**room)
            axes.set_position(place.get_position(figure))


def legend_above(axes: "Axes") -> None:
    """The legend in a line above the panel, where it hides nothing."""
    count = len(axes.get_legend_handles_labels()[1])
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=count, fontsize=7.5,
        handlelength=1.5, handletextpad=0.4, columnspacing=1.1, borderaxespad=0.2,
    )  # fmt: skip


def factor_ticks(axes: "Axes", factor: FloatArray) -> None:
    """Ticks at 1, 2, 5, 10, ... times; fewer where the range is wide."""
    from matplotlib.ticker import LogLocator, NullFormatter

    wide = factor.max() / factor.min() > 60
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_formatter(NullFormatter())


def round_ticks(axis: "XAxis | YAxis", low: float, high: float) -> None:
    """Round values as ticks between two losses of a logarithmic axis, with equal decimals."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    found = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    ticks = [float(tick) for tick in found if low <= tick <= high]
    decimals = max((len(f"{tick:g}".partition(".")[2]) for tick in ticks), default=0)
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(lambda value, _: f"{value:.{decimals}f}")


def colors_of(values: FloatArray) -> FloatArray:
    """One color a run, from dark to light by the logarithm of `values`; shape (n, 4)."""
    from matplotlib import colormaps

    place = np.log(values / values.min())
    place = place / place.max() if place.max() > 0 else place
    return np.asarray(colormaps["viridis"](0.9 * place), dtype=np.float64)


def color_strip(axes: "Axes", name: str, values: FloatArray) -> None:
    """Above a panel, say which colors stand for which values of another input."""
    strip = axes.inset_axes((0.42, 1.04, 0.3, 0.035))
    grid = np.geomspace(values.min(), max(values.max(), values.min() * 1.0001), 64)
    strip.imshow(colors_of(grid)[None], aspect="auto", interpolation="bilinear")
    strip.set_axis_off()
    write = short if name in _COUNTS else value_text
    ends = (write(float(values.min())), write(float(values.max())))
    for text, x, align in ((f"{symbol(name)}: {ends[0]}", 0.41, "right"), (ends[1], 0.73, "left")):
        axes.text(
            x, 1.055, text, transform=axes.transAxes, ha=align, va="center", fontsize=7.5,
            color=MUTED,
        )  # fmt: skip
