"""Which teacher for a student of given capacity: kernel regression with infinite data."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.kernel.gap import CapacityGap
from capgap.theory.kernel.minimizers import coefficients, dimension, norm_limit, shrinkage

__all__ = ["KernelCapacity"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class KernelCapacity:
    r"""All pairs of teacher and student of one target: errors, best teachers, gaps.

    Sums over the target are made once, in O(M); then an error costs O(1) and the best
    teachers of all students together O(M log M). Dimensions may be arrays, and broadcast.

    Parameters
    ----------
    alpha : array_like, shape (M,)
        Target coefficients in orthonormal functions, finite.
    T, D : float
        Norm limits of teacher and student, > 0; infinity removes a limit.

    Raises
    ------
    InputError
        alpha, T or D breaks its rule; methods raise it for dimensions outside 1 .. M.

    Notes
    -----
    Formulas: `kernel_population`; Busbridge et al., arXiv 2502.08606, appendix C.1. Errors are
    distances to the target: the distance to the teacher, which a student minimizes, is least
    for teachers that no student should have. A coefficient whose square is lost beside the sum
    of those before it (1e-16 of it) counts as zero.

    Examples
    --------
    Norms of the first coefficients are 3, 5, 13. A student of two dimensions does best with a
    teacher of two; one of three dimensions, shrunk to norm 2.5, passes less on.

    >>> model = KernelCapacity([3, 4, 12], T=2.5)
    >>> model.best_teachers([1, 2])
    (array([1, 2]), array([1, 2]))
    >>> float(model.student_squared_error(2, 2)), float(model.best_squared_error(2))
    (150.25, 150.25)
    >>> round(float(model.student_squared_error(3, 2)), 2)
    160.31
    """

    alpha: FloatArray
    T: float
    D: float = np.inf
    _inside: FloatArray = field(init=False, repr=False)
    _beyond: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alpha = coefficients("KernelCapacity", self.alpha).copy()
        for name in ("T", "D"):
            norm_limit("KernelCapacity", name, getattr(self, name))
            object.__setattr__(self, name, float(getattr(self, name)))
        square = alpha**2
        inside = np.append(0.0, np.cumsum(square))
        beyond = np.append(np.cumsum(square[::-1])[::-1], 0.0)
        for name, array in (("alpha", alpha), ("_inside", inside), ("_beyond", beyond)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def size(self) -> int:
        """M, the number of functions of the target."""
        return int(self.alpha.size)

    @property
    def norm(self) -> FloatArray:
        """A_0 .. A_M, norms of the target's first coefficients, shape (M + 1,)."""
        return np.asarray(np.sqrt(self._inside))

    def teacher_factor(self, m: npt.ArrayLike) -> FloatArray:
        """C_m = min(1, T/A_m)."""
        return shrinkage(self.T, np.sqrt(self._inside[self._dimensions("m", m)]))

    def student_factor(self, m: npt.ArrayLike, n: npt.ArrayLike) -> FloatArray:
        """s_m = min(1, T/A_m, D/A_k), k = min(m, n): the student over the target."""
        k = np.minimum(self._dimensions("m", m), self._dimensions("n", n))
        own = shrinkage(self.D, np.sqrt(self._inside[k]))
        return np.asarray(np.minimum(self.teacher_factor(m), own))

    def teacher_squared_error(self, m: npt.ArrayLike) -> FloatArray:
        """E_T(m), squared distance of the teacher to the target."""
        m = self._dimensions("m", m)
        return np.asarray(self._beyond[m] + (1 - self.teacher_factor(m)) ** 2 * self._inside[m])

    def student_squared_error(self, m: npt.ArrayLike, n: npt.ArrayLike) -> FloatArray:
        """E_S(m), squared distance to the target of a student of n dimensions."""
        k = np.minimum(self._dimensions("m", m), self._dimensions("n", n))
        return np.asarray(self._beyond[k] + (1 - self.student_factor(m, n)) ** 2 * self._inside[k])

    def best_squared_error(self, n: npt.ArrayLike) -> FloatArray:
        """Least squared error of a student over all teachers; m = n always reaches it."""
        return self.student_squared_error(n, n)

    def best_teachers(self, n: npt.ArrayLike) -> tuple[IntArray, IntArray]:
        """First and last m of the best teachers of each student (see `CapacityGap`)."""
        n = self._dimensions("n", n)
        own = self._inside[n]
        first = np.searchsorted(self._inside[1:], own, side="left") + 1
        last = np.searchsorted(self._inside[1:], self._floor_end(own), side="right")
        dark = own == 0
        return np.where(dark, 1, first), np.where(dark, self.size, last)

    def gap(self, n: int) -> CapacityGap:
        """The theorem's statements about one student."""
        n = dimension("kernel_population", "n", n, self.size)
        first, last = (int(v) for v in self.best_teachers(n))
        own = self._inside[n]
        s_n, s_M = (float(self.student_factor(m, n)) for m in (n, self.size))
        return CapacityGap(
            n=n,
            first_best=first,
            last_best=last,
            onset=last + 1 if last < self.size else None,
            floor_end=float(np.sqrt(self._floor_end(own))),
            least_squared_error=float(self.best_squared_error(n)),
            height=float(own * (s_n - s_M) * (2 - s_n - s_M)) if last < self.size else 0.0,
        )

    def _floor_end(self, own: FloatArray) -> FloatArray:
        """max(A_n, T, T A_n/D), squared; A_n = 0 has no end."""
        end = np.maximum(own, self.T * self.T)
        if self.D < self.T:
            # In this order the quotient is exact where A_m meets T A_n/D exactly.
            with np.errstate(all="ignore"):
                end = np.fmax(end, own * (self.T * self.T) / (self.D * self.D))
        return np.where(own == 0, np.inf, end)

    def _dimensions(self, name: str, value: npt.ArrayLike) -> IntArray:
        array = np.asarray(value)
        if array.dtype.kind not in "iu" or np.any((array < 1) | (array > self.size)):
            raise InputError(
                f"KernelCapacity: {name} = {value!r} must be integers in 1 .. {self.size}"
            )
        return array.astype(np.int64)
