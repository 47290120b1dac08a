"""What a law says at the points read off a figure, and how far rounding can move it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.comparison.digitised import DigitisedFigure
from capgap.compute import ModelFamily
from capgap.prediction.allocation import allocate
from capgap.prediction.problem import Problem
from capgap.prediction.scenario import SCENARIOS, Limits, costs
from capgap.theory.coefficients import law_set
from capgap.theory.distillation import DistillationLaw
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import Laws
from capgap.theory.supervised import SupervisedLaw

__all__ = [
    "HALF_DIGIT",
    "Predicted",
    "changed",
    "losses",
    "paper_laws",
    "predict",
    "rounding_moves",
]

# Half a unit in the last printed digit of every coefficient of Table 6.
HALF_DIGIT: Mapping[str, float] = {
    **{f"supervised.{name}": 0.0005 for name in ("E", "alpha", "beta", "gamma")},
    "supervised.A": 0.5,
    "supervised.B": 0.5,
    **{f"taught.{name}": 0.0005 for name in ("c0", "f1", "d1", "alpha", "beta", "gamma")},
    "taught.c1": 0.05,
    "taught.A": 0.5,
    "taught.B": 0.5,
}


@dataclass(frozen=True, slots=True)
class Predicted:
    """Optimal plans at the points of a figure: losses in nats per token, tokens."""

    loss: FloatArray
    D_S: FloatArray
    L_T: FloatArray
    N_T: FloatArray
    D_T: FloatArray

    def residual(self, figure: DigitisedFigure) -> FloatArray:
        """Predicted minus read, nats per token."""
        return np.asarray(self.loss - figure.loss)


def paper_laws(factor: float = 1.0, **taught: float) -> Laws:
    """The paper's laws as printed, with B' times a factor, or with other coefficients.

    >>> paper_laws(100.0).taught.B
    2418100.0
    """
    printed = law_set("printed").laws
    assert isinstance(printed.taught, DistillationLaw)
    return changed(printed, {"B": printed.taught.B * factor} | taught)


def changed(laws: Laws, taught: Mapping[str, float]) -> Laws:
    """The same laws with other coefficients of the paper's distillation law."""
    assert isinstance(laws.taught, DistillationLaw)
    coefficients: dict[str, Any] = dict(taught)
    return Laws(laws.supervised, replace(laws.taught, **coefficients))


def predict(
    laws: Laws,
    figure: DigitisedFigure,
    where: npt.NDArray[np.bool_] | None = None,
    tolerance: float = 1e-4,
) -> Predicted:
    """Solve for the least loss at every point, in its own scenario (nan where not asked).

    At a tolerance of 1e-4 losses are exact to 1e-7: they are flat at a minimum.
    """
    asked = np.ones(len(figure), dtype=bool) if where is None else where
    parts = {name: np.full(len(figure), np.nan) for name in Predicted.__dataclass_fields__}
    for scenario in SCENARIOS:
        mine = asked & figure.of(scenario)
        if mine.any():
            plan = allocate(
                laws, figure.N_S[mine], figure.budget[mine], scenario, tolerance=tolerance
            )
            for name in parts:
                source = "student_loss" if name == "loss" else name
                parts[name][mine] = getattr(plan, source)
    return Predicted(**parts)


def losses(laws: Laws, figure: DigitisedFigure, where: npt.NDArray[np.bool_]) -> FloatArray:
    """Least losses alone at the points asked for, which is quicker than `predict`.

    From a coarse grid; within 1e-6 nat of `predict`, as the tests check.
    """
    assert laws.taught is not None
    found = np.full(len(figure), np.nan)
    for scenario in SCENARIOS:
        mine = where & figure.of(scenario)
        if not mine.any():
            continue
        N_S, budget = figure.N_S[mine], figure.budget[mine]
        if scenario == "supervised":
            found[mine] = allocate(laws, N_S, budget, scenario).student_loss
            continue
        problem = Problem(
            laws.supervised, laws.taught, ModelFamily(), N_S, budget, costs(scenario), Limits()
        )
        found[mine] = problem.solve(points=17, tolerance=1e-3).value
    return found[where]


def rounding_moves(laws: Laws, figure: DigitisedFigure, factor: float = 1.0) -> FloatArray:
    """How half a unit in the last printed digit of each coefficient moves the losses.

    Shape (points, coefficients), in the order of `HALF_DIGIT`, nats per token. The plans are
    held fixed: at an optimum a change of plan moves the loss in second order only. B' was
    printed before it was multiplied by `factor`, and so was its rounding.
    """
    plan = predict(laws, figure)
    moves = []
    for name, half in HALF_DIGIT.items():
        step = half * factor if name == "taught.B" else half
        up, down = (_at_plans(_moved(laws, name, sign * step), figure, plan) for sign in (1, -1))
        moves.append((up - down) / 2)
    return np.array(moves).T


def _moved(laws: Laws, name: str, step: float) -> Laws:
    kind, coefficient = name.split(".")
    own, taught = laws.supervised, laws.taught
    assert isinstance(own, SupervisedLaw)
    assert isinstance(taught, DistillationLaw)
    if kind == "supervised":
        own = replace(own, **{coefficient: getattr(own, coefficient) + step})
        return Laws(own, replace(taught, supervised=own))
    return changed(laws, {coefficient: getattr(taught, coefficient) + step})


def _at_plans(laws: Laws, figure: DigitisedFigure, plan: Predicted) -> FloatArray:
    assert laws.taught is not None
    loss = np.empty(len(figure))
    alone, free = figure.of("supervised"), figure.of("best")
    loss[alone] = laws.supervised.loss(figure.N_S[alone], plan.D_S[alone])
    L_T, paid = plan.L_T.copy(), ~alone & ~free
    L_T[paid] = laws.supervised.loss(plan.N_T[paid], plan.D_T[paid])
    loss[~alone] = laws.taught.loss(figure.N_S[~alone], plan.D_S[~alone], L_T[~alone])
    return loss
