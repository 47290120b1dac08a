"""2a: least squares twice."""

from math import inf

from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.measurement.kernel import Sampled, sampled_least_squares_pair
from capgap.spectrum import Spectrum, exponential, power_law
from capgap.theory.finite.least_squares import least_squares_pair

__all__ = ["least_squares_configurations"]


def least_squares_configurations() -> tuple[Configuration, ...]:
    """Teachers of all sizes against the student, perfect and over-fitting ones among them."""
    power, steep = power_law(60, 1.2, 1.6), exponential(40, 0.1, 0.15)
    late = power_law(60, 1.2, 0.5)
    return (
        _configuration("equal sizes", power, 10, 10, 60, 40, 0.1),
        _configuration("smaller teacher", power, 5, 15, 60, 40, 0.1),
        _configuration(
            "larger teacher", power, 30, 10, 80, 25, 0.1,
            Control("slope theta 5% too large", lambda: _steeper(power, 30, 10, 80, 25, 0.1)),
        ),
        _configuration(
            "perfect teacher", late, 60, 10, inf, 30, 0.0,
            Control("slope theta 5% too large", lambda: _steeper(late, 60, 10, inf, 30, 0.0)),
        ),
        _configuration("exponential spectrum", steep, 20, 8, 50, 20, 0.2),
        _configuration(
            "over-fitting teacher", power, 40, 10, 60, 60, 1.0,
            Control(
                "n samples instead of n - 1 left to spread",
                lambda: _large_sample(power, 40, 10, 60, 60, 1.0),
            ),
        ),
        _configuration("few samples for both", power, 20, 12, 30, 20, 0.05),
    )  # fmt: skip


def _theory(
    spectrum: Spectrum, m: int, n: int, n_T: float, n_S: float, noise: float
) -> tuple[float, ...]:
    pair = least_squares_pair(spectrum, m, n, n_T, n_S, noise)
    return float(pair.teacher_risk), float(pair.student_risk)


def _steeper(
    spectrum: Spectrum, m: int, n: int, n_T: float, n_S: float, noise: float
) -> tuple[float, ...]:
    """The pair with 1.05 theta: the student of infinitely many samples has theta = 0."""
    teacher, student = _theory(spectrum, m, n, n_T, n_S, noise)
    flat = _theory(spectrum, m, n, n_T, inf, noise)[1]
    return teacher, flat + 1.05 * (student - flat)


def _large_sample(
    spectrum: Spectrum, m: int, n: int, n_T: float, n_S: float, noise: float
) -> tuple[float, ...]:
    """Asymptotic spreads, 1/(n - m): what one more sample would give exactly."""
    return _theory(spectrum, m, n, n_T + 1, n_S + 1, noise)


def _configuration(
    words: str,
    spectrum: Spectrum,
    m: int,
    n: int,
    n_T: float,
    n_S: float,
    noise: float,
    *controls: Control,
) -> Configuration:
    def simulate(scale: int, replications: int, seed: int) -> Sampled:
        return sampled_least_squares_pair(
            spectrum, m, n, n_T, n_S, noise, replications=replications, seed=seed
        )

    return Configuration(
        name=f"2a {words}: m={m}, n={n}, n_T={n_T:g}, n_S={n_S:g}, noise={noise:g}",
        model="2a",
        kind="exact",
        features="gaussian",
        theory=lambda: _theory(spectrum, m, n, n_T, n_S, noise),
        simulate=simulate,
        replications=20000,
        controls=controls,
    )
