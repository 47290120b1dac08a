"""Compute-optimal allocation: the best teacher and the best split of a budget, for a batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.problem import Problem
from capgap.prediction.scenario import Limits, ScenarioName, costs, default_limits
from capgap.prediction.teacher import cheapest_teacher, parameters_for_loss, tokens_for_loss
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.law_set import Laws, LawSet

__all__ = [
    "Allocations",
    "Problem",
    "allocate",
    "allocate_problem",
    "laws_and_family",
    "train_alone",
]

_SPARE = 1e-9  # share of a budget that counts as left over; rounding leaves 1e-15


@dataclass(frozen=True, slots=True)
class Allocations:
    """Optimal allocations, arrays of one shape; nan where there is no teacher.

    N_S, N_T in non-embedding parameters, D_S, D_T in tokens, losses in nats per token.
    `student_training`, `teacher_inference` and `teacher_pretraining` are the FLOPs that the
    budget bears; their sum is below the budget only where a limit on tokens binds.
    """

    scenario: ScenarioName
    N_S: FloatArray
    budget: FloatArray
    student_loss: FloatArray
    D_S: FloatArray
    N_T: FloatArray
    D_T: FloatArray
    L_T: FloatArray
    student_training: FloatArray
    teacher_inference: FloatArray
    teacher_pretraining: FloatArray

    @property
    def flops(self) -> FloatArray:
        """FLOPs spent."""
        return self.student_training + self.teacher_inference + self.teacher_pretraining


def train_alone(
    chosen: LawSet | Laws,
    N_S: npt.ArrayLike,
    budget: npt.ArrayLike,
    *,
    limits: Limits | None = None,
    family: ModelFamily | None = None,
) -> Allocations:
    """The whole budget for the student's own training on data, up to the limit on D_S."""
    laws, family = laws_and_family(chosen, family)
    shape, size, flops = _door("train_alone", family, N_S, budget)
    per_token = 3.0 * family.forward_flops(size)
    D_S = np.minimum(flops / per_token, (limits or Limits()).D_S)
    nothing, zero = np.full(size.shape, np.nan), np.zeros(size.shape)
    loss = laws.supervised.loss(size, D_S)
    columns = (size, flops, loss, D_S, nothing, nothing, nothing, per_token * D_S, zero, zero)
    return Allocations("supervised", *(column.reshape(shape) for column in columns))


def allocate(
    chosen: LawSet | Laws,
    N_S: npt.ArrayLike,
    budget: npt.ArrayLike,
    scenario: ScenarioName,
    *,
    students: float = 1,
    shared_outputs: bool = False,
    limits: Limits | None = None,
    family: ModelFamily | None = None,
    tolerance: float = 3e-9,
) -> Allocations:
    r"""Spend `budget` FLOPs so that a student of N_S parameters has the least loss.

    .. math:: \min_{N_T, D_T, D_S} L_S(N_S, D_S, L(N_T, D_T)) \quad\text{subject to}\quad
        3 F(N_S) D_S + F(N_T) (\delta_{Lgt} D_S + 3 \delta_{Pre} D_T) \le C

    globally, for every pair of N_S and budget (broadcast), under any supervised law that
    falls with N and D and any distillation law that falls with D_S at a given L_T.

    Parameters
    ----------
    chosen : LawSet or Laws
    N_S, budget : array_like
        Non-embedding parameters; FLOPs per student.
    scenario : str
        What the budget bears: supervised (no teacher), best (a teacher of any loss for
        nothing), inference, pretraining, both.
    students : float
        Students that share the teacher; see `costs`.
    shared_outputs : bool
        Whether they share its outputs too.
    limits : Limits, optional
    family : ModelFamily, optional
        Overrides the law set's.
    tolerance : float
        See `minimize_on_boxes`.

    Returns
    -------
    Allocations
        In `best` only L_T is decided; N_T and D_T are those of the teacher that reaches it
        with the fewest training FLOPs (which nobody pays here). In `inference` D_T usually
        stops at its limit: tokens of the teacher are free there.

    Raises
    ------
    InputError
        A budget is too small for one token of its student, or an input is not finite and > 0.

    Notes
    -----
    Source: Busbridge et al., arXiv 2502.08606, section 5 and appendix D, where SLSQP finds
    local minima; here grids and descent from their basins find the global one (`Problem`,
    `minimize_on_boxes`).

    The student trains on all tokens that the budget leaves, up to their limit. A hinge law
    with r > 0 can rise with D_S under teachers much weaker than the student (on more text it
    imitates them better); where limits allow no better teacher, fewer tokens may then be
    better than this plan.
    """
    if scenario == "supervised":
        return train_alone(chosen, N_S, budget, limits=limits, family=family)
    laws, family = laws_and_family(chosen, family)
    if laws.taught is None:
        raise InputError(f"allocate: scenario {scenario!r} needs a distillation law")
    shape, size, flops = _door("allocate", family, N_S, budget)
    problem = Problem(
        laws.supervised, laws.taught, family, size, flops,
        costs(scenario, students, shared_outputs=shared_outputs), limits or default_limits(chosen),
    )  # fmt: skip
    return allocate_problem(problem, scenario, shape, tolerance=tolerance)


def allocate_problem(
    problem: Problem, scenario: ScenarioName, shape: tuple[int, ...], *, tolerance: float = 3e-9
) -> Allocations:
    """Solve a problem and read its allocation off the minimum."""
    found = problem.solve(tolerance=tolerance)
    rows = np.arange(len(problem.N_S))
    parts = problem.unpack(rows, found.x[:, None])
    N_T, D_T, D_S, L_T = (np.array(part[:, 0]) for part in parts)
    N_T, D_T = _frugal(problem, N_T, D_T, D_S, L_T)
    forward = problem.family.forward_flops(N_T)
    columns = (
        problem.N_S, problem.budget, found.value, D_S, N_T, D_T, L_T,
        3.0 * problem.family.forward_flops(problem.N_S) * D_S,
        problem.costs.d_Lgt * forward * D_S,
        3.0 * problem.costs.d_Pre * forward * D_T,
    )  # fmt: skip
    return Allocations(scenario, *(np.asarray(column).reshape(shape) for column in columns))


def _frugal(
    problem: Problem, N_T: FloatArray, D_T: FloatArray, D_S: FloatArray, L_T: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Of all teachers with the loss L_T the one that costs least, where there is a choice."""
    law, family, limits = problem.supervised, problem.family, problem.limits
    if problem.free:
        return cheapest_teacher(law, family, L_T, limits)
    d_Lgt, d_Pre = problem.costs.d_Lgt, problem.costs.d_Pre
    student = 3.0 * family.forward_flops(problem.N_S)
    flops = student * D_S + family.forward_flops(N_T) * (d_Lgt * D_S + 3.0 * d_Pre * D_T)
    # Where text for the student ends the search stops at any teacher of the best loss.
    idle = (flops < (1 - _SPARE) * problem.budget) | (D_S >= (1 - _SPARE) * limits.D_S)
    if not np.any(idle):
        return N_T, D_T
    N_T, D_T, L_T, tokens = N_T.copy(), D_T.copy(), L_T[idle], D_S[idle]
    if d_Pre > 0:
        N_T[idle], D_T[idle] = cheapest_teacher(
            law, family, L_T, limits, inference_tokens=d_Lgt / d_Pre * tokens
        )
    else:
        N_T[idle] = np.minimum(parameters_for_loss(law, limits.D_T[1], L_T, limits.N_T), N_T[idle])
        D_T[idle] = np.minimum(tokens_for_loss(law, N_T[idle], L_T, limits.D_T), limits.D_T[1])
    return N_T, D_T


def laws_and_family(chosen: LawSet | Laws, family: ModelFamily | None) -> tuple[Laws, ModelFamily]:
    """The laws of a set, and the transformers to count: those given, else the set's."""
    if isinstance(chosen, LawSet):
        return chosen.laws, family or chosen.family
    return chosen, family or ModelFamily()


def _door(
    operation: str, family: ModelFamily, N_S: npt.ArrayLike, budget: npt.ArrayLike
) -> tuple[tuple[int, ...], FloatArray, FloatArray]:
    """The broadcast shape, and both inputs flat; every budget must buy a token."""
    size, flops = np.broadcast_arrays(
        positive_array(operation, "N_S", N_S), positive_array(operation, "budget", budget)
    )
    shape, size, flops = size.shape, size.ravel(), flops.ravel()
    one = 3.0 * family.forward_flops(size)
    if np.any(flops < one):
        i = int(np.argmax(flops < one))
        raise InputError(
            f"{operation}: budget = {flops[i]:g} FLOPs is too small: one training token of"
            f" {size[i]:g} parameters takes {one[i]:.3g}"
        )
    return shape, size, flops
