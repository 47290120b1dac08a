"""A student taught and alone on the same tokens: losses, regime, how sure, and advice."""

from dataclasses import dataclass

import numpy as np

from capgap.errors import InputError
from capgap.prediction.advice import Advice, advise_prediction, describe_teacher
from capgap.prediction.uncertainty import LEVEL, LawDraws, Spread, prediction_spread
from capgap.theory.domain import positive_array
from capgap.theory.law_set import LawSet

__all__ = [
    "Prediction", "Setting", "cautions", "draw_warnings", "interval_of", "predict", "setting_of",
    "teacher_outside",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a student and its teacher stand in the law.

    Attributes
    ----------
    regime : str
        ``capacity gap`` below the knee, ``imitation`` above it.
    knee, best_teacher_loss : float
        Teacher losses, nats per token.
    reachable : bool
        Whether some teacher within the limits is as good as `best_teacher_loss`.
    """

    regime: str
    knee: float
    best_teacher_loss: float
    reachable: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """The student taught and alone on the same tokens, nats per token."""

    N_S: float
    D_S: float
    L_T: float
    student_loss: float
    supervised_loss: float
    spread: Spread
    level: float
    setting: Setting
    warnings: tuple[str, ...]
    advice: Advice


def predict(
    chosen: LawSet,
    N_S: float,
    D_S: float,
    teacher: float | tuple[float, float],
    draws: LawDraws,
    *,
    level: float = LEVEL,
) -> Prediction:
    """Predict a student of N_S parameters on D_S tokens, with and without its teacher.

    Parameters
    ----------
    chosen : LawSet
    N_S, D_S : float
        Non-embedding parameters, tokens.
    teacher : float or (float, float)
        Its loss in nats per token, or its parameters and tokens.
    draws : LawDraws
        Of the same set.
    level : float
        Of the intervals.

    Raises
    ------
    InputError
        An input is not finite and positive, the teacher's loss is at or below the irreducible
        loss, or the set has no distillation law.

    Examples
    --------
    >>> from capgap.prediction.uncertainty import draw_laws
    >>> from capgap.theory.coefficients import law_set
    >>> laws = law_set("printed")
    >>> found = predict(laws, 1e9, 2e10, 2.1, draw_laws(laws, 20, seed=0))
    >>> found.student_loss == float(laws.taught.loss(1e9, 2e10, 2.1)), found.advice.verdict
    (True, 'distil')
    """
    size, tokens = (
        float(positive_array("predict", *pair)) for pair in (("N_S", N_S), ("D_S", D_S))
    )
    loss, words = _teacher(chosen, teacher)
    student = float(chosen.taught.loss(size, tokens, loss))
    alone = float(chosen.supervised.loss(size, tokens))
    spread = prediction_spread(draws, size, tokens, teacher)
    setting = setting_of(chosen, size, tokens, loss, chosen.supervised.irreducible_loss)
    outside = chosen.outside(N_S=size, D_S=tokens, L_T=loss)
    if isinstance(teacher, tuple):
        outside += teacher_outside(chosen, *teacher)
    advice = advise_prediction(
        words, tokens, alone - student, interval_of(spread, "gain", level), level,
        cautions(setting, loss, outside),
    )  # fmt: skip
    warnings = (*outside, *draw_warnings(draws, spread))
    return Prediction(size, tokens, loss, student, alone, spread, level, setting, warnings, advice)


def _teacher(chosen: LawSet, teacher: float | tuple[float, float]) -> tuple[float, str]:
    if isinstance(teacher, tuple):
        N_T, D_T = teacher
        loss = float(chosen.supervised.loss(N_T, D_T))
        return loss, describe_teacher(N_T, D_T, loss)
    loss, floor = (
        float(positive_array("predict", "L_T", teacher)),
        chosen.supervised.irreducible_loss,
    )
    if loss <= floor:
        raise InputError(
            f"predict: teacher loss = {loss:g} must be above the irreducible loss, {floor:g} nats"
        )
    return loss, describe_teacher(np.nan, np.nan, loss)


def setting_of(chosen: LawSet, N_S: float, D_S: float, L_T: float, floor: float) -> Setting:
    """Place a student and a teacher; `floor` is the least teacher loss that can be had."""
    knee = float(chosen.taught.knee(N_S, D_S))
    best = float(chosen.taught.best_teacher_loss(N_S, D_S))
    return Setting("capacity gap" if knee > L_T else "imitation", knee, best, best > floor)


def teacher_outside(chosen: LawSet, N_T: float, D_T: float) -> tuple[str, ...]:
    """Where a teacher whose loss the supervised law predicts lies outside the fitted ranges.

    The law is one for students and teachers, and so are the ranges of its runs; nan is a
    number that nobody needs.
    """
    known = {"N_S": N_T, "D_S": D_T}
    texts = chosen.outside(**{key: value for key, value in known.items() if value == value})
    return tuple(text.replace("N_S", "N_T").replace("D_S", "D_T") for text in texts)


def cautions(setting: Setting, L_T: float, outside: tuple[str, ...]) -> tuple[str, ...]:
    """Reasons for caution, each a clause of the advice."""
    notes = []
    if not setting.reachable:
        notes.append(
            f"the law's best teacher ({setting.best_teacher_loss:.3f} nats) is out of reach"
        )
    elif setting.best_teacher_loss > L_T + 0.005:
        notes.append(
            f"a weaker teacher ({setting.best_teacher_loss:.3f} nats) would teach it better"
        )
    if outside:
        notes.append("this is an extrapolation")
    return tuple(notes)


def interval_of(spread: Spread, name: str, level: float) -> tuple[float, float] | None:
    """Interval of a number, None if no draw has it."""
    return spread.interval(name, level) if name in spread.values else None


def draw_warnings(draws: LawDraws, spread: Spread) -> tuple[str, ...]:
    """What has to be said about the draws."""
    found = [draws.note] if draws.note else []
    if spread.impossible:
        asked = len(draws.laws) + draws.impossible
        found.append(f"{spread.impossible} of {asked} drawn laws are impossible and left out")
    return tuple(found)
