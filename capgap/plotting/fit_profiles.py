"""Picture of profile likelihoods: how much worse the fit gets as one coefficient is held."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from capgap.errors import InputError
from capgap.plotting.fit_parts import FITTED, few_ticks, lay_out, symbol, value_text
from capgap.plotting.fits import finite, save_fit_figure, write_source
from capgap.plotting.style import (
    INK,
    MUTED,
    FloatArray,
    figure_headline,
    new_panels,
    panel_title,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ProfileLike", "draw_fit_profiles", "interval_text", "save_fit_profiles"]

_TOP = 3.0  # of a panel, in units of the cut
_COLUMNS = 4
_DECADES = 20.0  # ratio of values from which an axis is logarithmic


class ProfileLike(Protocol):
    """The profile of one coefficient, as this picture reads it.

    Attributes
    ----------
    name : str
    values : array, shape (m,)
        Values at which the coefficient was held, in any order.
    rise : array, shape (m,)
        Objective, minimized over all other coefficients, less its minimum.
    cut : float
        Rise up to which a value belongs to the interval.
    low, high : float
        Ends of the interval; infinite or NaN where the profile does not reach the cut.
    level : float
        Nominal coverage of the interval.
    """

    @property
    def name(self) -> str: ...
    @property
    def values(self) -> FloatArray: ...
    @property
    def rise(self) -> FloatArray: ...
    @property
    def cut(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def level(self) -> float: ...


def interval_text(low: float, high: float) -> str:
    """An interval that may be open on a side, as words.

    >>> interval_text(0.33, 0.36), interval_text(0.33, float("inf")), interval_text(0.0, 2.0)
    ('0.33 to 0.36', 'above 0.33', '0 to 2')
    >>> interval_text(float("-inf"), float("nan"))
    'no limits'
    """
    if math.isfinite(low) and math.isfinite(high):
        return f"{value_text(low)} to {value_text(high)}"
    if math.isfinite(low):
        return f"above {value_text(low)}"
    return f"below {value_text(high)}" if math.isfinite(high) else "no limits"


def draw_fit_profiles(profiles: Sequence[ProfileLike]) -> "Figure":
    """A panel for each coefficient: rise of the objective over its minimum, in units of the cut.

    The bar on the cut line is the interval; an arrow instead of an end says that the runs set
    no limit on that side.

    Parameters
    ----------
    profiles : sequence of ProfileLike
        Such as `capgap.comparison.intervals.Profile`.

    Raises
    ------
    InputError
        No profile, a profile without values or of arrays that differ in length, or a cut that
        is not above 0.
    """
    _check(profiles)
    rows = -(-len(profiles) // _COLUMNS)
    columns = -(-len(profiles) // rows)
    figure, panels = new_panels(
        len(profiles), width=9.4 if columns > 2 else 6.6, height=1.6 + 2.3 * rows, rows=rows,
        headroom=1.0,
    )  # fmt: skip
    lay_out(figure, panels, left=0.62 / figure.get_figwidth(), hspace=0.42, wspace=0.12)
    for i, (axes, profile) in enumerate(zip(panels, profiles, strict=True)):
        _draw_profile(axes, profile)
        if i % columns == 0:
            axes.set_ylabel("rise / cut")
        else:
            axes.tick_params(labelleft=False)
    figure_headline(figure, _title(profiles), _note(profiles))
    return figure


def _check(profiles: Sequence[ProfileLike]) -> None:
    if not profiles:
        raise InputError("draw_fit_profiles: 0 profiles, must be at least 1")
    for profile in profiles:
        values, rise = np.asarray(profile.values), np.asarray(profile.rise)
        if values.shape != rise.shape or values.ndim != 1 or values.size < 1:
            raise InputError(
                f"draw_fit_profiles: shapes {values.shape}, {rise.shape} of {profile.name} must be"
                " one (m,) with m >= 1"
            )
        if not profile.cut > 0:
            raise InputError(f"draw_fit_profiles: cut = {profile.cut:g} must be > 0")


def _draw_profile(axes: "Axes", profile: ProfileLike) -> None:
    order = np.argsort(profile.values, kind="stable")
    x, y = np.asarray(profile.values)[order], np.asarray(profile.rise)[order] / profile.cut
    best = int(np.argmin(y))
    left, right = _window(x, y, profile)
    if x.min() > 0 and right / max(left, 1e-300) > _DECADES:
        axes.set_xscale("log")
    axes.axhline(1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.plot(x, y, color=INK, linewidth=1.5, marker=".", markersize=3.5)
    axes.plot(x[best], y[best], "o", color=INK, markeredgecolor="white", markersize=6)
    axes.set_xlim(left, right)
    axes.set_ylim(-0.12, _TOP)
    axes.set_yticks(range(int(_TOP) + 1))
    _draw_interval(axes, profile)
    panel_title(axes, f"{symbol(profile.name)}: {interval_text(profile.low, profile.high)}")
    few_ticks(axes)


def _draw_interval(axes: "Axes", profile: ProfileLike) -> None:
    """The interval as a bar on the cut line, an arrow at every side without a limit."""
    left, right = axes.get_xlim()
    ends = [
        limit if math.isfinite(limit) else edge
        for limit, edge in ((profile.low, left), (profile.high, right))
    ]
    axes.plot(ends, [1, 1], color=FITTED, linewidth=4, solid_capstyle="butt", zorder=3)
    for limit, end, shape in (
        (profile.low, ends[0], "<"),
        (profile.high, ends[1], ">"),
    ):
        if math.isfinite(limit):
            axes.plot([end] * 2, [0, 1], color=FITTED, linewidth=0.9, linestyle=(0, (1, 1.5)))
        else:
            axes.plot(end, 1, shape, color=FITTED, markersize=9, clip_on=False, zorder=4)


def _window(x: FloatArray, y: FloatArray, profile: ProfileLike) -> tuple[float, float]:
    """Values worth showing: where the rise is below the panel's top, and the interval's ends."""
    shown = np.flatnonzero(y <= _TOP)
    first, last = max(int(shown[0]) - 1, 0), min(int(shown[-1]) + 1, x.size - 1)
    limits = [limit for limit in (profile.low, profile.high) if math.isfinite(limit)]
    left, right = min([x[first], *limits]), max([x[last], *limits])
    if left > 0 and right / left > _DECADES:
        margin = (right / left) ** 0.03
        return float(left / margin), float(right * margin)
    margin = 0.03 * (right - left) or 0.03 * abs(left) or 1.0
    return float(left - margin), float(right + margin)


def _open(profile: ProfileLike) -> bool:
    return not (math.isfinite(profile.low) and math.isfinite(profile.high))


def _title(profiles: Sequence[ProfileLike]) -> str:
    """Which coefficients the runs bound."""
    loose = [symbol(profile.name) for profile in profiles if _open(profile)]
    if not loose:
        which = {1: "the coefficient", 2: "both coefficients"}
        return f"The runs bound {which.get(len(profiles), 'all coefficients')} on both sides"
    if len(loose) == len(profiles):
        return "The runs bound none of the coefficients on both sides"
    return f"The runs leave {', '.join(loose)} open on a side; they bound the other coefficients"


def _note(profiles: Sequence[ProfileLike]) -> str:
    levels = " and ".join(f"{100 * level:g}%" for level in sorted({p.level for p in profiles}))
    return (
        "objective above its minimum, all other coefficients refitted, in units of the cut;"
        f" bars: {levels} intervals"
    )


def save_fit_profiles(
    profiles: Sequence[ProfileLike],
    out: Path,
    name: str = "fit_profiles",
    *,
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture, every point of every profile, and the intervals.

    Parameters
    ----------
    profiles
        As in `draw_fit_profiles`.
    out, name, source, record
        As in `capgap.plotting.fit_residuals.save_fit_residuals`.
    """
    columns: dict[str, list[float] | list[str]] = {
        "coefficient": [p.name for p in profiles for _ in p.values],
        "value": [float(v) for p in profiles for v in p.values],
        "rise": [float(v) for p in profiles for v in p.rise],
        "cut": [float(p.cut) for p in profiles for _ in p.values],
    }
    found = {
        p.name: {"low": finite(p.low), "high": finite(p.high), "level": p.level} for p in profiles
    }
    with style():
        figure = draw_fit_profiles(profiles)
        write_source(figure, source, "Arrows: no limit on that side among the values tried.")
        save_fit_figure(figure, out, name, columns, {"intervals": found}, record, source)
