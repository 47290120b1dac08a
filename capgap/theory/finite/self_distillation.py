"""Self-distillation on given data: teacher and student fit the same inputs, by ridge."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, require

Response = Callable[[FloatArray], FloatArray]

__all__ = ["Mixing", "RidgePath", "best_mixing"]


@dataclass(frozen=True, slots=True)
class RidgePath:
    r"""All ridge fits of one data set, and every student that they teach.

    .. math:: b(\lambda) = (C + \lambda)^{-1} c, \qquad C = X^T X/n, \quad c = X^T y/n

    Parameters
    ----------
    X : array, shape (n, m)
        Inputs.
    y : array, shape (n,)
        Labels.

    Raises
    ------
    InputError
        Shapes that do not match, or entries that are not finite.

    Examples
    --------
    X = 1, y = 2: C = 1, c = 2.

    >>> path = RidgePath(np.array([[1.0]]), np.array([2.0]))
    >>> float(path.fit(1.0)[0]), float(path.student(1.0, 3.0)[0])
    (1.0, 0.25)
    """

    X: FloatArray
    y: FloatArray

    def __post_init__(self) -> None:
        X, y = np.asarray(self.X, dtype=np.float64), np.asarray(self.y, dtype=np.float64)
        if X.ndim != 2 or y.shape != X.shape[:1] or X.size == 0:
            raise InputError(f"RidgePath: y of shape {y.shape} must match X of shape {X.shape}")
        if not (np.all(np.isfinite(X)) and np.all(np.isfinite(y))):
            raise InputError("RidgePath: X and y must be finite")

    def _filtered(self, response: Response) -> FloatArray:
        """Return sum_j v_j response(C_j) c_j over the right singular vectors of X."""
        left, singular, right = np.linalg.svd(self.X, full_matrices=False)
        n = self.X.shape[0]
        correlation = singular * (left.T @ self.y) / n
        return np.asarray(right.T @ (response(singular**2 / n) * correlation))

    def fit(self, ridge: float) -> FloatArray:
        """Return b(ridge), ridge > 0."""
        require("RidgePath.fit", "ridge", ridge)
        return self._filtered(lambda C: 1 / (C + ridge))

    def fit_slope(self, ridge: float) -> FloatArray:
        r"""Return :math:`b'(\lambda) = -(C + \lambda)^{-2} c`."""
        require("RidgePath.fit_slope", "ridge", ridge)
        return self._filtered(lambda C: -1 / (C + ridge) ** 2)

    def student(self, teacher_ridge: float, student_ridge: float, mix: float = 1.0) -> FloatArray:
        r"""Return the ridge fit to :math:`(1 - \xi) y + \xi X b(\lambda_T)`, xi = `mix`.

        .. math:: (1 - \xi)\, b(\lambda_S) + \xi\, (C + \lambda_S)^{-1} C (C + \lambda_T)^{-1} c,
            \qquad \frac{C}{(C + \lambda_S)(C + \lambda_T)}
            = \frac{1}{\lambda_S - \lambda_T} \left[\frac{\lambda_S}{C + \lambda_S}
            - \frac{\lambda_T}{C + \lambda_T}\right]

        so a pure student is :math:`(\lambda_S b(\lambda_S) - \lambda_T b(\lambda_T))/
        (\lambda_S - \lambda_T)`, and b + lambda b' where the two agree. Coded in the first form,
        which has no difference to lose digits in.
        """
        require("RidgePath.student", "teacher_ridge", teacher_ridge)
        require("RidgePath.student", "student_ridge", student_ridge)
        return self._filtered(
            lambda C: ((1 - mix) + mix * C / (C + teacher_ridge)) / (C + student_ridge)
        )

    def repeated(self, ridge: float, mix: float, rounds: int) -> FloatArray:
        r"""Return the fit after rounds of distilling each fit into the next, ridge unchanged.

        .. math:: b_0 = b(\lambda), \quad b_{k+1} = (C + \lambda)^{-1} [(1 - \xi) c + \xi C b_k],
            \qquad b_k = b_\infty + r^k (b_0 - b_\infty), \quad r = \frac{\xi C}{C + \lambda}

        With xi = 1 it is :math:`(C/(C+\lambda))^k b_0`: ever fewer modes (Mobahi et al. 2020).
        """
        require("RidgePath.repeated", "ridge", ridge)
        if rounds < 0 or rounds != int(rounds):
            raise InputError(f"RidgePath.repeated: rounds = {rounds} must be a count")

        def response(C: FloatArray) -> FloatArray:
            value = 1 / (C + ridge)
            for _ in range(rounds):
                value = ((1 - mix) + mix * C * value) / (C + ridge)
            return np.asarray(value)

        return self._filtered(response)

    def repeated_limit(self, ridge: float, mix: float) -> FloatArray:
        r"""Return the limit of infinitely many rounds, :math:`b(\lambda/(1-\xi))`, 0 <= xi < 1.

        Distilling for ever is one ridge fit with a larger ridge (Borup and Andersen 2102.13088,
        whose alpha is 1 - xi).
        """
        if not 0 <= mix < 1:
            raise InputError(f"RidgePath.repeated_limit: mix = {mix:g} must be in [0, 1)")
        return self.fit(ridge / (1 - mix))


@dataclass(frozen=True, slots=True)
class Mixing:
    """The best share of the teacher in the labels, and what it saves in risk."""

    xi: float
    risk: float
    gain: float


def best_mixing(path: RidgePath, ridge: float, target: FloatArray, Sigma: FloatArray) -> Mixing:
    r"""Return the best mixing for teacher and student of equal ridge (Das and Sanghavi 2301.13304).

    The student of mixed labels is :math:`b + \xi \lambda b'`, so its risk is quadratic in xi:

    .. math:: \xi^* = -\frac{R'(\lambda)}{2 \lambda \lVert b' \rVert_\Sigma^2}, \qquad
        R(0) - R(\xi^*) = \frac{R'(\lambda)^2}{4 \lVert b' \rVert_\Sigma^2}, \qquad
        R'(\lambda) = 2 b'^T \Sigma (b - \beta)

    It gains unless the ridge is already stationary, xi* > 0 exactly if the ridge is too small.
    xi may exceed one: the student then moves away from the labels, past its teacher.

    Parameters
    ----------
    path : RidgePath
        The data.
    ridge : float
        > 0, of teacher and student.
    target : array, shape (m,)
        True coefficients.
    Sigma : array, shape (m, m)
        Covariance of fresh inputs; risk is :math:`(b - \beta)^T \Sigma (b - \beta)`.

    Raises
    ------
    InputError
        No slope (X^T y = 0): every mixing gives the same student.

    Examples
    --------
    >>> path = RidgePath(np.array([[1.0]]), np.array([2.0]))
    >>> best_mixing(path, 1.0, np.array([0.5]), np.eye(1))
    Mixing(xi=1.0, risk=0.0, gain=0.25)
    """
    b, slope = path.fit(ridge), path.fit_slope(ridge)
    size = float(slope @ Sigma @ slope)
    if size == 0:
        raise InputError("best_mixing: X^T y = 0 must have some correlation")
    off = b - target
    pull = float(slope @ Sigma @ off)
    best = off - pull / size * slope
    return Mixing(-pull / (ridge * size), float(best @ Sigma @ best), pull**2 / size)
