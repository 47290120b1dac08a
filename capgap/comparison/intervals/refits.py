"""Intervals for a fitted law, by refitting it to simulated or resampled runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.intervals.cold_check import ColdCheck, Sample, search_cold
from capgap.comparison.intervals.limits import (
    Interval,
    Method,
    derivative,
    limits,
    scales,
    tails,
)
from capgap.comparison.intervals.linear import LinearFit, linearize
from capgap.comparison.intervals.resampling import (
    Kind,
    drawn_cells,
    new_losses,
    noise_between_cells,
)
from capgap.errors import InputError
from capgap.theory.domain import positive_array

__all__ = ["Bootstrap", "bootstrap"]

_ITERATIONS, _TOLERANCE = 300, 1e-6  # refits need no more digits than their spread
_ROUNDING = 1e-15  # least noise, so that an exact fit has an interval of rounding width
_CHECKED = 16  # refits that a cold check solves again
_DRAWN = ("pairs", "cells")  # kinds that draw runs, and so weights


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Refits of a law.

    Attributes
    ----------
    fit : Fit
        The fit to the runs themselves.
    x : array, shape (B, P)
        Coordinates of the refits.
    coefficients : dict of arrays, shape (B,)
    noise : float
        Standard deviation of one new run's log loss in a new cell.
    degrees_of_freedom : int
        Of `noise`: runs less coefficients, or cells less one where cells share an error.
    converged_share : float
        Share of the refits that converged; below about 0.95 do not trust the limits.
    kind : str
    linear : LinearFit
        The fit near its optimum.
    sample : Sample
        The first refits, for `cold_check`.
    """

    fit: Fit
    x: FloatArray
    coefficients: dict[str, FloatArray]
    noise: float
    degrees_of_freedom: int
    converged_share: float
    kind: Kind
    linear: LinearFit
    sample: Sample

    def interval(self, level: float = 0.9, method: Method = "t") -> dict[str, tuple[float, float]]:
        """Interval of every coefficient, on the scale of `limits.scales`.

        A fit at a bound, or a coefficient whose interval spans decades, needs
        `profile_likelihood` instead: a spread around the fit cannot say "no upper limit".
        """
        scale = scales(self.fit.problem.model, self.fit.x)
        center = self._on_scales(self.fit.x)
        draws = np.stack(
            [scale[name].to(draws) for name, draws in self.coefficients.items()], axis=-1
        )
        skew = self._acceleration(derivative(self._on_scales, self.fit.x), method)
        low, high = limits(center, draws, level, self.degrees_of_freedom, method, skew)
        return {
            name: (float(one.back(a)), float(one.back(b)))
            for (name, one), a, b in zip(scale.items(), low, high, strict=True)
        }

    def mean_interval(
        self, level: float = 0.9, *, method: Method = "t", **inputs: npt.ArrayLike
    ) -> Interval:
        """Interval for the law's own value (no run noise) at new inputs, by name."""
        points, shape = _points(self.fit, inputs)
        model = self.fit.problem.model.at(points)
        center, jacobian = model.evaluate(self.fit.x[None])
        skew = self._acceleration(jacobian[0], method)
        low, high = limits(
            center[0], model.predict(self.x), level, self.degrees_of_freedom, method, skew
        )
        return Interval(*(np.exp(end).reshape(shape) for end in (low, center[0], high)))

    def prediction_interval(self, level: float = 0.9, **inputs: npt.ArrayLike) -> Interval:
        r"""Interval for the loss of one new run at new inputs, given by name.

        .. math:: \log \hat L \pm t_\nu \sqrt{sd(\log L^*)^2 + s^2}

        with s the noise of a run. Noise in proportion to measured standard errors counts
        with its geometric mean.

        Examples
        --------
        >>> from capgap.comparison.fitting.fit import fit_supervised
        >>> from capgap.theory.supervised import SupervisedLaw
        >>> law = SupervisedLaw(E=1.5, A=400.0, B=1000.0, alpha=0.35, beta=0.37)
        >>> N, D = np.repeat([1e7, 1e8, 1e9], 4), np.tile([1e9, 4e9, 1e10, 4e10], 3)
        >>> wiggle = np.tile([1.004, 0.996, 0.997, 1.003], 3)
        >>> refits = bootstrap(fit_supervised(N, D, law.loss(N, D) * wiggle, gamma=1.0), seed=0)
        >>> new = refits.prediction_interval(N=3e8, D=2e10)
        >>> bool(new.low < law.loss(3e8, 2e10) < new.high)
        True
        """
        points, shape = _points(self.fit, inputs)
        model = self.fit.problem.model.at(points)
        center = model.predict(self.fit.x[None])[0]
        square = np.mean((model.predict(self.x) - center) ** 2, axis=0)
        wide = float(stdtrit(self.degrees_of_freedom, tails(level)[1]))
        reach = wide * np.sqrt(square + max(self.noise, _ROUNDING) ** 2)
        return Interval(
            *(np.exp(center + shift).reshape(shape) for shift in (-reach, 0 * reach, reach))
        )

    def cold_check(self) -> ColdCheck:
        """Solve 16 of the refits again from all starts: did the warm ones miss a basin?"""
        return search_cold(self.fit.problem, self.sample)

    def _on_scales(self, x: FloatArray) -> FloatArray:
        model = self.fit.problem.model
        scale = scales(model, self.fit.x)
        return np.array([float(scale[k].to(v)) for k, v in model.coefficients(x).items()])

    def _acceleration(self, gradient: FloatArray, method: Method) -> FloatArray | float:
        if method != "bca":
            return 0.0
        parts = self.linear.influence(gradient)
        size = np.sqrt(np.sum(parts**2, axis=1, keepdims=True))
        shares = np.divide(parts, size, out=np.zeros_like(parts), where=size > 0)
        # Residuals are predicted less observed, so a run moves the fit against its own.
        return np.asarray(-np.sum(shares**3, axis=1) / 6)


def bootstrap(
    fit: Fit,
    *,
    seed: int | np.random.Generator,
    n: int = 200,
    kind: Kind = "noise",
    groups: npt.ArrayLike | None = None,
    shared: bool = False,
) -> Bootstrap:
    r"""Refit a law many times, from its own optimum, to see how far the runs decide it.

    Parameters
    ----------
    fit : Fit
        Any fit with a status other than `not-converged`.
    seed : int or Generator
    n : int
        Number of refits.
    kind : str
        The design stays:

        * `noise`: losses are the fitted ones times exp(normal noise), whose size comes from
          the residuals, corrected for the fitted coefficients.
        * `residuals`: the noise is drawn from the residuals, corrected for leverage, with
          random signs; for noise that is alike in all runs but not normal.
        * `wild`: each cell keeps the size of its own residuals, corrected for leverage as by
          HC3 (CV3 for cells of several runs), times one Rademacher weight (Webb's six points
          below 12 cells); for noise that differs between runs or is shared within cells.

        Runs are drawn with replacement, until every input still takes two values and enough
        runs remain:

        * `pairs`: single runs.
        * `cells`: whole cells; it needs no noise model and is wider on small designs.
    groups : array_like, shape (n,), optional
        Cell of each run for `wild`, `cells` and `shared`; runs of equal (N, D) by default.
    shared : bool
        `noise` only: whether the runs of a cell also share an error (the same data order,
        the same initialization). The two variances come from two moments of the residuals,
        r'r and the sum of squared cell totals, through the fit's projection.

    Returns
    -------
    Bootstrap

    Raises
    ------
    InputError
        The fit did not converge, leaves no degree of freedom, or n < 2; or there are fewer
        than five cells, or too few to be drawn without losing the design.

    Notes
    -----
    Covers: sampling error of the coefficients under noise of the kind named above, and in
    `prediction_interval` the noise of the new run. Does not cover: a law of the wrong form
    (compare held-out errors), the error of a supervised law that was given and not fitted,
    and extrapolation beyond the region where the law was checked. Refits start at the fit's
    optimum and stay in its basin; `Bootstrap.cold_check` says whether that lost anything.

    Coverage of nominal 95% intervals on planted laws (plain, supervised, Eq. 8 reduced, hinge; 60
    to 700 runs; noise 0.3 to 1%; delta 0.001 and 0.01; 400 fits each, so one coverage has a
    standard error of about 1%), by `simulations/study_interval_coverage.py`, whose table
    `figures/interval_coverage.csv` has every number:

    ===============  ============  ====================  ====================  ========
    kind             noise         coefficients          value of the law      new runs
    ===============  ============  ====================  ====================  ========
    noise            normal        95.6% (93.0 to 97.8)  95.1 (94.3 to 96.6)  94.6
    residuals        normal        95.4% (92.5 to 98.3)  94.9 (93.4 to 97.1)  94.6
    residuals        heavy tails   95.3% (93.0 to 98.3)  94.8 (93.4 to 96.1)  96.2
    wild             normal        96.0% (94.0 to 98.0)  95.0 (93.6 to 96.6)  94.7
    wild             heavy tails   95.9% (94.3 to 98.5)  95.3 (94.1 to 96.8)  96.1
    pairs            normal        96.0% (94.8 to 97.8)  94.6 (93.9 to 95.5)  94.5
    noise, shared    shared        94.7% (92.8 to 96.5)  94.9 (93.9 to 95.6)  95.2
    wild, by cells   shared        95.9% (94.3 to 98.0)  95.1 (94.6 to 96.4)  95.5
    cells            shared        94.7% (93.3 to 95.3)  94.5 (93.6 to 96.1)  95.4
    noise            heavy tails   98.1% (97.0 to 99.3)  97.9 (96.9 to 98.6)  96.0
    noise            shared        80.3% (73.0 to 98.3)  77.7 (72.8 to 81.5)  92.4
    ===============  ============  ====================  ====================  ========

    The last two lines break the assumption of `noise`: take `residuals` for heavy tails (one
    run in twenty with five times the error), and `shared`, `wild` or `cells` where the runs of
    a cell share an error. Coverages above 97% are weak coefficients of small designs, such as
    gamma of 73 runs: `profile_likelihood` covers those 94 to 97%.
    """
    rng = np.random.default_rng(seed)
    _check(fit, n)
    problem, model = fit.problem, fit.problem.model
    runs = np.arange(problem.log_loss.size)
    given = cell_index(problem.inputs, groups)
    cells = given if kind in ("wild", "cells") or shared else runs
    clustered = bool(np.unique(cells).size < runs.size)
    linear = linearize(fit, cells)
    within, between = noise_between_cells(fit, linear, cells)
    y, weights = problem.log_loss, problem.weights
    if kind in _DRAWN:
        weights = weights * drawn_cells(fit, cells, n, rng)
    else:
        y = new_losses(fit, linear, kind, cells, (within, between), n, rng)
    starts = np.repeat(fit.x[None], n, axis=0)
    end = minimize_huber(model, y, weights, starts, problem.delta, _ITERATIONS, _TOLERANCE)
    rows = [model.coefficients(x) for x in end.x]
    used_cells = np.unique(cells[problem.weights > 0]).size
    return Bootstrap(
        fit=fit,
        x=end.x,
        coefficients={name: np.array([row[name] for row in rows]) for name in rows[0]},
        noise=float(np.hypot(within, between)),
        degrees_of_freedom=(
            min(used_cells - 1, fit.degrees_of_freedom)
            if clustered and (between > 0 or not shared)
            else fit.degrees_of_freedom
        ),
        converged_share=float(np.mean(end.converged)),
        kind=kind,
        linear=linear,
        sample=_sample(y, weights, end.objective),
    )


def _sample(y: FloatArray, weights: FloatArray, objective: FloatArray) -> Sample:
    """The first refits: as good as any, since each was drawn alike."""
    checked = objective[:_CHECKED]
    shape = (checked.size, y.shape[-1])
    first = [np.broadcast_to(a[:_CHECKED] if a.ndim == 2 else a, shape) for a in (y, weights)]
    return Sample(first[0].copy(), first[1].copy(), checked.copy())


def _check(fit: Fit, n: int) -> None:
    if fit.status == "not-converged":
        raise InputError("bootstrap: fit.status = not-converged, must be a fit that ended")
    if fit.degrees_of_freedom < 1:
        raise InputError(
            f"bootstrap: {fit.degrees_of_freedom} degrees of freedom, must be at least 1"
        )
    if n < 2:
        raise InputError(f"bootstrap: n = {n} must be at least 2")


def _points(
    fit: Fit, inputs: Mapping[str, npt.ArrayLike]
) -> tuple[dict[str, FloatArray], tuple[int, ...]]:
    """Named inputs of the fitted law as flat arrays of one length, and their shape."""
    names = list(fit.problem.inputs)
    if sorted(inputs) != sorted(names):
        raise InputError(f"prediction_interval: inputs {sorted(inputs)} must be {', '.join(names)}")
    values = [_input(fit, name, inputs[name]) for name in names]
    arrays = np.broadcast_arrays(*values)
    shape = arrays[0].shape
    flat = {name: array.reshape(-1) for name, array in zip(names, arrays, strict=True)}
    return flat, shape


def _input(fit: Fit, name: str, value: npt.ArrayLike) -> FloatArray:
    """Positive values; NaN as well where the fit has runs without that input."""
    array = np.asarray(value, dtype=np.float64)
    absent = np.isnan(array) & bool(np.isnan(fit.problem.inputs[name]).any())
    positive_array("prediction_interval", name, np.where(absent, 1.0, array))
    return array
