"""A plan whose budget also pays for using the student; its size may be free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capgap.errors import InputError
from capgap.prediction.allocation import allocate
from capgap.prediction.existing import Teacher
from capgap.prediction.flat import SLACK
from capgap.prediction.plan import Plan, make_plan
from capgap.prediction.question import Question
from capgap.prediction.serving import plan_serving, student_sizes
from capgap.prediction.uncertainty import LEVEL, LawDraws
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import Interval, LawSet

__all__ = ["ServedPlan", "make_served_plan"]

_SCAN = 97
_ROUNDS = 3
_BETWEEN = 17  # points of a round that closes in on an edge; three divide a step by 4096


@dataclass(frozen=True, slots=True)
class ServedPlan:
    """A plan of training, and what serving takes beside it.

    Attributes
    ----------
    plan : Plan
        Of what serving leaves of the budget. Its intervals and its range of allocations are
        those of a student of this size.
    budget, serve, serving_flops : float
        FLOPs of everything, tokens served, FLOPs of serving them.
    sizes : (low, high) or None
        Student sizes whose own best plan comes within 0.001 nats; None where it was given.
    """

    plan: Plan
    budget: float
    serve: float
    serving_flops: float
    sizes: Interval | None


def make_served_plan(
    chosen: LawSet,
    question: Question,
    serve: float,
    draws: LawDraws,
    *,
    free_size: bool,
    teachers: Sequence[Teacher] | None = None,
    level: float = LEVEL,
    progress: Callable[[int], None] | None = None,
) -> ServedPlan:
    r"""Plan within :math:`FLOPs_{training} + F(N_S)\,T \le C`.

    It is compared with a student without a teacher under the same sum, of its own best size
    if the size is free.

    Parameters
    ----------
    chosen : LawSet
    question : Question
        Its budget is that of training and serving; its N_S does not matter if free.
    serve : float
        Tokens T served, >= 0.
    draws : LawDraws
    free_size : bool
        Whether N_S is to be found.
    teachers : sequence of Teacher, optional
        Those there are, for a student of a given size.
    level, progress
        As in `make_plan`.

    Raises
    ------
    InputError
        The budget is too small to train and serve, or as `make_plan`.

    Notes
    -----
    Source: training plus inference as one budget follows Sardana et al., arXiv 2401.00448.

    Examples
    --------
    >>> from capgap.prediction.uncertainty import draw_laws
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set()
    >>> draws = draw_laws(laws, 5, seed=0)
    >>> free = Question(1, 1e22, "supervised")  # a size of 1 stands for none
    >>> few, many = (make_served_plan(laws, free, T, draws, free_size=True) for T in (1e9, 1e13))
    >>> few.plan.question.N_S > many.plan.question.N_S
    True
    """
    if teachers is not None and free_size:
        raise InputError("plan: with a list of teachers the size of the student must be given")
    size = None if free_size else question.N_S
    found = plan_serving(
        chosen, question.budget, question.scenario, serve, N_S=size, limits=question.limits,
        students=question.students, shared_outputs=question.shared_outputs,
    )  # fmt: skip
    alone = plan_serving(
        chosen, question.budget, "supervised", serve, N_S=size, limits=question.limits
    ).allocation
    N_S, left = float(found.allocation.N_S), float(found.allocation.budget)
    plan = make_plan(
        chosen, replace(question, N_S=N_S, budget=left), draws, teachers=teachers, alone=alone,
        level=level, progress=progress,
    )  # fmt: skip
    sizes = _sizes(chosen, question, serve, N_S, float(plan.allocation.student_loss))
    return ServedPlan(
        plan, question.budget, serve, float(found.serving_flops), sizes if free_size else None
    )


def _sizes(chosen: LawSet, question: Question, serve: float, best: float, least: float) -> Interval:
    """Outermost student sizes within the slack: a scan, then ever finer steps at both edges."""

    def losses(log_N: FloatArray) -> FloatArray:
        size = np.exp(log_N)
        left = question.budget - chosen.family.forward_flops(size) * serve
        possible = left > _least(chosen, question, size)
        found = np.full(size.shape, np.inf)
        if np.any(possible):
            found[possible] = _best_losses(chosen, question, size[possible], left[possible])
        return found

    low, high = np.log(student_sizes(chosen))
    grid = np.unique(np.append(np.linspace(low, high, _SCAN), np.log(best)))
    inside = np.flatnonzero((losses(grid) <= least + SLACK) | (grid == np.log(best)))
    ends = []
    for i, beyond in ((inside[0], max(inside[0] - 1, 0)),
                      (inside[-1], min(inside[-1] + 1, len(grid) - 1))):  # fmt: skip
        kept, out = grid[i], grid[beyond]
        for _ in range(_ROUNDS):
            steps = np.linspace(kept, out, _BETWEEN)
            hit = np.flatnonzero(losses(steps) <= least + SLACK)
            last = int(hit[-1]) if len(hit) else 0
            kept, out = steps[last], steps[min(last + 1, _BETWEEN - 1)]
        ends.append(float(np.exp(kept)))
    return ends[0], ends[1]


def _best_losses(
    chosen: LawSet, question: Question, size: FloatArray, left: FloatArray
) -> FloatArray:
    if question.scenario == "supervised":
        return allocate(chosen, size, left, "supervised", limits=question.limits).student_loss
    one = question.problem(chosen.laws, chosen.family)
    return replace(one, N_S=size, budget=left).solve(tolerance=1e-5).value


def _least(chosen: LawSet, question: Question, size: FloatArray) -> FloatArray:
    """FLOPs without which there is no training of students of these sizes."""
    if question.scenario == "supervised":
        return np.asarray(3.0 * chosen.family.forward_flops(size))
    problem = question.problem(chosen.laws, chosen.family)
    most = np.full(size.shape, np.finfo(np.float64).max)
    return replace(problem, N_S=size, budget=most).least_budget()
