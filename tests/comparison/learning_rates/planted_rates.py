"""Sweeps of learning rates with a planted optimum."""

import math
from collections.abc import Callable

import numpy as np

from capgap.comparison.learning_rates.sweep import RateCell, RateSweep

RATES = 0.0025 * 2.0 ** np.arange(6)
DEPTHS = (2, 3, 4, 5)


def valley(steps: np.ndarray) -> np.ndarray:
    """Log loss above the minimum: parabola with 5% a squared step."""
    return 0.05 * steps**2


def lopsided(steps: np.ndarray) -> np.ndarray:
    """About the same at its minimum (curvature 0.1), with steep large rates."""
    return 0.1 * (np.exp(steps) - 1 - steps)


def sweep(
    power: float,
    *,
    noise: float = 0.004,
    shared: float = 0.01,
    best: float = 0.012,
    seed: int = 0,
    seeds: int = 3,
    shape: Callable[[np.ndarray], np.ndarray] = valley,
) -> RateSweep:
    """Best rate `best` x (width / 64)^power at every size; two kinds of noise in log loss.

    `shared` is a seed's at all rates, `noise` a run's own.
    """
    rng = np.random.default_rng(seed)
    cells = []
    for kind in ("supervised", "distilled"):
        for depth in DEPTHS:
            width = 16 * depth
            optimum = best * (width / 64) ** power
            bottom = math.log(2.0) - 0.2 * math.log(depth)
            curve = bottom + shape(np.log2(RATES / optimum))
            y = curve[:, None] + shared * rng.standard_normal(seeds)
            y = y + noise * rng.standard_normal((RATES.size, seeds))
            cells.append(RateCell(kind, 3_000 * depth**3, width, y))
    return RateSweep(RATES, tuple(range(seeds)), tuple(cells), 2**20, 64)
