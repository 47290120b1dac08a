"""Pictures that the commands on fits draw when asked."""

from pathlib import Path
from typing import Any

import numpy as np

from capgap.cli.fit_options import Source
from capgap.comparison.held_out import Comparison
from capgap.comparison.held_out.forward_chain import ForwardChain
from capgap.comparison.held_out.rollout import Rollout
from capgap.comparison.summary.record import fit_record
from capgap.comparison.summary.summarize import FitSummary

__all__ = ["draw_comparison", "draw_fit", "draw_rollout", "fitted_runs"]


def fitted_runs(summary: FitSummary) -> Any:
    """The runs of a summary and what its law predicts for them."""
    from capgap.plotting.fits import FittedRuns

    fit, runs = summary.fit, summary.runs
    predicted = np.exp(fit.problem.model.at(dict(runs.inputs)).predict(fit.x[None])[0])
    known = summary.request.seed_noise or summary.seed_noise.standard_deviation
    seeds = bool(np.isfinite(known))
    return FittedRuns(
        runs,
        predicted,
        noise=known if seeds else fit.noise,
        noise_name="seed noise" if seeds else "residual noise",
        law=f"{summary.request.law} law",
    )


def draw_fit(summary: FitSummary, folder: Path) -> None:
    """Residuals, predicted against measured, intervals, and the profiles there are."""
    from capgap.plotting.fit_intervals import coefficient_rows, save_intervals
    from capgap.plotting.fit_profiles import save_fit_profiles
    from capgap.plotting.fit_quality import save_fit_quality
    from capgap.plotting.fit_residuals import save_fit_residuals

    fitted, record = fitted_runs(summary), fit_record(summary)
    save_fit_residuals(fitted, folder, record=record)
    save_fit_quality(fitted, folder, record=record)
    source = f"Runs: {summary.runs.source}."
    law = f"{summary.request.law} law"
    rows = coefficient_rows(law, summary.fit.coefficients, summary.intervals)
    if rows:
        save_intervals(
            rows, folder, "fit_intervals", level=summary.request.level, source=source, record=record
        )
    if summary.profiles:
        save_fit_profiles(summary.profiles, folder, source=source, record=record)


def draw_rollout(
    rolled: Rollout, chain: ForwardChain | None, law: str, cutoff: str, source: Source, folder: Path
) -> None:
    """The rollout, and forward chaining where it was done."""
    from capgap.plotting.forward_chain import save_forward_chain
    from capgap.plotting.rollouts import save_rollout

    text = f"Runs: {source.runs.source}."
    save_rollout(rolled, folder, cutoff=cutoff, law=f"{law} law", source=text)
    if chain is not None:
        save_forward_chain(chain, folder, law=f"{law} law", source=text)


def draw_comparison(found: Comparison, source: Source, folder: Path) -> None:
    """Held-out errors and their differences."""
    from capgap.plotting.law_comparison import save_law_comparison

    save_law_comparison(found, folder, source=f"Runs: {source.runs.source}.")
