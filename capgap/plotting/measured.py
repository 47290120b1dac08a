"""Pictures of measured runs: the laws over the runs that they were fitted to."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.comparison.measured import DistillationRuns, FittedLaw, MeasuredLaws
from capgap.counts import short
from capgap.plotting.style import (
    FAINT,
    INK,
    MUTED,
    headline,
    new_panels,
    ordered_colors,
    save_figure,
    source_line,
    spread,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "LAW_STYLE",
    "draw_distillation",
    "draw_supervised",
    "save_distillation",
    "save_supervised",
]

# Name in legends, color and dashes of each law; safe for color blindness (Okabe and Ito).
LAW_STYLE = {
    "supervised": ("supervised law", "#555555", (0, (4, 2))),
    "eq8-reduced": ("Eq. 8 (reduced form)", "#D55E00", "solid"),
    "hinge": ("hinge law", "#0072B2", "solid"),
}


def draw_supervised(laws: MeasuredLaws, level: float = 0.9) -> "Figure":
    """Measured loss against tokens, one curve a size, with the law's interval; and residuals."""
    runs, fitted = laws.supervised_runs, laws.supervised
    figure, (left, right) = new_panels(2, width=9.4, ratios=(1.7, 1))
    sizes = np.unique(runs.N)
    tokens = np.geomspace(runs.D.min() / 1.25, runs.D.max() * 1.25, 80)
    ends = []
    colors = ordered_colors(len(sizes))
    for color, N in zip(colors, sizes, strict=True):
        here = runs.N == N
        band = fitted.refits.mean_interval(level, N=np.full_like(tokens, N), D=tokens)
        left.fill_between(tokens, band.low, band.high, color=color, alpha=0.18, linewidth=0)
        left.plot(tokens, band.center, color=color, linewidth=1.4)
        left.plot(runs.D[here], runs.L[here], "o", color=color, markeredgecolor="white")
        ends.append(float(band.center[-1]))
        residual = 100 * fitted.fit.residual[here]
        right.plot(runs.D[here], residual, "o", color=color, markeredgecolor="white")
    shallow = laws.shallow_runs
    if shallow.L.size:
        left.plot(
            shallow.D, shallow.L, "o", color="white", markeredgecolor=MUTED,
            label="one layer, not fitted",
        )  # fmt: skip
        left.legend(loc="upper right", fontsize=8)
    low, high = left.get_ylim()
    for color, N, place in zip(colors, sizes, spread(ends, (high - low) / 22), strict=True):
        left.annotate(
            short(float(N)),
            (tokens[-1], place),
            xytext=(5, 0),
            textcoords="offset points",
            color=color,
            va="center",
            annotation_clip=False,
        )
    noise = 100 * laws.noise.standard_deviation
    if np.isfinite(noise):
        right.axhspan(-noise, noise, color=FAINT, zorder=0, label="± seed noise")
        right.legend(loc="upper right", fontsize=8)
    right.axhline(0, color=MUTED, linewidth=0.8)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(np.unique(runs.D), [short(float(D)) for D in np.unique(runs.D)])
        axes.minorticks_off()
        axes.set_xlabel("training tokens $D$ (bytes)")
    left.set_ylabel("validation loss (nats per token)")
    right.set_ylabel("predicted − measured (%)")
    headline(
        left,
        "More parameters, more tokens, lower loss",
        f"{len(runs.L)} supervised runs; lines: fitted law, bands: {level:.0%} interval",
    )
    headline(right, "What the law misses", "each run's residual in log loss")
    return figure


def draw_distillation(laws: MeasuredLaws) -> "Figure":
    """Student loss against teacher loss: a panel for each student size and token count."""
    runs = laws.distillation_runs
    cells = sorted({(float(N), float(D)) for N, D in zip(runs.N_S, runs.D_S, strict=True)})
    rows = len({N for N, _ in cells})
    columns = -(-len(cells) // rows)
    by_tokens = sorted(cells, key=lambda cell: (cell[1], cell[0]))
    figure, panels = new_panels(len(cells), width=9.4, height=6.6, rows=columns)
    low, high = float(runs.L_T.min()), float(runs.L_T.max())
    grid = np.geomspace(low * 0.97, high * 1.03, 120)
    for axes, (N, D) in zip(panels, by_tokens, strict=True):
        _draw_cell(axes, laws, runs, N, D, grid)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper right", bbox_to_anchor=(0.97, 0.995), ncols=3, fontsize=8,
        handlelength=1.8,
    )  # fmt: skip
    for i, axes in enumerate(panels):
        if i % rows == 0:
            axes.set_ylabel("student loss (nats per token)")
        if i >= len(cells) - rows:
            axes.set_xlabel("teacher loss (nats per token)")
    figure.text(0.065, 0.965, "What teachers do to students", fontsize=12, fontweight="bold")
    figure.text(
        0.065,
        0.938,
        f"{len(runs.L_S)} distillations; stronger teachers to the left",
        fontsize=8.5,
        color=MUTED,
    )
    return figure


def _draw_cell(
    axes: "Axes", laws: MeasuredLaws, runs: DistillationRuns, N: float, D: float, grid: np.ndarray
) -> None:
    here = (runs.N_S == N) & (runs.D_S == D)
    own = laws.supervised_runs
    alike = (own.N == N) & (own.D == D)
    axes.plot(
        grid, grid, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), label="student = teacher"
    )
    if alike.any():
        axes.axhline(
            float(own.L[alike].mean()),
            color=LAW_STYLE["supervised"][1],
            linewidth=1.0,
            linestyle=(0, (4, 2)),
            label="trained alone (measured)",
        )
    for fitted in laws.distilled:
        _draw_law(axes, fitted, N, D, grid)
    axes.plot(
        runs.L_T[here], runs.L_S[here], "o", color=INK, markeredgecolor="white", label="distilled"
    )
    values = np.concatenate([runs.L_S[here], own.L[alike]])
    pad = 0.15 * (values.max() - values.min()) + 0.01
    axes.set_ylim(values.min() - pad, values.max() + pad)
    axes.set_xlim(grid[0], grid[-1])
    axes.set_title(
        f"{short(N)} parameters, {short(D)} tokens",
        fontsize=9,
        fontweight="normal",
        pad=5,
    )


def _draw_law(axes: "Axes", fitted: FittedLaw, N: float, D: float, grid: np.ndarray) -> None:
    label, color, dashes = LAW_STYLE[fitted.name]
    curve = fitted.refits.mean_interval(
        0.9, N_S=np.full_like(grid, N), D_S=np.full_like(grid, D), L_T=grid
    )
    axes.fill_between(grid, curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
    axes.plot(grid, curve.center, color=color, linewidth=1.4, linestyle=dashes, label=label)


def save_supervised(laws: MeasuredLaws, out: Path) -> None:
    """Write ``measured_supervised``: picture, runs with predictions, provenance."""
    runs, fit = laws.supervised_runs, laws.supervised.fit
    with style():
        figure = draw_supervised(laws)
        caption(figure, laws)
        columns = {
            "N": runs.N, "D": runs.D, "loss": runs.L, "predicted": runs.L * np.exp(fit.residual),
        }  # fmt: skip
        save_figure(figure, out, "measured_supervised", columns, provenance(laws.supervised))


def save_distillation(laws: MeasuredLaws, out: Path) -> None:
    """Write ``measured_distillation``: picture, runs with each law's prediction, provenance."""
    runs = laws.distillation_runs
    with style():
        figure = draw_distillation(laws)
        caption(figure, laws)
        columns = {"N_S": runs.N_S, "D_S": runs.D_S, "L_T": runs.L_T, "loss": runs.L_S}
        for fitted in laws.distilled:
            columns[f"predicted_{fitted.name}"] = runs.L_S * np.exp(fitted.fit.residual)
        source = {
            **provenance(*laws.distilled),
            "seed_noise_log_loss": laws.noise.standard_deviation,
            "capacity_gap_tests": [dataclasses.asdict(test) for test in laws.gaps],
        }
        save_figure(figure, out, "measured_distillation", columns, source)


def provenance(*laws: FittedLaw) -> dict[str, object]:
    """Coefficients, intervals and state of each law."""
    return {
        "source": "runs in simulations/runs; laws: Busbridge et al. 2025, arXiv 2502.08606, Eqs. 1"
        " and 8, and the hinge law of capgap.theory.hinge",
        "units": "losses in nats per byte token, N non-embedding parameters, D tokens",
        "laws": {
            law.name: {
                "coefficients": law.fit.coefficients,
                "interval_90": {k: list(v) for k, v in law.refits.interval(0.9).items()},
                "status": law.fit.status,
                "message": law.fit.message,
                "held_out_rms_log_error": law.held_out.root_mean_square,
                "held_out_coverage_of_90": law.coverage,
                "held_out_teacher_rms_log_error": None
                if law.held_out_teacher is None
                else law.held_out_teacher.root_mean_square,
            }
            for law in laws
        },
    }


def caption(figure: "Figure", laws: MeasuredLaws) -> None:
    """The source line of pictures of measured runs."""
    shipped = laws.corpus.startswith("sotu-")
    text = "the State of the Union addresses" if shipped else laws.corpus
    found = laws.noise.standard_deviation
    noise = f" Each dot is one run; seeds alone move it by {found:.1%}."
    noise = noise if np.isfinite(found) else ""
    source_line(
        figure,
        f"Byte-level transformers on {text}, trained by this project; {laws.failed} failed runs"
        f" left out.\nLoss: validation cross-entropy on {laws.validation_documents} whole"
        f" documents, natural logarithm.{noise}",
    )
