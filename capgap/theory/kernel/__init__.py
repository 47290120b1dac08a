"""The capacity gap with infinite data: kernel regression with bounded norms, solved."""

from capgap.theory.kernel.capacity import KernelCapacity
from capgap.theory.kernel.exact import (
    EARLIER_IS_BETTER,
    LATER_IS_BETTER,
    W_SHAPE,
    Enclosure,
    RationalInstance,
    exact_student_errors,
)
from capgap.theory.kernel.gap import CapacityGap
from capgap.theory.kernel.lagrange import ellipsoid_multiplier
from capgap.theory.kernel.law import student_error_law, student_error_slope
from capgap.theory.kernel.minimizers import fit_in_ball
from capgap.theory.kernel.population import KernelPopulation, kernel_population
from capgap.theory.kernel.proof_slips import ExchangedCases, exchanged_cases
from capgap.theory.kernel.rotated import SubspacePopulation, rotated_basis, subspace_population
from capgap.theory.kernel.weak_to_strong import Gain, distillation_gain, noisy_teacher_gain
from capgap.theory.kernel.weighted import (
    WeightedPopulation,
    completing_coefficient,
    weighted_population,
)

__all__ = [
    "EARLIER_IS_BETTER",
    "LATER_IS_BETTER",
    "W_SHAPE",
    "CapacityGap",
    "Enclosure",
    "ExchangedCases",
    "Gain",
    "KernelCapacity",
    "KernelPopulation",
    "RationalInstance",
    "SubspacePopulation",
    "WeightedPopulation",
    "completing_coefficient",
    "distillation_gain",
    "ellipsoid_multiplier",
    "exact_student_errors",
    "exchanged_cases",
    "fit_in_ball",
    "kernel_population",
    "noisy_teacher_gain",
    "rotated_basis",
    "student_error_law",
    "student_error_slope",
    "subspace_population",
    "weighted_population",
]
