"""Parts of maps over two numbers: labels of level lines, and hatching of extrapolation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.style import INK, MUTED, FloatArray
from capgap.theory.law_set import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["hatch_outside", "label_levels"]

_APART = 0.045  # of the line that labels stand on, or they would touch


def label_levels(
    axes: "Axes",
    x: FloatArray,
    y: FloatArray,
    z: FloatArray,
    levels: Sequence[float],
    text: Callable[[float], str],
    *,
    column: float | None = None,
    row: float = 0.5,
    until: float = 1.0,
) -> None:
    """Write the levels of z[i, j] at x[j], y[i] where their lines cross a column or row.

    matplotlib's own labels pile up where lines crowd. On one line across them it can be seen
    which fit: the level furthest from zero comes first, others where there is room.

    Parameters
    ----------
    column, row : float
        The line, as a share of the grid from 0 (left, bottom) to 1. In a column text is
        level, in a row upright.
    until : float
        How far along that line there may be labels, from 0 to 1.
    """
    from matplotlib.patheffects import withStroke

    upright = column is None
    across = z[round(row * (len(y) - 1))] if column is None else z[:, round(column * (len(x) - 1))]
    taken: list[float] = []
    for level in sorted(levels, key=abs, reverse=True):
        for share in _crossings(across, level):
            if share > until or any(abs(share - other) < _APART for other in taken):
                continue
            taken.append(share)
            right, up = (share, row) if column is None else (column, share)
            axes.text(
                _along(x, right), _along(y, up), text(level), fontsize=7,
                rotation=90 if upright else 0, ha="center", va="center", zorder=3.5, clip_on=True,
                path_effects=[withStroke(linewidth=2.0, foreground="white", alpha=0.75)],
            )  # fmt: skip


def _along(grid: FloatArray, share: float) -> float:
    return float(np.interp(share * (len(grid) - 1), np.arange(len(grid)), grid))


def _crossings(values: FloatArray, level: float) -> list[float]:
    """Where equally spaced values pass a level, as shares of their range, not at its very ends."""
    k = np.flatnonzero(np.diff(values > level))
    shares = (k + (level - values[k]) / (values[k + 1] - values[k])) / (len(values) - 1)
    return [float(share) for share in shares if _APART < share < 1 - _APART]


def hatch_outside(
    axes: "Axes", x: Interval | None, y: Interval | None, *, anywhere: bool = True
) -> None:
    """Fade and hatch what lies outside the ranges that the law was fitted on.

    Parameters
    ----------
    axes : Axes
        Its limits must be set.
    x, y : (low, high) or None
        Fitted ranges of its coordinates; None if nothing is known.
    anywhere : bool
        False if something else that the whole map holds fixed is outside its own range.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    low_x, high_x = np.clip(x or (left, right), left, right)
    low_y, high_y = np.clip(y or (bottom, top), bottom, top)
    if (low_x, high_x, low_y, high_y) == (left, right, bottom, top) and anywhere:
        return
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    if anywhere and low_x < high_x and low_y < high_y:
        # Turned the other way round, the inner rectangle is a hole.
        hole = [
            (low_x, low_y), (low_x, high_y), (high_x, high_y), (high_x, low_y), (low_x, low_y),
        ]  # fmt: skip
        corners, codes = corners + hole, codes * 2
        axes.plot(*zip(*hole, strict=True), color=INK, linewidth=1.0, zorder=2.6)
    axes.add_patch(
        PathPatch(
            Path(corners, codes),
            facecolor=(1, 1, 1, 0.4),
            edgecolor=MUTED,
            linewidth=0,
            hatch="///",
            zorder=2.5,
        )
    )
