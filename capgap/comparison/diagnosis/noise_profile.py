"""How the spread over seeds varies with size, tokens and teacher."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from capgap.comparison.diagnosis.influence import query_points
from capgap.comparison.diagnosis.local import least_squares
from capgap.comparison.diagnosis.repeats import repeat_index
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError

__all__ = ["NoiseProfile", "noise_profile"]

_STEPS = 100
_SMALL = 1e-8  # residual variance share below which a residual says nothing of the noise
_REFITS = 4  # weighted by the profile so far
_ENOUGH_REPEATS = 10  # degrees of freedom from which on repeated runs are used by themselves


@dataclass(frozen=True, slots=True)
class NoiseProfile:
    r"""Standard deviation of log loss over seeds, a power law of the inputs.

    .. math:: \log \sigma^2 = c_0 + \sum_k c_k (\log z_k - \overline{\log z_k})

    Attributes
    ----------
    level : float
        Standard deviation of log loss at the center of the design, exp(c_0 / 2).
    slopes, standard_errors : dict
        c_k by input, and their standard errors for normal noise.
    center : dict
        Mean log of each input.
    p : float
        Probability of slopes as large if the noise is constant.
    source : str
        `repeats` or `residuals`: what the variances come from.
    degrees_of_freedom : int
        Of those variances together.
    """

    level: float
    slopes: dict[str, float]
    standard_errors: dict[str, float]
    center: dict[str, float]
    p: float
    source: Literal["repeats", "residuals"]
    degrees_of_freedom: int

    def standard_deviation(self, **inputs: npt.ArrayLike) -> FloatArray:
        """Standard deviation of log loss at these inputs; times the loss it is in nats."""
        unused = np.ones(1)
        points = query_points("NoiseProfile", dict.fromkeys(self.center, unused), inputs)
        log_variance = sum(
            self.slopes.get(name, 0.0) * (np.log(value) - self.center[name])
            for name, value in points.items()
        )
        return np.asarray(self.level * np.exp(0.5 * log_variance), dtype=np.float64)


def noise_profile(
    fit: Fit,
    runs: RunTable | None = None,
    *,
    source: Literal["repeats", "residuals"] | None = None,
    inputs: tuple[str, ...] | None = None,
) -> NoiseProfile:
    """Estimate how the noise varies, to be fed back as standard errors of the losses.

    Parameters
    ----------
    fit : Fit
    runs : RunTable, optional
        The runs of the fit in its order, for their cells.
    source : str, optional
        `repeats`: variances within repeated runs, which no error of the law can reach.
        `residuals`: squared residuals of a least-squares fit, weighted by the profile itself;
        what the law cannot describe counts as noise there. By default `repeats` where they
        have at least 10 degrees of freedom and vary in an input.
    inputs : tuple of str, optional
        Inputs that the noise may depend on; by default all that vary.

    Returns
    -------
    NoiseProfile

    Raises
    ------
    InputError
        Too few variances for the slopes, residuals that are zero, or unknown inputs.

    Notes
    -----
    A gamma regression with log link: a variance estimate with f degrees of freedom is
    sigma^2 chi2_f / f, a gamma variable with shape f/2, so the information about the
    coefficients is X' diag(f) X / 2. A squared residual over one less its leverage h counts
    with f = 1 - h, close to restricted maximum likelihood (Smyth 2002, J. Comput. Graph.
    Statist. 11, 836). The test is the score test of Koenker (1981), which
    does not ask that the noise be normal: n R^2 of the scaled variances on the inputs
    (for repeats, with weights f).

    Examples
    --------
    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> rng = np.random.default_rng(0)
    >>> N, D = np.repeat(np.geomspace(1e7, 1e9, 10), 20), np.tile(np.geomspace(1e9, 1e11, 20), 10)
    >>> sigma = 0.01 * (N / 1e8) ** -0.5  # log variance falls by 1 per log N
    >>> loss = (1.5 + 400 / N**0.35 + 1e3 / D**0.37) * np.exp(sigma * rng.standard_normal(200))
    >>> profile = noise_profile(fit_supervised(N, D, loss, gamma=1.0, delta=1.0))
    >>> profile.p < 1e-6, abs(profile.slopes["N"] + 1) < 2 * profile.standard_errors["N"]
    (True, True)
    """
    repeats = _from_repeats(fit, runs)
    if source is None:
        varied = any(np.unique(value).size > 1 for value in repeats.places.values())
        enough = repeats.degrees.sum() >= _ENOUGH_REPEATS and varied
        source = "repeats" if enough else "residuals"
    evidence = repeats if source == "repeats" else _from_residuals(fit)
    names = tuple(fit.problem.inputs) if inputs is None else inputs
    unknown = sorted(set(names) - set(fit.problem.inputs))
    if unknown:
        raise InputError(
            f"noise_profile: inputs has {unknown[0]!r}, must be among"
            f" {', '.join(fit.problem.inputs)}"
        )
    # In a joint fit runs without a teacher have L_T = NaN.
    places = evidence.places
    names = tuple(
        n for n in names if np.unique(places[n]).size > 1 and np.all(np.isfinite(places[n]))
    )
    everywhere = {n: np.nan_to_num(value, nan=1.0) for n, value in fit.problem.inputs.items()}
    profile = _profile(evidence, names)
    for _ in range(_REFITS if source == "residuals" else 0):
        guess = profile.standard_deviation(**everywhere) ** 2
        profile = replace(_profile(_from_residuals(fit, guess), names), p=profile.p)
    return profile


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Variance estimates, shape (m,), with their degrees of freedom and inputs.

    `basis` is that of a fit from whose residuals they come, and which makes them depend on
    each other; None for repeats.
    """

    source: Literal["repeats", "residuals"]
    variances: FloatArray
    degrees: FloatArray
    places: dict[str, FloatArray]
    basis: FloatArray | None = None

    def information(self, design: FloatArray) -> FloatArray:
        """Of the coefficients of log variance: sum_ij M_ij^2 x_i x_j' / 2, or X' diag(f) X / 2."""
        if self.basis is None:
            return np.asarray(design.T @ (design * self.degrees[:, None]) / 2)
        leverage = 1 - self.degrees
        pairs = np.einsum("na,nb->nab", self.basis, self.basis).reshape(leverage.size, -1)
        crossed = pairs.T @ design
        own = design.T @ (design * (1 - 2 * leverage)[:, None])
        return np.asarray((own + crossed.T @ crossed) / 2)


def _profile(evidence: _Evidence, names: tuple[str, ...]) -> NoiseProfile:
    variances, degrees, places = evidence.variances, evidence.degrees, evidence.places
    if variances.size < len(names) + 2 or not np.any(variances > 0):
        raise InputError(
            f"noise_profile: {np.count_nonzero(variances > 0)} of {variances.size} variances from"
            f" {evidence.source} above zero, must be at least {len(names) + 2}"
        )
    weight = degrees / degrees.sum()
    center = {
        name: float(weight @ np.log(value)) if name in names else 0.0
        for name, value in places.items()
    }
    columns = [np.log(places[name]) - center[name] for name in names]
    design = np.stack([np.ones_like(variances), *columns], axis=1)
    coefficients = _gamma_regression(variances, design, degrees)
    errors = np.sqrt(np.diagonal(np.linalg.pinv(evidence.information(design))))
    return NoiseProfile(
        level=float(np.exp(0.5 * coefficients[0])),
        slopes=dict(zip(names, map(float, coefficients[1:]), strict=True)),
        standard_errors=dict(zip(names, map(float, errors[1:]), strict=True)),
        center=center,
        p=_constant_noise(variances, design, degrees),
        source=evidence.source,
        degrees_of_freedom=round(float(degrees.sum())),
    )


def _gamma_regression(y: FloatArray, design: FloatArray, weight: FloatArray) -> FloatArray:
    """Largest likelihood of log-linear means of gamma variables with shapes weight/2."""
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(np.average(y, weights=weight))
    information = np.linalg.pinv(design.T @ (design * weight[:, None]))
    value = _deviance(y, design @ coefficients, weight)
    for _ in range(_STEPS):
        step = information @ (design.T @ (weight * (y * np.exp(-design @ coefficients) - 1)))
        for _ in range(30):  # Fisher's steps can overshoot from far away
            trial = coefficients + step
            new = _deviance(y, design @ trial, weight)
            if new <= value:
                break
            step = 0.5 * step
        done = value - new < 1e-12 * weight.sum()
        coefficients, value = trial, new
        if done:
            break
    return coefficients


def _deviance(y: FloatArray, log_mean: FloatArray, weight: FloatArray) -> float:
    return float(np.sum(weight * (log_mean + y * np.exp(-log_mean))))


def _constant_noise(y: FloatArray, design: FloatArray, weight: FloatArray) -> float:
    """P value of Koenker's score test that only the first column matters."""
    root = np.sqrt(weight)
    scaled = (y / np.average(y, weights=weight) - 1) * root
    columns = design * root[:, None]
    base = columns[:, :1] @ np.linalg.lstsq(columns[:, :1], scaled)[0]
    whole = columns @ np.linalg.lstsq(columns, scaled)[0]
    rest = scaled - base
    share = float(np.sum((whole - base) ** 2) / np.sum(rest**2))
    return float(chi2.sf(y.size * share, max(np.linalg.matrix_rank(design) - 1, 1)))


def _from_residuals(fit: Fit, guess: FloatArray | None = None) -> _Evidence:
    """Squared residuals over one less their leverage, which is their degree of freedom.

    With a guess of all variances the fit is weighted by it, so that its residuals' expected
    squares are exact where the guess is.
    """
    problem = fit.problem
    if guess is not None:
        problem = replace(problem, weights=np.where(problem.weights > 0, 1 / guess, 0.0))
    near = least_squares(replace(fit, problem=problem))
    spare = np.maximum(1 - near.leverage, _SMALL)
    variances = near.residual**2 / (spare * problem.weights[near.used])
    places = {name: value[near.used] for name, value in problem.inputs.items()}
    return _Evidence("residuals", variances, spare, places, near.basis)


def _from_repeats(fit: Fit, runs: RunTable | None) -> _Evidence:
    """Variance of log loss within each repeated configuration, and its degrees of freedom."""
    used = fit.problem.weights > 0
    y, inputs = fit.problem.log_loss[used], fit.problem.inputs
    cell = repeat_index(inputs, None if runs is None else runs.cell)[used]
    cell = np.unique(cell, return_inverse=True)[1].reshape(-1)
    count = np.bincount(cell)
    mean = np.bincount(cell, y) / count
    squares = np.bincount(cell, (y - mean[cell]) ** 2)
    first = np.unique(cell, return_index=True)[1]
    many = count > 1
    places = {name: value[used][first][many] for name, value in inputs.items()}
    degrees = (count[many] - 1).astype(np.float64)
    return _Evidence("repeats", squares[many] / np.maximum(degrees, 1), degrees, places)
