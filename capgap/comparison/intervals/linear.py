r"""A fit near its optimum as a linear one: leverage, influence, and the scale of its objective.

With residuals r, psi the Huber loss's derivative and J the Jacobian of the log predictions,
a run that moves by e moves the coordinates by (c J'WJ)^-1 J'W psi(e), c = E psi'. Everything
here follows from that (Huber 1981, Robust Statistics, section 7.6):

* leverage H = J (J'WJ)^-1 J'W, and the residuals of runs predicted without their cell,
  :math:`\tilde r_g = r_g + [(1 - H_{gg})^{-1} - 1]\, \psi(r_g)/c`, which for least squares is
  the HC3 (one run a cell) or CV3 correction (MacKinnon, Nielsen and Webb 2023);
* twice the rise of the objective from its minimum, over
  :math:`\lambda = E\psi^2/E\psi'`, is chi-squared (Schrader and Hettmansperger 1980).

c is estimated by a smoothed derivative, since psi' itself is the share of residuals within
delta: none of a few dozen, where delta is far below the noise. It and E psi^2 are taken from
the corrected residuals, because a fit near to least absolute deviations passes through as
many runs as it has coefficients and makes the others look denser at zero than they are. The
corrected residuals carry the error of the fit without their cell as well; `standard` has it
taken out again, :math:`\tilde r_i / \sqrt{[(1 - H_{gg})^{-1}]_{ii}}`, so that for least squares
its mean square is the noise variance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit

__all__ = ["LinearFit", "linearize"]

_LARGEST_LEVERAGE = 0.99  # a cell that alone decides a coefficient says nothing about its error
_BANDWIDTH = 0.7  # times the scale of the residuals times n^(-1/5)
_TO_SD = 1.4826  # of a normal from its median absolute value
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class LinearFit:
    """A fit's linearization; only runs with a weight enter.

    Attributes
    ----------
    used : array of bool, shape (n,)
    jacobian : array, shape (m, P)
        Of the log predictions of the m runs used.
    unit : array, shape (m,)
        Noise of each run relative to a typical one: 1, or in proportion to delta where that
        is given per run.
    corrected : array, shape (m,)
        Residuals (log predicted less log observed) as if each run's cell had been left out.
    standard : array, shape (m,)
        The same, shrunk to the size of the noise.
    slope : float
        c = E psi'.
    score : array, shape (m,)
        w psi of the corrected residuals.
    bread : array, shape (P, P)
        (J'WJ)^-1, by a pseudo-inverse where a coordinate moves no prediction.
    scale : float
        lambda: half of it times chi-squared is how far the objective rises.
    """

    used: npt.NDArray[np.bool_]
    jacobian: FloatArray
    unit: FloatArray
    corrected: FloatArray
    standard: FloatArray
    slope: float
    score: FloatArray
    bread: FloatArray
    scale: float

    def influence(self, gradient: FloatArray) -> FloatArray:
        """What each run adds to K quantities of gradient (K, P): shape (K, m)."""
        parts = gradient @ self.bread @ (self.jacobian * self.score[:, None]).T
        return np.asarray(parts / self.slope)

    def variance(self, gradient: FloatArray) -> FloatArray:
        """Sampling variance of K quantities under noise alike in all runs, shape (K,)."""
        square = np.einsum("kp,pq,kq->k", gradient, self.bread, gradient)
        return np.asarray(square * self.scale / self.slope)

    def inflation(self, gradient: FloatArray, cells: npt.NDArray[np.int64]) -> float:
        """Variance where the runs of a cell share errors, over that where they do not."""
        parts = self.influence(gradient[None])[0]
        totals = np.bincount(cells[self.used], weights=parts)
        return float(np.sum(totals**2) / max(np.sum(parts**2), _TINY))


def linearize(fit: Fit, cells: npt.NDArray[np.int64]) -> LinearFit:
    """Linearize a fit; `cells` numbers the cell of every run."""
    problem = fit.problem
    used = problem.weights > 0
    jacobian = problem.model.evaluate(fit.x[None])[1][0][used]
    residual, weight = fit.residual[used], problem.weights[used]
    delta = np.broadcast_to(problem.delta, problem.weights.shape)[used]
    typical = float(np.exp(np.mean(np.log(delta))))
    bread = _inverse((jacobian * weight[:, None]).T @ jacobian)
    own = _leverage_factors(jacobian, weight, bread, cells[used])
    shrink = 1 / np.sqrt(1 + _diagonal(own, residual.size))
    slope, corrected = _slope(residual / delta), residual
    for _ in range(2):  # the slope of residuals corrected with a slope
        pull = delta * np.clip(residual / delta, -1, 1) / slope
        corrected = residual + _apply(own, pull)
        slope = _slope(shrink * corrected / delta)
    score = np.clip(corrected / delta, -1, 1)
    square = float(np.mean(np.clip(shrink * corrected / delta, -1, 1) ** 2))
    return LinearFit(
        used=used,
        jacobian=jacobian,
        unit=delta / typical,
        corrected=corrected,
        standard=shrink * corrected,
        slope=slope,
        score=weight * delta * score,
        bread=bread,
        scale=square * _mean_square(jacobian, weight, delta, bread) / slope,
    )


def _inverse(matrix: FloatArray) -> FloatArray:
    """Of a normal matrix with its columns scaled to one; a pseudo-inverse where it has none."""
    root = np.sqrt(np.maximum(np.diagonal(matrix), _TINY))
    unit = matrix / np.outer(root, root)
    return np.asarray(np.linalg.pinv(unit, rcond=1e-14, hermitian=True) / np.outer(root, root))


Factors = list[tuple[npt.NDArray[np.int64], FloatArray]]


def _leverage_factors(
    jacobian: FloatArray, weight: FloatArray, bread: FloatArray, cells: npt.NDArray[np.int64]
) -> Factors:
    """(1 - H_gg)^-1 - 1 of each cell, through the symmetric form W^1/2 J B J' W^1/2."""
    factors: Factors = []
    root = np.sqrt(weight)
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        part = jacobian[rows] * root[rows, None]
        values, vectors = np.linalg.eigh(part @ bread @ part.T)
        values = np.clip(values, 0.0, _LARGEST_LEVERAGE)
        middle = (vectors * (values / (1 - values))) @ vectors.T
        factors.append((rows, middle * root[None, rows] / root[rows, None]))
    return factors


def _apply(factors: Factors, pull: FloatArray) -> FloatArray:
    out = np.zeros_like(pull)
    for rows, factor in factors:
        out[rows] = factor @ pull[rows]
    return out


def _diagonal(factors: Factors, size: int) -> FloatArray:
    out = np.zeros(size)
    for rows, factor in factors:
        out[rows] = np.diagonal(factor)
    return out


def _slope(standard: FloatArray) -> float:
    """Smoothed mean of psi' for residuals in units of delta."""
    spread = _TO_SD * float(np.median(np.abs(standard)))
    width: float = max(_BANDWIDTH * spread * standard.size**-0.2, 1e-9)
    up, down = np.clip(standard + width, -1, 1), np.clip(standard - width, -1, 1)
    return max(float(np.mean(up - down)) / (2 * width), 1e-12)


def _mean_square(
    jacobian: FloatArray, weight: FloatArray, delta: FloatArray, bread: FloatArray
) -> float:
    """Mean of w delta^2 over the coordinates: tr (B J' w^2 delta^2 J) / P."""
    middle = (jacobian * (weight * delta)[:, None] ** 2).T @ jacobian
    return float(np.trace(bread @ middle)) / len(bread)
