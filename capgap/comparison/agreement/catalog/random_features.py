"""2d: stages of random features."""

from dataclasses import replace
from math import inf

from capgap.comparison.agreement.catalog.asymptotic import asymptotic_chain
from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.spectrum import Stage, power_law
from capgap.theory.finite.ridge_chain import chain

__all__ = ["random_feature_configurations"]


def random_feature_configurations() -> tuple[Configuration, ...]:
    """Random features in the teacher, in the student, in both; more and fewer than samples."""
    power = power_law(16, 1.0, 1.5)
    teacher = Stage(16, 24, 0.05, 0.2, random_features=20)
    student = Stage(16, 20, 0.02, random_features=10)
    plain = Stage(10, 14, 0.03)
    over = Stage(16, 10, 0.0, random_features=24)
    narrow = Stage(10, 20, 0.03, random_features=8)
    return (
        asymptotic_chain(
            "both stages", "2d", power, [teacher, student],
            controls=(
                Control("student's features taken as all features", lambda: chain(
                    power, [teacher, replace(student, random_features=None)]).risk),
            ),
        ),
        asymptotic_chain(
            "both stages, random signs", "2d", power, [teacher, student], features="rademacher"
        ),
        asymptotic_chain("teacher only", "2d", power, [teacher, plain]),
        asymptotic_chain("student of a perfect teacher", "2d", power, [Stage(16, inf), student]),
        asymptotic_chain("no ridge, fewer samples", "2d", power, [Stage(16, inf), over]),
        asymptotic_chain("student sees a part", "2d", power, [teacher, narrow]),
    )  # fmt: skip
