"""Regimes of a taught student: the side of the knee, and whether a teacher is too strong.

Two different questions, often taken for one:

- **Which side of the knee?** Below it (a strong teacher) the student's distance to its teacher
  grows as the teacher improves: the capacity gap opens. Above it (a weak teacher) the student
  follows its teacher: imitation. The knee of Eq. 8 is at d1 (c1 f1)^(-f1) times the student's
  supervised loss (0.93 for the paper's coefficients), not at d1 = 1.315 times, and the rule
  "L_T below d1 times the supervised loss: the student is the stronger learner", which is in
  circulation, has the two sides exchanged.
- **Too strong?** A teacher is too strong when a weaker one would make a better student, that
  is when L_T is below `best_teacher_loss`. That point is not the knee: just below the knee a
  better teacher may still help.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.protocols import TaughtForm

__all__ = ["Regime", "gap_reachable", "regime"]


class _Sloped(TaughtForm, Protocol):
    def slope(self, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> FloatArray:
        """Derivative of the student's loss in its teacher's."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Where teachers stand; all arrays have the broadcast shape of N_S, D_S and L_T.

    Attributes
    ----------
    knee : array
        Teacher loss at which the regime changes, nats per token.
    best_teacher_loss : array
        Teacher loss of the best student, nats per token.
    capacity_gap : array of bool
        L_T is below the knee: the strong-teacher side.
    too_strong : array of bool
        L_T is below `best_teacher_loss`: a weaker teacher would do better.
    slope : array
        dL_S/dL_T at this teacher, without unit; negative where a slightly weaker one is better.
    """

    knee: FloatArray
    best_teacher_loss: FloatArray
    capacity_gap: npt.NDArray[np.bool_]
    too_strong: npt.NDArray[np.bool_]
    slope: FloatArray

    @property
    def name(self) -> npt.NDArray[np.str_]:
        """``capacity gap`` below the knee, ``imitation`` above it."""
        return np.where(self.capacity_gap, "capacity gap", "imitation")


def regime(law: _Sloped, N_S: npt.ArrayLike, D_S: npt.ArrayLike, L_T: npt.ArrayLike) -> Regime:
    """Place teachers of loss L_T against the knee and the best teacher of a student.

    Parameters
    ----------
    law : taught law
        Any of the distillation and hinge laws.
    N_S, D_S, L_T : array_like
        Student parameters and tokens, teacher loss in nats per token; they broadcast.

    Raises
    ------
    InputError
        An input is not finite and positive.

    Examples
    --------
    A hinge with its corner at l = 2 and rho = theta = s = 1: L_S = L_T + 4/L_T falls by
    3 nats per nat at L_T = 1 and rises by 3/4 at L_T = 4.

    >>> from capgap.theory.hinge import HingeLaw
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> found = regime(HingeLaw(own, rho=1.0, s=1.0, c=1.0), 1, 1, [1.0, 4.0])
    >>> found.name.tolist(), found.too_strong.tolist(), found.slope.round(12).tolist()
    (['capacity gap', 'imitation'], [True, False], [-3.0, 0.75])
    """
    teacher = positive_array("regime", "L_T", L_T)
    slope = law.slope(N_S, D_S, teacher)
    knee = np.broadcast_to(law.knee(N_S, D_S), slope.shape)
    best = np.broadcast_to(law.best_teacher_loss(N_S, D_S), slope.shape)
    return Regime(knee, best, np.less(teacher, knee), np.less(teacher, best), slope)


def gap_reachable(
    law: TaughtForm, N_S: npt.ArrayLike, D_S: npt.ArrayLike, teacher_limit: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """Whether some teacher is too strong for a student, given the least teacher loss there is.

    True where the best teacher's loss is above `teacher_limit`, so that teachers between
    the two exist and make worse students than the best one. For a law that is convex in L_T
    this is the same as a negative slope at the limit, for Eq. 8 h(limit) > 1.

    Parameters
    ----------
    law : taught law
    N_S, D_S : array_like
        Student parameters and tokens.
    teacher_limit : array_like
        Least reachable teacher loss, nats per token, >= 0: E of the teachers' law, or the loss
        of the best teacher at hand.

    Raises
    ------
    InputError
        An input breaks its rule.

    Examples
    --------
    The best teacher of this student has loss 2:

    >>> from capgap.theory.hinge import HingeLaw
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> own = SupervisedLaw(E=0.0, A=1.0, B=1.0, alpha=1.0, beta=1.0)
    >>> gap_reachable(HingeLaw(own, rho=1.0, s=1.0, c=1.0), 1, 1, [1.9, 2.1]).tolist()
    [True, False]
    """
    limit = np.asarray(teacher_limit, dtype=np.float64)
    bad = ~(np.isfinite(limit) & (limit >= 0))
    if np.any(bad):
        raise InputError(
            f"gap_reachable: teacher_limit = {limit[bad].flat[0]:g} must be finite and >= 0"
        )
    return np.asarray(law.best_teacher_loss(N_S, D_S) > limit)
