"""Spectra and stages that the finite-sample tests draw from, and exact small oracles."""

from itertools import product
from math import inf

import numpy as np
from hypothesis import strategies as st

from capgap.spectrum import Spectrum, Stage, exponential, power_law

SPECTRA = {
    "power": power_law(12, 1.3, 1.6),
    "slow target": power_law(15, 1.1, 0.3),
    "exponential": exponential(8, 0.7, 0.9),
    "flat": Spectrum(np.ones(10), np.linspace(1.0, -0.8, 10)),
    "gaps": Spectrum([4.0, 2.0, 1.0, 0.5, 0.1], [1.0, 0.0, -2.0, 0.0, 3.0]),
    "one": Spectrum([2.0], [1.5]),
}


@st.composite
def spectra(draw: st.DrawFn, least: int = 1, most: int = 12) -> Spectrum:
    """Sorted eigenvalues over six decades, coefficients of any sign, zero included."""
    M = draw(st.integers(least, most))
    logs = draw(st.lists(st.floats(-3, 3), min_size=M, max_size=M))
    signs = draw(st.lists(st.floats(-2, 2), min_size=M, max_size=M))
    return Spectrum(10.0 ** np.array(sorted(logs, reverse=True)), np.round(signs, 6))


@st.composite
def stages(draw: st.DrawFn, M: int, *, random: bool = False, critical: bool = False) -> Stage:
    """Any width, samples from 1 to infinity, ridge zero or over six decades."""
    m = draw(st.integers(1, M))
    n: float = draw(st.integers(1, 60) | st.just(inf))
    ridge = draw(st.just(0.0) | st.floats(-4, 2).map(lambda x: 10.0**x))
    P = draw(st.integers(1, 40)) if random else None
    if ridge == 0 and not critical and n in {m, P}:
        ridge = 0.125
    return Stage(m, n, ridge, draw(st.floats(0, 2)), P)


def scaled(spectrum: Spectrum, units: float, labels: float) -> Spectrum:
    """Features measured in other units, labels too."""
    return Spectrum(spectrum.eigenvalues * units, spectrum.coefficients * labels / units**0.5)


def flipped(spectrum: Spectrum) -> Spectrum:
    """Every second basis function with the other sign."""
    signs = np.where(np.arange(spectrum.size) % 2, -1.0, 1.0)
    return Spectrum(spectrum.eigenvalues, signs * spectrum.coefficients)


# Three points match all moments of a standard normal up to the fifth, two those of a random
# sign; a step of SGD is a polynomial of degree at most 4 in its input.
GAUSSIAN_NODES = [(-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6)]
SIGN_NODES = [(-1.0, 0.5), (1.0, 0.5)]


def enumerated_sgd(
    spectrum: Spectrum, plan: list[tuple[int, int, float, float]], nodes: list[tuple[float, float]]
) -> list[float]:
    """Mean risk of each (features, steps, step size, noise), summed over all input sequences."""
    worlds = [(np.array(spectrum.coefficients), 1.0)]
    risks = []
    for m, steps, eta, noise in plan:
        mask = np.arange(spectrum.size) < m
        trained = [(np.zeros(spectrum.size), b, chance) for b, chance in worlds]
        for _ in range(steps):
            trained = [
                (w + eta * mask * x * (x @ (b - w) + e), b, chance * weight)
                for w, b, chance in trained
                for x, weight in _inputs(spectrum, nodes)
                for e, weight in [(noise**0.5, weight / 2), (-(noise**0.5), weight / 2)]
            ]
        worlds = [(w, chance) for w, _, chance in trained]
        off = [(w - spectrum.coefficients, chance) for w, chance in worlds]
        risks.append(float(sum(c * np.sum(spectrum.eigenvalues * d**2) for d, c in off)))
    return risks


def _inputs(spectrum: Spectrum, nodes: list[tuple[float, float]]) -> list[tuple[np.ndarray, float]]:
    root = np.sqrt(spectrum.eigenvalues)
    combined = product(nodes, repeat=spectrum.size)
    return [
        (root * np.array([x for x, _ in point]), float(np.prod([w for _, w in point])))
        for point in combined
    ]
