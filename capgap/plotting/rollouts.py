"""Picture of a rollout: a law fitted to small runs, and the large runs it foretold."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.held_out import Rollout, compute_of
from capgap.errors import InputError
from capgap.plotting.curves import BoolArray
from capgap.plotting.fit_parts import FITTED, HELD_OUT, factor_ticks, legend_above, round_ticks
from capgap.plotting.fits import finite, fit_record, percent, save_fit_figure, write_source
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

__all__ = ["draw_rollout", "save_rollout"]


def draw_rollout(
    rolled: Rollout, *, cutoff: str, law: str = "law", compute: FloatArray | None = None
) -> "Figure":
    """Loss against compute with the fitted region shaded, and the errors of the other runs.

    Parameters
    ----------
    rolled : Rollout
    cutoff : str
        Which runs were fitted, for the words: "C<1e21".
    law : str
        Its name: "plain law".
    compute : array, shape (n,), optional
        FLOPs of all runs of the problem; 6 N D by default.

    Raises
    ------
    InputError
        `compute` has another shape than the runs.
    """
    flops = _compute(rolled, compute)
    figure, (left, right) = new_panels(2, width=9.4, height=4.7, ratios=(1.25, 1), headroom=0.95)
    seen = rolled.fit.problem.weights > 0
    loss = np.exp(rolled.fit.problem.log_loss)
    left.set_xscale("log")
    left.set_yscale("log")
    _draw_losses(left, rolled, flops, seen, loss)
    _shade_fitted(left, flops, rolled)
    left.set_xlabel("training compute (FLOPs)")
    left.set_ylabel("loss (nats per token)")
    round_ticks(left.yaxis, *left.get_ylim())
    legend_above(left)
    _draw_factors(right, rolled)
    figure_headline(figure, _rollout_title(rolled, cutoff, law), _rollout_note(rolled, seen))
    return figure


def _compute(rolled: Rollout, compute: FloatArray | None) -> FloatArray:
    flops = compute_of(rolled.fit) if compute is None else np.asarray(compute, dtype=np.float64)
    shape = rolled.fit.problem.log_loss.shape
    if flops.shape != shape:
        raise InputError(f"draw_rollout: compute of shape {flops.shape} must be {shape}")
    return flops


def _draw_losses(
    axes: "Axes", rolled: Rollout, flops: FloatArray, seen: BoolArray, loss: FloatArray
) -> None:
    out = flops[rolled.run]
    axes.plot(flops[seen], loss[seen], "o", color=FITTED, markersize=4, markeredgecolor="white",
              markeredgewidth=0.4, label="fitted runs")  # fmt: skip
    if np.isfinite(rolled.low).all():
        axes.vlines(out, rolled.low, rolled.high, color=INK, linewidth=1.0, alpha=0.55,
                    label=f"{100 * rolled.level:g}% interval")  # fmt: skip
    axes.plot(out, rolled.predicted, "_", color=INK, markersize=7, markeredgewidth=1.2, zorder=4,
              label="predicted")  # fmt: skip
    axes.plot(out, rolled.observed, "D", color=HELD_OUT, markersize=4.4, markeredgecolor="white",
              markeredgewidth=0.5, label="held-out runs")  # fmt: skip


def _fitted_edge(flops: FloatArray, rolled: Rollout) -> tuple[str, float] | None:
    """What divides fitted from predicted runs: compute or loss, and where; None: neither."""
    seen, loss = rolled.fit.problem.weights > 0, np.exp(rolled.fit.problem.log_loss)
    inner, outer = float(flops[seen].max()), float(flops[rolled.run].min())
    if inner < outer:
        return "compute", math.sqrt(inner * outer)
    inner, outer = float(loss[seen].min()), float(rolled.observed.max())
    return ("loss", math.sqrt(inner * outer)) if inner > outer else None


def _shade_fitted(axes: "Axes", flops: FloatArray, rolled: Rollout) -> None:
    """Shade the side of the panel that was fitted, where compute or loss alone divides it."""
    found = _fitted_edge(flops, rolled)
    if found is None:
        return
    limits = {"xlim": axes.get_xlim(), "ylim": axes.get_ylim()}
    if found[0] == "compute":
        axes.axvspan(limits["xlim"][0], found[1], color=FAINT, alpha=0.7, zorder=0, linewidth=0)
    else:
        axes.axhspan(found[1], limits["ylim"][1], color=FAINT, alpha=0.7, zorder=0, linewidth=0)
    axes.set(**limits)


def _draw_factors(axes: "Axes", rolled: Rollout) -> None:
    """Relative error and its interval against compute over the largest that was fitted."""
    low, high = (100 * (limit / rolled.observed - 1) for limit in (rolled.low, rolled.high))
    error = 100 * rolled.error
    axes.axhline(0, color=MUTED, linewidth=0.8)
    known = bool(np.isfinite(rolled.low).all())
    if known:
        axes.vlines(rolled.factor, low, high, color=INK, linewidth=0.9, alpha=0.35)
    groups = [(np.ones(error.shape, dtype=bool), HELD_OUT, "predicted − measured")]
    if known:
        inside = rolled.inside
        groups = [(inside, "white", "inside its interval"), (~inside, HELD_OUT, "outside")]
    for keep, face, label in groups:
        if keep.any():
            axes.plot(rolled.factor[keep], error[keep], "D", color=face, markeredgecolor=HELD_OUT,
                      markersize=5, label=label, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    factor_ticks(axes, rolled.factor)
    axes.set_xlabel("compute, times the largest fitted")
    axes.set_ylabel("predicted − measured (% of measured)")
    legend_above(axes)


def _rollout_title(rolled: Rollout, cutoff: str, law: str) -> str:
    return (
        f"Fitted to {cutoff}, the {law} foretells the rest to {percent(rolled.median)} (median)"
        f" and {percent(rolled.maximum)} (worst)"
    )


def _rollout_note(rolled: Rollout, seen: BoolArray) -> str:
    note = f"{np.count_nonzero(seen)} fitted runs, {rolled.run.size} predicted"
    if np.isfinite(rolled.coverage):
        low, high = rolled.coverage_interval()
        note += (
            f"; {100 * rolled.level:g}% intervals hold {rolled.coverage:.0%} of them (runs taken as"
            f" independent: {low:.0%} to {high:.0%})"
        )
    return note


def save_rollout(
    rolled: Rollout,
    out: Path,
    name: str = "rollout",
    *,
    cutoff: str,
    law: str = "law",
    compute: FloatArray | None = None,
    source: str = "",
    record: Mapping[str, object] | None = None,
) -> None:
    """Write the picture, every run with what was foretold (NaN for fitted runs), the findings.

    Parameters
    ----------
    rolled, cutoff, law, compute
        As in `draw_rollout`.
    out, name, source, record
        As in `capgap.plotting.fit_residuals.save_fit_residuals`.
    """
    problem, flops = rolled.fit.problem, _compute(rolled, compute)
    fitted = np.flatnonzero(problem.weights > 0)
    place = np.concatenate([fitted, rolled.run])
    empty = np.full(fitted.size, np.nan)
    columns: dict[str, object] = {
        "place": [int(i) for i in place],
        **{key: values[place] for key, values in problem.inputs.items()},
        "compute": flops[place],
        "measured": np.exp(problem.log_loss[place]),
        "fitted": [1] * fitted.size + [0] * rolled.run.size,
        "predicted": np.concatenate([empty, rolled.predicted]),
        "low": np.concatenate([empty, rolled.low]),
        "high": np.concatenate([empty, rolled.high]),
        "factor": np.concatenate([empty, rolled.factor]),
    }
    found = {
        "cutoff": cutoff,
        "law": law,
        "median_relative_error": rolled.median,
        "largest_relative_error": rolled.maximum,
        "mean_relative_error": rolled.bias,
        "level": rolled.level,
        "coverage": finite(rolled.coverage),
        "fit": fit_record(rolled.fit),
    }
    with style():
        figure = draw_rollout(rolled, cutoff=cutoff, law=law, compute=flops)
        edge = _fitted_edge(flops, rolled)
        shaded = "" if edge is None else f"Shaded: where the law was fitted, by {edge[0]}."
        write_source(figure, source, shaded)
        save_fit_figure(figure, out, name, columns, found, record, source)
