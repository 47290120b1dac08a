"""The plan backwards: the least compute with which a student reaches a loss."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import Allocations, allocate, laws_and_family
from capgap.prediction.problem import Problem
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import Limits, ScenarioName, costs, default_limits
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.law_set import Laws, LawSet

__all__ = ["HIGHEST", "LeastCompute", "Reach", "least_compute"]

Reach = Literal["reached", "unreachable", "at the least budget"]
HIGHEST = 1e32  # FLOPs
_REACHED, _UNREACHABLE, _AT_LEAST = get_args(Reach)


@dataclass(frozen=True, slots=True)
class LeastCompute:
    """Least budgets for target losses, arrays of one shape.

    Attributes
    ----------
    status : array of str
        ``reached``; ``unreachable`` with any budget up to the highest searched; ``at the
        least budget`` where the least budget of all does better than the target already.
    budget : array
        FLOPs; nan where unreachable.
    infimum : array
        Loss at the highest budget searched, nats per token. Where the limits on tokens and
        parameters bind there, no budget does better.
    allocation : Allocations
        At `budget`; where unreachable, at the highest budget searched.
    """

    target_loss: FloatArray
    status: npt.NDArray[np.str_]
    budget: FloatArray
    infimum: FloatArray
    allocation: Allocations


def least_compute(
    chosen: LawSet | Laws,
    N_S: npt.ArrayLike,
    target_loss: npt.ArrayLike,
    scenario: ScenarioName,
    *,
    students: float = 1,
    shared_outputs: bool = False,
    limits: Limits | None = None,
    family: ModelFamily | None = None,
    highest: float = HIGHEST,
) -> LeastCompute:
    r"""Least budget C for which `allocate` reaches `target_loss`.

    The optimal loss falls with the budget, so there is one crossing; it is solved to 1e-12
    in log C.

    Parameters
    ----------
    chosen : LawSet or Laws
    N_S, target_loss : array_like
        Non-embedding parameters, nats per token; they broadcast.
    scenario : str
        supervised, best, inference, pretraining or both.
    students, shared_outputs, limits, family
        As in `allocate`.
    highest : float
        Budget at which the search ends, FLOPs.

    Returns
    -------
    LeastCompute

    Raises
    ------
    InputError
        An input is not finite and > 0, or `highest` buys no allocation.

    Examples
    --------
    One size, three losses: 1 + (1/N + 1/D) with N = 1 stays above 2.

    >>> from capgap.theory.supervised import SupervisedLaw
    >>> laws = Laws(SupervisedLaw(E=1.0, A=1.0, B=1.0, alpha=1.0, beta=1.0))
    >>> found = least_compute(laws, 1.0, [2.5, 1.9, 9.0], "supervised")
    >>> found.status.tolist()
    ['reached', 'unreachable', 'at the least budget']
    >>> round(float(found.allocation.D_S[0]), 9)
    2.0
    """
    laws, family = laws_and_family(chosen, family)
    limits = limits or default_limits(chosen)
    size, target = np.broadcast_arrays(
        positive_array("least_compute", "N_S", N_S),
        positive_array("least_compute", "target_loss", target_loss),
    )
    shape, size, target = size.shape, size.ravel(), target.ravel()
    top = np.full(len(size), float(positive_array("least_compute", "highest", highest)))
    start = 3.0 * family.forward_flops(size)
    if scenario != "supervised":
        if laws.taught is None:
            raise InputError(f"least_compute: scenario {scenario!r} needs a distillation law")
        shares = costs(scenario, students, shared_outputs=shared_outputs)
        problem = Problem(laws.supervised, laws.taught, family, size, top, shares, limits)
        start = problem.least_budget()
    start = (1 + 1e-12) * start

    def plan(row: npt.NDArray[np.intp], budget: FloatArray) -> Allocations:
        return allocate(
            laws, size[row], budget, scenario, students=students,
            shared_outputs=shared_outputs, limits=limits, family=family,
        )  # fmt: skip

    def excess(row: npt.NDArray[np.intp], log_C: FloatArray) -> FloatArray:
        return np.asarray(plan(row, np.exp(log_C)).student_loss - target[row])

    every = np.arange(len(size))
    infimum = plan(every, top).student_loss
    unreachable, easy = infimum > target, plan(every, start).student_loss < target
    C = start.copy()
    solved = np.flatnonzero(~unreachable & ~easy)
    C[solved] = np.exp(
        find_roots(
            lambda row, x: excess(solved[row], x), np.log(start[solved]), np.log(top[solved]),
            tolerance=1e-12,
        )
    )  # fmt: skip
    C = np.where(unreachable, top, C)
    status = np.where(unreachable, _UNREACHABLE, np.where(easy, _AT_LEAST, _REACHED))
    allocation = allocate(
        laws, size.reshape(shape), C.reshape(shape), scenario, students=students,
        shared_outputs=shared_outputs, limits=limits, family=family,
    )  # fmt: skip
    return LeastCompute(
        target.reshape(shape), status.reshape(shape),
        np.where(unreachable, np.nan, C).reshape(shape), infimum.reshape(shape), allocation,
    )  # fmt: skip
