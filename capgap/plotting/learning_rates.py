"""Picture of a learning-rate sweep: curves by size, and where their best rates lie."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.learning_rates.transfer import BestRate, RateTransfer, Verdict
from capgap.counts import short
from capgap.plotting.style import (
    FAINT,
    INK,
    MUTED,
    FloatArray,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
    save_figure,
    source_line,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_learning_rates", "rate_columns", "save_learning_rates"]

HIGHEST = 0.3  # nats above the best; steeper parts of a curve leave the picture
KIND_STYLE = {"supervised": (INK, "o"), "distilled": ("#D55E00", "s")}


def draw_learning_rates(found: RateTransfer) -> "Figure":
    """A panel of curves for each kind, and one of best rate against width."""
    kinds = found.sweep.kinds
    ratios = [1.25] * len(kinds) + [1.0]
    figure, panels = new_panels(
        len(ratios), width=11.0, height=4.9, ratios=ratios, right=0.985, headroom=0.9
    )
    sizes = sorted({best.cell.N for best in found.best})
    colors = dict(zip(sizes, ordered_colors(len(sizes)), strict=True))
    top = _top(found)
    for axes, kind in zip(panels, kinds, strict=False):
        mine = [best for best in found.best if best.cell.kind == kind]
        _draw_curves(axes, found, mine, colors, top)
        panel_title(axes, f"{kind}: {_verdict_text(_of(found, kind))}")
    panels[0].set_ylabel("loss above the lowest of its size (nats per token)")
    panels[0].legend(title="parameters", title_fontsize=8, fontsize=8, loc="upper center")
    _draw_optima(panels[-1], found)
    figure_headline(figure, _title(found), _note(found))
    source_line(figure, _source(found))
    return figure


def _top(found: RateTransfer) -> float:
    above = np.concatenate([best.regret for best in found.best])
    return float(min(HIGHEST, 1.08 * np.max(above[np.isfinite(above)])))


def _draw_curves(
    axes: "Axes",
    found: RateTransfer,
    mine: list[BestRate],
    colors: dict[int, tuple[float, float, float, float]],
    top: float,
) -> None:
    rates = found.sweep.rates
    row = 0.055 * top
    for place, best in enumerate(mine):
        color = colors[best.cell.N]
        above = best.regret
        # Sizes side by side: their error bars would hide each other.
        beside = rates * found.sweep.step ** (0.045 * (place - (len(mine) - 1) / 2))
        axes.errorbar(
            beside, above, yerr=best.error, color=color, marker="o", markersize=4.5,
            markeredgecolor="white", linewidth=1.5, elinewidth=1.2, label=short(best.cell.N),
        )  # fmt: skip
        _draw_divergences(axes, beside[np.isinf(above)], top, color)
        y = -row * (1 + place)
        axes.plot([best.low, best.high], [y, y], color=color, linewidth=2.6, alpha=0.5)
        axes.plot(
            best.rate, y, "D", color=color, markersize=4.5,
            markerfacecolor="white" if best.at_edge else color,
        )  # fmt: skip
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.set_ylim(-row * (len(mine) + 0.9), top)
    axes.set_yticks([t for t in axes.get_yticks() if 0 <= t <= top])
    _rate_axis(axes, rates)
    axes.set_xlabel(f"peak learning rate (of matrices: at width {found.sweep.base_width})")


def _draw_divergences(
    axes: "Axes", rates: FloatArray, top: float, color: tuple[float, float, float, float]
) -> None:
    if rates.size:
        axes.plot(rates, np.full(rates.size, 0.97 * top), "x", color=color, markersize=6)
        axes.annotate(
            "diverged", (float(rates[0]), 0.97 * top), xytext=(-4, -9),
            textcoords="offset points", ha="right", fontsize=7.5, color=MUTED,
        )  # fmt: skip


def _rate_axis(axes: "Axes", rates: FloatArray) -> None:
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set_xlim(rates[0] / 1.25, rates[-1] * 1.25)


def _draw_optima(axes: "Axes", found: RateTransfer) -> None:
    """Best rate against width; fitted powers; the power that one rate for all would need."""
    widths = np.array(sorted({best.cell.width for best in found.best}), dtype=np.float64)
    line = np.geomspace(widths[0] / 1.08, widths[-1] * 1.08, 50)
    for place, kind in enumerate(found.sweep.kinds):
        color, marker = KIND_STYLE[kind]
        mine = [best for best in found.best if best.cell.kind == kind]
        verdict = _of(found, kind)
        x = np.array([best.cell.width for best in mine]) * 1.02 ** (2 * place - 1)
        rate = np.array([best.rate for best in mine])
        reach = np.array([[b.rate - b.low, b.high - b.rate] for b in mine]).T
        axes.errorbar(
            x, rate, yerr=np.maximum(reach, 0.0), color=color, marker=marker, markersize=5,
            linestyle="none", elinewidth=1.3, markeredgecolor="white",
        )  # fmt: skip
        middle = np.exp(np.log(widths).mean())
        level = np.exp(np.log(rate).mean())
        axes.plot(
            line, level * (line / middle) ** verdict.slope, color=color, linewidth=1.3,
            label=f"{kind}: power {_signed(verdict.slope)} ± {verdict.slope_error:.2f}",
        )  # fmt: skip
    center = np.exp(np.mean([np.log(best.rate) for best in found.best]))
    middle = np.exp(np.log(widths).mean())
    step = found.sweep.step
    axes.fill_between(line, center / step**0.5, center * step**0.5, color=FAINT, zorder=0,
                      linewidth=0, label="one grid step")  # fmt: skip
    axes.plot(line, center * middle / line, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)),
              label="power −1 (no muP)")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(widths, [f"{width:.0f}" for width in widths])
    rates = found.sweep.rates
    axes.set_yticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set_xlim(line[0], line[-1])
    ends = [b.low for b in found.best] + [b.high for b in found.best]
    axes.set_ylim(min(min(ends), center / step) / 1.6, max(max(ends), center * step) * 2.2)
    axes.set_xlabel("width of the model")
    panel_title(axes, "best rate against width")
    axes.legend(loc="upper right", fontsize=7.5, handlelength=1.8)


def _of(found: RateTransfer, kind: str) -> Verdict:
    return next(verdict for verdict in found.verdicts if verdict.kind == kind)


def _verdict_text(verdict: Verdict) -> str:
    steps = {0: "the same best grid rate", 1: "best grid rates one step apart"}
    return steps.get(verdict.grid_spread, f"best grid rates {verdict.grid_spread} steps apart")


def _probability(p: float) -> str:
    """A share of draws, never quite 0 or 1.

    >>> _probability(1.0), _probability(0.973), _probability(0.0)
    ('> 0.99', '0.97', '< 0.01')
    """
    return "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


def _signed(value: float) -> str:
    """Two decimals, with a minus of the width of a plus.

    >>> _signed(-0.25), _signed(0.1)
    ('−0.25', '0.10')
    """
    return f"{value:.2f}".replace("-", "−")


def _title(found: RateTransfer) -> str:
    if all(verdict.transfers for verdict in found.verdicts):
        return "With muP the best learning rate stays within a grid step as models grow"
    if max(verdict.spread for verdict in found.verdicts) <= 1:
        return (
            "With muP the optima of all sizes lie within a grid step; the best grid points do not"
        )
    spread = max(max(verdict.spread, verdict.grid_spread) for verdict in found.verdicts)
    return f"In spite of muP, best learning rates of sizes are up to {spread:.2g} grid steps apart"


def _note(found: RateTransfer) -> str:
    common = found.best_common
    cost = "diverges somewhere"
    if math.isfinite(common.worst):
        cost = f"costs {common.mean:.3f} nats on average, {common.worst:.3f} at most"
    chances = ", ".join(f"{_probability(v.probability)} {v.kind}" for v in found.verdicts)
    return (
        f"optima at most one step apart with probability {chances}; rate {common.rate:g} for all"
        f" {cost}"
    )


def _source(found: RateTransfer) -> str:
    sweep = found.sweep
    runs = sum(int((~np.isnan(cell.log_loss)).sum()) for cell in sweep.cells)
    gaps = f", {sweep.missing} missing" if sweep.missing else ""
    return (
        f"{runs} byte-level runs ({len(sweep.seeds)} seeds{gaps}; {sweep.failed} diverged) on"
        f" {short(sweep.D)} tokens each, trained by this project. Error bars: standard error over"
        f" seeds of the difference to the best grid rate;\nseeds move a loss by"
        f" {found.seed_noise:.1%}, differences within a seed by {found.paired_noise:.1%} a run."
        f" Diamonds: each size's optimum (parabola, weighted to the bottom; open: may lie beyond)"
        f" and {found.level:.0%} interval."
    )


def rate_columns(found: RateTransfer) -> dict[str, FloatArray | list[str]]:
    """A row for each cell and rate: loss, its error, regret, and the cell's optimum."""
    rates = found.sweep.rates
    n = rates.size

    def repeat(values: list[float]) -> FloatArray:
        return np.repeat(np.array(values, dtype=np.float64), n)

    best = found.best
    return {
        "kind": [one.cell.kind for one in best for _ in rates],
        "N": repeat([one.cell.N for one in best]),
        "width": repeat([one.cell.width for one in best]),
        "peak_learning_rate": np.tile(rates, len(best)),
        "seeds": np.concatenate([np.isfinite(one.cell.log_loss).sum(axis=1) for one in best]),
        "loss": np.concatenate([one.curve for one in best]),
        "above_lowest": np.concatenate([one.regret for one in best]),
        "error_of_above_lowest": np.concatenate([one.error for one in best]),
        "best_grid_rate": repeat([one.grid_rate for one in best]),
        "best_rate": repeat([one.rate for one in best]),
        "best_rate_low": repeat([one.low for one in best]),
        "best_rate_high": repeat([one.high for one in best]),
    }


def save_learning_rates(found: RateTransfer, out: Path, name: str = "learning_rates") -> None:
    """Write picture, the numbers of `rate_columns`, and verdicts with their origin."""
    with style():
        figure = draw_learning_rates(found)
        save_figure(figure, out, name, rate_columns(found), _provenance(found))


def _provenance(found: RateTransfer) -> dict[str, object]:
    common = found.best_common
    return {
        "source": "runs in simulations/learning_rates, made by"
        " simulations/learning_rate_runs.toml; muP (simple): capgap.lm.mup",
        "units": "losses in nats per byte token; widths and N of models; rates per step",
        "verdicts": [
            {**dataclasses.asdict(verdict), "transfers": verdict.transfers}
            for verdict in found.verdicts
        ],
        "best_common_rate": {
            "rate": common.rate,
            "mean_regret": _number(common.mean),
            "worst_regret": _number(common.worst),
        },
        "seed_noise_log_loss": found.seed_noise,
        "paired_noise_log_loss": found.paired_noise,
        "correlation_of_paired_noise_between_cells": _number(found.shared_noise),
        "level": found.level,
        "failed": found.sweep.failed,
        "missing": found.sweep.missing,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
