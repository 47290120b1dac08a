"""The law of C.1: the student's error as a function of the teacher's error alone."""

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray
from capgap.theory.kernel.minimizers import norm_limit, shrinkage

__all__ = ["student_error_law", "student_error_slope"]


def student_error_law(
    E_T: npt.ArrayLike, F: float, A_n: float, T: float, D: float = np.inf
) -> FloatArray:
    r"""Student's squared error against its teacher's, for every teacher of `kernel_population`.

    Which coefficients the target has matters only through its norm F and the norm
    :math:`A_n` of what the student can represent. A teacher's error tells the norm a of the
    target's part in its span, and that tells the student's:

    .. math:: a = \sqrt{F^2 - E_T} \text{ if that is} \le T, \text{ else }
              a = \frac{F^2 + T^2 - E_T}{2 T}
    .. math:: E_S = F^2 - b^2 s (2 - s), \qquad b = \min(a, A_n), \quad
              s = \min(1, T/a, D/b)

    So E_S = E_T for weak teachers (a <= A_n, D loose), it is flat while D binds more than T,
    and falls with E_T beyond: a stronger teacher makes a worse student. There
    :math:`s = 2 T^2/(F^2 + T^2 - E_T)`.

    Parameters
    ----------
    E_T : array_like
        Squared error of the teacher, between that of the whole target's best fit of norm <= T
        and F^2.
    F, A_n : float
        Norm of the target, and of its first n coefficients; 0 <= A_n <= F, F > 0.
    T, D : float
        Norm limits of teacher and student, > 0; infinity removes a limit.

    Returns
    -------
    array
        Squared error of the student, in the unit of E_T.

    Raises
    ------
    InputError
        A norm, a limit or an error breaks its rule.

    Notes
    -----
    Setting: Busbridge et al., arXiv 2502.08606, appendix C.1; the relation is ours.

    Examples
    --------
    Coefficients 3, 4, 12: norms 3, 5, 13, teacher errors 160, 144, 64 (see
    `kernel_population`). To the student of one dimension the third is worse than the second.

    >>> student_error_law([160, 144, 64], F=13, A_n=3, T=5).round(4)
    array([160.    , 160.    , 163.4083])
    """
    E_T, a = _reach(E_T, F, A_n, T, D)
    b = np.minimum(a, A_n)
    s = np.minimum(shrinkage(T, a), shrinkage(D, b))
    return np.asarray(F**2 - b**2 * s * (2 - s))


def student_error_slope(
    E_T: npt.ArrayLike, F: float, A_n: float, T: float, D: float = np.inf
) -> FloatArray:
    r"""dE_S/dE_T of `student_error_law`; at a corner, the slope toward weaker teachers.

    With a and s as there:

    - a <= A_n: :math:`\min(1, D/\min(T, a))`;
    - a > A_n: :math:`-(A_n/a)^2 (1 - T/a)` if T/a < min(1, D/A_n), else 0.

    Beside the hinge of finite samples (slope 1, then a constant negative one), this model's
    falling side starts at :math:`-(1 - T/A_n)` where T < A_n, and from 0 otherwise.

    Examples
    --------
    >>> student_error_slope([160, 64], F=13, A_n=3, T=5).round(4)
    array([ 1.    , -0.0328])
    """
    E_T, a = _reach(E_T, F, A_n, T, D)
    safe = np.where(a > 0, a, 1.0)
    weak = np.where(a > 0, np.minimum(1.0, D / np.minimum(T, safe)), 1.0)
    C = shrinkage(T, a)
    strong = np.where(shrinkage(D, A_n) > C, -((A_n / safe) ** 2) * (1 - C), 0.0)
    return np.asarray(np.where(a <= A_n, weak, strong))


def _reach(
    E_T: npt.ArrayLike, F: float, A_n: float, T: float, D: float
) -> tuple[FloatArray, FloatArray]:
    """Teacher errors and the norms a of the target's part in their spans, checked."""
    if not (0 < F < np.inf and 0 <= A_n <= F):
        raise InputError(
            f"student_error_law: F = {F:g}, A_n = {A_n:g} must be 0 <= A_n <= F, F > 0"
        )
    norm_limit("student_error_law", "T", T)
    norm_limit("student_error_law", "D", D)
    error = np.asarray(E_T, dtype=np.float64)
    least = max(F - T, 0.0) ** 2
    slack = 1e-12 * F**2  # rounding of errors that were summed elsewhere
    bad = ~((error >= least - slack) & (error <= F**2 + slack))
    if np.any(bad):
        raise InputError(
            f"student_error_law: E_T = {error[bad].flat[0]:g} must be in {least:g} .. {F**2:g}"
        )
    gained = np.clip(F**2 - error, 0.0, F**2)
    if not np.isfinite(T):
        return error, np.sqrt(gained)
    free = np.sqrt(gained)
    return error, np.minimum(np.where(free <= T, free, (gained + T**2) / (2 * T)), F)
