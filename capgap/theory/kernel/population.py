"""Kernel regression with infinite data: teacher and student errors in closed form."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.theory.domain import FloatArray
from capgap.theory.kernel.capacity import KernelCapacity
from capgap.theory.kernel.minimizers import coefficients, dimension, norm_limit

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
    C, Q : array, shape (M,)
        The paper's factors: the teacher is C times the target's first m coefficients, the
        student Q times the teacher's first n.
    first_best, last_best : int
        The student's error is least exactly for first_best <= m <= last_best.
    """

    m: npt.NDArray[np.int64]
    n: int
    teacher_squared_error: FloatArray
    student_squared_error: FloatArray
    C: FloatArray
    Q: FloatArray
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

    and :math:`Q_m = \min(1, D/(C_m A_k)) = s_m/C_m`. What follows from it (the best teachers,
    where the gap opens and how high it is) is stated at `CapacityGap`. The sums run over all
    m in O(M); the tails are summed from the end, so small errors keep their digits.

    Parameters
    ----------
    alpha : array_like, shape (M,)
        Target coefficients, finite.
    n : int
        Student dimension, 1 <= n <= M.
    T, D : float
        Norm limits of teacher and student, > 0; infinity removes a limit.

    Returns
    -------
    KernelPopulation

    Raises
    ------
    InputError
        alpha is empty, not one-dimensional or not finite, or n, T or D breaks its rule.

    Notes
    -----
    Setting: Busbridge et al., arXiv 2502.08606, appendix C.1, which has D <= T < ||f*||; here
    T and D are free. The formulas are the paper's e_teacher and e_student, squared. Its proof,
    not its formulas, slips: see `exchanged_cases`.

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
    for name, limit in (("T", T), ("D", D)):
        norm_limit("kernel_population", name, limit)
    model = KernelCapacity(coefficients("kernel_population", alpha), T, D)
    n = dimension("kernel_population", "n", n, model.size)
    m = np.arange(1, model.size + 1)
    C = model.teacher_factor(m)
    gap = model.gap(n)
    return KernelPopulation(
        m=m,
        n=n,
        teacher_squared_error=model.teacher_squared_error(m),
        student_squared_error=model.student_squared_error(m, n),
        C=C,
        Q=model.student_factor(m, n) / C,
        first_best=gap.first_best,
        last_best=gap.last_best,
    )
