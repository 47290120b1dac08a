"""The public runs that come with the package, each set fitted and held out."""

from collections.abc import Callable
from dataclasses import dataclass

from capgap.comparison.held_out.forward_chain import ForwardChain, forward_chain
from capgap.comparison.held_out.rollout import Rollout, rollout
from capgap.comparison.summary.request import FitRequest
from capgap.comparison.summary.summarize import FitSummary, summarize
from capgap.comparison.tables.public import PUBLIC
from capgap.comparison.tables.read import read_runs

__all__ = ["PublicFit", "fit_public", "public_columns"]

LAWS = ("plain", "supervised")
# As in the publications of the sets: Besiroglu et al. 2024 (arXiv 2404.10102) and McLeish et
# al. 2025 (arXiv 2502.06857); 1e-3 where none is published.
DELTA = {"gemstones": 1e-4}
# Cutoffs in training FLOPs that leave the largest runs to be foretold.
CUTOFFS = {"chinchilla": "C<1e21", "gadre": "C<1e20"}
FOLDS = 6
_BLANK = float("nan")


@dataclass(frozen=True, slots=True)
class PublicFit:
    """One law on one set.

    Attributes
    ----------
    name, law : str
    summary : FitSummary
    cutoff : str
        Empty where none is agreed on for this set.
    rolled : Rollout or None
    chain : ForwardChain
        Each share of the runs foretold from those with less compute.
    """

    name: str
    law: str
    summary: FitSummary
    cutoff: str
    rolled: Rollout | None
    chain: ForwardChain


def fit_public(
    names: tuple[str, ...] = tuple(PUBLIC),
    *,
    refits: int = 400,
    seed: int = 0,
    report: Callable[[str], None] = lambda step: None,
) -> tuple[PublicFit, ...]:
    """Fit the plain law and the law with gamma to each set.

    Raises
    ------
    InputError
        An unknown set.
    """
    found = []
    for name in names:
        runs = read_runs(name)
        kind = name.partition("-")[0]
        for law in LAWS:
            report(f"{law} law on {name}")
            shared = runs.cell is not None
            request = FitRequest(
                law, delta=DELTA.get(kind, 1e-3), grid="own", refits=refits, seed=seed,
                shared=shared, profiles="none",
            )  # fmt: skip
            summary = summarize(runs, request)
            cutoff = CUTOFFS.get(kind, "")
            rolled = None
            if cutoff:
                rolled = rollout(summary.fit, cutoff, seed=seed, draws=refits)
            chain = forward_chain(summary.fit, folds=FOLDS, seed=seed, draws=0)
            found.append(PublicFit(name, law, summary, cutoff, rolled, chain))
    return tuple(found)


def public_columns(fits: tuple[PublicFit, ...]) -> dict[str, list[object]]:
    """One line for each set and law; losses in nats per token, errors as shares of the loss."""
    columns: dict[str, list[object]] = {}
    for one in fits:
        for name, value in _row(one).items():
            columns.setdefault(name, []).append(value)
    return columns


def _row(one: PublicFit) -> dict[str, object]:
    fit, limits = one.summary.fit, one.summary.intervals
    row: dict[str, object] = {
        "set": one.name,
        "law": one.law,
        "runs": fit.residual.size,
        "delta": fit.problem.delta,
        "status": one.summary.examination.status,
        "objective": fit.objective,
        "residual": fit.noise,
        "seed_noise": one.summary.seed_noise.standard_deviation,
    }
    for name in ("E", "A", "B", "alpha", "beta", "gamma"):
        low, high = limits.get(name, (_BLANK, _BLANK))
        row |= {name: fit.coefficients[name], f"{name}_low": low, f"{name}_high": high}
    rolled = one.rolled
    row |= {
        "cutoff": one.cutoff,
        "held_out": 0 if rolled is None else rolled.run.size,
        "held_out_median": _BLANK if rolled is None else rolled.median,
        "held_out_largest": _BLANK if rolled is None else rolled.maximum,
        "held_out_inside": _BLANK if rolled is None else rolled.coverage,
        "next_share_median": one.chain.median,
        "findings": " ".join(finding.code for finding in one.summary.findings),
    }
    return row
