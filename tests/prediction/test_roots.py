"""The root finder against scipy's Brent and against roots known in closed form."""

import numpy as np
from scipy.optimize import brentq

from capgap.prediction.roots import find_roots


def test_against_brent() -> None:
    """100 cubics with one root each, tanh-steep and flat ones among them."""
    rng = np.random.default_rng(3)
    at, steep = rng.uniform(-4, 4, 100), 10 ** rng.uniform(-3, 3, 100)

    def f(row, x):
        u = x - at[row]
        return np.tanh(steep[row] * u) + 0.1 * u**3

    found = find_roots(f, np.full(100, -5.0), np.full(100, 6.0))
    oracle = [brentq(lambda x, i=i: f(i, x), -5, 6, xtol=1e-13) for i in range(100)]
    np.testing.assert_allclose(found, oracle, rtol=0, atol=3e-13)


def test_a_jump_is_found_too() -> None:
    found = find_roots(lambda row, x: np.where(x < 0.7, -1.0, 1.0), np.zeros(1), np.ones(1))
    np.testing.assert_allclose(found, 0.7, rtol=0, atol=2e-13)


def test_ends() -> None:
    """A root at an end, and no root: then the end nearer to zero."""
    zeros = np.zeros(3)
    offsets = np.array([0.0, 1.0, -3.0])
    found = find_roots(lambda row, x: x + offsets[row], zeros, zeros + 2)
    np.testing.assert_array_equal(found, [0.0, 0.0, 2.0])


def test_few_evaluations() -> None:
    """Newton-like: far fewer calls than the 46 halvings of [0, 5] to 1e-13."""
    calls = []

    def f(row, x):
        calls.append(len(row))
        return np.exp(x) - 3

    find_roots(f, np.zeros(5), np.full(5, 5.0))
    assert len(calls) < 20
