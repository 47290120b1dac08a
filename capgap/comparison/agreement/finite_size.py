"""Finite-size errors: how they shrink, and what remains in the limit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from capgap.errors import InputError
from capgap.spectrum import Spectrum, Stage

__all__ = ["Limit", "Order", "error_order", "larger_spectrum", "larger_stages", "limit"]

FloatArray = npt.NDArray[np.float64]


def larger_spectrum(spectrum: Spectrum, scale: int) -> Spectrum:
    r"""Replace every feature by `scale` equal ones that share its part of the target.

    Sums such as :math:`\frac1n \sum_i f(\lambda_i)` and :math:`\sum_i \lambda_i \beta_i^2
    f(\lambda_i)` stay as they are when sample sizes grow alike, so a deterministic equivalent
    gives the same risk at every scale: what differs in a simulation is its finite-size error.

    Examples
    --------
    >>> double = larger_spectrum(Spectrum([1.0, 4.0], [2.0, 0.0]), 2)
    >>> double.eigenvalues.tolist(), (double.alpha**2).round(12).tolist()
    ([1.0, 1.0, 4.0, 4.0], [2.0, 2.0, 0.0, 0.0])
    """
    if scale < 1:
        raise InputError(f"larger_spectrum: scale = {scale} must be at least 1")
    return Spectrum(
        np.repeat(spectrum.eigenvalues, scale),
        np.repeat(spectrum.coefficients, scale) / np.sqrt(scale),
    )


def larger_stages(stages: Sequence[Stage], scale: int) -> list[Stage]:
    """Stages with `scale` times as many features, samples and random features.

    >>> larger_stages([Stage(10, 20, ridge=0.5)], 3)[0].samples
    60
    """
    return [
        replace(
            stage,
            features=stage.features * scale,
            samples=stage.samples if stage.samples == inf else int(stage.samples) * scale,
            random_features=stage.random_features and stage.random_features * scale,
        )
        for stage in stages
    ]


@dataclass(frozen=True, slots=True)
class Limit:
    """Value at infinite scale, its standard error, and the coefficient of 1/scale."""

    value: float
    standard_error: float
    slope: float


def limit(scales: Sequence[int], means: FloatArray, standard_errors: FloatArray) -> Limit:
    r"""Fit :math:`r(s) = r_\infty + c/s` by weighted least squares.

    Parameters
    ----------
    scales : sequence of int
        At least two different ones.
    means, standard_errors : arrays, shape (len(scales),)
        Of independent simulations, standard errors > 0.

    Raises
    ------
    InputError
        Fewer than two scales.

    Examples
    --------
    >>> found = limit([1, 2], np.array([3.0, 2.0]), np.array([0.1, 0.1]))
    >>> round(found.value, 9), round(found.slope, 9), round(found.standard_error / 0.1, 4)
    (1.0, 2.0, 2.2361)
    """
    if len(set(scales)) < 2:
        raise InputError(f"limit: scales = {tuple(scales)} must be at least two")
    columns = np.stack([np.ones(len(scales)), 1 / np.asarray(scales, dtype=np.float64)], axis=1)
    scaled = columns / standard_errors[:, None]
    covariance = np.linalg.inv(scaled.T @ scaled)
    value, slope = covariance @ scaled.T @ (means / standard_errors)
    return Limit(float(value), float(np.sqrt(covariance[0, 0])), float(slope))


@dataclass(frozen=True, slots=True)
class Order:
    """Exponent p of finite-size errors c s^-p, with a 95% interval and the misfit at p = 1.

    `chi_square` has `freedom` degrees of freedom if p = 1 is right; `flat` and `square` are
    the misfits of p = 0 (errors that do not shrink) and p = 2.
    """

    p: float
    low: float
    high: float
    chi_square: float
    freedom: int
    flat: float
    square: float


def error_order(scales: Sequence[int], errors: FloatArray, standard_errors: FloatArray) -> Order:
    r"""Common exponent of errors :math:`c_k s^{-p}` of several configurations k.

    Each configuration has a factor of its own; p minimizes the sum of weighted squares, and
    its interval is where that sum is at most 3.84 above the least.

    Parameters
    ----------
    errors, standard_errors : arrays, shape (configurations, scales)
        Simulated mean minus theory.

    Examples
    --------
    >>> s = np.array([1.0, 2.0, 4.0])
    >>> exact = error_order([1, 2, 4], np.array([0.3 / s, -0.1 / s]), np.full((2, 3), 0.01))
    >>> round(exact.p, 4), round(exact.chi_square, 6), exact.freedom
    (1.0, 0.0, 4)
    """
    s = np.asarray(scales, dtype=np.float64)
    weighted = errors / standard_errors

    def misfit(p: float) -> float:
        shape = s**-p / standard_errors
        factor = np.sum(weighted * shape, axis=1) / np.sum(shape**2, axis=1)
        return float(np.sum((weighted - factor[:, None] * shape) ** 2))

    best = minimize_scalar(misfit, bounds=(-1.0, 6.0), method="bounded", options={"xatol": 1e-6})
    p, least = float(best.x), float(best.fun)

    def edge(end: float) -> float:
        beyond = misfit(end) - least - 3.84
        return float(brentq(lambda q: misfit(q) - least - 3.84, p, end)) if beyond > 0 else end

    return Order(
        p=p,
        low=edge(-3.0),
        high=edge(10.0),
        chi_square=misfit(1.0),
        freedom=int(errors.size - errors.shape[0]),
        flat=misfit(0.0),
        square=misfit(2.0),
    )
