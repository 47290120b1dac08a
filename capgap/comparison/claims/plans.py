"""Optimal plans on one grid, solved once, for all claims about scenarios."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capgap.counts import short
from capgap.prediction.allocation import Allocations, allocate
from capgap.prediction.scenario import SCENARIOS, ScenarioName
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

__all__ = ["FIG_8", "Plans", "last_crossing", "listed", "solve_plans"]

# 100M to 30B: the students of Fig. 8 with the ends of the range that rules are asked about.
STUDENTS = (1e8, 2e8, 3e8, 1e9, 3e9, 1e10, 3e10)
FIG_8 = (3e8, 1e9, 3e9, 1e10)
BUDGETS = np.geomspace(1e20, 1e26, 25)


@dataclass(frozen=True, slots=True)
class Plans:
    """The best plan of every scenario for N_S[i] and budget[j], arrays (sizes, budgets)."""

    chosen: LawSet
    N_S: FloatArray
    budget: FloatArray
    best: Mapping[ScenarioName, Allocations]

    def loss(self, scenario: ScenarioName) -> FloatArray:
        """Least student losses, nats per token."""
        return self.best[scenario].student_loss

    def over_alone(self, scenario: ScenarioName) -> FloatArray:
        """Least loss with a teacher minus the loss of training alone; negative = teacher wins."""
        return self.loss(scenario) - self.loss("supervised")

    @property
    def drawn(self) -> npt.NDArray[np.bool_]:
        """Which students Fig. 8 has."""
        return np.isin(self.N_S, FIG_8)

    def column(self, budget: float) -> int:
        """Index of the nearest budget."""
        return int(np.argmin(np.abs(np.log(self.budget / budget))))


def solve_plans(chosen: LawSet) -> Plans:
    """Solve all five scenarios for 7 students and 25 budgets from 1e20 to 1e26 FLOPs."""
    N_S = np.array(STUDENTS)
    best = {name: allocate(chosen, N_S[:, None], BUDGETS, name) for name in SCENARIOS}
    return Plans(chosen, N_S, BUDGETS, best)


def last_crossing(budget: FloatArray, difference: FloatArray) -> float:
    """Budget beyond which `difference` stays positive; nan if it ends at or below zero.

    Linear in log budget between the last negative value and the first positive one.

    >>> round(last_crossing(np.array([1.0, 100.0]), np.array([-1.0, 1.0])), 6)
    10.0
    """
    below = np.flatnonzero(difference <= 0)
    if difference[-1] <= 0:
        return float("nan")
    if not below.size:
        return float(budget[0])
    i = int(below[-1])
    part = difference[i] / (difference[i] - difference[i + 1])
    log = np.log(budget)
    return float(np.exp(log[i] + part * (log[i + 1] - log[i])))


def listed(N_S: npt.ArrayLike, values: npt.ArrayLike, form: str = ".3g") -> str:
    """Values by student size, for a sentence.

    >>> listed([3e8, 1e9], [0.25, 0.5])
    '300M 0.25, 1B 0.5'
    """
    sizes, numbers = np.atleast_1d(N_S), np.atleast_1d(values)
    return ", ".join(f"{short(n)} {v:{form}}" for n, v in zip(sizes, numbers, strict=True))
