"""Rollouts: fit a law to the small runs, predict the large ones, and look."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit, solve
from capgap.comparison.held_out.cutoff import compute_of, cutoff_mask
from capgap.comparison.intervals import bootstrap
from capgap.errors import InputError

__all__ = ["Rollout", "rollout"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Predictions of runs from a fit that has not seen them; arrays of shape (m,).

    Attributes
    ----------
    fit : Fit
        To the runs below the cutoff; look at its status.
    run : array of int
        Place of each predicted run among all runs, from 0.
    observed, predicted, low, high : array
        Losses, nats per token, and the limits of the prediction interval; limits are NaN
        where none were asked for or the fit allows none.
    factor : array
        Compute of each predicted run over the largest compute that was fitted.
    level : float
        Nominal coverage of the intervals.
    """

    fit: Fit
    run: npt.NDArray[np.int64]
    observed: FloatArray
    predicted: FloatArray
    low: FloatArray
    high: FloatArray
    factor: FloatArray
    level: float

    @property
    def error(self) -> FloatArray:
        """Relative errors, predicted / observed - 1."""
        return self.predicted / self.observed - 1.0

    @property
    def median(self) -> float:
        """Median size of the relative errors."""
        return float(np.median(np.abs(self.error)))

    @property
    def maximum(self) -> float:
        """Largest size of a relative error."""
        return float(np.max(np.abs(self.error)))

    @property
    def bias(self) -> float:
        """Mean relative error with its sign; above 0 the law foretold too high a loss."""
        return float(np.mean(self.error))

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Whether each observed loss lies in its interval; False without an interval."""
        return np.asarray((self.low <= self.observed) & (self.observed <= self.high))

    @property
    def coverage(self) -> float:
        """Share of the predicted runs inside their intervals; NaN without intervals."""
        return float(self.inside.mean()) if np.all(np.isfinite(self.low)) else float("nan")

    def coverage_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Exact binomial interval of the coverage (Clopper & Pearson 1934).

        It takes the runs for independent. They share one fit, so the truth is wider.

        Examples
        --------
        No run of 1 inside: 0 and the p with (1 - p)^1 = 0.025.

        >>> from capgap.comparison.held_out.rollout import binomial_interval
        >>> [round(limit, 9) for limit in binomial_interval(0, 1, 0.95)]
        [0.0, 0.975]
        """
        if not np.isfinite(self.coverage):
            return float("nan"), float("nan")
        return binomial_interval(int(self.inside.sum()), self.run.size, level)

    def where(self, keep: npt.NDArray[np.bool_]) -> "Rollout":
        """Some of the predictions of the same fit."""
        names = ("run", "observed", "predicted", "low", "high", "factor")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    def rows(self) -> list[dict[str, float]]:
        """One row per predicted run: its inputs, losses, limits and relative error."""
        inputs = {name: values[self.run] for name, values in self.fit.problem.inputs.items()}
        columns = {
            "run": self.run, **inputs, "observed": self.observed, "predicted": self.predicted,
            "low": self.low, "high": self.high, "error": self.error, "factor": self.factor,
        }  # fmt: skip
        return [
            {name: float(values[i]) for name, values in columns.items()}
            for i in range(self.run.size)
        ]


def rollout(
    fit: Fit,
    below: str | npt.ArrayLike,
    *,
    seed: int,
    level: float = 0.9,
    draws: int = 200,
    shared: bool = False,
) -> Rollout:
    """Fit a law to the runs below a cutoff, from all starts anew, and predict the others.

    Parameters
    ----------
    fit : Fit
        A fit to all runs: its law, runs, weights and Huber threshold are used, its optimum
        is not. Runs of weight zero are neither fitted nor predicted.
    below : str or array_like of bool, shape (n,)
        Runs to fit: a cutoff as in `cutoff_mask`, or which runs.
    seed : int
        Of the intervals.
    level, draws
        Nominal coverage of the prediction intervals and refits behind them; 0: no intervals.
    shared : bool
        Whether runs of one cell share an error, as in `capgap.comparison.intervals.bootstrap`.

    Returns
    -------
    Rollout

    Raises
    ------
    InputError
        Nothing is held out; fewer runs below than coefficients; an input with one value
        below, so that the law is not identified; or a cutoff of another form.

    Notes
    -----
    What the fit still knows of the held-out runs: the range and the centers of the
    coordinates (limits of E and of the knee among them), and from which points it starts.
    None of them moves an optimum inside the range. A supervised law that was *given* to a
    distillation law stays as it is: fit it below the cutoff too, if it is to be held out.

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 3), np.tile([1e9, 1e10, 1e11], 3)
    >>> rolled = rollout(fit_supervised(N, D, law.loss(N, D), gamma=1.0), "C<1e20", seed=0)
    >>> rolled.run.size, rolled.maximum < 1e-9, float(rolled.factor.max())
    (1, True, 10.0)
    """
    problem = fit.problem
    used = problem.weights > 0
    keep = _mask(fit, below)
    out = used & ~keep
    _check(fit, used & keep, out)
    fitted = solve(replace(problem, weights=np.where(keep, problem.weights, 0.0)))
    run = np.flatnonzero(out)
    compute = compute_of(fit)
    low, high = _limits(fitted, run, level, draws, seed, shared)
    return Rollout(
        fit=fitted,
        run=run,
        observed=np.exp(problem.log_loss[run]),
        predicted=np.exp((fitted.residual + problem.log_loss)[run]),
        low=low,
        high=high,
        factor=compute[run] / compute[used & keep].max(),
        level=level,
    )


def binomial_interval(hits: int, n: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson's limits of a share; quantiles of two beta distributions.

    Examples
    --------
    All of 2 inside: the lower limit is the p with p^2 = 0.025.

    >>> low, high = binomial_interval(2, 2, 0.95)
    >>> round(low**2, 9), high
    (0.025, 1.0)
    """
    tail = 0.5 * (1 - level)
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return low, high


def _mask(fit: Fit, below: str | npt.ArrayLike) -> npt.NDArray[np.bool_]:
    if isinstance(below, str):
        return cutoff_mask(fit, below)
    keep = np.asarray(below)
    if keep.dtype != np.bool_ or keep.shape != fit.problem.log_loss.shape:
        raise InputError(
            f"rollout: below of type {keep.dtype} and shape {keep.shape} must be bool and"
            f" {fit.problem.log_loss.shape}"
        )
    return keep


def _check(fit: Fit, below: npt.NDArray[np.bool_], out: npt.NDArray[np.bool_]) -> None:
    if not out.any():
        raise InputError("rollout: 0 runs held out, must be at least 1")
    if below.sum() < fit.x.size:
        raise InputError(
            f"rollout: {below.sum()} runs below the cutoff, must be at least the {fit.x.size}"
            " coefficients"
        )
    for name, values in fit.problem.inputs.items():
        if np.unique(values[below]).size < 2:
            raise InputError(
                f"rollout: {name} = {values[below][0]:g} in every run below the cutoff, must vary"
            )


def _limits(
    fitted: Fit, run: npt.NDArray[np.int64], level: float, draws: int, seed: int, shared: bool
) -> tuple[FloatArray, FloatArray]:
    if draws == 0 or fitted.status == "not-converged" or fitted.degrees_of_freedom < 1:
        return np.full(run.size, np.nan), np.full(run.size, np.nan)
    inputs = {name: values[run] for name, values in fitted.problem.inputs.items()}
    refits = bootstrap(fitted, seed=seed, n=draws, shared=shared)
    interval = refits.prediction_interval(level, **inputs)
    return interval.low, interval.high
