"""What a student gains on its teacher: the identity behind weak-to-strong generalization."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.kernel.minimizers import coefficients, dimension
from capgap.theory.kernel.rotated import orthonormal

__all__ = ["Gain", "distillation_gain", "noisy_teacher_gain"]


@dataclass(frozen=True, slots=True)
class Gain:
    """Teacher's squared error minus its student's, in its parts.

    Attributes
    ----------
    total : float
        Positive if the student beats its teacher; misfit - 2 cross.
    misfit : float
        Squared distance of teacher and student, ||v||^2.
    cross : float
        <v, b>: how much of what the student cannot follow is right.
    limit : float
        ||b||^2, squared error of the student's functions at their best; 0: realizable.
    """

    total: float
    misfit: float
    cross: float
    limit: float


def distillation_gain(
    teacher: npt.ArrayLike, target: npt.ArrayLike, student_basis: npt.ArrayLike
) -> Gain:
    r"""Gain of a student without norm limit on any teacher g of any target f.

    The student is the projection P g on its functions. With v = (I - P) g, what it cannot
    follow, and b = (I - P) f, what it cannot reach:

    .. math:: \lVert g - f \rVert^2 - \lVert P g - f \rVert^2
              = \lVert v \rVert^2 - 2 \langle v, b \rangle

    So the student beats its teacher if and only if what it drops is more wrong than right,
    :math:`\langle v, b\rangle < \lVert v \rVert^2/2`. If the target is among its functions
    (b = 0) the gain is the misfit. In `kernel_population` :math:`v = C f_{n+1..m}` is a part
    of b shrunk, the gain :math:`-(2/C - 1) \lVert v \rVert^2`, never positive.

    Parameters
    ----------
    teacher, target : array_like, shape (M,)
        Coefficients in any orthonormal functions.
    student_basis : array_like, shape (M, n)
        Orthonormal columns.

    Returns
    -------
    Gain
        Its parts are computed each by itself, the total from the two errors.

    Raises
    ------
    InputError
        An argument breaks its rule.

    Notes
    -----
    The realizable case is Charikar, Pabbaraju & Shiragur, arXiv 2405.15116 (theorem 1, where
    a convex set of students makes it an inequality: gain >= misfit).

    Examples
    --------
    Target (1, 1), teacher (1, 0), a student along (1, 1): it halves the teacher's error of 1.

    >>> gain = distillation_gain([1, 0], [1, 1], [[0.5**0.5], [0.5**0.5]])
    >>> round(gain.total, 12), round(gain.misfit, 12), round(gain.limit, 12)
    (0.5, 0.5, 0.0)
    """
    f = coefficients("distillation_gain", target, "target")
    g = coefficients("distillation_gain", teacher, "teacher")
    if g.shape != f.shape:
        raise InputError(f"distillation_gain: teacher has {g.size} coefficients, must be {f.size}")
    U = orthonormal("distillation_gain", "student_basis", student_basis, f.size)
    student = U @ (U.T @ g)
    v, b = g - student, f - U @ (U.T @ f)
    total = np.sum((g - f) ** 2) - np.sum((student - f) ** 2)
    return Gain(float(total), float(v @ v), float(v @ b), float(b @ b))


def noisy_teacher_gain(alpha: npt.ArrayLike, n: int, noise: npt.ArrayLike) -> FloatArray:
    r"""Expected gain of a student of n functions on teachers with noise, for m = 1 .. M.

    The teacher's first m coefficients are :math:`\alpha_i + \xi_i`, the noise independent of
    zero mean and variance `noise`. The student copies the first n. For m > n

    .. math:: E[E_T - E_S] = (m - n)\, noise - \sum_{n < i \le m} \alpha_i^2

    and 0 for m <= n: the student of a teacher that is larger than itself beats it if and only
    if the noise that it drops is larger than the target that it drops with it.

    Parameters
    ----------
    alpha : array_like, shape (M,)
        Target coefficients.
    n : int
        Student dimension, 1 .. M.
    noise : array_like
        Variance of every coefficient of the teacher, >= 0; an array gives a row for each.

    Returns
    -------
    array, shape (..., M)

    Raises
    ------
    InputError
        An argument breaks its rule.

    Examples
    --------
    >>> noisy_teacher_gain([3, 2, 1], 1, 3.0)
    array([ 0., -1.,  1.])
    """
    values = coefficients("noisy_teacher_gain", alpha)
    n = dimension("noisy_teacher_gain", "n", n, values.size)
    variance = np.asarray(noise, dtype=np.float64)
    if not np.all(np.isfinite(variance) & (variance >= 0)):
        raise InputError("noisy_teacher_gain: noise must be finite and >= 0")
    beyond = np.arange(1, values.size + 1) > n
    dropped = np.cumsum(np.where(beyond, values**2, 0.0))
    return np.asarray(variance[..., None] * np.cumsum(beyond) - dropped)
