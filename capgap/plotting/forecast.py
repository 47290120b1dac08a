"""A forecast and what happened: the picture of one prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capgap.comparison.forecast import Forecast
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
    rows = [*reversed(forecast.distilled), forecast.supervised]
    labels = []
    for place, row in enumerate(reversed(rows)):
        label, color, _ = LAW_STYLE[row.law]
        taught = row.law != "supervised"
        measured = None
        if outcome is not None:
            measured = outcome.distilled if taught else outcome.supervised
        left.plot([row.low, row.high], [place, place], color=color, linewidth=5, alpha=0.45)
        left.plot(row.loss, place, "|", color=color, markersize=16, markeredgewidth=2)
        if measured is not None:
            left.plot(measured, place, "o", color=INK, markeredgecolor="white", markersize=8)
        star = " ★" if row is forecast.primary else ""
        labels.append(f"{'taught' if taught else 'alone'}:\n{label}{star}")
    left.set_yticks(range(len(labels)), labels)
    left.set_ylim(-0.6, len(labels) - 0.4)
    left.set_xlabel("validation loss (nats per token)")
    left.grid(axis="y", visible=False)
    headline(
        left,
        "Written down, then measured",
        f"bars: {forecast.level:.0%} intervals; dots: what happened",
    )
    if outcome is not None:
        _draw_curves(right, outcome)
    headline(right, "The training that happened", "next-token loss of the training batches")
    return figure


def _draw_curves(axes: "Axes", outcome: Outcome) -> None:
    for curve, label, color in (
        (outcome.supervised_curve, "alone", LAW_STYLE["supervised"][1]),
        (outcome.distilled_curve, "taught", LAW_STYLE["hinge"][1]),
    ):
        tokens, losses = zip(*curve, strict=True)
        axes.plot(tokens, losses, color=color, label=label, linewidth=1.5)
    values = [loss for _, loss in outcome.supervised_curve]
    axes.set_ylim(min(values) - 0.05, sorted(values)[-len(values) // 8])
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
