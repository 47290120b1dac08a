"""2c: a ridge student of a perfect teacher."""

from math import inf

from capgap.comparison.agreement.catalog.asymptotic import asymptotic_chain
from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite.effective_capacity import capacity

__all__ = ["student_configurations"]


def student_configurations() -> tuple[Configuration, ...]:
    """Teachers below and above the student, which has more or fewer samples than features."""
    power = power_law(16, 1.0, 1.5)
    student, wide = Stage(8, 14, 0.03), Stage(12, 9, 0.01)
    return (
        _configuration("smaller teacher", power, 4, student),
        _configuration("larger teacher", power, 16, student, control=True),
        _configuration("larger teacher, random signs", power, 16, student, "rademacher"),
        _configuration("fewer samples than features", power, 16, wide),
        _configuration("noisy labels", power, 6, Stage(8, 14, 0.03, label_noise=0.2)),
    )


def _theory(spectrum: Spectrum, m: int, student: Stage) -> tuple[float, ...]:
    found = capacity(spectrum, student)
    return float(found.teacher_risk[m]), float(found.student_risk[m])


def _without_gamma(spectrum: Spectrum, m: int, student: Stage) -> tuple[float, ...]:
    teacher, risk = _theory(spectrum, m, student)
    tail = spectrum.tail(m)
    return teacher, tail + (risk - tail) * (1 - capacity(spectrum, student).gamma)


def _configuration(
    words: str,
    spectrum: Spectrum,
    m: int,
    student: Stage,
    features: str = "gaussian",
    control: bool = False,
) -> Configuration:
    wrong = Control("gamma ignored", lambda: _without_gamma(spectrum, m, student))
    return asymptotic_chain(
        f"{words}: m={m}, n={student.features}, n_S={student.samples:g}",
        "2c",
        spectrum,
        [Stage(m, inf), student],
        features=features,
        theory=lambda: _theory(spectrum, m, student),
        controls=(wrong,) if control else (),
    )
