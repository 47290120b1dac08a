"""Norms that weigh functions: the best teacher need not be as large as the student."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.kernel.lagrange import multiplier_from
from capgap.theory.kernel.minimizers import coefficients, dimension, norm_limit

__all__ = ["WeightedPopulation", "completing_coefficient", "weighted_population"]


@dataclass(frozen=True, slots=True)
class WeightedPopulation:
    """Errors of teachers and students for every teacher dimension m = 1 .. M.

    Attributes
    ----------
    m : array of int, shape (M,)
        Teacher dimension.
    n : int
        Student dimension.
    nu, mu : array, shape (M,)
        Lagrange multipliers of teacher and student, 0 where a limit does not bind. nu never
        falls with m.
    teacher_squared_error, student_squared_error : array, shape (M,)
        Squared distance to the target.
    kappa : float
        Multiplier of a student trained on the target itself.
    direct_squared_error : float
        That student's squared error: no teacher's student can have less.
    equal_is_best : bool
        Whether m = n is proved to be a best teacher (see `weighted_population`).
    """

    m: npt.NDArray[np.int64]
    n: int
    nu: FloatArray
    mu: FloatArray
    teacher_squared_error: FloatArray
    student_squared_error: FloatArray
    kappa: float
    direct_squared_error: float
    equal_is_best: bool


def weighted_population(
    alpha: npt.ArrayLike, w: npt.ArrayLike, n: int, T: float, D: float = np.inf
) -> WeightedPopulation:
    r"""Errors of teachers and students whose norms are :math:`\sum_i w_i g_i^2`.

    With :math:`w_i = 1/\lambda_i` that is the norm of the kernel's own space; w = 1 is
    `kernel_population`. Teacher and student, k = min(m, n):

    .. math:: g_i = \frac{\alpha_i}{1 + \nu_m w_i} \; (i \le m), \qquad
              h_i = \frac{g_i}{1 + \mu_m w_i} \; (i \le k)

    with :math:`\nu_m = 0` or :math:`\sum_{i \le m} w_i g_i^2 = T^2`, and :math:`\mu_m = 0` or
    :math:`\sum_{i \le k} w_i h_i^2 = D^2`. With :math:`W_n = \sum_{i \le n} w_i \alpha_i^2`:

    1. :math:`E_S(m) \ge E^*`, the error of a student trained on the target itself
       (multiplier :math:`\kappa`).
    2. If D >= T, or :math:`T^2 \ge W_n`, or the weights of the student's functions with
       :math:`\alpha_i \ne 0` are all equal, m = n is a best teacher. For D = inf the curve
       falls up to m = n, never falls after it, and the best teachers are
       :math:`\{m: W_n \le W_m \le \max(W_n, T^2)\}`.
    3. For m >= n the error depends on m through :math:`\nu_m` alone. It is E* at nu = 0 and
       at :math:`\nu = \kappa`, more between them (unless the weights are equal) and more
       beyond. So with :math:`D^2 < T^2 < W_n` and unequal weights a teacher m > n with
       :math:`\nu_m` near :math:`\kappa` beats m = n, and the curve can be a W: what is a flat
       floor in the norm of `kernel_population` is a bump here. A teacher m < n can beat
       m = n too. Instances of all three, in rational numbers: `exact_student_errors`.
    4. :math:`E_S(m) \ge E_T(m)`: the student is a function that the teacher could have been.

    Parameters
    ----------
    alpha, w : array_like, shape (M,)
        Target coefficients, finite, and weights, > 0.
    n : int
        Student dimension, 1 <= n <= M.
    T, D : float
        Norm limits of teacher and student, > 0; infinity removes a limit.

    Returns
    -------
    WeightedPopulation

    Raises
    ------
    InputError
        An argument breaks its rule.

    Notes
    -----
    An extension of Busbridge et al., arXiv 2502.08606, appendix C.1 (w = 1); ours. The cost is
    O(M^2): a few Newton steps for each m, the teacher's from the multiplier before.

    Examples
    --------
    A teacher of three dimensions is better for a student of two than a teacher of two.

    >>> alpha, w = np.sqrt([1, 1, 41 / 3]), [1, 4, 9]
    >>> errors = weighted_population(alpha, w, 2, T=(41 / 25) ** 0.5, D=(41 / 100) ** 0.5)
    >>> errors.nu.round(9)
    array([0.  , 0.25, 1.  ])
    >>> errors.student_squared_error.round(5)
    array([14.79604, 14.56409, 14.55667])
    >>> errors.equal_is_best, round(errors.kappa, 9)
    (False, 1.0)
    """
    operation = "weighted_population"
    values, weights = _inputs(operation, alpha, w)
    M = values.size
    n = dimension(operation, "n", n, M)
    for name, limit in (("T", T), ("D", D)):
        norm_limit(operation, name, limit)
    energy = weights * values**2
    nu, mu, teacher, student = (np.zeros(M) for _ in range(4))
    beyond = np.append(np.cumsum((values**2)[::-1])[::-1], 0.0)
    before = 0.0
    for m in range(1, M + 1):
        k = min(m, n)
        before = multiplier_from(energy[:m], weights[:m], T, before)
        kept = 1 / (1 + before * weights[:m])
        mu[m - 1] = multiplier_from(energy[:k] * kept[:k] ** 2, weights[:k], D, 0.0)
        nu[m - 1] = before
        both = kept[:k] / (1 + mu[m - 1] * weights[:k])
        teacher[m - 1] = beyond[m] + np.sum((values[:m] * (1 - kept)) ** 2)
        student[m - 1] = beyond[k] + np.sum((values[:k] * (1 - both)) ** 2)
    kappa = multiplier_from(energy[:n], weights[:n], D, 0.0)
    direct = beyond[n] + np.sum((values[:n] * (1 - 1 / (1 + kappa * weights[:n]))) ** 2)
    lit = weights[:n][values[:n] != 0]
    plain = lit.size == 0 or bool(np.all(lit == lit[0]))
    return WeightedPopulation(
        m=np.arange(1, M + 1),
        n=n,
        nu=nu,
        mu=mu,
        teacher_squared_error=teacher,
        student_squared_error=student,
        kappa=kappa,
        direct_squared_error=float(direct),
        equal_is_best=D >= T or nu[n - 1] == 0 or plain,
    )


def completing_coefficient(
    alpha: npt.ArrayLike, w: npt.ArrayLike, w_next: float, T: float, D: float
) -> float:
    r"""Next coefficient of a target that makes the teacher of n + 1 functions a perfect one.

    For D < T and :math:`D^2 < T^2 < W_n` there always is one: with

    .. math:: \alpha_{n+1}^2 = \frac{(1 + \kappa w_{n+1})^2}{w_{n+1}}
              \left(T^2 - \sum_{i \le n} \frac{w_i \alpha_i^2}{(1 + \kappa w_i)^2}\right)
              = \frac{(1 + \kappa w_{n+1})^2}{w_{n+1}} (T^2 - D^2)

    the teacher's multiplier is the student's own :math:`\kappa`, and its student is the one
    trained on the target itself, which the student of the teacher of n is not.

    Parameters
    ----------
    alpha, w : array_like, shape (n,)
        The student's part of the target, and the weights.
    w_next : float
        Weight of the next function, > 0.
    T, D : float
        Norm limits.

    Raises
    ------
    InputError
        An argument breaks its rule, or not D < T < sqrt(W_n).

    Examples
    --------
    >>> completing_coefficient([1, 1], [1, 4], 9, (41 / 25) ** 0.5, (41 / 100) ** 0.5) ** 2 * 3
    41.0...
    """
    values, weights = _inputs("completing_coefficient", alpha, w)
    positive_array("completing_coefficient", "w_next", w_next)
    energy = weights * values**2
    if not 0 < D < T < np.sqrt(energy.sum()):
        raise InputError(
            f"completing_coefficient: D = {D:g}, T = {T:g} must be 0 < D < T <"
            f" {np.sqrt(energy.sum()):g}, the norm of alpha"
        )
    kappa = multiplier_from(energy, weights, D, 0.0)
    return float((1 + kappa * w_next) * np.sqrt((T**2 - D**2) / w_next))


def _inputs(
    operation: str, alpha: npt.ArrayLike, w: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    values = coefficients(operation, alpha)
    weights = positive_array(operation, "w", w)
    if weights.shape != values.shape:
        raise InputError(
            f"{operation}: {weights.size} weights must be one for each of the"
            f" {values.size} coefficients"
        )
    return values, weights
