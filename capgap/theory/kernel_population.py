"""Kernel regression with infinite data: teacher and student errors in closed form."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, require

__all__ = ["KernelPopulation", "kernel_population"]


@dataclass(frozen=True, slots=True)
class KernelPopulation:
    """Errors of a teacher and of its student for every teacher dimension m = 1 .. M.

    Attributes
    ----------
    m : array of int, shape (M,)
        Teacher dimension.
    n : int
        Student dimension.
    teacher_squared_error, student_squared_error : array, shape (M,)
        Squared distance to the target, in the target's unit squared.
    first_best, last_best : int
        The student's error is least exactly for first_best <= m <= last_best.
    """

    m: npt.NDArray[np.int64]
    n: int
    teacher_squared_error: FloatArray
    student_squared_error: FloatArray
    first_best: int
    last_best: int

    @property
    def teacher_error(self) -> FloatArray:
        """Distance of the teacher to the target (the paper's e_teacher)."""
        return np.asarray(np.sqrt(self.teacher_squared_error))

    @property
    def student_error(self) -> FloatArray:
        """Distance of the student to the target (the paper's e_student)."""
        return np.asarray(np.sqrt(self.student_squared_error))


def kernel_population(
    alpha: npt.ArrayLike, n: int, T: float, D: float = np.inf
) -> KernelPopulation:
    r"""Errors of norm-constrained teachers and of the student distilled from each of them.

    The target is :math:`f^* = \sum_{i \le M} \alpha_i \phi_i`, orthonormal. The teacher
    is the best fit of f* on the first m functions with norm <= T; the student is the best
    fit of the teacher on the first n functions with norm <= D, both with infinite data.
    With :math:`S_j = \sum_{i \le j} \alpha_i^2`, :math:`A_j = \sqrt{S_j}`, k = min(m, n):

    .. math:: E_T(m) = (S_M - S_m) + (1 - C_m)^2 S_m, \quad C_m = \min(1, T/A_m)
    .. math:: E_S(m) = (S_M - S_k) + (1 - s_m)^2 S_k, \quad s_m = \min(1, T/A_m, D/A_k)

    The student's error is least for all m with
    :math:`A_n \le A_m \le \max(A_n, T, T A_n / D)` (for every m if A_n = 0); m = n is always
    among them. Beyond the last one it rises with every nonzero coefficient: the capacity gap.
    The sums run over all m in O(M); the tails are summed from the end, so small errors
    keep their digits.

    Parameters
    ----------
    alpha : array_like, shape (M,)
        Target coefficients, finite.
    n : int
        Student dimension, 1 <= n <= M.
    T : float
        Norm limit of the teacher, > 0.
    D : float
        Norm limit of the student, > 0; infinity removes it.

    Returns
    -------
    KernelPopulation

    Raises
    ------
    InputError
        alpha is empty, not one-dimensional or not finite, or n, T or D breaks its rule.

    Notes
    -----
    Setting: Busbridge et al., arXiv 2502.08606, appendix C.1. The formulas are the paper's
    e_teacher and e_student, squared. Its proof, not its formulas, has two slips: Case 2
    exchanges the two cases of Q, and Eq. 26 is wrong; the floor is flat from m = n up to
    S_m = (T/D)^2 S_n, which the proof does not see.

    Examples
    --------
    Coefficients 3, 4, 12 (A = 3, 5, 13), a teacher of norm at most 5, a student of one
    dimension. The teacher fits m = 1, 2 exactly; at m = 3 it shrinks all by 5/13, the
    student keeps 3 x 5/13, and its squared error rises by (3 x 8/13)^2.

    >>> errors = kernel_population([3, 4, 12], n=1, T=5)
    >>> errors.teacher_squared_error
    array([160., 144.,  64.])
    >>> errors.student_squared_error - 160
    array([0.        , 0.        , 3.40828402])
    >>> errors.first_best, errors.last_best
    (1, 2)
    """
    coefficients = _coefficients(alpha)
    M = coefficients.size
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= M:
        raise InputError(f"kernel_population: n = {n!r} must be an integer in 1 .. {M}")
    require("kernel_population", "T", T)
    if not D > 0:
        raise InputError(f"kernel_population: D = {D:g} must be > 0 (infinity removes the limit)")
    square = coefficients**2
    inside = np.cumsum(square)
    beyond = np.append(np.cumsum(square[::-1])[::-1][1:], 0.0)
    norm = np.sqrt(inside)
    k = np.minimum(np.arange(M), n - 1)  # index of the last function that the student keeps
    teacher_scale = _shrink(T, norm)
    student_scale = np.minimum(teacher_scale, _shrink(D, norm[k]))
    first, last = _best_dimensions(norm, int(n), T, D)
    return KernelPopulation(
        m=np.arange(1, M + 1),
        n=int(n),
        teacher_squared_error=beyond + (1 - teacher_scale) ** 2 * inside,
        student_squared_error=beyond[k] + (1 - student_scale) ** 2 * inside[k],
        first_best=first,
        last_best=last,
    )


def _coefficients(alpha: npt.ArrayLike) -> FloatArray:
    array = np.asarray(alpha, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"kernel_population: alpha has shape {array.shape}, must be (M,), M >= 1")
    if not np.all(np.isfinite(array)):
        bad = array[~np.isfinite(array)][0]
        raise InputError(f"kernel_population: alpha has the entry {bad}, must be finite")
    return array


def _shrink(limit: float, norm: FloatArray) -> FloatArray:
    """min(1, limit/norm), with 1 for a zero function."""
    return np.where(norm > limit, limit / np.where(norm > limit, norm, 1.0), 1.0)


def _best_dimensions(norm: FloatArray, n: int, T: float, D: float) -> tuple[int, int]:
    own = norm[n - 1]
    if own == 0:
        return 1, norm.size
    highest = max(own, T, T * own / D)
    first = int(np.searchsorted(norm, own, side="left")) + 1
    last = int(np.searchsorted(norm, highest, side="right"))
    return first, last
