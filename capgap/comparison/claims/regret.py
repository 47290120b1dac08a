"""What a rule of thumb costs against the true optimum, in nats and in compute."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from capgap.comparison.claims.rules import Question, Rule
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import ScenarioName, costs
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

__all__ = ["BUDGETS", "SIZES", "Frontier", "Regret", "RegretSummary", "frontier", "regret"]

# The grid on which rules are judged: 1e8 to 3e10 parameters, 1e20 to 1e26 FLOPs.
SIZES = np.geomspace(1e8, 3e10, 11)
BUDGETS = np.geomspace(1e20, 1e26, 25)
LARGE = 0.01  # nats: the reading error of the paper's figures, and about its stated precision
_LOWEST = 1e16  # FLOPs: least budget that a bad rule's loss is compared with


@dataclass(frozen=True, slots=True)
class Frontier:
    """The least loss at every budget, per student size: arrays (sizes, budgets)."""

    scenario: ScenarioName
    N_S: FloatArray
    budget: FloatArray
    loss: FloatArray
    alone: FloatArray

    def least_compute(self, size: int, loss: npt.ArrayLike) -> FloatArray:
        """Least FLOPs with which student `size` (an index) reaches `loss` with the best plan.

        Interpolated between budgets (monotone cubic, log FLOPs in log loss); outside the
        budgets that were solved it returns the nearest of them.
        """
        falls = np.concatenate([[True], np.diff(np.minimum.accumulate(self.loss[size])) < 0])
        x, y = np.log(self.loss[size][falls])[::-1], np.log(self.budget[falls])[::-1]
        inside = np.clip(np.log(loss), x[0], x[-1])
        return np.asarray(np.exp(PchipInterpolator(x, y)(inside)))


@dataclass(frozen=True, slots=True)
class RegretSummary:
    """Median, maximum (nats) and share of the grid above 0.01 nat; median compute factor."""

    median: float
    maximum: float
    share_large: float
    median_compute: float
    maximum_compute: float
    share_worse_than_alone: float


@dataclass(frozen=True, slots=True)
class Regret:
    """Regret of a rule on a grid, arrays (sizes, budgets).

    `nats` is L_S(rule) - L_S*; `compute` is C over the least compute that reaches L_S(rule);
    `over_alone` is L_S(rule) minus the loss of the same student trained alone on budget C.
    """

    rule: str
    scenario: ScenarioName
    N_S: FloatArray
    budget: FloatArray
    nats: FloatArray
    compute: FloatArray
    over_alone: FloatArray

    def summary(self) -> RegretSummary:
        """The grid in a few numbers."""
        return RegretSummary(
            median=float(np.median(self.nats)),
            maximum=float(np.max(self.nats)),
            share_large=float(np.mean(self.nats > LARGE)),
            median_compute=float(np.median(self.compute)),
            maximum_compute=float(np.max(self.compute)),
            share_worse_than_alone=float(np.mean(self.over_alone > 0)),
        )


def frontier(
    chosen: LawSet,
    scenario: ScenarioName,
    N_S: npt.ArrayLike = SIZES,
    budget: npt.ArrayLike = BUDGETS,
) -> Frontier:
    """Solve for the least loss at the given budgets, and at smaller ones down to 1e16 FLOPs."""
    sizes, budgets = np.asarray(N_S, dtype=np.float64), np.asarray(budget, dtype=np.float64)
    below = np.geomspace(_LOWEST, budgets[0], max(2, int(8 * np.log10(budgets[0] / _LOWEST))))
    every = np.concatenate([below[:-1], budgets])
    loss = allocate(chosen, sizes[:, None], every, scenario, tolerance=1e-6).student_loss
    alone = allocate(chosen, sizes[:, None], every, "supervised").student_loss
    return Frontier(scenario, sizes, every, loss, alone)


def regret(chosen: LawSet, rule: Rule, best: Frontier, budgets: int = len(BUDGETS)) -> Regret:
    """Regret of a rule at the sizes of a frontier and its last `budgets` budgets."""
    budget = best.budget[-budgets:]
    N_S, C = (part.ravel() for part in np.meshgrid(best.N_S, budget, indexing="ij"))
    question = Question(chosen.laws, chosen.family, N_S, C, costs(best.scenario))
    loss = question.loss(rule.spend(question)).reshape(len(best.N_S), budgets)
    least = np.array([best.least_compute(i, row) for i, row in enumerate(loss)])
    return Regret(
        rule.name, best.scenario, best.N_S, budget, loss - best.loss[:, -budgets:],
        np.maximum(budget / least, 1.0), loss - best.alone[:, -budgets:],
    )  # fmt: skip


def regrets(
    chosen: LawSet, rules: Sequence[Rule], scenarios: Sequence[ScenarioName] = ("both",)
) -> tuple[Regret, ...]:
    """Regret of every rule in every scenario that it speaks of, on the standard grid."""
    found = []
    for scenario in scenarios:
        best = frontier(chosen, scenario)
        found += [regret(chosen, rule, best) for rule in rules if scenario in rule.scenarios]
    return tuple(found)
