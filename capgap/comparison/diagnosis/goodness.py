"""Does the law describe the runs? Tests of the residuals of a least-squares fit."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, f

from capgap.comparison.diagnosis.local import Local
from capgap.comparison.diagnosis.repeats import PureError
from capgap.comparison.fitting.log_models import FloatArray

__all__ = ["FitTest", "against_noise", "against_repeats", "bends", "outlying"]

_NO_RANK = 1e-6  # share of a column's length beyond what the law already explains
_ROUNDING = 1e-9  # root mean square log residual below which there is nothing to test


@dataclass(frozen=True, slots=True)
class FitTest:
    """A test that the law describes the runs.

    Attributes
    ----------
    p : float
        Probability of a statistic as large, if it does; NaN where there is nothing to test.
    excess : float
        Root mean square log loss that the noise does not explain: how wrong the law is.
    noise : float
        Standard deviation of log loss by which it is judged.
    degrees_of_freedom : tuple of int
        Of the statistic, and of the noise (0 where the noise is stated).
    """

    p: float
    excess: float
    noise: float
    degrees_of_freedom: tuple[int, int]


def against_repeats(near: Local, pure: PureError, least_variance: float = 0.0) -> FitTest:
    r"""Compare the residual variance with that of repeated runs (classical lack of fit).

    .. math:: F = \frac{(SS - SS_{pure})/(f - f_{pure})}{SS_{pure}/f_{pure}}

    `least_variance` keeps the noise above what rounding of the losses alone gives. Exact for
    normal noise and linear models; a law linearizes well where its coefficients are known to
    a few times ten percent.
    """
    spare = near.degrees_of_freedom - pure.degrees_of_freedom
    if spare < 1 or pure.degrees_of_freedom < 1 or _exact(near):
        return FitTest(float("nan"), 0.0, float("nan"), (max(spare, 0), 0))
    noise = max(pure.squares / pure.degrees_of_freedom, least_variance)
    lack = max(near.squares - pure.squares, 0.0) / spare
    p = float(f.sf(lack / noise, spare, pure.degrees_of_freedom))
    excess = _excess(lack, noise, spare, near)
    return FitTest(p, excess, float(np.sqrt(noise)), (spare, pure.degrees_of_freedom))


def against_noise(near: Local, seed_noise: float) -> FitTest:
    """Compare the residual variance with a stated one: SS / s^2 is chi-square with f degrees."""
    spare = near.degrees_of_freedom
    if spare < 1 or _exact(near):
        return FitTest(float("nan"), 0.0, seed_noise, (max(spare, 0), 0))
    p = float(chi2.sf(near.squares / seed_noise**2, spare))
    excess = _excess(near.squares / spare, seed_noise**2, spare, near)
    return FitTest(p, excess, seed_noise, (spare, 0))


def bends(near: Local, logs: FloatArray) -> FitTest:
    """Test products and squares of the logs, shape (n, k), beside the law (an added-terms F test).

    What the law's own derivatives can express is taken out of the added terms first, so that
    terms which the design or the law cannot tell apart count only once.
    """
    units = (logs - logs.mean(axis=0)) / np.maximum(logs.std(axis=0), 1e-12)
    pairs = [(i, j) for i in range(units.shape[1]) for j in range(i, units.shape[1])]
    added = np.stack([units[:, i] * units[:, j] for i, j in pairs], axis=1)
    extra = added - near.basis @ (near.basis.T @ added)
    left, values, _ = np.linalg.svd(extra / np.linalg.norm(added, axis=0), full_matrices=False)
    left = left[:, values > _NO_RANK]
    terms, spare = left.shape[1], near.degrees_of_freedom - left.shape[1]
    if terms == 0 or spare < 1 or _exact(near):
        return FitTest(float("nan"), 0.0, float("nan"), (terms, max(spare, 0)))
    explained = float(np.sum((left.T @ near.residual) ** 2))
    noise = (near.squares - explained) / spare
    p = float(f.sf(explained / terms / max(noise, 1e-300), terms, spare))
    excess = _excess(explained / terms, noise, terms, near)
    return FitTest(p, excess, float(np.sqrt(noise)), (terms, spare))


def outlying(
    residual: FloatArray, coefficients: int, limit: float
) -> tuple[npt.NDArray[np.bool_], float]:
    """Residuals beyond `limit` robust standard deviations, and that deviation.

    The deviation is 1.4826 times the median size of all residuals but the smallest ones, as
    many as there are coefficients: a robust fit passes through about that many runs.

    >>> outlying(np.array([0.0, 0.01, -0.01, 0.01, -0.01, 0.5]), 1, 5.0)[0]
    array([False, False, False, False, False,  True])
    """
    size = np.sort(np.abs(residual))[min(coefficients, residual.size - 1) :]
    deviation = 1.4826 * float(np.median(size))
    if deviation < _ROUNDING:
        return np.zeros(residual.size, dtype=bool), deviation
    return np.asarray(np.abs(residual) > limit * deviation, dtype=bool), deviation


def _excess(mean_square: float, noise: float, spare: int, near: Local) -> float:
    """Root mean square per run of what the noise does not explain."""
    return float(np.sqrt(max(mean_square - noise, 0.0) * spare / near.residual.size))


def _exact(near: Local) -> bool:
    return near.squares <= near.residual.size * _ROUNDING**2
