"""2e: self-distillation on the same samples."""

import numpy as np

from capgap.comparison.agreement.catalog.asymptotic import REPLICATIONS, SCALES
from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.comparison.agreement.finite_size import (
    FloatArray,
    larger_spectrum,
    larger_stages,
)
from capgap.measurement.kernel import Sampled, sampled_self_distillation
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite.same_data import same_data
from capgap.theory.finite.self_distillation import RidgePath

__all__ = ["self_distillation_configurations"]


def self_distillation_configurations() -> tuple[Configuration, ...]:
    """Fixed inputs, where the mean over the noise is exact, and drawn inputs."""
    power = power_law(30, 1.0, 1.5)
    small = power_law(16, 1.0, 1.5)
    return (
        _fixed("ridge grows", power, 20, 40, 0.02, 0.2, 1.0),
        _fixed("ridge falls", power, 20, 40, 0.2, 0.02, 1.0, control=True),
        _fixed("half of the labels", power, 30, 25, 0.1, 0.1, 0.5),
        _fixed("beyond the teacher", power, 20, 40, 0.01, 0.01, 2.5),
        _drawn("drawn inputs", small, 16, 24, 0.05, 1.0),
        _drawn("drawn inputs, beyond the teacher", small, 10, 14, 0.02, 3.0),
    )


def _fixed(
    words: str,
    spectrum: Spectrum,
    m: int,
    n: int,
    ridge_T: float,
    ridge_S: float,
    mixing: float,
    control: bool = False,
) -> Configuration:
    noise = 0.3
    design = np.random.default_rng(n).standard_normal((n, spectrum.size))
    teacher, student = Stage(m, n, ridge_T, noise), Stage(m, n, ridge_S)

    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        return sampled_self_distillation(
            spectrum, teacher, student, mixing, design=design,
            replications=replications, seed=seed,
        )  # fmt: skip

    def theory() -> tuple[float, ...]:
        data = (spectrum, design, m, noise)
        return _mean_risk(*data, ridge_T, ridge_T, 0.0), _mean_risk(*data, ridge_T, ridge_S, mixing)

    def untaught() -> tuple[float, ...]:
        return theory()[0], _mean_risk(spectrum, design, m, noise, ridge_S, ridge_S, 0.0)

    wrong = Control("student fitted to the labels alone", untaught)
    return Configuration(
        name=f"2e {words}: m={m}, n={n}, ridges {ridge_T:g}, {ridge_S:g}, mixing {mixing:g}",
        model="2e",
        kind="exact",
        features="fixed inputs",
        theory=theory,
        simulate=simulate,
        replications=20000,
        controls=(wrong,) if control else (),
    )


def _mean_risk(
    spectrum: Spectrum,
    design: FloatArray,
    m: int,
    noise: float,
    ridge_T: float,
    ridge_S: float,
    mixing: float,
) -> float:
    """Mean over the label noise at fixed inputs: the student is linear in the labels."""
    scale = np.sqrt(spectrum.eigenvalues)
    X = (design * scale)[:, :m]

    def response(y: FloatArray) -> FloatArray:
        """Orthonormal coefficients of the student of these labels."""
        found = np.zeros(spectrum.size)
        found[:m] = RidgePath(X, y).student(ridge_T, ridge_S, mixing)
        return np.asarray(found * scale)

    bias = response(design @ spectrum.alpha) - spectrum.alpha
    spread = sum(float(np.sum(response(unit) ** 2)) for unit in np.eye(design.shape[0]))
    return float(np.sum(bias**2)) + noise * spread


def _drawn(
    words: str, spectrum: Spectrum, m: int, n: int, ridge: float, mixing: float
) -> Configuration:
    stages = [Stage(m, n, ridge, 0.3), Stage(m, n, ridge)]

    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        teacher, student = larger_stages(stages, scale)
        return sampled_self_distillation(
            larger_spectrum(spectrum, scale), teacher, student, mixing,
            replications=replications, seed=seed,
        )  # fmt: skip

    def theory() -> tuple[float, ...]:
        found = same_data(spectrum, *stages)
        return found.risk(0.0), found.risk(mixing)

    return Configuration(
        name=f"2e {words}: m={m}, n={n}, ridge {ridge:g}, mixing {mixing:g}",
        model="2e",
        kind="asymptotic",
        features="gaussian",
        theory=theory,
        simulate=simulate,
        replications=REPLICATIONS,
        scales=SCALES,
    )
