"""Errors of many runs in a panel that outliers do not ruin, with the rows of the outliers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from capgap.plotting.fits import percent
from capgap.plotting.style import INK, FloatArray, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "beyond_note",
    "draw_errors",
    "error_limits",
    "label_rows",
    "outliers",
    "signed",
]

_FAR = 4.0  # robust standard deviations: a run beyond is an outlier
_REACH = 8.0  # robust standard deviations that a panel shows


def signed(log_error: float) -> str:
    """A log error in percent with its sign.

    >>> signed(-0.05), signed(0.0051)
    ('−5.0%', '+0.51%')
    """
    return f"{'−' if log_error < 0 else '+'}{percent(abs(log_error))}"


def outliers(error: FloatArray, most: int = 5) -> list[int]:
    """Places of the farthest runs beyond four robust standard deviations of the errors.

    >>> outliers(np.array([0.0, 0.01, -0.01, 0.02, -0.02, 0.5]))
    [5]
    """
    distance = np.abs(error - np.median(error))
    far = np.flatnonzero(distance > _FAR * _robust(error) + 1e-12)
    order = np.argsort(-distance[far], kind="stable")
    return [int(i) for i in far[order][:most]]


def error_limits(error: FloatArray, band: float) -> tuple[float, float]:
    """Limits in percent that show the bulk of the errors, and a band of +-`band`.

    Runs beyond eight robust standard deviations do not widen them; `draw_errors` puts these
    at the edge, and there is room for the line that names them.
    """
    near = np.abs(error - np.median(error)) <= _REACH * _robust(error) + 1e-12
    reach = band if np.isfinite(band) else 0.0
    while True:
        low, high = min(float(error[near].min()), -reach), max(float(error[near].max()), reach)
        pad = np.where([(error < low).any(), (error > high).any()], 0.2, 0.08)
        low, high = (low, high) + np.array([-1, 1]) * pad * (high - low + 1e-12)
        # A run within the margin is shown where it is, and widens the panel.
        shown = (error >= low) & (error <= high)
        if np.array_equal(shown, near):
            return float(100 * low), float(100 * high)
        near = near | shown


def beyond_note(error: FloatArray, limits: tuple[float, float]) -> str:
    """What triangles at the edge mean, where there are any; else nothing."""
    beyond = (100 * error < limits[0]) | (100 * error > limits[1])
    text = "Triangles lie beyond the panel; rows are named from left to right."
    return text if beyond.any() else ""


def _robust(error: FloatArray) -> float:
    """Standard deviation of a normal with the errors' median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(error - np.median(error))))


def draw_errors(
    axes: "Axes",
    x: FloatArray,
    error: FloatArray,
    limits: tuple[float, float],
    colors: FloatArray | str,
    marker: str = "o",
    size: float = 22.0,
) -> None:
    """Dots of log errors in percent; those beyond the limits are triangles at the edge."""
    shown = 100 * error
    edge = 0.02 * (limits[1] - limits[0])
    for keep, shape in (
        ((shown >= limits[0]) & (shown <= limits[1]), marker),
        (shown < limits[0], "v"),
        (shown > limits[1], "^"),
    ):
        if keep.any():
            at = np.clip(shown[keep], limits[0] + edge, limits[1] - edge)
            axes.scatter(
                x[keep], at, s=size, c=colors if isinstance(colors, str) else colors[keep],
                marker=shape, linewidths=0.5, edgecolors="white", zorder=3,
            )  # fmt: skip
    axes.set_ylim(*limits)


def label_rows(
    axes: "Axes",
    x: FloatArray,
    error: FloatArray,
    rows: Mapping[int, int],
    limits: tuple[float, float],
) -> None:
    """Write the file's row beside runs, labels moved apart where they would overlap.

    `rows` maps places in the arrays to rows. Rows beyond a limit share one line at that edge,
    from left to right. The axes must have their limits.
    """
    low, high = limits
    beneath = [k for k in rows if 100 * error[k] < low]
    above = [k for k in rows if 100 * error[k] > high]
    for places, sign, y in ((beneath, "▼", 0.075), (above, "▲", 0.925)):
        if places:
            ordered = sorted(places, key=lambda k: float(x[k]))
            text = _beyond([rows[k] for k in ordered], [float(error[k]) for k in ordered])
            axes.text(
                0.5, y, f"{sign} {text}", transform=axes.transAxes, ha="center", va="center",
                fontsize=7, color=INK, zorder=6,
            )  # fmt: skip
    within = sorted(set(rows) - set(beneath) - set(above), key=lambda k: float(error[k]))
    left, right = axes.get_xlim()
    middle = np.sqrt(left * right) if axes.get_xscale() == "log" else 0.5 * (left + right)
    gap = 9 / (72 * axes.get_window_extent().height / axes.figure.dpi)
    for side in (-1, 1):
        here = [k for k in within if (x[k] > middle) == (side < 0)]
        heights = [(100 * float(error[k]) - low) / (high - low) for k in here]
        for k, height in zip(here, spread(heights, gap), strict=True):
            axes.annotate(
                f"row {rows[k]}", (float(x[k]), low + height * (high - low)),
                xytext=(5 * side, 0), textcoords="offset points",
                ha="right" if side < 0 else "left", va="center", fontsize=7, color=INK, zorder=6,
            )  # fmt: skip


def _beyond(rows: list[int], errors: list[float]) -> str:
    """Rows beyond an edge and how far they are.

    >>> _beyond([6], [-0.05]), _beyond([3, 1], [-0.12, -0.28])
    ('row 6 (−5.0%)', 'rows 3, 1 (−12% to −28%)')
    """
    if len(rows) == 1:
        return f"row {rows[0]} ({signed(errors[0])})"
    ends = sorted(errors, key=abs)
    names = ", ".join(map(str, rows))
    return f"rows {names} ({signed(ends[0])} to {signed(ends[-1])})"
