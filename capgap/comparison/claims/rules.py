"""Rules of thumb for spending a budget on a teacher and a student, as functions.

Each is a rule that somebody states and nobody checked, completed where it leaves something
open, so that its loss can be set against the true optimum (`capgap.comparison.claims.regret`).
A completion says what it is; where it is the *best* one, the rule gets more credit than its
statement earns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capgap.compute import ModelFamily
from capgap.prediction.minimize import minimize_on_boxes
from capgap.prediction.scenario import Costs, Limits
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import Laws

__all__ = ["RULES", "Question", "Rule", "Spending", "best_share", "best_teacher", "by_share"]

# Where the document draws the line between small and large students.
SMALL = 3e9
_LIMITS = Limits()
_LOGIT = 28.0


@dataclass(frozen=True, slots=True)
class Question:
    """Students N_S[i] (non-embedding parameters) and budgets C[i] (FLOPs), and who pays."""

    laws: Laws
    family: ModelFamily
    N_S: FloatArray
    C: FloatArray
    costs: Costs

    def loss(self, plan: "Spending") -> FloatArray:
        """Student loss of a plan, nats per token."""
        taught = self.laws.taught
        assert taught is not None, "a rule about teachers needs a distillation law"
        return taught.loss(self.N_S, plan.D_S, self.laws.supervised.loss(plan.N_T, plan.D_T))


@dataclass(frozen=True, slots=True)
class Spending:
    """Teacher parameters N_T and tokens D_T, student tokens D_S; arrays of one shape."""

    N_T: FloatArray
    D_T: FloatArray
    D_S: FloatArray


def by_share(question: Question, N_T: FloatArray, share: FloatArray) -> Spending:
    r"""Spend `share` of the budget on the teacher's training and the rest on the student's run.

    .. math:: D_T = \frac{s\,C}{3 \delta_{Pre} F(N_T)}, \qquad
              D_S = \frac{(1-s)\,C}{3 F(N_S) + \delta_{Lgt} F(N_T)}

    Where pretraining is free (d_Pre = 0) the share is 0 and the teacher has all tokens there
    may be. A teacher has at least one token.
    """
    forward = question.family.forward_flops(N_T)
    paid = 3.0 * question.costs.d_Pre * forward
    share = np.where(paid > 0, share, 0.0)
    D_T = np.divide(
        share * question.C, paid, out=np.full(share.shape, _LIMITS.D_T[1]), where=paid > 0
    )
    run = 3.0 * question.family.forward_flops(question.N_S) + question.costs.d_Lgt * forward
    D_S = np.minimum((1 - share) * question.C / run, _LIMITS.D_S)
    return Spending(N_T, np.clip(D_T, 1.0, _LIMITS.D_T[1]), D_S)


def best_teacher(question: Question, share: FloatArray) -> Spending:
    """The split is given; the teacher's size is the best one for it."""
    low, high = (float(np.log(end)) for end in _LIMITS.N_T)
    return _complete(question, low, high, lambda q, x, s: by_share(q, np.exp(x), s), share)


def best_share(question: Question, N_T: FloatArray) -> Spending:
    """The teacher's size is given; the split is the best one for it."""
    if question.costs.d_Pre == 0:
        return by_share(question, N_T, np.zeros(N_T.shape))
    return _complete(
        question, -_LOGIT, _LOGIT, lambda q, x, size: by_share(q, size, 1 / (1 + np.exp(-x))), N_T
    )


def _complete(
    question: Question,
    low: float,
    high: float,
    plan: Callable[[Question, FloatArray, FloatArray], Spending],
    given: FloatArray,
) -> Spending:
    """Minimize the loss over the one coordinate that a rule leaves open."""

    def loss(row: np.ndarray[tuple[int], np.dtype[np.intp]], x: FloatArray) -> FloatArray:
        shape = x.shape[:-1]
        N_S, C, fixed = (
            np.broadcast_to(part[row][:, None], shape) for part in (question.N_S, question.C, given)
        )
        asked = Question(question.laws, question.family, N_S, C, question.costs)
        return asked.loss(plan(asked, x[..., 0], fixed))

    ends = np.ones((len(question.N_S), 1))
    found = minimize_on_boxes(loss, low * ends, high * ends, points=97, tolerance=1e-6)
    return plan(question, found.x[:, 0], given)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it says, how it was completed here, and which scenarios it speaks of."""

    name: str
    statement: str
    completion: str
    spend: Callable[[Question], Spending]
    scenarios: tuple[str, ...] = ("both", "pretraining")


def teacher_share(N_S: FloatArray) -> FloatArray:
    """0.7 below 3B parameters, else 0.5: the document's share, read as the teacher's."""
    return np.where(N_S < SMALL, 0.7, 0.5)


def selected_teacher(N_S: FloatArray, C: FloatArray) -> FloatArray:
    """2 N_S but at most C/6e12 below 3B, else 1.5 N_S but at most C/4e12 parameters.

    >>> selected_teacher(np.array([1e9, 1e10]), np.array([1e22, 1e22])).tolist()
    [1666666666.6666667, 2500000000.0]
    """
    small = N_S < SMALL
    size = np.minimum(np.where(small, 2.0, 1.5) * N_S, C / np.where(small, 6e12, 4e12))
    return np.maximum(size, _LIMITS.N_T[0])


def table_3_shares(N_S: FloatArray, C: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shares of student training, teacher inference and teacher pretraining, in cases.

    Small students: mostly teacher pretraining (0.6) at C <= 1e21, student training and teacher
    inference alike (0.45 each) at C >= 1e25; large ones: mostly student training (0.6), then
    equal thirds. Between, linear in log C; between 3B and 10B parameters, in log N_S.

    >>> [part.round(2).tolist() for part in table_3_shares(np.array([1e9, 1e11]), np.array(1e20))]
    [[0.2, 0.6], [0.2, 0.2], [0.6, 0.2]]
    """
    later = np.clip((np.log10(C) - 21) / 4, 0, 1)
    larger = np.clip(np.log(N_S / SMALL) / np.log(1e10 / SMALL), 0, 1)

    def between(small: tuple[float, float], large: tuple[float, float]) -> FloatArray:
        begin = small[0] + larger * (large[0] - small[0])
        end = small[1] + larger * (large[1] - small[1])
        return np.asarray(begin + later * (end - begin))

    training, inference = between((0.2, 0.45), (0.6, 1 / 3)), between((0.2, 0.45), (0.2, 1 / 3))
    return training, inference, 1 - training - inference


def size_of_forward(family: ModelFamily, forward: FloatArray) -> FloatArray:
    """N with F(N) = `forward`, by bisection on log N.

    >>> family = ModelFamily()
    >>> float(size_of_forward(family, family.forward_flops(np.array([1e9])))[0].round(-2))
    1000000000.0
    """
    low, high = (np.full(forward.shape, np.log(end)) for end in _LIMITS.N_T)
    for _ in range(60):
        middle = 0.5 * (low + high)
        enough = family.forward_flops(np.exp(middle)) >= forward
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.asarray(np.exp(high))


def _table_3(question: Question) -> Spending:
    training, inference, pretraining = table_3_shares(question.N_S, question.C)
    # Teacher inference over student training is F(N_T) / (3 F(N_S)), which gives the teacher.
    forward = 3.0 * question.family.forward_flops(question.N_S) * inference / training
    return by_share(question, size_of_forward(question.family, forward), pretraining)


def _within_plateau(question: Question) -> Spending:
    """The better of 2x and 3x (best split each); between them the loss hardly changes."""
    plans = [best_share(question, k * question.N_S) for k in (2.0, 2.5, 3.0)]
    pick = np.argmin([question.loss(plan) for plan in plans], axis=0)

    def picked(name: str) -> FloatArray:
        parts = np.array([getattr(plan, name) for plan in plans])
        return np.asarray(np.take_along_axis(parts, pick[None], axis=0)[0])

    return Spending(picked("N_T"), picked("D_T"), picked("D_S"))


def _clipped(size: FloatArray) -> FloatArray:
    return np.clip(size, *_LIMITS.N_T)


_BEST_SPLIT = "best split for that teacher"
_BEST_SIZE = "share read as the teacher's training; best teacher size for it"
_ALL = ("both", "pretraining", "inference")

RULES: tuple[Rule, ...] = (
    Rule(
        "split 0.7/0.3",
        "0.7 of the budget for the teacher below 3B, else 0.5",
        _BEST_SIZE,
        lambda q: best_teacher(q, teacher_share(q.N_S)),
    ),
    Rule(
        "split 0.3/0.7",
        "0.7 of the budget for the student below 3B, else 0.5",
        "share read as the student's; best teacher size for it",
        lambda q: best_teacher(q, 1 - teacher_share(q.N_S)),
    ),
    Rule(
        "split 0.5/0.5",
        "half of the budget for the teacher",
        _BEST_SIZE,
        lambda q: best_teacher(q, np.full(q.N_S.shape, 0.5)),
    ),
    Rule(
        "teacher 2x", "teacher twice the student", _BEST_SPLIT,
        lambda q: best_share(q, 2.0 * q.N_S), _ALL,
    ),
    Rule(
        "teacher 1.5x", "teacher one and a half times the student", _BEST_SPLIT,
        lambda q: best_share(q, 1.5 * q.N_S), _ALL,
    ),
    Rule(
        "teacher 2x to 3x", "the optimal teacher levels off at 2 to 3 times the student",
        "best of 2x, 2.5x and 3x, best split each", _within_plateau, _ALL,
    ),
    Rule(
        "teacher C/6e12", "teacher of C/6e12 parameters", _BEST_SPLIT,
        lambda q: best_share(q, _clipped(q.C / 6e12)), _ALL,
    ),
    Rule(
        "teacher C/4e12", "teacher of C/4e12 parameters", _BEST_SPLIT,
        lambda q: best_share(q, _clipped(q.C / 4e12)), _ALL,
    ),
    Rule(
        "document's plan",
        "0.7/0.3 or 0.5/0.5, with a teacher of 2x (at most C/6e12) or 1.5x (at most C/4e12)",
        "the document's two functions together, nothing optimized",
        lambda q: by_share(q, selected_teacher(q.N_S, q.C), teacher_share(q.N_S)),
    ),
    Rule(
        "FLOPs by cases",
        "mostly pretraining or mostly training at small budgets, even shares at large ones",
        "the cases of the paper's Table 3; mostly = 0.6; linear in log C and log N_S between",
        _table_3, ("both",),
    ),
)  # fmt: skip
