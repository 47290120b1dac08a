"""Students whose functions are not the teacher's first ones: general subspaces."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.kernel.minimizers import coefficients, dimension, norm_limit, shrinkage

__all__ = ["SubspacePopulation", "orthonormal", "rotated_basis", "subspace_population"]

_ORTHONORMAL = 1e-10


@dataclass(frozen=True, slots=True)
class SubspacePopulation:
    """Errors for every teacher dimension m = 1 .. M_T.

    Attributes
    ----------
    m : array of int, shape (M_T,)
    teacher_squared_error, student_squared_error : array, shape (M_T,)
        Squared distance to the target.
    direct_squared_error : float
        Squared error of a student trained on the target itself: the least possible.
    """

    m: npt.NDArray[np.int64]
    teacher_squared_error: FloatArray
    student_squared_error: FloatArray
    direct_squared_error: float

    @property
    def best(self) -> int:
        """Dimension of the first teacher whose student is best."""
        return int(self.m[np.argmin(self.student_squared_error)])


def subspace_population(
    target: npt.ArrayLike,
    student_basis: npt.ArrayLike,
    T: float = np.inf,
    D: float = np.inf,
    teacher_basis: npt.ArrayLike | None = None,
) -> SubspacePopulation:
    r"""Errors of teachers in growing subspaces and of a student in a subspace of its own.

    The teacher g_m is the best fit of f in the span of the first m columns of `teacher_basis`
    with norm <= T; the student the best fit of g_m in the span U of `student_basis` with norm
    <= D. With P the projection on U:

    .. math:: g_m = C_m \sum_{i \le m} q_i \langle q_i, f\rangle, \qquad
              h_m = \min(1, D/\lVert P g_m \rVert)\, P g_m

    Where U is the span of the teacher's first n functions this is `kernel_population`.
    Otherwise nothing forces the best teacher to have as many functions as the student: what
    counts is how much of what the teacher knows lies in U. The error need not fall up to
    m = n, can have several minima even without limits, and can be below the teacher's.

    Parameters
    ----------
    target : array_like, shape (M,)
        Coefficients of f in any orthonormal functions.
    student_basis : array_like, shape (M, n)
        Orthonormal columns.
    T, D : float
        Norm limits of teacher and student, > 0; infinity removes a limit.
    teacher_basis : array_like, shape (M, M_T), optional
        Orthonormal columns, in the order in which teachers take them up; by default the
        functions of `target` as they are.

    Returns
    -------
    SubspacePopulation

    Raises
    ------
    InputError
        A basis is not orthonormal (to 1e-10) or of another size, or a limit breaks its rule.

    Notes
    -----
    Busbridge et al., arXiv 2502.08606, appendix C.1, has the nested case. O(M M_T n).

    Examples
    --------
    A student whose one function is the second of the teacher learns from m = 2 on.

    >>> errors = subspace_population([3, 4], [[0], [1]])
    >>> errors.student_squared_error, errors.best
    (array([25.,  9.]), 2)
    """
    operation = "subspace_population"
    f = coefficients(operation, target, "target")
    for name, limit in (("T", T), ("D", D)):
        norm_limit(operation, name, limit)
    U = orthonormal(operation, "student_basis", student_basis, f.size)
    V = np.eye(f.size)
    if teacher_basis is not None:
        V = orthonormal(operation, "teacher_basis", teacher_basis, f.size)
    known = V.T @ f
    inside = np.cumsum(known**2)
    C = shrinkage(T, np.sqrt(inside))
    beyond = f - V @ known
    tail = float(beyond @ beyond) + np.append(np.cumsum((known**2)[::-1])[::-1][1:], 0.0)
    own = U.T @ f
    left = f - U @ own
    passed = C * np.cumsum((U.T @ V) * known, axis=1)
    h = passed * shrinkage(D, np.linalg.norm(passed, axis=0))
    direct = own * shrinkage(D, np.linalg.norm(own))
    return SubspacePopulation(
        m=np.arange(1, V.shape[1] + 1),
        teacher_squared_error=tail + (1 - C) ** 2 * inside,
        student_squared_error=np.sum((h - own[:, None]) ** 2, axis=0) + left @ left,
        direct_squared_error=float(np.sum((direct - own) ** 2) + left @ left),
    )


def rotated_basis(M: int, n: int, angle: float) -> FloatArray:
    r"""Orthonormal functions of a student turned away from the teacher's first n.

    Its i-th function is :math:`\cos(angle)\, \phi_i + \sin(angle)\, \phi_{n+i}`: all principal
    angles between the two spans are `angle`.

    Parameters
    ----------
    M, n : int
        Functions of the target, and of the student; 2 n <= M.
    angle : float
        Radians.

    Returns
    -------
    array, shape (M, n)

    Examples
    --------
    >>> rotated_basis(3, 1, np.pi / 6).ravel().round(3)
    array([0.866, 0.5  , 0.   ])
    """
    n = dimension("rotated_basis", "n", n, M // 2)
    basis = np.zeros((M, n))
    i = np.arange(n)
    basis[i, i], basis[n + i, i] = np.cos(angle), np.sin(angle)
    return basis


def orthonormal(operation: str, name: str, value: npt.ArrayLike, M: int) -> FloatArray:
    """Return a basis as an array, shape (M, n) with orthonormal columns, or raise."""
    basis = np.asarray(value, dtype=np.float64)
    if basis.ndim != 2 or basis.shape[0] != M or not 1 <= basis.shape[1] <= M:
        raise InputError(f"{operation}: {name} has shape {basis.shape}, must be ({M}, 1 .. {M})")
    with np.errstate(invalid="ignore", over="ignore"):
        off = float(np.max(np.abs(basis.T @ basis - np.eye(basis.shape[1]))))
    if not off <= _ORTHONORMAL:
        raise InputError(f"{operation}: {name} is {off:.2g} from orthonormal, must be <= 1e-10")
    return basis
