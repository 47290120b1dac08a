"""Picture of forward chaining: errors against the distance in compute beyond the fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.held_out import Ahead, ForwardChain
from capgap.plotting.fit_errors import draw_errors, error_limits
from capgap.plotting.fit_parts import FITTED, HELD_OUT, factor_ticks, legend_above
from capgap.plotting.fits import finite, percent, save_fit_figure, write_source
from capgap.plotting.style import (
    MUTED,
    figure_headline,
    new_panels,
    ordered_colors,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_forward_chain", "save_forward_chain"]

_ENOUGH = 10  # predictions behind a median that the title names


def draw_forward_chain(chain: ForwardChain, *, law: str = "law") -> "Figure":
    """Errors of every later run by every fit against the factor in compute beyond that fit."""
    figure, (left, right) = new_panels(2, width=9.4, height=4.6, ratios=(1.15, 1), headroom=0.95)
    errors = np.concatenate([np.log1p(rolled.error) for rolled in chain.rollouts])
    factors = np.concatenate([rolled.factor for rolled in chain.rollouts])
    limits = error_limits(errors, 0.0)
    left.axhline(0, color=MUTED, linewidth=0.8)
    colors = ordered_colors(len(chain.rollouts))
    for color, rolled in zip(colors, chain.rollouts, strict=True):
        rgba = np.tile(color, (rolled.factor.size, 1))
        draw_errors(left, rolled.factor, np.log1p(rolled.error), limits, rgba, size=15)
        runs = int(np.count_nonzero(rolled.fit.problem.weights))
        left.plot([], [], "o", color=color, markersize=4.5, label=f"fit to {runs}")
    legend_above(left)
    left.set_ylabel("predicted − measured (%)")
    rows = chain.ahead()
    _draw_ahead(right, rows, float(factors.max()), chain.rollouts[0].level)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlim(factors.min() / 1.1, factors.max() * 1.1)
        factor_ticks(axes, factors)
        axes.set_xlabel("compute, times the largest fitted")
    figure_headline(figure, _chain_title(rows, law), _chain_note(chain))
    return figure


def _draw_ahead(axes: "Axes", rows: Sequence[Ahead], largest: float, level: float) -> None:
    """Median and largest size of the errors in ranges of the factor, and the coverage."""
    from matplotlib.ticker import LogLocator

    for row in rows:
        ends = [max(row.low, 1e-9), min(row.high, largest * 1.1)]
        axes.plot(ends, [100 * row.median] * 2, color=FITTED, linewidth=3, solid_capstyle="butt")
        axes.plot(ends, [100 * row.maximum] * 2, color=HELD_OUT, linewidth=1.4)
        middle = float(np.sqrt(max(ends[0], ends[1] / 2) * ends[1]))
        if np.isfinite(row.coverage):
            axes.annotate(f"{row.coverage:.0%}", (middle, 100 * row.maximum), xytext=(0, 3),
                          textcoords="offset points", ha="center", fontsize=7.5)  # fmt: skip
        axes.annotate(f"{row.predictions}", (middle, 100 * row.median), xytext=(0, -4),
                      textcoords="offset points", ha="center", va="top", fontsize=7,
                      color=MUTED)  # fmt: skip
    axes.plot(
        [],
        [],
        color=HELD_OUT,
        linewidth=1.4,
        label=f"largest, share inside {100 * level:g}% intervals",
    )
    axes.plot([], [], color=FITTED, linewidth=3, label="median, number")
    axes.set_yscale("log")
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    axes.set_ylabel("size of the error (% of measured)")
    legend_above(axes)


def _distance(row: Ahead) -> str:
    """A range of factors in words."""
    if row.low == 0:
        return "below 1×"
    return f"beyond {row.low:g}×" if np.isinf(row.high) else f"at {row.low:g}–{row.high:g}×"


def _chain_title(rows: Sequence[Ahead], law: str) -> str:
    solid = [row for row in rows if row.predictions >= _ENOUGH] or list(rows)
    rows = [solid[0]] if len(solid) == 1 else [solid[0], solid[-1]]
    ends = [f"{percent(row.median)} {_distance(row)}" for row in rows]
    return f"Median error of the {law}: {', '.join(ends)} the fitted compute"


def _chain_note(chain: ForwardChain) -> str:
    once = sum(rolled.run.size for rolled in chain.next_shares)
    return (
        f"{len(chain.rollouts)} fits to ever more runs, each foretells all later ones; next share"
        f" only: median error {percent(chain.median)} over {once} runs"
    )


def save_forward_chain(
    chain: ForwardChain,
    out: Path,
    name: str = "forward_chain",
    *,
    law: str = "law",
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture, every prediction of every fit, and the table by distance.

    Parameters
    ----------
    chain, law
        As in `draw_forward_chain`.
    out, name, source, record
        As in `capgap.plotting.fit_residuals.save_fit_residuals`.
    """
    parts = chain.rollouts
    columns: dict[str, object] = {
        "fitted_runs": [
            int(np.count_nonzero(part.fit.problem.weights)) for part in parts for _ in part.run
        ],
        "place": [int(i) for part in parts for i in part.run],
    }
    for key in ("factor", "observed", "predicted", "low", "high", "error"):
        columns[key] = np.concatenate([getattr(part, key) for part in parts])
    found = {
        "law": law,
        "median_relative_error_next_share": chain.median,
        "by_distance": [
            {
                "low": row.low, "high": finite(row.high), "predictions": row.predictions,
                "median": row.median, "largest": row.maximum, "mean": row.bias,
                "coverage": finite(row.coverage),
            }
            for row in chain.ahead()
        ],
    }  # fmt: skip
    with style():
        figure = draw_forward_chain(chain, law=law)
        write_source(
            figure,
            source,
            "Left: log predicted − log measured; triangles lie beyond the panel. A run counts once"
            " for every fit that foretold it.",
        )
        save_fit_figure(figure, out, name, columns, found, record, source)
