"""Who pays for the teacher: the scenarios of compute-optimal distillation, and their limits."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal, get_args

from capgap.errors import InputError
from capgap.theory.law_set import Laws, LawSet

__all__ = [
    "SCENARIOS",
    "Costs",
    "Limits",
    "ScenarioName",
    "costs",
    "default_budgets",
    "default_limits",
]

ScenarioName = Literal["supervised", "best", "inference", "pretraining", "both"]
SCENARIOS: tuple[ScenarioName, ...] = get_args(ScenarioName)
_SHARES = {"best": (0.0, 0.0), "inference": (1.0, 0.0), "pretraining": (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Costs:
    """Shares of the teacher's cost that one student's budget bears, each from 0 to 1.

    FLOPs = 3 F(N_S) D_S + F(N_T) (d_Lgt D_S + 3 d_Pre D_T), Busbridge et al.,
    arXiv 2502.08606, section 5. The paper's shares are 0 or 1; K students of one teacher bear
    d_Pre = 1/K each.
    """

    d_Lgt: float
    d_Pre: float

    def __post_init__(self) -> None:
        for name in ("d_Lgt", "d_Pre"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"Costs: {name} = {getattr(self, name):g} must be in [0, 1]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What can be had at all: N_T and D_T of a teacher, D_S of a student.

    The defaults are the paper's bounds of its optimization (appendix D): 1e6 to 1e17 for
    every quantity. Text is finite: set D_S and D_T to what there is.
    """

    N_T: tuple[float, float] = (1e6, 1e17)
    D_T: tuple[float, float] = (1e6, 1e17)
    D_S: float = 1e17

    def __post_init__(self) -> None:
        for name in ("N_T", "D_T"):
            low, high = getattr(self, name)
            if not (isfinite(high) and 0 < low <= high):
                raise InputError(f"Limits: {name} = ({low:g}, {high:g}) must be 0 < low <= high")
        if not (isfinite(self.D_S) and self.D_S >= 1):
            raise InputError(f"Limits: D_S = {self.D_S:g} must be finite and >= 1 token")


def costs(scenario: ScenarioName, students: float = 1, *, shared_outputs: bool = False) -> Costs:
    """Shares of a scenario when `students` students of one size have one teacher.

    Each pays its own training and 1/students of the teacher's pretraining; of the teacher's
    inference too when they are trained on the same tokens (`shared_outputs`), otherwise all
    of it.

    Raises
    ------
    InputError
        The scenario has no teacher or is unknown, or `students` < 1.

    Examples
    --------
    >>> costs("both", students=4)
    Costs(d_Lgt=1.0, d_Pre=0.25)
    """
    if scenario not in SCENARIOS or scenario == "supervised":
        raise InputError(
            f"costs: scenario = {scenario!r} must be one of {', '.join(SCENARIOS[1:])}"
        )
    if not (isfinite(students) and students >= 1):
        raise InputError(f"costs: students = {students:g} must be finite and >= 1")
    d_Lgt, d_Pre = _SHARES.get(scenario, (1.0, 1.0))
    return Costs(d_Lgt / (students if shared_outputs else 1), d_Pre / students)


def default_limits(chosen: LawSet | Laws) -> Limits:
    """The paper's limits, widened for laws of smaller models than the paper's.

    Their lower ends come down to a hundredth of the smallest student and of the fewest
    tokens that the laws were fitted to, where that is below the paper's 1e6.

    >>> from capgap.theory.coefficients import law_set
    >>> default_limits(law_set()) == Limits()
    True
    """
    usual = Limits()
    if not isinstance(chosen, LawSet):
        return usual
    N, D = (chosen.fitted.get(name, (inf, inf))[0] / 100 for name in ("N_S", "D_S"))
    return Limits(
        N_T=(min(usual.N_T[0], N), usual.N_T[1]), D_T=(min(usual.D_T[0], D), usual.D_T[1])
    )


def default_budgets(chosen: LawSet | Laws) -> tuple[float, float]:
    """FLOPs among which thresholds are sought: 1e17 to 1e32, from lower for smaller models.

    The lower end comes down to a tenth of the training of the smallest fitted student on the
    fewest fitted tokens.

    >>> from capgap.theory.coefficients import law_set
    >>> default_budgets(law_set())
    (1e+17, 1e+32)
    """
    low, high = 1e17, 1e32
    if isinstance(chosen, LawSet) and {"N_S", "D_S"} <= chosen.fitted.keys():
        forward = float(chosen.family.forward_flops(chosen.fitted["N_S"][0]))
        low = min(low, 0.3 * forward * chosen.fitted["D_S"][0])
    return low, high
