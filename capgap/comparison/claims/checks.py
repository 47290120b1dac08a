"""Numbers of the paper, beside its figure 8, that decide between values of B'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capgap.compute import ModelFamily
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import ScenarioName
from capgap.theory.law_set import Laws

__all__ = ["CHECKS", "Check", "compute_ratio", "least_budget", "teacher_of_least_loss"]


@dataclass(frozen=True, slots=True)
class Check:
    """A number the paper states or draws, and how a pair of laws gives it.

    `error` is how far the paper's number can be trusted: +-0.01 nat where it was read off a
    figure, a rounded fraction where it is a ratio of compute.
    """

    name: str
    unit: str
    paper: float
    error: float
    compute: Callable[[Laws, ModelFamily], float]


def least_budget(
    laws: Laws, family: ModelFamily, N_S: float, L: float, scenario: ScenarioName
) -> float:
    """Least FLOPs with which a student reaches loss L; inf if 1e30 are not enough.

    A grid of budgets between 1e17 and 1e30, three times refined, then linear in log-log.
    """
    ends = (np.log(1e17), np.log(1e30))
    for _ in range(3):
        log_C = np.linspace(*ends, 27)
        loss = allocate(
            laws, N_S, np.exp(log_C), scenario, family=family, tolerance=1e-5
        ).student_loss
        if loss[-1] > L:
            return float(np.inf)
        i = max(int(np.argmax(loss <= L)), 1)
        ends = (log_C[i - 1], log_C[i])
    part = np.log(loss[i - 1] / L) / np.log(loss[i - 1] / loss[i])
    return float(np.exp(ends[0] + part * (ends[1] - ends[0])))


def compute_ratio(
    laws: Laws, family: ModelFamily, N_S: float, L: float, scenario: ScenarioName
) -> float:
    """Compute to reach loss L with a teacher, over compute to reach it alone."""
    alone = least_budget(laws, family, N_S, L, "supervised")
    return least_budget(laws, family, N_S, L, scenario) / alone


def teacher_of_least_loss(laws: Laws, N_S: float, M: float = 20.0) -> float:
    """Size of the best teacher for a student, both at M tokens per parameter.

    Among teachers of 1e8 to 1e13 parameters; a capacity gap is visible in the paper's Fig. 4
    if this lies within its teachers, 198M to 7.75B.
    """
    assert laws.taught is not None
    N_T = np.geomspace(1e8, 1e13, 2001)
    loss = laws.taught.loss(N_S, M * N_S, laws.supervised.loss(N_T, M * N_T))
    return float(N_T[int(np.argmin(loss))])


def _best_case(N_S: float) -> Callable[[Laws, ModelFamily], float]:
    def loss(laws: Laws, family: ModelFamily) -> float:
        return float(allocate(laws, N_S, 1e20, "best", family=family).student_loss)

    return loss


def _best_teacher(N_S: float) -> Callable[[Laws, ModelFamily], float]:
    def loss(laws: Laws, family: ModelFamily) -> float:
        assert laws.taught is not None
        return float(laws.taught.best_teacher_loss(N_S, 250e9))

    return loss


def _isoflop(N_S: float) -> Callable[[Laws, ModelFamily], float]:
    def loss(laws: Laws, family: ModelFamily) -> float:
        assert laws.taught is not None
        L_T = laws.supervised.loss(7.75e9, 20 * 7.75e9)
        return float(laws.taught.loss(N_S, 3e19 / (3 * family.forward_flops(N_S)), L_T))

    return loss


def _ratio(
    N_S: float, L: float, scenario: ScenarioName = "inference"
) -> Callable[[Laws, ModelFamily], float]:
    return lambda laws, family: compute_ratio(laws, family, N_S, L, scenario)


def _rows(
    label: str, pairs: Sequence[tuple[str, float, float]],
    compute: Callable[[float], Callable[[Laws, ModelFamily], float]],
) -> tuple[Check, ...]:  # fmt: skip
    return tuple(
        Check(f"{label}, {size}", "nats", paper, 0.01, compute(N)) for size, N, paper in pairs
    )


CHECKS: tuple[Check, ...] = (
    *_rows(
        "Fig. 8, best case at 1e20 FLOPs",
        [("300M", 3e8, 2.425), ("1B", 1e9, 2.345), ("3B", 3e9, 2.36), ("10B", 1e10, 2.50)],
        _best_case,
    ),
    *_rows(
        "Fig. 7/15, best teacher loss at 250B tokens",
        [("10B", 1e10, 1.71), ("30B", 3e10, 1.455)],
        _best_teacher,
    ),
    *_rows(
        "IsoFLOP, teacher 7.75B, 3e19 FLOPs",
        [("198M", 198e6, 2.565), ("750M", 750e6, 2.495), ("1.5B", 1.5e9, 2.54)],
        _isoflop,
    ),
    Check("App. D.5, compute to reach 2.4, 500M", "ratio", 0.75, 0.06, _ratio(5e8, 2.4)),
    Check("App. D.5, compute to reach 2.2, 10B", "ratio", 0.5, 0.06, _ratio(1e10, 2.2)),
)
