"""Fit a law to a table and gather all that can be said of the fit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from capgap.comparison.diagnosis.design import examine_design
from capgap.comparison.diagnosis.examination import Examination, examine_fit
from capgap.comparison.diagnosis.finding import Finding
from capgap.comparison.diagnosis.influence import Influence, influence
from capgap.comparison.diagnosis.noise_profile import NoiseProfile, noise_profile
from capgap.comparison.diagnosis.repeats import SeedNoise, seed_noise_of
from capgap.comparison.fitting.refusal import Refusal, RefusalCode
from capgap.comparison.fitting.search import Fit, solve
from capgap.comparison.fitting.tables import fit_table
from capgap.comparison.intervals import Bootstrap, Profile, bootstrap, profile_likelihood
from capgap.comparison.intervals.cold_check import ColdCheck
from capgap.comparison.summary.joint_draws import JointDraws, draws_beneath, draws_of
from capgap.comparison.summary.request import FitRequest
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.supervised import SupervisedLaw

__all__ = ["Beneath", "FitSummary", "summarize"]

Limits = tuple[float, float]
# Ratio of the limits from which a coefficient's spread says so little that it is profiled.
_WIDE = 20.0


@dataclass(frozen=True, slots=True)
class Beneath:
    """The supervised law beneath a law of distillation: given, or fitted to runs first."""

    law: SupervisedLaw
    fit: Fit | None = None
    refits: Bootstrap | None = None


@dataclass(frozen=True, slots=True)
class FitSummary:
    """A fit and what is known about it.

    Attributes
    ----------
    request : FitRequest
    runs : RunTable
        The runs that the law describes; supervised runs of a joint fit are in `fit` only.
    fit : Fit
    examination : Examination
    findings : tuple of Finding
        About the design, then about the fit.
    seed_noise : SeedNoise
        From repeated runs; NaN without any.
    beneath : Beneath or None
        The supervised law that was given to the fit.
    refits : Bootstrap or None
    cold : ColdCheck or None
    draws : JointDraws or None
        Laws for plans; None without refits, or where the fit belongs to no supervised law.
    intervals : dict
        Of every fitted coefficient, at the request's level; from its profile where the spread
        of the refits says little, and then possibly infinite.
    profiles : tuple of Profile
    influence : Influence or None
    noise : NoiseProfile or None
        What the runs were weighed by, where that was asked for; `runs` then have it as their
        standard errors.
    """

    request: FitRequest
    runs: RunTable
    fit: Fit
    examination: Examination
    findings: tuple[Finding, ...]
    seed_noise: SeedNoise
    beneath: Beneath | None
    refits: Bootstrap | None
    cold: ColdCheck | None
    draws: JointDraws | None
    intervals: dict[str, Limits]
    profiles: tuple[Profile, ...]
    influence: Influence | None
    noise: NoiseProfile | None = None


def summarize(
    runs: RunTable,
    request: FitRequest,
    *,
    supervised_law: SupervisedLaw | None = None,
    supervised_runs: RunTable | None = None,
    report: Callable[[str], None] = lambda step: None,
) -> FitSummary:
    """Fit, examine, refit, profile.

    Parameters
    ----------
    runs : RunTable
    request : FitRequest
    supervised_law, supervised_runs
        As in `capgap.comparison.fitting.tables.fit_table`; runs that are fitted first have
        their own refits, whose error enters the draws and intervals of the law above.
    report : callable
        Told each step as it begins.

    Raises
    ------
    Refusal
        The runs cannot identify the law; `code` says why.
    InputError
        What the fit refuses.
    """
    design = examine_design(runs, request.law)
    for finding in design:
        if finding.severity == "refuse":
            raise Refusal(cast(RefusalCode, finding.code), f"fit: {finding.message}")
    beneath = None
    if request.taught and request.own == "fixed":
        report("fitting the supervised law")
        beneath = _beneath(request, supervised_law, supervised_runs)
    report(f"fitting the {request.law} law")
    fit = _fit(runs, request, beneath, supervised_law, supervised_runs)
    noise = None
    if request.noise_profile:
        report("fitting again, weighed by the noise")
        noise = noise_profile(fit, runs)
        runs = replace(runs, standard_error=noise.standard_deviation(**runs.inputs) * runs.loss)
        weighed = replace(request, use_standard_errors=True, noise_profile=False)
        fit = _fit(runs, weighed, beneath, supervised_law, supervised_runs)
    examined = examine_fit(
        fit, runs if fit.residual.size == len(runs) else None, seed_noise=request.seed_noise
    )
    refits, cold, draws = None, None, None
    if request.refits and fit.status != "not-converged":
        report(f"{request.refits} refits")
        refits = bootstrap(
            fit, seed=request.seed, n=request.refits, kind=request.refit_kind,
            shared=request.shared, groups=runs.cell if fit.residual.size == len(runs) else None,
        )  # fmt: skip
        report("checking refits")
        cold = refits.cold_check()
        draws = _draws(fit, refits, beneath, request, supervised_law)
    limits = {} if refits is None else _limits(refits, draws, request.level)
    profiles = _profiles(fit, limits, request, runs, report)
    # A profile takes a supervised law beneath as given; where the spread of the refits says
    # something it knows more.
    limits |= {p.name: (p.low, p.high) for p in profiles if _weak(limits.get(p.name))}
    moved = None
    if request.influence and fit.status != "not-converged":
        report("leaving out each cell")
        moved = influence(fit)
    return FitSummary(
        request, runs, fit, examined, _told(design, examined), seed_noise_of(runs), beneath,
        refits, cold, draws, limits, profiles, moved, noise,
    )  # fmt: skip


def _told(design: tuple[Finding, ...], examined: Examination) -> tuple[Finding, ...]:
    """All findings; what both examinations found is told once."""
    known = {finding.code for finding in design}
    return (*design, *(f for f in examined.findings if f.code not in known))


def _fit(
    runs: RunTable,
    request: FitRequest,
    beneath: Beneath | None,
    supervised_law: SupervisedLaw | None,
    supervised_runs: RunTable | None,
) -> Fit:
    fixed = request.own == "fixed"
    law = (None if beneath is None else beneath.law) if fixed else None
    if request.own == "profiled" and supervised_runs is not None:
        raise InputError("fit: own = 'profiled' must have no supervised runs; 'joint' takes them")
    fit = fit_table(
        runs,
        request.law,
        supervised_law=law,
        supervised_runs=supervised_runs if request.own == "joint" else None,
        own=request.own,
        terms=request.terms,
        gamma=None if request.taught and fixed else request.gamma,
        delta=request.delta,
        use_standard_errors=request.use_standard_errors,
    )
    if request.grid == "own":
        return fit
    # What is fitted again later starts from here, and needs the paper's grid no more.
    found = solve(replace(fit.problem, grid="paper", start=fit.x))
    return replace(found, problem=replace(found.problem, grid="own"))


def _beneath(
    request: FitRequest, law: SupervisedLaw | None, runs: RunTable | None
) -> Beneath | None:
    if runs is None:
        return None if law is None else Beneath(law)
    if law is not None:
        raise InputError("fit: a supervised law and supervised runs must not both be given")
    fit = fit_table(
        runs, "supervised", gamma=request.gamma, delta=request.delta,
        use_standard_errors=request.use_standard_errors,
    )  # fmt: skip
    assert isinstance(fit.law, SupervisedLaw)
    if fit.status == "not-converged":
        raise InputError(f"fit: the supervised law of {runs.source}: {fit.message}")
    refits = None
    if request.refits:
        refits = bootstrap(
            fit, seed=request.seed + 1, n=request.refits, kind="residuals", groups=runs.cell
        )
    return Beneath(fit.law, fit, refits)


def _draws(
    fit: Fit,
    refits: Bootstrap,
    beneath: Beneath | None,
    request: FitRequest,
    supervised_law: SupervisedLaw | None,
) -> JointDraws | None:
    if beneath is not None and beneath.refits is not None:
        return draws_beneath(fit, refits, beneath.refits)
    if request.own == "profiled" and supervised_law is None:
        return None
    other = supervised_law if request.own == "profiled" else None
    return draws_of(fit, refits, other)


def _limits(refits: Bootstrap, draws: JointDraws | None, level: float) -> dict[str, Limits]:
    """Intervals of the coefficients, with the error of a supervised law fitted beneath."""
    if draws is None or (
        len(draws) == len(refits.x[: len(draws)])
        and np.array_equal(draws.coordinates, refits.x[: len(draws)])
    ):
        return refits.interval(level)
    model = refits.fit.problem.model
    rows = [model.coefficients(x) for x in draws.coordinates]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return replace(refits, x=draws.coordinates, coefficients=columns).interval(level)


def _profiles(
    fit: Fit,
    limits: dict[str, Limits],
    request: FitRequest,
    runs: RunTable,
    report: Callable[[str], None],
) -> tuple[Profile, ...]:
    if request.profiles == "none" or fit.status == "not-converged" or fit.degrees_of_freedom < 1:
        return ()
    made = []
    groups = runs.cell if request.shared and fit.residual.size == len(runs) else None
    for name in fit.coefficients:
        if name.endswith("gamma") and name not in fit.problem.model.names:
            continue  # held fixed
        if request.profiles == "all" or (limits and _weak(limits.get(name))):
            report(f"profile of {name}")
            made.append(profile_likelihood(fit, name, level=request.level, groups=groups))
    return tuple(made)


def _weak(limits: Limits | None) -> bool:
    if limits is None:
        return True
    low, high = limits
    return not (np.isfinite(low) and np.isfinite(high)) or low <= 0 or high / low > _WIDE
