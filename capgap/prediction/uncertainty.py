"""How sure a prediction is: the same question asked of many laws that the data allow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from capgap.errors import InputError
from capgap.prediction.allocation import Allocations, allocate_problem
from capgap.prediction.question import Question
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import Interval, Laws, LawSet

__all__ = [
    "LEVEL",
    "LawDraws",
    "Spread",
    "draw_laws",
    "over_draws",
    "plan_spread",
    "prediction_spread",
]

LEVEL = 0.9
_COARSE = 1e-4  # in coordinates of an allocation: its loss is then right to about 1e-9 nats

Numbers = Mapping[str, float]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LawDraws:
    """Laws drawn from what is known of the coefficients.

    Attributes
    ----------
    laws : tuple of Laws
    impossible : int
        Draws in which a coefficient left its domain: no law, left out and counted here.
    note : str
        What the draws assume, in a sentence; empty for joint draws of a fit.
    """

    laws: tuple[Laws, ...]
    impossible: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of several numbers over the same draws; nan where a draw has none.

    Attributes
    ----------
    values : mapping of str to array
    impossible : int
        Draws without an answer: the law itself, or the question under it, is impossible.
    """

    values: Mapping[str, FloatArray]
    impossible: int

    def interval(self, name: str, level: float = LEVEL) -> Interval | None:
        """Central interval of a number; None where fewer than two draws have it.

        Order statistics, not interpolated, so that infinite values keep their place.

        >>> Spread({"x": np.arange(100.0)}, 0).interval("x", 0.9)
        (4.0, 95.0)
        """
        require_level(level)
        known = self.values[name][~np.isnan(self.values[name])]
        if len(known) < 2:
            return None
        ordered = np.sort(known)
        # As many are left out below as above, so that the interval of -x is that of x mirrored.
        most = (len(ordered) - 1) // 2
        skip = min(max(round((1 - level) / 2 * len(ordered)) - 1, 0), most)
        return float(ordered[skip]), float(ordered[-1 - skip])

    def share(self, name: str, condition: Callable[[FloatArray], FloatArray]) -> float:
        """Share of the draws that have this number in which the condition holds."""
        known = self.values[name][~np.isnan(self.values[name])]
        return float(np.mean(condition(known))) if len(known) else float("nan")


def require_level(level: float) -> None:
    """Raise unless 0 < level < 1."""
    if not 0 < level < 1:
        raise InputError(f"interval: level = {level:g} must be between 0 and 1")


def draw_laws(chosen: LawSet, count: int, seed: int) -> LawDraws:
    """Draw `count` laws from a set, one by one, so that one impossible draw costs no other.

    The first draws are the same whatever the count.

    Raises
    ------
    InputError
        `count` is below 2 or `seed` negative.

    Examples
    --------
    The published errors of this fit allow a negative B, which is no law:

    >>> from capgap.theory.coefficients import law_set
    >>> found = draw_laws(law_set("chinchilla-replicated"), 200, seed=0)
    >>> len(found.laws) + found.impossible, found.impossible > 0
    (200, True)
    """
    if count < 2:
        raise InputError(f"draws: count = {count} must be at least 2")
    if seed < 0:
        raise InputError(f"draws: seed = {seed} must be >= 0")
    laws: list[Laws] = []
    for one in np.random.SeedSequence(seed).generate_state(count):
        try:
            laws.extend(chosen.sample(1, int(one)))
        except InputError:
            continue
    return LawDraws(tuple(laws), count - len(laws), _note(chosen))


def _note(chosen: LawSet) -> str:
    if chosen.draws:
        return ""
    if not chosen.intervals:
        return (
            f"{chosen.name} comes without errors of its coefficients, so nothing is known about"
            " how sure these numbers are"
        )
    return (
        f"the intervals of {chosen.name} are known for each coefficient by itself; drawing them"
        " independently makes predictions within the fitted range look less sure than they are"
    )


def over_draws(
    draws: LawDraws, ask: Callable[[Laws], Numbers], progress: Progress | None = None
) -> Spread:
    """Ask every drawn law; a law that refuses with an InputError counts as impossible.

    Every answer must have the same names.
    """
    answers = []
    for i, laws in enumerate(draws.laws):
        try:
            answers.append(ask(laws))
        except InputError:
            continue
        finally:
            if progress is not None:
                progress(i + 1)
    names = answers[0] if answers else {}
    values = {name: np.array([float(answer[name]) for answer in answers]) for name in names}
    refused = len(draws.laws) - len(answers)
    return Spread(MappingProxyType(values), draws.impossible + refused)


def prediction_spread(
    draws: LawDraws, N_S: float, D_S: float, teacher: float | tuple[float, float]
) -> Spread:
    """Losses of a student with and without its teacher, over the draws.

    Parameters
    ----------
    draws : LawDraws
    N_S, D_S : float
        Non-embedding parameters, tokens.
    teacher : float or (float, float)
        Its loss, the same in every draw, or its parameters and tokens: then every draw has
        its own loss of it.

    Returns
    -------
    Spread
        student_loss, supervised_loss, teacher_loss and gain (supervised minus student loss
        of the same draw), nats per token.
    """

    def ask(laws: Laws) -> Numbers:
        L_T = laws.supervised.loss(*teacher) if isinstance(teacher, tuple) else teacher
        return _losses(laws, N_S, D_S, float(L_T), (N_S, D_S))

    return over_draws(draws, ask)


def plan_spread(
    draws: LawDraws,
    chosen: LawSet,
    question: Question,
    plan: Allocations,
    alone: Allocations | None = None,
    progress: Progress | None = None,
) -> Spread:
    """What a plan may bring and where the optimum may be, over the draws.

    Parameters
    ----------
    draws : LawDraws
    chosen : LawSet
        Whose transformers are counted.
    question : Question
    plan : Allocations
        Its answer under the set's own laws, without dimensions.
    alone : Allocations, optional
        The student without a teacher that it is compared with: by default the same one, with
        all of the budget.
    progress : callable, optional
        Is told how many draws are done.

    Returns
    -------
    Spread
        student_loss, supervised_loss, teacher_loss, gain: of **this plan** if the drawn law
        is true. The plan is kept, because whoever follows it cannot know the draw; with a
        plan for each draw the gain would look better than it can be.
        best_N_T, best_D_T, best_D_S, best_L_T, best_loss: of the optimum of each draw; the
        first two are missing in `best`, where the plan's teacher is its loss, in every draw.
    """
    if alone is None:
        alone = replace(question, scenario="supervised").allocate(chosen)
    own = float(alone.N_S), float(alone.D_S)
    N_T, D_T, D_S, L_T = (float(part) for part in (plan.N_T, plan.D_T, plan.D_S, plan.L_T))

    def ask(laws: Laws) -> Numbers:
        if question.scenario == "supervised":
            return {"supervised_loss": float(laws.supervised.loss(*own))}
        loss = L_T if question.scenario == "best" else float(laws.supervised.loss(N_T, D_T))
        return _losses(laws, question.N_S, D_S, loss, own) | _optimum(laws, chosen, question)

    return over_draws(draws, ask, progress)


def _losses(
    laws: Laws, N_S: float, D_S: float, L_T: float, own: tuple[float, float]
) -> dict[str, float]:
    if laws.taught is None:
        raise InputError("prediction: these laws have no distillation law")
    student = float(laws.taught.loss(N_S, D_S, L_T))
    alone = float(laws.supervised.loss(*own))
    return {
        "student_loss": student,
        "supervised_loss": alone,
        "teacher_loss": L_T,
        "gain": alone - student,
    }


def _optimum(laws: Laws, chosen: LawSet, question: Question) -> dict[str, float]:
    problem = question.problem(laws, chosen.family)
    if problem.free:  # only the teacher's loss is decided, so no teacher is looked for
        found = problem.solve(tolerance=_COARSE)
        L_T, D_S = np.exp(found.x[0, 0]), problem.unpack(np.zeros(1, np.intp), found.x[:, None])[2]
        return {
            "best_D_S": float(D_S[0, 0]),
            "best_L_T": float(L_T),
            "best_loss": float(found.value[0]),
        }
    plan = allocate_problem(problem, question.scenario, (), tolerance=_COARSE)
    parts = {f"best_{name}": float(getattr(plan, name)) for name in ("N_T", "D_T", "D_S", "L_T")}
    return parts | {"best_loss": float(plan.student_loss)}
