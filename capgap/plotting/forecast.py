"""A forecast and what happened: the picture of one prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capgap.comparison.forecast import Forecast, LawForecast
from capgap.plotting.measured import LAW_STYLE
from capgap.plotting.style import INK, headline, new_panels, save_figure, source_line, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Outcome", "draw_forecast", "save_forecast"]


@dataclass(frozen=True)
class Outcome:
    """What happened: losses measured after the forecast, and the curves of their training."""

    distilled: float
    supervised: float
    distilled_curve: Sequence[tuple[int, float]]
    supervised_curve: Sequence[tuple[int, float]]


def draw_forecast(forecast: Forecast, outcome: Outcome | None) -> "Figure":
    """Intervals written down before the run, the measured losses, and the training curves."""
    figure, (left, right) = new_panels(2, width=9.4, height=4.4, ratios=(1, 1.15))
    rows = [forecast.supervised, *reversed(forecast.distilled)]
    for place, row in enumerate(rows):
        _draw_row(left, row, place, row is forecast.primary, outcome)
    left.set_yticks([])
    left.set_ylim(-0.5, len(rows) - 0.25)
    left.set_xlabel("validation loss (nats per token)")
    left.spines["left"].set_visible(False)
    headline(
        left,
        "Written down, then measured",
        f"bars: {forecast.level:.0%} intervals; ticks: best guesses; dots: what happened",
    )
    if outcome is not None:
        _draw_curves(right, outcome)
    headline(right, "The training that happened", "next-token loss of the training batches")
    return figure


def _draw_row(
    axes: "Axes", row: LawForecast, place: int, counts: bool, outcome: Outcome | None
) -> None:
    label, color, _ = LAW_STYLE[row.law]
    taught = row.law != "supervised"
    axes.plot([row.low, row.high], [place, place], color=color, linewidth=5, alpha=0.45)
    axes.plot(row.loss, place, "|", color=color, markersize=16, markeredgewidth=2)
    if outcome is not None:
        measured = outcome.distilled if taught else outcome.supervised
        axes.plot(measured, place, "o", color=INK, markeredgecolor="white", markersize=8)
    star = " ★" if counts else ""
    axes.annotate(
        f"{'taught' if taught else 'alone'}: {label}{star}",
        (0, place),
        xycoords=("axes fraction", "data"),
        xytext=(0, 13),
        textcoords="offset points",
        color=color,
    )


def _draw_curves(axes: "Axes", outcome: Outcome) -> None:
    for curve, label, color in (
        (outcome.supervised_curve, "alone", LAW_STYLE["supervised"][1]),
        (outcome.distilled_curve, "taught", LAW_STYLE["hinge"][1]),
    ):
        tokens, losses = zip(*curve, strict=True)
        axes.plot(tokens, losses, color=color, label=label, linewidth=1.5)
    # The first eighth of the training falls from log 256 and would flatten the rest.
    curves = (outcome.supervised_curve, outcome.distilled_curve)
    low = min(loss for curve in curves for _, loss in curve)
    high = max(curve[len(curve) // 8][1] for curve in curves)
    axes.set_ylim(low - 0.05 * (high - low), high)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g}M")
    axes.set_xlabel("training tokens")
    axes.set_ylabel("nats per token")
    axes.legend(loc="upper right", fontsize=8)


def save_forecast(forecast: Forecast, outcome: Outcome, out: Path) -> None:
    """Write ``forecast_and_outcome``: picture, predictions with outcomes, provenance."""
    rows = [*forecast.distilled, forecast.supervised]
    measured = [outcome.supervised if r.law == "supervised" else outcome.distilled for r in rows]
    columns: dict[str, Sequence[float] | Sequence[str]] = {
        "law": [row.law for row in rows],
        "predicted": [row.loss for row in rows],
        "low": [row.low for row in rows],
        "high": [row.high for row in rows],
        "measured": measured,
    }
    with style():
        figure = draw_forecast(forecast, outcome)
        source_line(
            figure,
            f"Student of {forecast.N_S:,.0f} parameters, {forecast.D_S:,.0f} byte tokens; teacher"
            f" at {forecast.L_T:.4f} nats per token. Fitted to {forecast.runs} other runs.\n"
            "★ did best on held-out runs before: the prediction that counts.",
        )
        provenance = {"prediction": forecast.to_dict(), "units": "nats per byte token"}
        save_figure(figure, out, "forecast_and_outcome", columns, provenance)
