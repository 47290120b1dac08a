"""The capacity gap as a theorem: best teachers, onset and height."""

from dataclasses import dataclass

__all__ = ["CapacityGap"]


@dataclass(frozen=True, slots=True)
class CapacityGap:
    r"""What is proved of one student: best teachers, onset and height of the gap.

    For every target, n and limits T, D in (0, inf], with A_m the norm of the first m
    coefficients, F that of all, :math:`s_m = \min(1, T/A_m, D/A_{\min(m,n)})`,
    :math:`\varphi_R(x) = x^2` for x <= R, else :math:`2 R x - R^2`:

    1. m <= n: :math:`E_S(m) = F^2 - \varphi_{\min(T,D)}(A_m)`; for m < n,
       E_S(m+1) < E_S(m) if and only if :math:`\alpha_{m+1} \ne 0`, equal otherwise.
    2. m >= n: :math:`E_S(m) = F^2 - A_n^2 s_m (2 - s_m)`; E_S(m+1) > E_S(m) if and only if
       A_n > 0, :math:`\alpha_{m+1} \ne 0` and :math:`A_{m+1} > \max(T, T A_n/D)`, else equal.
    3. The best teachers are :math:`\{m: A_n \le A_m \le \max(A_n, T, T A_n/D)\}`, all of them
       if A_n = 0. m = n is always one. The gap is there if and only if A_n > 0 and
       F > max(A_n, T, T A_n/D); its height is
       :math:`A_n^2 [(1 - s_M)^2 - (1 - s_n)^2]`.
    4. No gap if T >= F. A limit D widens the floor if and only if D < min(T, A_n).
    5. :math:`E_S(m) \ge E_T(m)`: no student beats its teacher.

    The student's error is a function of the teacher's alone: `student_error_law`.

    Attributes
    ----------
    n : int
        Student dimension.
    first_best, last_best : int
        The student's error is least exactly for teachers of these dimensions and between.
    onset : int or None
        First teacher beyond them, from which on the student is worse; None: there is no gap.
    floor_end : float
        max(A_n, T, T A_n/D): the norm of the target's first m coefficients up to which
        teachers do no harm. Infinite if A_n = 0.
    least_squared_error : float
        The student's squared error with any of the best teachers.
    height : float
        Squared error with the teacher of all M dimensions minus the least; 0 without a gap.

    Notes
    -----
    Setting: Busbridge et al., arXiv 2502.08606, appendix C.1, for D <= T < F; its theorem has
    no floor, which is there whenever D < min(T, A_n), or T > A_n.

    Examples
    --------
    Norms 3, 5, 13, 85. With T = 10 and D = 6 the student of two dimensions has A_n = 5 < D:
    only T ends the floor, after m = 2. With D = 2.5 the floor ends at 10 x 5/2.5 = 20.

    >>> from capgap.theory.kernel import KernelCapacity
    >>> KernelCapacity([3, 4, 12, 84], T=10, D=6).gap(2).last_best
    2
    >>> gap = KernelCapacity([3, 4, 12, 84], T=10, D=2.5).gap(2)
    >>> gap.first_best, gap.last_best, gap.onset, gap.floor_end
    (2, 3, 4, 20.0)

    There s_4 = 10/85 against s_2 = 1/2: the height is 25 ((15/17)^2 - 1/4).

    >>> round(gap.height / 25 + 0.25, 6) == round((15 / 17) ** 2, 6)
    True
    """

    n: int
    first_best: int
    last_best: int
    onset: int | None
    floor_end: float
    least_squared_error: float
    height: float

    @property
    def is_U(self) -> bool:
        """Whether the error strictly falls somewhere before the floor and rises after it."""
        return self.onset is not None and self.first_best > 1
