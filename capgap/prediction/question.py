"""One question to the planner: which student, what budget, who pays for the teacher."""

from dataclasses import dataclass, field

import numpy as np

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import Allocations, Problem, allocate
from capgap.prediction.scenario import Limits, ScenarioName, costs
from capgap.theory.law_set import Laws, LawSet

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A student of N_S non-embedding parameters and a budget in FLOPs; see `allocate`.

    Parameters
    ----------
    N_S, budget : float
    scenario : str
        What the budget bears: supervised, best, inference, pretraining, both.
    students : float
        Students that share the teacher.
    shared_outputs : bool
        Whether they share its outputs too.
    limits : Limits

    Raises
    ------
    InputError
        On use: an input is not finite and positive, the budget buys no token, or the laws
        have no teacher.

    Examples
    --------
    >>> from capgap.theory.coefficients import law_set
    >>> found = Question(1e9, 1e22, "inference").allocate(law_set())
    >>> f"{float(found.student_loss):.3f}"
    '2.142'
    """

    N_S: float
    budget: float
    scenario: ScenarioName
    students: float = 1
    shared_outputs: bool = False
    limits: Limits = field(default_factory=Limits)

    def allocate(self, chosen: LawSet | Laws, *, family: ModelFamily | None = None) -> Allocations:
        """The best allocation; columns without dimensions."""
        return allocate(
            chosen, self.N_S, self.budget, self.scenario, students=self.students,
            shared_outputs=self.shared_outputs, limits=self.limits, family=family,
        )  # fmt: skip

    def problem(self, laws: Laws, family: ModelFamily) -> Problem:
        """The minimization behind it, of one row."""
        if laws.taught is None:
            raise InputError(f"plan: scenario {self.scenario!r} needs a distillation law")
        shares = costs(self.scenario, self.students, shared_outputs=self.shared_outputs)
        size, flops = np.array([self.N_S], dtype=float), np.array([self.budget], dtype=float)
        return Problem(laws.supervised, laws.taught, family, size, flops, shares, self.limits)
