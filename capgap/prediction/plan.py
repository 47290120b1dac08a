"""The whole answer to "should I distil, from which teacher, on how many tokens, how sure?"."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capgap.counts import short
from capgap.prediction.advice import Advice, advise_plan
from capgap.prediction.allocation import Allocations
from capgap.prediction.existing import Choice, Option, Teacher, choose_teacher
from capgap.prediction.flat import FlatRanges, flat_ranges
from capgap.prediction.predict import (
    Setting,
    cautions,
    draw_warnings,
    interval_of,
    setting_of,
    teacher_outside,
)
from capgap.prediction.question import Question
from capgap.prediction.uncertainty import LEVEL, LawDraws, Spread, plan_spread
from capgap.theory.law_set import LawSet

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """An allocation, what it is worth, how sure and how flat it is.

    `allocation` has columns without dimensions; `choice` is set when the teachers were
    given; `flat` and `setting` are None where there is no teacher to choose. `alone` is the
    student without a teacher that it is compared with.
    """

    question: Question
    allocation: Allocations
    supervised_loss: float
    spread: Spread
    level: float
    setting: Setting | None
    flat: FlatRanges | None
    choice: Choice | None
    warnings: tuple[str, ...]
    advice: Advice
    alone: Allocations


def make_plan(
    chosen: LawSet,
    question: Question,
    draws: LawDraws,
    *,
    teachers: Sequence[Teacher] | None = None,
    alone: Allocations | None = None,
    level: float = LEVEL,
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Answer a question with everything that decides it.

    Parameters
    ----------
    chosen : LawSet
    question : Question
    draws : LawDraws
        Of the same set.
    teachers : sequence of Teacher, optional
        Those there are; without them any teacher within the limits can be had.
    alone : Allocations, optional
        What it is compared with, without dimensions: by default the same student trained on
        data with all of the budget.
    level : float
        Of the intervals.
    progress : callable, optional
        Is told how many draws are done.

    Raises
    ------
    InputError
        As `allocate` and `choose_teacher`.

    Examples
    --------
    Who pays for the teacher decides: to train one for a single student does not pay.

    >>> from capgap.prediction.uncertainty import draw_laws
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set()
    >>> draws = draw_laws(laws, 20, seed=0)
    >>> [make_plan(laws, Question(1e9, 1e20, who), draws).advice.verdict
    ...  for who in ("best", "both")]
    ['distil', 'train alone']
    """
    own = alone or replace(question, scenario="supervised").allocate(chosen)
    if teachers is not None:
        return _among(chosen, question, draws, teachers, own, level)
    allocation = question.allocate(chosen)
    spread = plan_spread(draws, chosen, question, allocation, own, progress)
    if question.scenario == "supervised":
        return _alone(chosen, question, allocation, spread, draws, level)
    flat = flat_ranges(question.problem(chosen.laws, chosen.family))
    limits = question.limits
    floor = float(chosen.supervised.loss(limits.N_T[1], limits.D_T[1]))
    return _assemble(chosen, question, allocation, own, spread, draws, level, floor, flat)


def _assemble(
    chosen: LawSet, question: Question, allocation: Allocations, own: Allocations,
    spread: Spread, draws: LawDraws, level: float, floor: float,
    flat: FlatRanges | None = None, choice: Choice | None = None,
) -> Plan:  # fmt: skip
    D_S, L_T, alone = float(allocation.D_S), float(allocation.L_T), float(own.student_loss)
    setting = setting_of(chosen, question.N_S, D_S, L_T, floor)
    outside = chosen.outside(N_S=question.N_S, D_S=D_S, L_T=L_T)
    by_law = question.scenario != "best" if choice is None else choice.best.teacher.L_T is None
    if by_law:
        outside += teacher_outside(chosen, float(allocation.N_T), float(allocation.D_T))
    own_outside = chosen.outside(D_S=float(own.D_S))
    own_outside = tuple(f"training alone: {text}" for text in own_outside)
    gain = alone - float(allocation.student_loss)
    advice = advise_plan(
        allocation, gain, interval_of(spread, "gain", level), level, flat=flat,
        notes=cautions(setting, L_T, (*outside, *own_outside)),
        name=choice.best.teacher.name if choice else "",
    )  # fmt: skip
    warnings = (
        *outside, *own_outside, *_limit_warnings(question, allocation, choice),
        *(f"training alone: {text}" for text in _limit_warnings(question, own, None)),
        *draw_warnings(draws, spread),
    )  # fmt: skip
    return Plan(
        question, allocation, alone, spread, level, setting, flat, choice, warnings, advice, own
    )


def _alone(
    chosen: LawSet, question: Question, own: Allocations, spread: Spread, draws: LawDraws,
    level: float,
) -> Plan:  # fmt: skip
    outside = chosen.outside(N_S=question.N_S, D_S=float(own.D_S))
    interval = interval_of(spread, "supervised_loss", level)
    within = (
        f" ({100 * level:g}% interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    )
    text = (
        f"Train alone: {short(float(own.D_S))} tokens are predicted to reach"
        f" {float(own.student_loss):.3f} nats{within}"
    )
    text += "; this is an extrapolation." if outside else "."
    warnings = (*outside, *_limit_warnings(question, own, None), *draw_warnings(draws, spread))
    advice = Advice("train alone", 0.0, None, text)
    return Plan(
        question, own, float(own.student_loss), spread, level, None, None, None, warnings, advice,
        own,
    )  # fmt: skip


def _among(
    chosen: LawSet, question: Question, draws: LawDraws, teachers: Sequence[Teacher],
    own: Allocations, level: float,
) -> Plan:  # fmt: skip
    choice = choose_teacher(chosen, teachers, question, draws, level=level)
    assert choice.spread is not None  # there were draws
    floor = min(option.L_T for option in choice.options if option.affordable)
    return _assemble(
        chosen, question, _allocation(question, choice.best), own, choice.spread,
        draws, level, floor, choice=choice,
    )  # fmt: skip


def _allocation(question: Question, option: Option) -> Allocations:
    D_T = np.nan if option.teacher.D_T is None else option.teacher.D_T
    columns = (
        question.N_S, question.budget, option.student_loss, option.D_S, option.teacher.N_T, D_T,
        option.L_T, option.student_training, option.teacher_inference, option.teacher_pretraining,
    )  # fmt: skip
    return Allocations(question.scenario, *(np.asarray(column, dtype=float) for column in columns))


def _limit_warnings(
    question: Question, plan: Allocations, choice: Choice | None
) -> tuple[str, ...]:
    found = []
    limits = question.limits
    if choice is None and plan.scenario == "inference" and float(plan.D_T) >= 0.999 * limits.D_T[1]:
        found.append(
            f"teacher tokens cost nothing in this scenario and stop at their limit,"
            f" {short(limits.D_T[1])}; set one with --teacher-tokens"
        )
    budget = float(plan.budget)
    unspent = budget - float(plan.flops)
    if unspent > 1e-6 * budget:
        found.append(f"tokens are limited: {unspent:.3g} of {budget:.3g} FLOPs stay unspent")
    return tuple(found)
