"""Plans that count what it costs to use the student, with its size free or given."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import Allocations, allocate, laws_and_family, train_alone
from capgap.prediction.minimize import minimize_on_boxes
from capgap.prediction.problem import Problem
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import Costs, Limits, ScenarioName, costs, default_limits
from capgap.theory.domain import FloatArray, positive_array
from capgap.theory.law_set import Laws, LawSet

__all__ = ["ServingPlan", "plan_serving", "student_sizes"]

LARGEST = 1e13  # non-embedding parameters
_MARGIN = 1e-9  # keeps the largest student within its budget, whatever the rounding
_POINTS = 49


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Plans of training and serving together, arrays of one shape.

    `allocation` has the student sizes, N_S, and spends `budget` minus `serving_flops`.
    """

    budget: FloatArray
    serve: FloatArray
    serving_flops: FloatArray
    allocation: Allocations

    @property
    def flops(self) -> FloatArray:
        """FLOPs of training and serving."""
        return self.allocation.flops + self.serving_flops


@dataclass(frozen=True, slots=True)
class _Setting:
    laws: Laws
    family: ModelFamily
    scenario: ScenarioName
    shares: Costs | None
    limits: Limits

    def losses(self, N_S: FloatArray, budget: FloatArray) -> FloatArray:
        """Best losses of students of these sizes whose training may cost `budget`; flat."""
        if self.shares is None:
            found = train_alone(self.laws, N_S, budget, limits=self.limits, family=self.family)
            return found.student_loss
        return self.problem(N_S, budget).solve().value

    def problem(self, N_S: FloatArray, budget: FloatArray) -> Problem:
        assert self.laws.taught is not None
        assert self.shares is not None
        return Problem(
            self.laws.supervised, self.laws.taught, self.family, N_S, budget, self.shares,
            self.limits,
        )  # fmt: skip

    def least(self, N_S: float) -> tuple[float, float]:
        """Tokens of the shortest training, and FLOPs of the least teacher for it."""
        if self.shares is None:
            return 1.0, 0.0
        size = np.array([N_S])
        problem = self.problem(size, np.array([np.finfo(np.float64).max]))
        student = 3.0 * self.family.forward_flops(size) * problem.least_tokens
        return problem.least_tokens, float((problem.least_budget() - student)[0])


def student_sizes(chosen: LawSet | Laws) -> tuple[float, float]:
    """Sizes among which a student is sought: from the smallest teacher's to 1e13 parameters."""
    return default_limits(chosen).N_T[0], LARGEST


def plan_serving(
    chosen: LawSet | Laws,
    budget: npt.ArrayLike,
    scenario: ScenarioName,
    serve: npt.ArrayLike,
    *,
    N_S: npt.ArrayLike | None = None,
    N_S_range: tuple[float, float] | None = None,
    students: float = 1,
    shared_outputs: bool = False,
    limits: Limits | None = None,
    family: ModelFamily | None = None,
) -> ServingPlan:
    r"""Least loss when `budget` pays for training and for serving `serve` tokens.

    .. math:: \min_{N_S, N_T, D_T, D_S} L_S \quad\text{subject to}\quad
        FLOPs_{training} + F(N_S)\, T \le C

    with the training of `allocate` and forward passes alone in serving. The more tokens T
    are served the smaller the best student, and the longer its training.

    Parameters
    ----------
    chosen : LawSet or Laws
    budget, serve : array_like
        FLOPs, and tokens served, per student; they broadcast. `serve` may be 0.
    scenario : str
        supervised, best, inference, pretraining or both.
    N_S : array_like, optional
        Non-embedding parameters of the student, where they are given. Free otherwise.
    N_S_range : (low, high)
        Where a free N_S is searched: globally, as in `minimize_on_boxes`; `student_sizes` by
        default.
    students, shared_outputs, limits, family
        As in `allocate`.

    Raises
    ------
    InputError
        A budget is too small to serve and to train at all, or an input is not finite and > 0.

    Notes
    -----
    Source: total FLOPs as training plus inference follow Sardana et al.,
    arXiv 2401.00448; the training side is Busbridge et al., arXiv 2502.08606, section 5.

    Examples
    --------
    Serving 1e13 tokens makes a smaller student the better one:

    >>> from capgap.theory.coefficients import law_set
    >>> found = plan_serving(law_set(), 1e22, "supervised", [0, 1e13])
    >>> bool(found.allocation.N_S[1] < found.allocation.N_S[0])
    True
    """
    laws, family = laws_and_family(chosen, family)
    shares = None
    if scenario != "supervised":
        shares = costs(scenario, students, shared_outputs=shared_outputs)
        if laws.taught is None:
            raise InputError(f"plan_serving: scenario {scenario!r} needs a distillation law")
    setting = _Setting(laws, family, scenario, shares, limits or default_limits(chosen))
    total, tokens, given = np.broadcast_arrays(
        positive_array("plan_serving", "budget", budget),
        _not_negative(serve),
        np.nan if N_S is None else positive_array("plan_serving", "N_S", N_S),
    )
    shape, total, tokens, size = total.shape, total.ravel(), tokens.ravel(), given.ravel()
    low, high = N_S_range or student_sizes(chosen)
    if N_S is None:
        if not (np.isfinite(high) and 0 < low <= high):
            raise InputError(f"plan_serving: N_S_range = ({low:g}, {high:g}) must be ordered, > 0")
        _require(setting, np.full(len(total), low), total, tokens)
        size = _best_sizes(setting, total, tokens, (low, high))
    _require(setting, size, total, tokens)
    serving = family.forward_flops(size) * tokens
    allocation = allocate(
        laws, size.reshape(shape), (total - serving).reshape(shape), scenario, students=students,
        shared_outputs=shared_outputs, limits=limits, family=family,
    )  # fmt: skip
    total, tokens, serving = (part.reshape(shape) for part in (total, tokens, serving))
    return ServingPlan(total, tokens, serving, allocation)


def _best_sizes(
    setting: _Setting, total: FloatArray, tokens: FloatArray, ends: tuple[float, float]
) -> FloatArray:
    fewest, teacher = setting.least(ends[0])
    most = (1 - _MARGIN) * (total - teacher) / (tokens + 3.0 * fewest)
    low, high = (np.full(len(total), end) for end in np.log(ends))

    def forward(row: npt.NDArray[np.intp], x: FloatArray) -> FloatArray:
        return np.asarray(np.log(setting.family.forward_flops(np.exp(x)) / most[row]))

    high = find_roots(forward, low, high)

    def losses(row: npt.NDArray[np.intp], x: FloatArray) -> FloatArray:
        size = np.exp(x[..., 0])
        left = total[row][:, None] - setting.family.forward_flops(size) * tokens[row][:, None]
        return setting.losses(size.ravel(), left.ravel()).reshape(size.shape)

    found = minimize_on_boxes(losses, low[:, None], high[:, None], points=_POINTS, tolerance=1e-6)
    return np.exp(found.x[:, 0])


def _require(setting: _Setting, size: FloatArray, total: FloatArray, tokens: FloatArray) -> None:
    """Raise unless every student can be served, and trained on what is left."""
    fewest, teacher = setting.least(float(size[0]))
    forward = setting.family.forward_flops(size)
    need = forward * (tokens + 3.0 * fewest) + teacher
    if np.any(total < need):
        i = int(np.argmax(total < need))
        raise InputError(
            f"plan_serving: budget = {total[i]:g} FLOPs is too small: serving {tokens[i]:g} tokens"
            f" with {size[i]:g} parameters takes {forward[i] * tokens[i]:.3g}, the least training"
            f" {need[i] - forward[i] * tokens[i]:.3g}"
        )


def _not_negative(serve: npt.ArrayLike) -> FloatArray:
    tokens = np.asarray(serve, dtype=np.float64)
    bad = ~(np.isfinite(tokens) & (tokens >= 0))
    if np.any(bad):
        raise InputError(f"plan_serving: serve = {tokens[bad].flat[0]:g} must be finite and >= 0")
    return tokens
