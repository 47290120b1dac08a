r"""Rules that are simple and better: one number of tokens per parameter decides.

With :math:`M = C / (6 N_S^2)`, the tokens per parameter that the budget would buy if the
student were trained alone at 6 FLOPs per parameter and token, the best plans of all student
sizes fall on one curve each for :math:`N_T / N_S` and for the share of pretraining:

.. math:: N_T = N_S \min(r, a M^b), \qquad
          s = s_0 \exp\left[-\left(\frac{\log (M/M_0)}{w}\right)^2\right]

s is the share of the budget that trains the teacher (where that is paid), the rest trains the
student and runs the teacher (`by_share`). With b = 1/2 and a = 1/8 the teacher's size does not
depend on the student: :math:`N_T = \sqrt{C/384}`, but no more than r times the student.
"""

from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import minimize

from capgap.comparison.claims.regret import Frontier
from capgap.comparison.claims.rules import Question, Rule, Spending, by_share
from capgap.prediction.scenario import costs
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

__all__ = ["BOTH", "INFERENCE", "PRETRAINING", "REPLACEMENTS", "TeacherRule", "fit_rule"]


@dataclass(frozen=True, slots=True)
class TeacherRule:
    """Coefficients of the rule in the module's text.

    Examples
    --------
    A student of 1e9 and a budget of 6e20, so M = 100: the teacher has 1e9 min(3, 10/8).

    >>> BOTH.ratio(np.array(100.0)).tolist(), round(float(BOTH.share(np.array(40.0))), 2)
    (1.25, 0.53)
    """

    r: float
    a: float
    b: float
    s: float
    M_0: float
    w: float

    def ratio(self, M: FloatArray) -> FloatArray:
        """N_T / N_S."""
        return np.asarray(np.minimum(self.r, self.a * M**self.b))

    def share(self, M: FloatArray) -> FloatArray:
        """Share of the budget for the teacher's training."""
        return np.asarray(self.s * np.exp(-((np.log(M / self.M_0) / self.w) ** 2)))

    def spend(self, question: Question) -> Spending:
        """The rule's plan."""
        M = question.C / (6 * question.N_S**2)
        N_T = np.clip(self.ratio(M) * question.N_S, 1e6, 1e17)
        return by_share(question, N_T, self.share(M))


# Fitted by `fit_rule` to the reconstructed laws and rounded to two digits, as little as
# regret allows.
BOTH = TeacherRule(r=3.0, a=0.125, b=0.5, s=0.53, M_0=40.0, w=6.5)
PRETRAINING = TeacherRule(r=4.0, a=0.14, b=0.56, s=0.6, M_0=40.0, w=5.7)
INFERENCE = TeacherRule(r=2.2, a=0.23, b=0.37, s=0.0, M_0=40.0, w=5.7)

REPLACEMENTS: tuple[Rule, ...] = (
    Rule(
        "one-number rule",
        "teacher of sqrt(C/384) parameters, at most 3 times the student; a share of"
        " 0.53 exp(-(ln(M/40)/6.5)^2) for its training, M = C/(6 N_S^2)",
        "complete; fitted here", BOTH.spend, ("both",),
    ),
    Rule(
        "one-number rule, pretraining",
        "N_T = N_S min(4, 0.14 M^0.56); share 0.6 exp(-(ln(M/40)/5.7)^2), M = C/(6 N_S^2)",
        "complete; fitted here", PRETRAINING.spend, ("pretraining",),
    ),
    Rule(
        "one-number rule, inference",
        "N_T = N_S min(2.2, 0.23 M^0.37), M = C/(6 N_S^2)",
        "complete; fitted here", INFERENCE.spend, ("inference",),
    ),
)  # fmt: skip


def fit_rule(chosen: LawSet, best: Frontier, start: TeacherRule, budgets: int) -> TeacherRule:
    """Coefficients of least mean regret plus a twentieth of the largest, by Nelder-Mead.

    Over the sizes of a frontier and its last `budgets` budgets. A share of 0 stays 0.
    """
    budget = best.budget[-budgets:]
    N_S, C = (part.ravel() for part in np.meshgrid(best.N_S, budget, indexing="ij"))
    least = best.loss[:, -budgets:].ravel()
    question = Question(chosen.laws, chosen.family, N_S, C, costs(best.scenario))
    count = 6 if start.s > 0 else 3
    fixed = astuple(start)[count:]

    def rule(log_values: FloatArray) -> TeacherRule:
        return TeacherRule(*np.exp(log_values).tolist(), *fixed)

    def misfit(log_values: FloatArray) -> float:
        candidate = rule(log_values)
        if candidate.s >= 1:
            return np.inf
        regret = question.loss(candidate.spend(question)) - least
        return float(np.mean(regret) + 0.05 * np.max(regret))

    x = np.log(astuple(start)[:count])
    for _ in range(2):
        x = minimize(misfit, x, method="Nelder-Mead", options={"maxiter": 800, "xatol": 1e-3,
                     "fatol": 1e-7}).x  # fmt: skip
    return rule(x)
