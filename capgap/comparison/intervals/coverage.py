"""How often intervals cover a planted truth: the same design, many draws of the noise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, solve
from capgap.comparison.intervals.limits import Interval, Method, scales
from capgap.comparison.intervals.profile import profile_likelihood
from capgap.comparison.intervals.refits import bootstrap
from capgap.comparison.intervals.resampling import Kind

__all__ = ["Hit", "Noise", "Planted", "cold_share", "hits", "planted_fits", "profile_hits"]

_PATIENCE = 3000
_LOWER = 1e-4  # relative difference in objective that makes another basin
Tails = Literal["normal", "heavy", "shared"]


@dataclass(frozen=True, slots=True)
class Noise:
    """Errors of log losses.

    Attributes
    ----------
    sd : float
        Of a normal error.
    tails : str
        `normal`; `heavy`: one run in twenty, at random, has five times the error; `shared`:
        half of the variance is common to the runs of a cell.
    """

    sd: float
    tails: Tails = "normal"

    def draw(
        self, cells: np.ndarray[tuple[int], np.dtype[np.int64]], rng: np.random.Generator
    ) -> FloatArray:
        """One error per run."""
        error = rng.standard_normal(cells.size)
        if self.tails == "heavy":
            error = np.where(rng.random(cells.size) < 0.05, 5 * error, error)
        if self.tails == "shared":
            common = rng.standard_normal(int(cells.max()) + 1)[cells]
            error = (error + common) * np.sqrt(0.5)
        return self.sd * error


@dataclass(frozen=True, slots=True)
class Planted:
    """A law on a design.

    Attributes
    ----------
    truth : Fit
        The law fitted to its own losses without noise, with the delta under study.
    cells : array of int, shape (n,)
    noise : Noise
    new : mapping of str to inputs by name
        Places of predictions: `inside`, `beyond`.
    """

    truth: Fit
    cells: np.ndarray[tuple[int], np.dtype[np.int64]]
    noise: Noise
    new: Mapping[str, Mapping[str, FloatArray]]


@dataclass(frozen=True, slots=True)
class Hit:
    """One interval of one replication: the share of its values that were covered (one, or
    several places of a prediction), and its width: log of the ratio of its ends, or their
    difference for a coefficient that is measured as it is.
    """

    method: str
    quantity: str
    covered: float
    width: float


def planted_fits(planted: Planted, seeds: Iterable[int]) -> list[Fit]:
    """Fits to the law's losses with noise, one for each seed.

    They start at the truth and so end in its basin; `cold_share` says how often that is not
    the best one. Fits that do not converge have that status.
    """
    truth = planted.truth
    problem, model = truth.problem, truth.problem.model
    exact = model.predict(truth.x[None])[0]
    errors = [planted.noise.draw(planted.cells, np.random.default_rng(seed)) for seed in seeds]
    y = exact + np.stack(errors)
    starts = np.repeat(truth.x[None], len(y), axis=0)
    end = minimize_huber(model, y, problem.weights, starts, problem.delta, _PATIENCE)
    return [
        replace(
            truth,
            law=model.law(x),
            coefficients=model.coefficients(x),
            objective=float(objective),
            status="converged" if converged else "not-converged",
            residual=model.predict(x[None])[0] - row,
            x=x,
            problem=replace(problem, log_loss=row, start=None),
        )
        for x, objective, converged, row in zip(end.x, end.objective, end.converged, y, strict=True)
    ]


def cold_share(fits: Iterable[Fit]) -> float:
    """Share of fits that a search from all starts improves by more than 1e-4 of the objective."""
    lower = [solve(fit.problem).objective < fit.objective * (1 - _LOWER) for fit in fits]
    return float(np.mean(lower))


def hits(
    planted: Planted,
    fit: Fit,
    kind: Kind,
    *,
    level: float,
    n: int,
    seed: int,
    methods: tuple[Method, ...] = ("t",),
    shared: bool = False,
) -> Iterator[Hit]:
    """Intervals by refits of one fit: of every coefficient, of the law, of new runs."""
    truth, model = planted.truth, planted.truth.problem.model
    refits = bootstrap(fit, seed=seed, n=n, kind=kind, groups=planted.cells, shared=shared)
    scale = scales(model, truth.x)
    for method in methods:
        for name, (low, high) in refits.interval(level, method).items():
            if np.ptp(refits.coefficients[name]) == 0:  # a coefficient that was given
                continue
            width = float(scale[name].to(high) - scale[name].to(low))
            yield Hit(method, name, float(low <= truth.coefficients[name] <= high), width)
        for place, inputs in planted.new.items():
            mean = refits.mean_interval(level, method=method, **inputs)
            exact = np.exp(model.at(inputs).predict(truth.x[None])[0])
            yield _prediction(method, f"law, {place}", mean, exact)
    rng = np.random.default_rng((seed, 1))
    for place, inputs in planted.new.items():
        exact = model.at(inputs).predict(truth.x[None])[0]
        # New runs stand in cells of their own.
        error = planted.noise.draw(np.arange(exact.size), rng)
        run = refits.prediction_interval(level, **inputs)
        yield _prediction("t", f"new run, {place}", run, np.exp(exact + error))


def profile_hits(
    planted: Planted, fit: Fit, *, level: float, clustered: bool = False
) -> Iterator[Hit]:
    """Profile intervals of one fit, of every coefficient that is a coordinate."""
    truth, model = planted.truth, planted.truth.problem.model
    for name in model.names:
        groups = planted.cells if clustered else None
        found = profile_likelihood(fit, name, level=level, groups=groups, top=1.0)
        scale = scales(model, truth.x)[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = [0.0 if scale.logarithm and np.isinf(found.low) else found.low, found.high]
            width = float(scale.to(ends[1]) - scale.to(ends[0]))
        covered = found.low <= truth.coefficients[name] <= found.high
        yield Hit("profile", name, float(covered), width)


def _prediction(method: str, quantity: str, interval: Interval, value: FloatArray) -> Hit:
    inside = (interval.low <= value) & (value <= interval.high)
    width = np.median(np.log(interval.high / interval.low))
    return Hit(method, quantity, float(np.mean(inside)), float(width))
