"""C.1: bounded teacher and student with infinite data."""

from math import inf

import numpy as np

from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.comparison.agreement.finite_size import FloatArray
from capgap.measurement.kernel import Sampled, sampled_population
from capgap.spectrum import Spectrum, power_law
from capgap.theory.kernel.population import KernelPopulation, kernel_population
from capgap.theory.kernel.weighted import WeightedPopulation, weighted_population

__all__ = ["population_configurations"]

_SAMPLES = 2000  # of each stage; the error of first order is removed by its halves


def population_configurations() -> tuple[Configuration, ...]:
    """Teachers below, at and above the student, limits that bind and that do not."""
    falling = power_law(30, 0.0, 1.2)
    uniform = np.random.default_rng(0).uniform(-1, 1, 40)
    level = Spectrum(np.ones(40), uniform)
    no_student = Control("student's limit ignored", lambda: _theory(falling, 20, 10, 1.2, inf))
    exchanged = Control("limits exchanged", lambda: _theory(level, 35, 15, 1.4, 2.5))
    return (
        _configuration("smaller teacher", falling, 5, 10, 1.0, inf),
        _configuration("equal teacher, loose limits", falling, 10, 10, 9.0, 8.0),
        _configuration("larger teacher, no limit binds", falling, 20, 10, 9.0, inf),
        _configuration("larger teacher, its limit binds", falling, 20, 10, 1.2, inf),
        _configuration("larger teacher, both bind", falling, 20, 10, 1.2, 0.9, no_student),
        _configuration("random target, both bind", level, 35, 15, 2.5, 1.4, exchanged),
        *_weighted_configurations(),
    )


def _weighted_configurations() -> tuple[Configuration, ...]:
    """Norm of the kernel's own space, and the target whose student wants a teacher above it."""
    kernel = power_law(30, 1.0, 1.5)
    # The weights of the W-shaped curve; its rational instance is at a tie, where samples err
    # by 1/sqrt(N), hence other limits and as many samples as keep all draws off the tie.
    crooked, w = Spectrum(np.ones(3), np.array([1.0, 1.0, 2.0])), np.array([1.0, 4.0, 9.0])
    equal = Control(
        "teacher of the student's size as good", lambda: _theory(crooked, 2, 2, 0.8, 0.5, w)
    )
    own = 1 / kernel.eigenvalues
    return (
        _configuration("kernel norm", kernel, 20, 10, 1.5, inf, weights=own),
        _configuration("kernel norm, both bind", kernel, 20, 10, 2.0, 0.8, weights=own),
        _configuration(
            "larger teacher is better",
            crooked,
            3,
            2,
            0.8,
            0.5,
            equal,
            weights=w,
            samples=20000,
            replications=2000,
        ),
    )


def _theory(
    spectrum: Spectrum, m: int, n: int, T: float, D: float, weights: FloatArray | None = None
) -> tuple[float, ...]:
    errors: KernelPopulation | WeightedPopulation
    if weights is None:
        errors = kernel_population(spectrum.alpha, n, T, D)
    else:
        errors = weighted_population(spectrum.alpha, weights, n, T, D)
    return (
        float(errors.teacher_squared_error[m - 1]),
        float(errors.student_squared_error[m - 1]),
    )


def _configuration(
    words: str,
    spectrum: Spectrum,
    m: int,
    n: int,
    T: float,
    D: float,
    *controls: Control,
    weights: FloatArray | None = None,
    samples: int = _SAMPLES,
    replications: int = 400,
) -> Configuration:
    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        return sampled_population(
            spectrum, m, n, T, D, samples=samples * scale, weights=weights,
            replications=replications, seed=seed,
        )  # fmt: skip

    return Configuration(
        name=f"C.1 {words}: m={m}, n={n}, T={T:.3g}, D={D:.3g}",
        model="C.1",
        kind="exact",
        features="gaussian",
        theory=lambda: _theory(spectrum, m, n, T, D, weights),
        simulate=simulate,
        replications=replications,
        controls=controls,
    )
