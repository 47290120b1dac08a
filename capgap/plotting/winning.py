"""Maps of where a teacher is worth it, and where training alone is as good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.plotting.scenarios import label_lines
from capgap.plotting.style import MUTED, FloatArray
from capgap.theory.law_set import LawSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Winning",
    "draw_winning",
    "fitted_margin",
    "hatch_grid",
    "mark_thresholds",
]

_BEND = 0.02  # nats per token; differences are interpolated as asinh(difference / this)
_WIN = "#0b62a4"


@dataclass(frozen=True, slots=True)
class Winning:
    """Loss with a teacher minus loss alone on a grid: difference[i, j] at x[j], y[i]."""

    label: str
    x: FloatArray
    y: FloatArray
    difference: FloatArray
    color: Any
    dashes: Any
    width: float = 1.9


def draw_winning(axes: "Axes", parts: Sequence[Winning]) -> None:
    """Shade where a teacher is worth it, darker where it is in more parts, and draw the edges.

    Edges are those of a cubic spline through asinh(difference / 0.02 nat), and each bears its
    label. A part that wins or loses everywhere has none. Limits are set: the first part's.
    """
    from scipy.interpolate import RectBivariateSpline

    if not parts:
        raise InputError("draw_winning: 0 parts, must be at least 1")
    x, y = parts[0].x, parts[0].y
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    edges = []
    for part in parts:
        x, y = (np.geomspace(v[0], v[-1], max(121, len(v))) for v in (part.x, part.y))
        spline = RectBivariateSpline(
            np.log(part.y), np.log(part.x), np.arcsinh(part.difference / _BEND)
        )
        smooth = spline(np.log(y), np.log(x))
        least, most = float(smooth.min()), float(smooth.max())
        if least < 0:
            axes.contourf(x, y, smooth, [least - 1, 0.0], colors=[_WIN], alpha=0.1, zorder=1)
        if least < 0 < most:  # matplotlib warns about lines that are not there
            drawn = axes.contour(
                x, y, smooth, [0.0], colors=[part.color], linewidths=part.width,
                linestyles=[part.dashes], zorder=2,
            )  # fmt: skip
            vertices = np.asarray(drawn.get_paths()[0].vertices, dtype=np.float64)
            edges.append((part.label, part.color, vertices))
    label_lines(axes, edges)
    if all(part.difference.min() >= 0 for part in parts):
        axes.text(
            0.5, 0.5, "nowhere on this map", transform=axes.transAxes, ha="center", color=MUTED
        )


def mark_thresholds(axes: "Axes", x: FloatArray, y: FloatArray, color: Any) -> None:
    """Dots at thresholds that were solved for."""
    axes.plot(
        x, y, "o", color=color, markersize=4.5, markeredgecolor="white", markeredgewidth=0.7,
        zorder=3,
    )  # fmt: skip


def fitted_margin(laws: LawSet, **values: npt.ArrayLike) -> FloatArray:
    """Least logarithmic distance of N_S, D_S, L_T to an end of its fitted range; < 0 outside.

    inf where the set tells no ranges.

    >>> from capgap.theory.coefficients import law_set
    >>> fitted_margin(law_set(), D_S=[1e9, 4e9]).round(2).tolist()  # fitted from 2e9 on
    [-0.69, 0.69]
    """
    margin = np.array(np.inf)
    for name, value in values.items():
        asked = np.asarray(value, dtype=np.float64)
        margin = margin + 0.0 * asked
        if name in laws.fitted:
            low, high = laws.fitted[name]
            margin = np.minimum(margin, np.minimum(np.log(asked / low), np.log(high / asked)))
    return margin


def hatch_grid(axes: "Axes", x: FloatArray, y: FloatArray, margin: FloatArray) -> None:
    """Hatch where the law is extrapolated: margin[i, j] < 0 at x[j], y[i]."""
    least = float(margin.min())
    if not least < 0:
        return
    drawn = axes.contourf(
        x, y, margin, [least - 1, 0.0], colors="none", hatches=["////"], zorder=1.5
    )
    drawn.set_edgecolor("#c3c8d0")
    if margin.max() > 0:
        axes.contour(x, y, margin, [0.0], colors=[MUTED], linewidths=0.9, linestyles=[(0, (1, 2))])
