"""Picture of what a law leaves: residuals against every input and the prediction."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from capgap.plotting.fit_errors import beyond_note, draw_errors, error_limits, label_rows, outliers
from capgap.plotting.fit_parts import color_strip, colors_of, input_axis, lay_out, symbol
from capgap.plotting.fits import FittedRuns, percent, save_fit_figure, write_source
from capgap.plotting.style import (
    FAINT,
    INK,
    MUTED,
    FloatArray,
    figure_headline,
    new_panels,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Pattern", "draw_fit_residuals", "find_pattern", "save_fit_residuals"]

_BINS, _FEWEST = 8, 5  # bins at most, and runs in each of them
_SURE = 0.01  # a pattern is named below this chance, all panels together
_EXACT = 1e-9  # log error: below, residuals are rounding


@dataclass(frozen=True, slots=True)
class Pattern:
    """What residuals do along one input.

    Attributes
    ----------
    center, median : arrays, shape (bins,)
        Median input and median log residual of each bin.
    probability : float
        Chance of bins that differ this much among residuals in random order (Kruskal and
        Wallis' rank test); NaN with too few runs for two bins, or residuals of rounding size.
    """

    center: FloatArray
    median: FloatArray
    probability: float


def find_pattern(x: FloatArray, residual: FloatArray) -> Pattern:
    """Bin runs by x, each distinct value or at most eight ranges, and compare the bins.

    Bins hold equal numbers of runs as far as ties allow; ones of fewer than five runs join
    their neighbor. Runs count as independent of each other: shared errors (a data order, a
    teacher) look like a pattern.

    Examples
    --------
    >>> x = np.repeat([1.0, 2.0, 3.0], 6)
    >>> wiggle = np.tile([-0.3, -0.2, -0.1, 0.1, 0.2, 0.3], 3)
    >>> find_pattern(x, wiggle).probability  # no bin differs from another
    1.0
    >>> find_pattern(x, wiggle + x).probability < 0.001
    True
    """
    label = _bins(x)
    groups = [residual[label == k] for k in range(int(label.max()) + 1)]
    chance = float("nan")
    if len(groups) > 1 and np.ptp(residual) > _EXACT:
        from scipy.stats import kruskal

        chance = float(kruskal(*groups).pvalue)
    return Pattern(
        center=np.array([np.median(x[label == k]) for k in range(len(groups))]),
        median=np.array([np.median(group) for group in groups]),
        probability=chance,
    )


def _bins(x: FloatArray) -> npt.NDArray[np.int64]:
    """Index of each run's bin, from 0 without gaps, rising with x."""
    count = min(_BINS, max(1, x.size // _FEWEST))
    distinct = np.unique(x)
    if distinct.size <= _BINS:
        label = np.searchsorted(distinct, x)
    else:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, count + 1)[1:-1]))
        label = np.searchsorted(edges, x, side="right")
    sizes = np.bincount(label)
    joined, running, current = np.zeros(sizes.size, dtype=np.int64), 0, 0
    for k, size in enumerate(sizes):
        if running >= _FEWEST and sizes[k:].sum() >= _FEWEST:
            current, running = current + 1, 0
        joined[k] = current
        running += size
    return np.asarray(joined[label], dtype=np.int64)


def draw_fit_residuals(fitted: FittedRuns) -> "Figure":
    """Log predicted minus log measured loss (%) against every input and the prediction.

    A panel each; dots are runs, colored by another input; the line joins medians of bins, the
    band is +-1 noise; the farthest outliers bear their row. Runs that the fit did not see are
    left out: their errors are another picture's.
    """
    inputs, error = _seen(fitted)
    patterns = {name: find_pattern(x, error) for name, x in inputs.items()}
    count = len(inputs)
    rows = 1 if count < 4 else 2
    figure, panels = new_panels(
        count, width=9.4, height=4.2 if rows == 1 else 7.2, rows=rows, headroom=0.9
    )
    lay_out(figure, panels, left=0.085)
    limits = error_limits(error, fitted.noise)
    far = outliers(error)
    places = np.flatnonzero(fitted.seen)
    for i, (axes, (name, x)) in enumerate(zip(panels, inputs.items(), strict=True)):
        other = _other(name, inputs)
        input_axis(axes.xaxis, name, x)
        if np.isfinite(fitted.noise):
            axes.axhspan(-100 * fitted.noise, 100 * fitted.noise, color=FAINT, zorder=0)
        axes.axhline(0, color=MUTED, linewidth=0.8)
        draw_errors(axes, x, error, limits, colors_of(inputs[other]))
        pattern = patterns[name]
        if pattern.center.size > 1:
            _draw_medians(axes, pattern)
        label_rows(axes, x, error, {k: _row(fitted, int(places[k])) for k in far}, limits)
        color_strip(axes, other, inputs[other])
        if i % -(-count // rows) == 0:
            axes.set_ylabel("predicted − measured (%)")
    figure_headline(figure, _title(fitted, error, patterns), _note(fitted, error))
    return figure


def _draw_medians(axes: "Axes", pattern: Pattern) -> None:
    axes.plot(
        pattern.center, 100 * pattern.median, "-", color="white", linewidth=2.6, zorder=4
    )  # a white edge sets the line off the dots
    axes.plot(
        pattern.center, 100 * pattern.median, "_-", color=INK, linewidth=1.4, markersize=9,
        markeredgewidth=1.8, zorder=5,
    )  # fmt: skip


def _seen(fitted: FittedRuns) -> tuple[dict[str, FloatArray], FloatArray]:
    """Inputs and log errors of the runs that the fit saw."""
    seen = fitted.seen
    return {name: values[seen] for name, values in fitted.inputs.items()}, fitted.error[seen]


def _other(name: str, inputs: Mapping[str, FloatArray]) -> str:
    """The input whose values color a panel: parameters by tokens, all else by parameters."""
    size, tokens = ("N_S", "D_S") if "N_S" in inputs else ("N", "D")
    return tokens if name in (size, "prediction") else size


def _row(fitted: FittedRuns, place: int) -> int:
    return place + 1 if fitted.runs.row is None else int(fitted.runs.row[place])


def _named(patterns: Mapping[str, Pattern]) -> list[str]:
    """Inputs along which a pattern is left, the chance counted over all panels."""
    return [
        symbol(name) if name != "prediction" else "the prediction"
        for name, pattern in patterns.items()
        if pattern.probability * len(patterns) < _SURE
    ]


def _title(fitted: FittedRuns, error: FloatArray, patterns: Mapping[str, Pattern]) -> str:
    size = float(np.sqrt(np.mean(error**2)))
    if size < _EXACT:
        return f"The {fitted.law} passes through all {error.size} runs"
    start = f"The {fitted.law} leaves {percent(size)} (root mean square)"
    named = _named(patterns)
    if named:
        return f"{start}, and a pattern with {', '.join(named)}"
    if all(np.isnan(pattern.probability) for pattern in patterns.values()):
        return f"{start}; too few runs to look for patterns"
    return f"{start}, and no pattern that can be told from chance"


def _note(fitted: FittedRuns, error: FloatArray) -> str:
    band = ""
    if np.isfinite(fitted.noise):
        within = float(np.mean(np.abs(error) <= fitted.noise))
        band = f"; band: ±{percent(fitted.noise)} {fitted.noise_name}, holds {within:.0%} of them"
    return f"{error.size} fitted runs; line: medians of runs alike in the panel's variable{band}"


def save_fit_residuals(
    fitted: FittedRuns,
    out: Path,
    name: str = "fit_residuals",
    *,
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture, every run with its error, and what was found along each input.

    Parameters
    ----------
    fitted : FittedRuns
    out : Path
        Folder.
    name : str
        Of the files, without ending.
    source : str
        Where the runs come from, a sentence; by default the table's own.
    record : mapping, optional
        More for the JSON, such as `capgap.plotting.fits.fit_record`.
    """
    source = source or f"Runs: {fitted.runs.source}."
    inputs, error = _seen(fitted)
    found: dict[str, object] = {
        "root_mean_square_log_error": float(np.sqrt(np.mean(error**2))),
        "noise_of_band": None if np.isnan(fitted.noise) else fitted.noise,
        "chance_of_pattern": {
            key: None if np.isnan(chance) else chance
            for key, x in inputs.items()
            for chance in [find_pattern(x, error).probability]
        },
    }
    triangles = beyond_note(error, error_limits(error, fitted.noise))
    with style():
        figure = draw_fit_residuals(fitted)
        write_source(
            figure,
            source,
            "Error: log predicted − log measured loss. Patterns: rank test of the line's groups"
            f" (Kruskal and Wallis), named below a chance of {_SURE:g} over all panels, runs taken"
            " as independent.",
            triangles,
        )
        save_fit_figure(figure, out, name, fitted.columns(), found, record, source)
