"""What the paper's proof of the capacity gap says where it slips, beside the truth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.kernel.capacity import KernelCapacity
from capgap.theory.kernel.minimizers import coefficients, dimension

__all__ = ["ExchangedCases", "exchanged_cases"]


@dataclass(frozen=True, slots=True)
class ExchangedCases:
    """The student as the proof's Case 2 has it, for teachers m = n .. M; not a minimizer.

    Attributes
    ----------
    m : array of int, shape (M - n + 1,)
    squared_error : array
        What its error would be.
    norm : array
        What its norm would be; a student must have at most D.
    distance : array
        Its distance to the teacher, which a student minimizes.
    """

    m: npt.NDArray[np.int64]
    squared_error: FloatArray
    norm: FloatArray
    distance: FloatArray


def exchanged_cases(alpha: npt.ArrayLike, n: int, T: float, D: float) -> ExchangedCases:
    r"""Evaluate Case 2 (m >= n) of the paper's proof with the cases of Q as it has them.

    The teacher's part in the student's span has norm :math:`p = C_m A_n`. The student is that
    part if p <= D, and shrinks it to D otherwise: Q = min(1, D/p). The proof has the two
    cases exchanged, Q = D/p if p <= D and 1 otherwise, which is

    .. math:: C_m Q = \max(C_m, D/A_n) \quad\text{instead of}\quad \min(C_m, D/A_n).

    Two things go wrong. Where p > D the norm exceeds D: no such student exists. Where p < D
    the student is farther from the teacher than it needs to be, and its error is the same for
    all those m: the exchanged cases put the floor where the gap is, and a rise where the
    floor is.

    Parameters
    ----------
    alpha : array_like, shape (M,)
        Target coefficients, not all zero in the first n.
    n, T, D
        As in `kernel_population`, D finite.

    Returns
    -------
    ExchangedCases

    Raises
    ------
    InputError
        An argument breaks its rule.

    Notes
    -----
    Busbridge et al., arXiv 2502.08606, appendix C.1, Case 2 of the proof.

    Examples
    --------
    Coefficients 3, 4, 12, T = 5, D = 2, n = 1. At m = 1 the student of norm 3 does not exist;
    at m = 3 the teacher's part is 15/13, and the "student" blows it up to 2.

    >>> exchanged_cases([3, 4, 12], 1, T=5, D=2).norm
    array([3., 3., 2.])
    """
    model = KernelCapacity(coefficients("exchanged_cases", alpha), T, D)
    n = dimension("exchanged_cases", "n", n, model.size)
    own = float(model.norm[n])
    if not (np.isfinite(D) and own > 0):
        raise InputError(f"exchanged_cases: D = {D:g}, A_n = {own:g} must be finite and > 0")
    m = np.arange(n, model.size + 1)
    C = model.teacher_factor(m)
    s = np.maximum(C, D / own)
    tail = model.norm[-1] ** 2 - own**2
    beyond = C**2 * (model.norm[m] ** 2 - own**2)  # of the teacher, out of the student's reach
    return ExchangedCases(
        m=m,
        squared_error=np.asarray(tail + (1 - s) ** 2 * own**2),
        norm=np.asarray(s * own),
        distance=np.asarray(np.sqrt((s - C) ** 2 * own**2 + np.maximum(beyond, 0.0))),
    )
