"""How sure a budget is, over draws of laws: where training alone catches up, what a loss takes."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from capgap.prediction.inverse import HIGHEST
from capgap.prediction.question import Question
from capgap.prediction.scenario import Limits, default_limits
from capgap.prediction.teacher import tokens_for_loss
from capgap.prediction.thresholds import Thresholds
from capgap.prediction.uncertainty import LawDraws, Progress, Spread, over_draws
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import Laws, LawSet

__all__ = ["target_spread", "threshold_spread"]

_COARSE = 1e-4  # of an allocation's coordinates; its loss is right to about 1e-9 nats
_DECADES = (-1.5, -0.5, 0.5, 1.5)  # beside the crossing of the set's own laws
_EVERY = 1.5  # decades between the budgets tried where there is no such crossing
_WIDTH = 0.2  # of the last bracket in log C; a straight line within it is right to 0.2%
_GRID = 16


def threshold_spread(
    draws: LawDraws,
    chosen: LawSet,
    found: Thresholds,
    *,
    students: float = 1,
    shared_outputs: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Spread:
    """The last budget at which training alone catches up, in every draw.

    Few budgets are tried in a draw, near the crossing of the set's own laws and at both ends
    of the range, because a draw is one of many: of several crossings only the last is
    looked for, and two within a decade can be missed. It is then solved to 0.5%.

    Parameters
    ----------
    draws : LawDraws
    chosen : LawSet
        Whose transformers are counted.
    found : Thresholds
        Of one student under the set's own laws.
    students, shared_outputs, limits
        As for `thresholds`.
    progress : callable, optional
        Is told how many draws are done.

    Returns
    -------
    Spread
        budget: FLOPs; inf where distillation is the better way up to the end of the range, 0
        where training alone is the better way in all of it.

    Examples
    --------
    >>> from capgap.prediction.thresholds import thresholds
    >>> from capgap.prediction.uncertainty import draw_laws
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set()
    >>> found, = thresholds(laws, 1e9, "best")
    >>> low, high = threshold_spread(draw_laws(laws, 10, seed=0), laws, found).interval("budget")
    >>> low < found.catch_up.budget < high
    True
    """
    question = Question(
        found.N_S,
        found.budgets[1],
        found.scenario,
        students,
        shared_outputs,
        limits or default_limits(chosen),
    )
    grid = _grid(found)

    def ask(laws: Laws) -> Mapping[str, float]:
        return {"budget": _catch_up(_gap(laws, chosen, question), grid)}

    return over_draws(draws, ask, progress)


def target_spread(
    draws: LawDraws,
    chosen: LawSet,
    question: Question,
    target_loss: float,
    progress: Progress | None = None,
) -> Spread:
    """What a loss takes, in every draw, with the teacher of a scenario and alone.

    Parameters
    ----------
    draws : LawDraws
    chosen : LawSet
        Whose transformers are counted.
    question : Question
        Its budget is the answer under the set's own laws: where to look first.
    target_loss : float
        Nats per token.
    progress : callable, optional
        Is told how many draws are done.

    Returns
    -------
    Spread
        budget (solved to 0.5%) and supervised_budget: least FLOPs, inf where the target is out
        of reach; ratio: supervised_budget over budget, nan where both are out of reach.
    """
    per_token = 3.0 * float(chosen.family.forward_flops(question.N_S))

    def ask(laws: Laws) -> Mapping[str, float]:
        reach = (1.0, question.limits.D_S)
        tokens = tokens_for_loss(laws.supervised, question.N_S, target_loss, reach)
        alone = per_token * float(tokens)
        if question.scenario == "supervised":
            return {"budget": alone, "supervised_budget": alone, "ratio": 1.0}
        budget = _least_budget(laws, chosen, question, target_loss)
        ratio = float("nan") if np.isinf(alone) and np.isinf(budget) else alone / budget
        return {"budget": budget, "supervised_budget": alone, "ratio": ratio}

    return over_draws(draws, ask, progress)


def _least_budget(laws: Laws, chosen: LawSet, question: Question, target_loss: float) -> float:
    taught = _taught(laws, chosen, question)
    at = np.log(question.budget)
    least = float(np.log(question.problem(laws, chosen.family).least_budget()[0])) + 1e-9
    grid = at + np.array(_DECADES) * np.log(10)
    ends = [least, np.log(HIGHEST)]
    grid = np.unique(np.concatenate([ends, grid[(grid > least) & (grid < ends[1])]]))

    def excess(log_C: FloatArray) -> FloatArray:
        return target_loss - taught(log_C)

    values = excess(grid)
    reached = np.flatnonzero(values > 0)
    if len(reached) == 0:
        return float("inf")
    i = int(reached[0])
    if i == 0:
        return float(np.exp(grid[0]))
    return float(np.exp(_root(excess, (grid[i - 1], grid[i]), (values[i - 1], values[i]))))


def _grid(found: Thresholds) -> FloatArray:
    """Logarithms of the budgets tried in every draw."""
    low, high = np.log(found.budgets)
    if found.catch_up is None:
        inner = np.arange(low, high, _EVERY * np.log(10))
    else:
        inner = np.log(found.catch_up.budget) + np.array(_DECADES) * np.log(10)
    return np.unique(np.concatenate([[low, high], inner[(inner > low) & (inner < high)]]))


def _taught(laws: Laws, chosen: LawSet, question: Question) -> Callable[[FloatArray], FloatArray]:
    """Least loss of a taught student as a function of log C."""
    one = question.problem(laws, chosen.family)

    def taught(log_C: FloatArray) -> FloatArray:
        rows = replace(one, N_S=np.full(len(log_C), question.N_S), budget=np.exp(log_C))
        return rows.solve(tolerance=_COARSE).value

    return taught


def _gap(laws: Laws, chosen: LawSet, question: Question) -> Callable[[FloatArray], FloatArray]:
    """Loss under distillation minus loss of training alone, as a function of log C."""
    per_token = 3.0 * float(chosen.family.forward_flops(question.N_S))
    taught = _taught(laws, chosen, question)

    def gap(log_C: FloatArray) -> FloatArray:
        alone = np.minimum(np.exp(log_C) / per_token, question.limits.D_S)
        return np.asarray(taught(log_C) - laws.supervised.loss(question.N_S, alone))

    return gap


def _catch_up(gap: Callable[[FloatArray], FloatArray], grid: FloatArray) -> float:
    values = gap(grid)
    if values[-1] < 0:
        return float("inf")
    below = np.flatnonzero(values < 0)
    if len(below) == 0:
        return 0.0
    i = int(below[-1])
    return float(np.exp(_root(gap, (grid[i], grid[i + 1]), (values[i], values[i + 1]))))


def _root(
    gap: Callable[[FloatArray], FloatArray],
    ends: tuple[float, float],
    values: tuple[float, float],
) -> float:
    """Where gap changes its sign (the last time), by grids and a straight line at the end.

    A grid costs little more than a point, because the law is asked for all of it at once.
    """
    x, y = np.array(ends), np.array(values)
    while x[1] - x[0] > _WIDTH:
        grid = np.linspace(x[0], x[1], _GRID)
        found = np.concatenate([y[:1], gap(grid[1:-1]), y[1:]])
        i = int(np.flatnonzero(np.sign(found[:-1]) != np.sign(found[1:]))[-1])
        x, y = grid[i : i + 2], found[i : i + 2]
    return float(x[0] + (x[1] - x[0]) * y[0] / (y[0] - y[1]))
