"""Distillation with finite samples: chains of regressions whose risks are known."""

from capgap.theory.finite.assistants import AssistantScan, best_assistant, samples_for_assistant
from capgap.theory.finite.effective_capacity import Capacity, capacity
from capgap.theory.finite.kappa import Kappa, Regime, implicit_ridge
from capgap.theory.finite.least_squares import (
    BestTeacher,
    Pair,
    best_teacher_size,
    hinge,
    least_squares_pair,
    student_beats_teacher_above,
    student_risk_of,
    theta,
    weak_slope,
)
from capgap.theory.finite.phase import (
    Phases,
    critical_theta,
    phases,
    samples_for_larger_teacher,
)
from capgap.theory.finite.power_law_student import PowerLawStudent
from capgap.theory.finite.ridge_chain import ChainResult, chain, least_squares_chain
from capgap.theory.finite.same_data import SameData, same_data
from capgap.theory.finite.self_distillation import Mixing, RidgePath, best_mixing
from capgap.theory.finite.sgd import (
    SgdStage,
    largest_step_size,
    sgd_chain,
    sgd_pair,
    stability,
    stationary_risk,
)

__all__ = [
    "AssistantScan",
    "BestTeacher",
    "Capacity",
    "ChainResult",
    "Kappa",
    "Mixing",
    "Pair",
    "Phases",
    "PowerLawStudent",
    "Regime",
    "RidgePath",
    "SameData",
    "SgdStage",
    "best_assistant",
    "best_mixing",
    "best_teacher_size",
    "capacity",
    "chain",
    "critical_theta",
    "hinge",
    "implicit_ridge",
    "largest_step_size",
    "least_squares_chain",
    "least_squares_pair",
    "phases",
    "same_data",
    "samples_for_assistant",
    "samples_for_larger_teacher",
    "sgd_chain",
    "sgd_pair",
    "stability",
    "stationary_risk",
    "student_beats_teacher_above",
    "student_risk_of",
    "theta",
    "weak_slope",
]
