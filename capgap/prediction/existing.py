"""Which of the teachers that are there: each tried on one student, and how sure the choice is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.question import Question
from capgap.prediction.scenario import Costs, costs
from capgap.prediction.uncertainty import LEVEL, LawDraws, Spread, over_draws
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.law_set import Interval, Laws, LawSet
from capgap.theory.protocols import SupervisedForm

__all__ = ["Choice", "Option", "Teacher", "choose_teacher"]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A model that is there: N_T parameters, D_T tokens it was trained on, its loss L_T.

    Without a measured loss (nats per token, on the student's text) the supervised law
    predicts it from D_T; without D_T its pretraining cannot be counted.

    Examples
    --------
    >>> from capgap.theory.supervised import SupervisedLaw
    >>> law = SupervisedLaw(E=1.0, A=100.0, B=200.0, alpha=1.0, beta=1.0)
    >>> Teacher("small", 100, D_T=200).loss_by(law), Teacher("big", 1e3, L_T=1.5).loss_by(law)
    (3.0, 1.5)
    """

    name: str
    N_T: float
    D_T: float | None = None
    L_T: float | None = None

    def __post_init__(self) -> None:
        if self.D_T is None and self.L_T is None:
            raise InputError(f"teacher {self.name!r}: tokens or loss must be given")
        for name, value in (("parameters", self.N_T), ("tokens", self.D_T), ("loss", self.L_T)):
            if value is not None:
                positive_array(f"teacher {self.name!r}", name, value)

    def loss_by(self, law: SupervisedForm) -> float:
        """Measured loss, or what the law predicts; nats per token."""
        if self.L_T is not None:
            return self.L_T
        assert self.D_T is not None
        return float(law.loss(self.N_T, self.D_T))


@dataclass(frozen=True, slots=True)
class Option:
    """One teacher tried: the student's tokens and loss, and the FLOPs that its budget bears.

    `student_loss` is inf and `D_S` 0 where the teacher alone costs more than the budget.
    `share_best` is the share of the draws in which no other teacher makes a better student;
    `interval` that of the student's loss. Both are None without draws.
    """

    teacher: Teacher
    L_T: float
    D_S: float
    student_loss: float
    student_training: float
    teacher_inference: float
    teacher_pretraining: float
    share_best: float | None = None
    interval: Interval | None = None

    @property
    def affordable(self) -> bool:
        """Whether the budget leaves a token for the student."""
        return self.D_S > 0


@dataclass(frozen=True, slots=True)
class Choice:
    """All teachers, the best first.

    Attributes
    ----------
    options : tuple of Option
        By student loss; teachers that cost too much come last.
    supervised_loss : float
        The student trained alone on the same budget.
    lead : float or None
        Student loss under the runner-up minus under the best; None if there is no runner-up.
    lead_interval : (float, float) or None
        Over the draws; it contains 0 where either may be the better one.
    spread : Spread or None
        student_loss, supervised_loss, teacher_loss and gain of the best, over the draws.
    """

    options: tuple[Option, ...]
    supervised_loss: float
    lead: float | None = None
    lead_interval: Interval | None = None
    spread: Spread | None = None

    @property
    def best(self) -> Option:
        """The teacher of the best student."""
        return self.options[0]


def choose_teacher(
    chosen: LawSet,
    teachers: Sequence[Teacher],
    question: Question,
    draws: LawDraws | None = None,
    *,
    level: float = LEVEL,
) -> Choice:
    r"""Try every teacher on one student and budget.

    .. math:: D_S = \min\left(\frac{C - 3 F(N_T) \delta_{Pre} D_T}
        {3 F(N_S) + F(N_T) \delta_{Lgt}}, D_{max}\right)

    In `best` and `inference` the teachers are there for nothing (d_Pre = 0); in
    `pretraining` and `both` their training is counted, 1/K of it for each of K students.

    Parameters
    ----------
    chosen : LawSet
    teachers : sequence of Teacher
    question : Question
        Its limits on N_T and D_T do not matter here.
    draws : LawDraws, optional
        A measured loss is taken as exact in each of them.
    level : float
        Of the intervals.

    Raises
    ------
    InputError
        There is no teacher, none is affordable, a loss is at or below the irreducible loss, or
        tokens are missing where pretraining is counted.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, section 5 (d_Pre = 0 for a teacher that is
    there), for a list instead of a continuum.

    Examples
    --------
    A student of 300M parameters is better taught by the middle one of these three:

    >>> from capgap.theory.coefficients import law_set
    >>> three = [Teacher("weak", 3e8, 6e9), Teacher("middle", 2e9, 4e10)]
    >>> three.append(Teacher("strong", 3e10, 6e12))
    >>> choose_teacher(law_set(), three, Question(3e8, 1e20, "best")).best.teacher.name
    'middle'
    """
    if not teachers:
        raise InputError("teachers: there must be at least one")
    if question.scenario == "supervised":
        raise InputError("teachers: scenario 'supervised' has none")
    shares = costs(question.scenario, question.students, shared_outputs=question.shared_outputs)
    _check(chosen, teachers, shares)
    alone = Question(question.N_S, question.budget, "supervised", limits=question.limits)
    own = alone.allocate(chosen)
    parts = _flops(chosen.family, teachers, question, shares)
    D_S = parts[0]
    if not np.any(D_S > 0):
        raise InputError(
            f"teachers: budget = {question.budget:g} FLOPs is too small: no teacher leaves the"
            " student a token"
        )
    L_T = _losses_of(chosen.laws, teachers)
    losses = _student_losses(chosen.laws, question.N_S, D_S, L_T)
    order = np.argsort(losses, kind="stable")
    options = [
        Option(
            teachers[i], float(L_T[i]), float(D_S[i]), float(losses[i]), float(parts[1][i]),
            float(parts[2][i]), float(parts[3][i]),
        )
        for i in order
    ]  # fmt: skip
    second = float(losses[order[1]]) if len(order) > 1 else np.inf
    lead = second - options[0].student_loss if np.isfinite(second) else None
    choice = Choice(tuple(options), float(own.student_loss), lead)
    if draws is None:
        return choice
    return _with_draws(choice, question, draws, float(own.D_S), level)


def _check(chosen: LawSet, teachers: Sequence[Teacher], shares: Costs) -> None:
    names = [teacher.name for teacher in teachers]
    for teacher in teachers:
        if names.count(teacher.name) > 1:
            raise InputError(f"teachers: {teacher.name!r} must be there once")
        floor = chosen.supervised.irreducible_loss
        if teacher.L_T is not None and floor >= teacher.L_T:
            raise InputError(
                f"teacher {teacher.name!r}: loss = {teacher.L_T:g} must be above the"
                f" irreducible loss, {floor:g}"
            )
        if shares.d_Pre > 0 and teacher.D_T is None:
            raise InputError(
                f"teacher {teacher.name!r}: tokens must be given to count its pretraining"
            )


def _flops(
    family: ModelFamily, teachers: Sequence[Teacher], question: Question, shares: Costs
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """D_S, and the FLOPs of student training, teacher inference and teacher pretraining."""
    forward = family.forward_flops([teacher.N_T for teacher in teachers])
    tokens = np.array([teacher.D_T or 0.0 for teacher in teachers])
    training = 3.0 * float(family.forward_flops(question.N_S))
    pretraining = 3.0 * shares.d_Pre * forward * tokens
    per_token = training + shares.d_Lgt * forward
    D_S = np.minimum((question.budget - pretraining) / per_token, question.limits.D_S)
    D_S = np.where(D_S >= 1, D_S, 0.0)
    return D_S, training * D_S, shares.d_Lgt * forward * D_S, pretraining


def _losses_of(laws: Laws, teachers: Sequence[Teacher]) -> FloatArray:
    return np.array([teacher.loss_by(laws.supervised) for teacher in teachers])


def _student_losses(laws: Laws, N_S: float, D_S: FloatArray, L_T: FloatArray) -> FloatArray:
    if laws.taught is None:
        raise InputError("teachers: these laws have no distillation law")
    losses = laws.taught.loss(N_S, np.where(D_S > 0, D_S, 1.0), L_T)
    return np.where(D_S > 0, losses, np.inf)


def _with_draws(
    choice: Choice, question: Question, draws: LawDraws, own_tokens: float, level: float
) -> Choice:
    teachers = [option.teacher for option in choice.options]
    D_S = np.array([option.D_S for option in choice.options])
    rows: list[FloatArray] = []

    def ask(laws: Laws) -> dict[str, float]:
        L_T = _losses_of(laws, teachers)
        losses = _student_losses(laws, question.N_S, D_S, L_T)
        alone = float(laws.supervised.loss(question.N_S, own_tokens))
        rows.append(losses)
        best = float(losses[0])
        return {
            "student_loss": best,
            "supervised_loss": alone,
            "teacher_loss": float(L_T[0]),
            "gain": alone - best,
        }

    spread = over_draws(draws, ask)
    if not rows:
        return Choice(choice.options, choice.supervised_loss, choice.lead, None, spread)
    table = np.array(rows)
    options = tuple(
        _sure(option, column, share, level)
        for option, column, share in zip(choice.options, table.T, _shares(table), strict=True)
    )
    lead_interval = None
    if choice.lead is not None:
        lead_interval = Spread({"lead": table[:, 1] - table[:, 0]}, 0).interval("lead", level)
    return Choice(options, choice.supervised_loss, choice.lead, lead_interval, spread)


def _shares(table: FloatArray) -> FloatArray:
    """Share of the rows in which each column is least; a tie counts for the first."""
    counts: npt.NDArray[np.intp] = np.bincount(table.argmin(axis=1), minlength=table.shape[1])
    return np.asarray(counts / len(table))


def _sure(option: Option, losses: FloatArray, share: float, level: float) -> Option:
    finite = Spread({"loss": np.where(np.isfinite(losses), losses, np.nan)}, 0)
    return Option(
        option.teacher, option.L_T, option.D_S, option.student_loss, option.student_training,
        option.teacher_inference, option.teacher_pretraining, float(share),
        finite.interval("loss", level),
    )  # fmt: skip
