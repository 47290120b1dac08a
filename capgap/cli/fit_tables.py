"""What the commands on fits print for people."""

import math
from collections.abc import Sequence

import numpy as np

from capgap.comparison.held_out import Comparison
from capgap.comparison.held_out.forward_chain import ForwardChain
from capgap.comparison.held_out.rollout import Rollout
from capgap.comparison.summary.prediction import Foretold
from capgap.comparison.summary.summarize import FitSummary
from capgap.counts import short

__all__ = [
    "print_chain", "print_comparison", "print_fit", "print_predictions", "print_rollout",
]  # fmt: skip

EQUATIONS = {
    "plain": "L = E + A/N^alpha + B/D^beta",
    "supervised": "L = E + (A/N^alpha + B/D^beta)^gamma",
    "distillation": "L_S = L_T + L_T^-c0 (1 + (L_T/(d1 L))^(1/f1))^(-c1 f1)"
    " (A/N_S^alpha + B/D_S^beta)^gamma",
    "distillation-reduced": "L_S = L_T + L_T^-c0 exp(-k (L_T/L)^(1/f1))"
    " (A/N_S^alpha + B/D_S^beta)^gamma",
    "distillation-power": "L_S = L_T + L_T^-c0 (A/N_S^alpha + B/D_S^beta)^gamma",
    "hinge": "L_S = l ((L_T/l)^(rho/s) + (L_T/l)^(-theta/s))^s,  theta = c N_S^p D_S^-q",
    "hinge-additive": "L_S = l + s log(exp(rho x/s) + exp(-theta x/s)),  x = L_T - l,"
    "  theta = c N_S^p D_S^-q",
}
MARKS = {"refuse": "✗", "warn": "!", "note": "-"}
_SHOWN = 5  # runs or cells listed


def print_fit(summary: FitSummary, notes: Sequence[str] = ()) -> None:
    """Law, coefficients with intervals, how sure, and what the runs cannot tell."""
    fit, request = summary.fit, summary.request
    used = int(np.count_nonzero(fit.problem.weights))
    print(f"{request.law} law, {used} runs of {summary.runs.source}")
    for note in notes:
        print(f"  {note}")
    print(f"  {EQUATIONS[request.law]}\n")
    _print_supervised(summary)
    _print_coefficients(fit.coefficients, summary.intervals, request.level)
    print(f"\nstatus: {summary.examination.status}; {fit.message}")
    print(f"search: {fit.best_basin_share:.0%} of {fit.refined} refined starts ended here"
          f" ({fit.screened:,} screened); objective {fit.objective:.8g}")  # fmt: skip
    _print_residuals(summary)
    _print_refits(summary)
    for profile in summary.profiles:
        print(f"profile: {profile.text}")
    _print_influence(summary)
    if summary.findings:
        print("\nwhat these runs cannot tell, and what to look at:")
    for finding in summary.findings:
        print(f"  {MARKS[finding.severity]} {finding.code}: {finding.message}")


def _print_supervised(summary: FitSummary) -> None:
    beneath = summary.beneath
    if beneath is None:
        return
    values = ", ".join(f"{k} {v:.4g}" for k, v in beneath.law.coefficients("").items())
    if beneath.fit is None:
        print(f"  L, given: {values}\n")
        return
    print(f"  L, fitted to {beneath.fit.residual.size} supervised runs first"
          f" ({beneath.fit.status}): {values}\n")  # fmt: skip


def _print_coefficients(
    values: "dict[str, float]", intervals: "dict[str, tuple[float, float]]", level: float
) -> None:
    width = max(len(name) for name in values)
    heading = f"{level:.0%} interval" if intervals else ""
    print(f"{'':<{width}}  {'value':>11}   {heading}".rstrip())
    for name, value in values.items():
        print(f"{name:<{width}}  {value:>11.5g}   {_interval(intervals.get(name))}".rstrip())


def _interval(pair: tuple[float, float] | None) -> str:
    if pair is None:
        return ""
    low, high = pair
    if low == high:
        return "held fixed"
    if math.isinf(low) and math.isinf(high):
        return "no limit"
    if math.isinf(high):
        return f"above {low:.4g}"
    return f"below {high:.4g}" if math.isinf(low) else f"{low:.4g} to {high:.4g}"


def _print_residuals(summary: FitSummary) -> None:
    noise, seeds = summary.fit.noise, summary.seed_noise
    if math.isfinite(seeds.standard_deviation):
        beside = (f"repeated runs differ by {100 * seeds.standard_deviation:.2g}%"
                  f" ({seeds.degrees_of_freedom} degrees of freedom)")  # fmt: skip
    elif summary.request.seed_noise is not None:
        beside = f"seeds are said to differ by {100 * summary.request.seed_noise:.2g}%"
    elif summary.request.use_standard_errors:
        beside = "weighed by their standard errors, which the law is tested against"
    else:
        beside = "no repeated runs, so nothing to test a lack of fit against"
    print(f"residuals: {100 * noise:.3g}% root mean square of log loss; {beside}")
    if summary.noise is not None:
        slopes = ", ".join(
            f"{name}^{value / 2:+.2g}" for name, value in summary.noise.slopes.items()
        )
        print(f"noise: {100 * summary.noise.level:.2g}% at the middle of the design, times"
              f" {slopes} (constant noise: p = {summary.noise.p:.2g})")  # fmt: skip


def _print_refits(summary: FitSummary) -> None:
    refits, cold = summary.refits, summary.cold
    if refits is None or cold is None:
        return
    print(
        f"intervals: {len(refits.x):,} refits ({refits.kind}), {refits.converged_share:.0%}"
        f" converged; {cold.checked} searched again from all starts,"
        f" {cold.lower_share:.0%} of them found lower"
    )


def _print_influence(summary: FitSummary) -> None:
    found = summary.influence
    if found is None:
        return
    strongest = found.strongest
    names = ", ".join(
        f"{name} {short(float(values[strongest.cell]))}"
        if name != "L_T"
        else f"{name} {values[strongest.cell]:.4g}"
        for name, values in found.inputs.items()
    )
    print(f"influence: without the cell at {names}, {strongest.name} moves by"
          f" {strongest.change:+.4g} ({abs(strongest.in_spread):.2g} standard deviations),"
          f" the most of {len(found.essential)} cells")  # fmt: skip
    if found.essential.any():
        print(f"influence: without any one of {int(found.essential.sum())} cells the law cannot"
              " be fitted")  # fmt: skip


def print_predictions(predictions: Sequence[Foretold], level: float) -> None:
    """Losses at the points asked for."""
    for one in predictions:
        place = ", ".join(
            f"{name} = {short(value) if name != 'L_T' else f'{value:.4g}'}"
            for name, value in one.inputs.items()
        )
        print(f"\nat {place}: {one.loss:.4f} nats per token")
        if math.isfinite(one.mean[0]):
            print(f"  {level:.0%} interval of the law {one.mean[0]:.4f} to {one.mean[1]:.4f}, of a"
                  f" run {one.run[0]:.4f} to {one.run[1]:.4f}")  # fmt: skip
        print(f"  {one.words}")


def print_rollout(law: str, cutoff: str, rolled: Rollout, rows: Sequence[int]) -> None:
    """How the held-out runs were foretold."""
    fitted = int(np.count_nonzero(rolled.fit.problem.weights))
    print(f"{law} law fitted to {fitted} runs with {cutoff} ({rolled.fit.status});"
          f" {rolled.run.size} others foretold, up to {rolled.factor.max():.3g} times the"
          " compute")  # fmt: skip
    print(f"relative error: median {100 * rolled.median:.3g}%, largest"
          f" {100 * rolled.maximum:.3g}%, mean {100 * rolled.bias:+.3g}%")  # fmt: skip
    if math.isfinite(rolled.coverage):
        low, high = rolled.coverage_interval()
        print(f"{rolled.level:.0%} intervals held {rolled.coverage:.0%} of them"
              f" (95% interval of that share {low:.0%} to {high:.0%})")  # fmt: skip
    worst = np.argsort(-np.abs(rolled.error), kind="stable")[:_SHOWN]
    print("farthest off: " + ", ".join(
        f"row {rows[rolled.run[i]]} {100 * rolled.error[i]:+.2f}%" for i in worst
    ))  # fmt: skip


def print_chain(chain: ForwardChain) -> None:
    """Errors against how far ahead."""
    print(f"\nforward chaining, {len(chain.rollouts)} fits: median error of the next share"
          f" {100 * chain.median:.3g}%")  # fmt: skip
    print("  compute ahead     runs   median     max   inside")
    for row in chain.ahead():
        inside = f"{row.coverage:.0%}" if math.isfinite(row.coverage) else ""
        print(f"  {row.low:>4g} to {row.high:<5g} {row.predictions:>8}  {100 * row.median:>6.2f}%"
              f" {100 * row.maximum:>6.1f}%   {inside:>6}".rstrip())  # fmt: skip


def print_comparison(found: Comparison, how: str) -> None:
    """Laws by held-out error and the verdicts of all pairs."""
    print(f"{how}: {found.laws[0].error.size} held-out runs in {found.group.max() + 1} groups")
    width = max(len(law.name) for law in found.laws)
    print(f"{'':<{width}}  fitted    rms    median   90% intervals hold")
    for law in found.laws:
        holds = f"{law.coverage:.0%}" if math.isfinite(law.coverage) else ""
        print(f"{law.name:<{width}}  {law.coefficients:>6}  {100 * law.root_mean_square:>5.2f}%"
              f"  {100 * law.median_absolute:>6.2f}%  {holds:>18}".rstrip())  # fmt: skip
    for pair in found.pairs:
        mean = pair.absolute if pair.measure == "absolute" else pair.squared
        unit = 100 if pair.measure == "absolute" else 1e4
        print(f"  {pair.words}: difference of {pair.measure} errors {unit * mean.mean:+.3g}"
              f" ({found.level:.0%} interval {unit * mean.low:+.3g} to {unit * mean.high:+.3g}"
              f" {'%' if pair.measure == 'absolute' else '%²'}, {mean.groups} groups)")  # fmt: skip
    print("not beaten by another: " + ", ".join(found.best))
