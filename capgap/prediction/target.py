"""The plan backwards: what a loss takes, with a teacher and alone, and how sure that is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from capgap.errors import InputError
from capgap.prediction.budget_spread import target_spread
from capgap.prediction.inverse import LeastCompute, least_compute
from capgap.prediction.plan import Plan, make_plan
from capgap.prediction.question import Question
from capgap.prediction.scenario import ScenarioName
from capgap.prediction.uncertainty import LEVEL, LawDraws, Spread
from capgap.theory.law_set import LawSet

__all__ = ["TargetPlan", "make_target_plan"]


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The least budget for a loss, and the plan that spends it.

    Attributes
    ----------
    plan : Plan
        Its question's budget is the least one.
    target_loss : float
        Nats per token.
    supervised_budget : float or None
        FLOPs that training alone takes; None where no budget reaches the target.
    budgets : Spread
        budget, supervised_budget, ratio over the draws; see `target_spread`.
    """

    plan: Plan
    target_loss: float
    supervised_budget: float | None
    budgets: Spread


def make_target_plan(
    chosen: LawSet,
    question: Question,
    target_loss: float,
    draws: LawDraws,
    *,
    level: float = LEVEL,
    progress: Callable[[int], None] | None = None,
) -> TargetPlan:
    """Find the least budget with which the student of a question reaches a loss.

    Parameters
    ----------
    chosen : LawSet
    question : Question
        Its budget does not matter.
    target_loss : float
        Nats per token.
    draws : LawDraws
    level, progress
        As in `make_plan`.

    Raises
    ------
    InputError
        No budget reaches the target, or the least budget that buys anything does better.

    Examples
    --------
    The plan for that budget comes to the target:

    >>> from capgap.prediction.uncertainty import draw_laws
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set()
    >>> found = make_target_plan(laws, Question(1e9, 1, "best"), 2.3, draw_laws(laws, 5, seed=0))
    >>> round(float(found.plan.allocation.student_loss), 9)
    2.3
    """
    least = _solve(chosen, question, target_loss, question.scenario)
    status = str(least.status)
    if status == "unreachable":
        raise InputError(
            f"plan: target loss = {target_loss:g} is out of reach: {question.N_S:g} parameters in"
            f" scenario {question.scenario!r} come to {float(least.infimum):.4f} nats at best"
        )
    if status != "reached":
        raise InputError(
            f"plan: target loss = {target_loss:g} is no target: the least budget there is,"
            f" {float(least.budget):.3g} FLOPs, does better"
        )
    alone = _solve(chosen, question, target_loss, "supervised")
    answer = replace(question, budget=float(least.budget))
    plan = make_plan(chosen, answer, draws, level=level)
    reached = str(alone.status) == "reached"
    return TargetPlan(
        plan, target_loss, float(alone.budget) if reached else None,
        target_spread(draws, chosen, answer, target_loss, progress),
    )  # fmt: skip


def _solve(
    chosen: LawSet, question: Question, target_loss: float, scenario: ScenarioName
) -> LeastCompute:
    return least_compute(
        chosen, question.N_S, target_loss, scenario, students=question.students,
        shared_outputs=question.shared_outputs, limits=question.limits,
    )  # fmt: skip
