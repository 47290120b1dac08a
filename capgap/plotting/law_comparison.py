"""Picture of a comparison of laws: held-out errors, and pairwise differences with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.held_out import ClusteredMean, Comparison, LawScore, Pair, clustered_mean
from capgap.plotting.fit_parts import FITTED, HELD_OUT, few_ticks, lay_out
from capgap.plotting.fits import finite, percent, save_fit_figure, write_source
from capgap.plotting.style import INK, MUTED, figure_headline, new_panels, panel_title, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_law_comparison", "root_mean_square_interval", "save_law_comparison"]


def root_mean_square_interval(score: LawScore, found: Comparison) -> tuple[float, float]:
    """Interval of a law's root mean square log error, whole groups as the units that vary.

    Roots of the interval of the mean square; a lower end below 0 is 0.
    """
    mean = clustered_mean(score.error**2, found.group, found.level)
    return float(np.sqrt(max(mean.low, 0.0))), float(np.sqrt(mean.high))


def draw_law_comparison(found: Comparison) -> "Figure":
    """Held-out error of each law with its interval, and the difference of each pair with its own.

    Differences are of mean squares (%^2) or mean sizes (%), whichever decided the verdicts;
    one is drawn dark where its interval does not hold 0.
    """
    most = max(len(found.laws), len(found.pairs))
    figure, (left, right) = new_panels(
        2, width=9.4, height=2.2 + 0.42 * most, ratios=(1, 1.25), headroom=0.95
    )
    names = [law.name for law in found.laws]
    room = (0.35 + 0.075 * max(map(len, names))) / figure.get_figwidth()
    words = (0.2 + 0.062 * max(len(pair.words) for pair in found.pairs)) / figure.get_figwidth()
    lay_out(figure, [left, right], left=room, right=0.985 - words, wspace=0.16)
    for place, law in enumerate(found.laws):
        _draw_score(left, law, found, place)
    _rows(left, names)
    left.set_xlim(left=0)
    left.set_xlabel("held-out error (%)")
    panel_title(left, "root mean square of log errors")
    right.axvline(0, color=INK, linewidth=0.9)
    for place, pair in enumerate(found.pairs):
        _draw_pair(right, pair, place)
    _rows(right, [""] * len(found.pairs))
    squared = found.pairs[0].measure == "squared"
    right.set_xlabel("difference (%²)" if squared else "difference (%)")
    for axes in (left, right):
        few_ticks(axes)
    size = "mean square" if squared else "mean size"
    panel_title(right, f"difference in {size} of the error, first − second")
    figure_headline(figure, _title(found), _note(found))
    return figure


def _draw_score(axes: "Axes", law: LawScore, found: Comparison, place: int) -> None:
    low, high = root_mean_square_interval(law, found)
    color = FITTED if law.name in found.best else MUTED
    axes.plot([100 * low, 100 * high], [place] * 2, color=color, linewidth=2.6,
              solid_capstyle="butt")  # fmt: skip
    axes.plot(100 * law.root_mean_square, place, "o", color=color, markeredgecolor="white",
              markersize=7.5)  # fmt: skip


def _shown(pair: Pair) -> tuple[ClusteredMean, float]:
    """The difference that decided the verdict, and the factor to percent (squared)."""
    return (pair.squared, 1e4) if pair.measure == "squared" else (pair.absolute, 1e2)


def _draw_pair(axes: "Axes", pair: Pair, place: int) -> None:
    mean, scale = _shown(pair)
    decided = pair.verdict is not None
    color = HELD_OUT if decided else MUTED
    axes.plot([scale * mean.low, scale * mean.high], [place] * 2, color=color, linewidth=2.6,
              solid_capstyle="butt")  # fmt: skip
    axes.plot(scale * mean.mean, place, "D", color=color if decided else "white",
              markeredgecolor=color, markersize=6)  # fmt: skip
    axes.annotate(pair.words, (1, place), xycoords=("axes fraction", "data"), xytext=(8, 0),
                  textcoords="offset points", va="center", fontsize=8,
                  color=INK if decided else MUTED, annotation_clip=False)  # fmt: skip


def _rows(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _title(found: Comparison) -> str:
    """Who foretells best, and whether that can be told from chance."""
    first, best = found.laws[0], found.best
    error = percent(first.root_mean_square)
    if best == (first.name,):
        return f"Least held-out error: {first.name}, {error}; all others are worse beyond chance"
    rivals = [name for name in best if name != first.name]
    if first.name not in best or not rivals:
        return f"Least held-out error: {first.name}, {error}, but it is not the best in every pair"
    return f"Least held-out error: {first.name}, {error}; not told apart from {', '.join(rivals)}"


def _note(found: Comparison) -> str:
    groups = int(np.unique(found.group).size)
    level = f"{100 * found.level:g}%"
    return (
        f"{found.laws[0].error.size} held-out runs in {groups} groups; bars: {level} intervals, of"
        " one law or one pair at a time"
    )


def save_law_comparison(
    found: Comparison,
    out: Path,
    name: str = "law_comparison",
    *,
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture; a row for each law and each pair, log errors as they are (no percent).

    Parameters
    ----------
    found : Comparison
    out, name, source, record
        As in `capgap.plotting.fit_residuals.save_fit_residuals`.
    """
    scores = [(law, *root_mean_square_interval(law, found)) for law in found.laws]
    pairs = [(pair, _shown(pair)[0]) for pair in found.pairs]
    columns: dict[str, object] = {
        "what": ["root_mean_square"] * len(scores)
        + [f"difference_{pair.measure}" for pair, _ in pairs],
        "first": [law.name for law, _, _ in scores] + [pair.one for pair, _ in pairs],
        "second": [""] * len(scores) + [pair.other for pair, _ in pairs],
        "value": [law.root_mean_square for law, _, _ in scores] + [m.mean for _, m in pairs],
        "low": [low for _, low, _ in scores] + [m.low for _, m in pairs],
        "high": [high for _, _, high in scores] + [m.high for _, m in pairs],
        "verdict": [""] * len(scores) + [pair.words for pair, _ in pairs],
    }
    facts = {
        "level": found.level,
        "best": list(found.best),
        "laws": {
            law.name: {
                "coefficients": law.coefficients,
                "median_absolute_log_error": law.median_absolute,
                "coverage": finite(law.coverage),
                "status": list(law.status),
            }
            for law in found.laws
        },
    }
    with style():
        figure = draw_law_comparison(found)
        write_source(
            figure,
            source,
            "Every law is judged by runs that its fit did not see. Blue: no other law is better;"
            " orange: told apart; gray: not told apart.",
        )
        save_fit_figure(figure, out, name, columns, facts, record, source)
