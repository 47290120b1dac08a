"""Picture of predicted against measured loss with a band of one percent (as in Fig. 5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.fit_errors import beyond_note, draw_errors, error_limits, label_rows, outliers
from capgap.plotting.fit_parts import FITTED, HELD_OUT, round_ticks
from capgap.plotting.fits import FittedRuns, percent, save_fit_figure, write_source
from capgap.plotting.style import INK, MUTED, FloatArray, figure_headline, new_panels, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_fit_quality", "save_fit_quality"]

_ROOM = 1.3  # bands that the panel of errors shows at least


def draw_fit_quality(fitted: FittedRuns, band: float = 0.01) -> "Figure":
    """Predicted against measured loss, and the relative error against measured loss.

    Runs that the fit did not see (`fitted.fitted` false) are marked apart. `band` is relative:
    0.01 is the paper's +-1%.
    """
    figure, (left, right) = new_panels(2, width=9.4, height=4.6, ratios=(1, 1.25), headroom=0.75)
    measured, predicted, error = fitted.runs.loss, fitted.predicted, fitted.error
    ends = _ends(np.concatenate([measured, predicted]))
    for axes in (left, right):
        _draw_band(axes, ends, band, relative=axes is right)
    limits = error_limits(error, _ROOM * band)
    for keep, color, marker, label in _series(fitted):
        left.plot(
            measured[keep], predicted[keep], marker, color=color, markersize=4.8,
            markeredgecolor="white", markeredgewidth=0.5, label=label,
        )  # fmt: skip
        draw_errors(right, measured[keep], error[keep], limits, color, marker)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlim(*ends)
        axes.set_xlabel("measured loss (nats per token)")
        round_ticks(axes.xaxis, *ends)
    left.set_yscale("log")
    left.set_ylim(*ends)
    round_ticks(left.yaxis, *ends)
    left.set_ylabel("predicted loss (nats per token)")
    right.set_ylabel("predicted − measured (%)")
    rows = {k: int(fitted.runs.row[k]) for k in outliers(error) if fitted.runs.row is not None}
    label_rows(right, measured, error, rows, limits)
    left.legend(loc="upper left", fontsize=8, handletextpad=0.3)
    figure_headline(figure, _title(fitted, band), _note(fitted, band))
    return figure


def _series(fitted: FittedRuns) -> "list[tuple[np.ndarray, str, str, str]]":
    """Which runs, color, marker and label: fitted ones, and held-out ones where there are."""
    seen = fitted.seen
    series = [(seen, FITTED, "o", f"{np.count_nonzero(seen)} fitted runs")]
    if not seen.all():
        series.append((~seen, HELD_OUT, "D", f"{np.count_nonzero(~seen)} held-out runs"))
    return series


def _draw_band(axes: "Axes", ends: tuple[float, float], band: float, *, relative: bool) -> None:
    """Shade +-band around equality, a wedge in losses or a stripe in errors."""
    x = np.array(ends)
    low, high = np.log1p(-band), np.log1p(band)
    if relative:
        axes.fill_between(x, 100 * low, 100 * high, color=MUTED, alpha=0.18, linewidth=0)
        axes.axhline(0, color=INK, linewidth=0.8)
    else:
        axes.fill_between(
            x, x * np.exp(low), x * np.exp(high), color=MUTED, alpha=0.25, linewidth=0,
            label=f"±{100 * band:g}%",
        )  # fmt: skip
        axes.plot(x, x, color=INK, linewidth=0.8)


def _ends(values: FloatArray) -> tuple[float, float]:
    """Least and greatest loss with a margin."""
    margin = (values.max() / values.min()) ** 0.05 * 1.002
    return float(values.min() / margin), float(values.max() * margin)


def _within(fitted: FittedRuns, band: float) -> list[tuple[str, float, float]]:
    """Name, share of runs within the band, and median size of the error of each group."""
    groups = [("fitted", fitted.seen), ("held-out", ~fitted.seen)]
    relative = np.abs(np.expm1(fitted.error))
    return [
        (name, float(np.mean(relative[keep] <= band)), float(np.median(relative[keep])))
        for name, keep in groups
        if keep.any()
    ]


def _title(fitted: FittedRuns, band: float) -> str:
    parts = [f"{share:.0%} of {name}" for name, share, _ in _within(fitted, band)]
    return f"{' and '.join(parts)} runs lie within {100 * band:g}% of the {fitted.law}"


def _note(fitted: FittedRuns, band: float) -> str:
    sizes = [f"{name} {percent(median)}" for name, _, median in _within(fitted, band)]
    return f"median size of the error: {', '.join(sizes)}; gray: ±{100 * band:g}% around equality"


def save_fit_quality(
    fitted: FittedRuns,
    out: Path,
    name: str = "fit_quality",
    *,
    band: float = 0.01,
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture, every run with its prediction, and the shares within the band.

    Parameters are those of `capgap.plotting.fit_residuals.save_fit_residuals`, and `band` as
    in `draw_fit_quality`.
    """
    source = source or f"Runs: {fitted.runs.source}."
    found = {
        group: {"runs": int(keep.sum()), "share_within_band": share, "median_relative_error": half}
        for (group, share, half), keep in zip(
            _within(fitted, band), (fitted.seen, ~fitted.seen), strict=False
        )
    }
    with style():
        figure = draw_fit_quality(fitted, band)
        write_source(
            figure, source, beyond_note(fitted.error, error_limits(fitted.error, _ROOM * band))
        )
        save_fit_figure(
            figure, out, name, fitted.columns(), {"band": band, **found}, record, source
        )
