"""A fit seen from close by: least squares from its end point, and what each run weighs there."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.comparison.fitting.huber import minimize_huber
from capgap.comparison.fitting.log_models import FloatArray, LogModel
from capgap.comparison.fitting.search import Fit

__all__ = [
    "Local",
    "bound_coordinates",
    "coefficient_slopes",
    "least_squares",
    "linearized",
    "right_singular",
]

_QUADRATIC = 1e3  # a Huber threshold that no log residual reaches
_AT_BOUND = 1e-3  # of a coordinate's range, as in `solve`
_RANK = 1e-9
_STEP = 1e-5


@dataclass(frozen=True, slots=True)
class Local:
    """The linearized problem at one coordinate vector; only runs with a weight, only free ones.

    Attributes
    ----------
    residual : array, shape (n,)
        Log predicted minus log observed loss, times the root of the weight.
    jacobian : array, shape (n, F)
        Of that, in the coordinates that are not held at a bound.
    basis : array, shape (n, rank)
        Orthonormal basis of the Jacobian's range.
    used : array of bool
        Runs with a weight, among all.
    free : array of bool, shape (P,)
    x : array, shape (P,)
    """

    residual: FloatArray
    jacobian: FloatArray
    basis: FloatArray
    used: npt.NDArray[np.bool_]
    free: npt.NDArray[np.bool_]
    x: FloatArray

    @property
    def degrees_of_freedom(self) -> int:
        """Runs less the directions in which the law can follow them."""
        return int(self.residual.size - self.basis.shape[1])

    @property
    def leverage(self) -> FloatArray:
        """Share of each residual's variance that the fit takes up, 0 to 1; they sum to rank."""
        return np.asarray(np.sum(self.basis**2, axis=1), dtype=np.float64)

    @property
    def squares(self) -> float:
        """Weighted sum of squared log residuals."""
        return float(self.residual @ self.residual)

    @property
    def variance(self) -> float:
        """Of one log loss of unit weight; NaN without a degree of freedom."""
        spare = self.degrees_of_freedom
        return self.squares / spare if spare > 0 else float("nan")


def least_squares(fit: Fit) -> Local:
    """Least squares from the fit's end point: what tests of squared residuals are about.

    >>> from capgap.comparison.fitting.fit import fit_supervised
    >>> N, D = np.repeat([1e7, 1e8, 1e9], 3), np.tile([1e9, 1e10, 1e11], 3)
    >>> near = least_squares(fit_supervised(N, D, 1.5 + 400 / N**0.35 + 1e3 / D**0.37, gamma=1.0))
    >>> near.degrees_of_freedom, round(float(near.leverage.sum()), 9)  # 9 runs, 5 coefficients
    (4, 5.0)
    """
    problem = fit.problem
    end = minimize_huber(
        problem.model, problem.log_loss, problem.weights, fit.x[None], _QUADRATIC, 500
    )
    return linearized(fit, end.x[0])


def linearized(fit: Fit, x: FloatArray | None = None) -> Local:
    """The linearized problem at `x`, or at the fit's own end point."""
    problem = fit.problem
    x = fit.x if x is None else x
    used = problem.weights > 0
    prediction, jacobian = problem.model.evaluate(x[None])
    root = np.sqrt(problem.weights[used])
    free = ~bound_coordinates(problem.model, x)
    weighted = jacobian[0][used][:, free] * root[:, None]
    residual = (prediction[0] - problem.log_loss)[used] * root
    return Local(residual, weighted, _basis(weighted), used, free, x)


def bound_coordinates(model: LogModel, x: FloatArray) -> npt.NDArray[np.bool_]:
    """Coordinates at the limit of their search range."""
    low, high = model.bounds.T
    near = _AT_BOUND * (high - low)
    return np.asarray((x <= low + near) | (x >= high - near), dtype=bool)


def coefficient_slopes(model: LogModel, x: FloatArray) -> dict[str, FloatArray]:
    """Derivatives of every coefficient in the coordinates, by central differences."""
    low, high = model.bounds.T
    slopes: dict[str, FloatArray] = {name: np.zeros(x.size) for name in model.coefficients(x)}
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = _STEP
        up, down = np.clip(x + step, low, high), np.clip(x - step, low, high)
        above, below = model.coefficients(up), model.coefficients(down)
        for name in slopes:
            slopes[name][i] = (above[name] - below[name]) / (up[i] - down[i])
    return slopes


def right_singular(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Singular values of an (n, P) matrix, falling, and right vectors as rows: P of both.

    >>> values, vectors = right_singular(np.array([[3.0, 0.0]]))
    >>> values, vectors.shape
    (array([3., 0.]), (2, 2))
    """
    triangle = np.linalg.qr(matrix, mode="r")
    values, vectors = np.linalg.svd(triangle, full_matrices=True)[1:]
    return np.concatenate([values, np.zeros(len(vectors) - values.size)]), vectors


def _basis(jacobian: FloatArray) -> FloatArray:
    norms = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    left, values, _ = np.linalg.svd(jacobian / norms, full_matrices=False)
    return np.asarray(left[:, values > _RANK * values[0]], dtype=np.float64)
