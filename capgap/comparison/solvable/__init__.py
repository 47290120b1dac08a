"""The laws of distillation put to models whose answer is known, and a law derived from them."""

from capgap.comparison.solvable.capacity import student_excess, unlearned
from capgap.comparison.solvable.capacity_form import CapacityForm
from capgap.comparison.solvable.laws import LAWS, fit_by_name
from capgap.comparison.solvable.models import (
    SETTINGS,
    Setting,
    SolvableRuns,
    solvable_runs,
    tail_spectrum,
)
from capgap.comparison.solvable.resolution import random_resolution, resolution
from capgap.comparison.solvable.scores import Score, score_law, spread_at_equal_teachers
from capgap.comparison.solvable.spectral_form import SpectralForm

__all__ = [
    "LAWS",
    "SETTINGS",
    "CapacityForm",
    "Score",
    "Setting",
    "SolvableRuns",
    "SpectralForm",
    "fit_by_name",
    "random_resolution",
    "resolution",
    "score_law",
    "solvable_runs",
    "spread_at_equal_teachers",
    "student_excess",
    "tail_spectrum",
    "unlearned",
]
