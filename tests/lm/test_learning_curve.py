"""Slopes of noisy learning curves; oracles: closed forms, and numpy's own least squares."""

import json
import math

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.lm.learning_curve import EXPONENTS, LearningCurve, continued_slope

STEPS = np.geomspace(25.0, 100.0, 9)
COUNTS = np.arange(3.0, 12.0)


@pytest.mark.parametrize("b", EXPONENTS[1::4])
@pytest.mark.parametrize("at", [100.0, 125.0])
def test_exact_power_law_has_its_derivative(b: float, at: float) -> None:
    """-d/dn (E + B n^-b) = b B n^(-b-1); 1e-9 is for rounding in sums of the size of E."""
    slope = continued_slope(STEPS, 1.5 + 7.0 * STEPS**-b, COUNTS, 0.0, at)
    assert slope.value == pytest.approx(7.0 * b * at ** (-b - 1), rel=1e-9)
    assert slope.error < 1e-9


def test_logarithm_has_its_derivative() -> None:
    slope = continued_slope(STEPS, 3.0 - 0.2 * np.log(STEPS), COUNTS, 0.0, 120.0)
    assert slope.value == pytest.approx(0.2 / 120.0, rel=1e-9)


def test_average_over_exponents_is_that_of_weighted_least_squares_one_by_one() -> None:
    """Oracle: numpy's lstsq for each exponent, then the sums of the docstring in a loop."""
    noise = 0.05
    losses = 1.0 + 3.0 * STEPS**-0.4 + 0.03 * np.random.default_rng(3).standard_normal(9)
    root = np.sqrt(COUNTS)
    slopes, variances, misfits = [], [], []
    for b in EXPONENTS:
        u = np.log(STEPS / 120) if b == 0 else (1 - (STEPS / 120) ** -b) / b
        design = np.stack((np.ones(9), -u), axis=1) * root[:, None]
        found, misfit, *_ = np.linalg.lstsq(design, losses * root, rcond=None)
        slopes.append(found[1])
        variances.append(noise**2 * np.linalg.inv(design.T @ design)[1, 1])
        misfits.append(misfit[0] / noise**2)
    c, chi2 = np.array(slopes), np.array(misfits)
    scale = max(1.0, chi2.min() / 7)
    p = np.exp(-chi2 / 2 / scale)
    p /= p.sum()
    value = p @ c
    error = math.sqrt(p @ (scale * np.array(variances) + (c - value) ** 2))
    slope = continued_slope(STEPS, losses, COUNTS, noise**2, 120.0)
    assert slope.value == pytest.approx(value / 120, rel=1e-9)
    assert slope.error == pytest.approx(error / 120, rel=1e-9)


def _curve(seed: int, now: int = 1000, noise: float = 0.1) -> LearningCurve:
    """Losses of steps 20 to `now` - 1: 1 + 3 n^-0.45, with batch noise."""
    draws = noise * np.random.default_rng(seed).standard_normal(now)
    curve = LearningCurve()
    for step in range(20, now):
        curve.add(step, float(1 + 3 * step**-0.45 + draws[step]))
    return curve


def test_error_is_the_scatter_of_the_slope() -> None:
    """Truths drawn evenly from `EXPONENTS`: (value - truth) / error has mean square 1.

    The value is then the posterior mean, the error the posterior deviation. Of 400 numbers the
    root mean square is known to 0.035; S^2 >= 1 makes errors up to about 10% larger than needed.
    Hence [0.85, 1.1]. Errors that are 1.5 times off, the negative control, lie outside.
    """
    ratios = np.array([_ratio(seed) for seed in range(400)])
    spread = math.sqrt((ratios**2).mean())
    assert 0.85 < spread < 1.1
    assert not 0.85 < 1.5 * spread < 1.1
    assert not 0.85 < spread / 1.5 < 1.1


def _ratio(seed: int) -> float:
    rng = np.random.default_rng(seed)
    b = float(rng.choice(EXPONENTS))
    u = np.log(STEPS / 120) if b == 0 else (1 - (STEPS / 120) ** -b) / b
    counts = np.full(9, 20.0)
    losses = 2.0 - 0.3 * u + 0.1 / np.sqrt(counts) * rng.standard_normal(9)
    slope = continued_slope(STEPS, losses, counts, 0.01, 120.0)
    return (slope.value - 0.3 / 120) / slope.error


def test_noise_is_estimated_from_the_scatter_within_blocks() -> None:
    """Twice the noise, twice the error, to the few percent by which b is known less well."""
    one, two = (_curve(1, noise=s).slope(1000, 1000.0) for s in (0.5, 1.0))
    assert one is not None
    assert two is not None
    assert two.error / one.error == pytest.approx(2.0, rel=0.1)


def test_blocks_are_few_and_survive_json() -> None:
    """At most 4 a doubling; the same bits after a way through JSON."""
    curve = _curve(0, now=4096)
    state = curve.state()
    assert len(state) <= 4 * (math.log2(4096 / 20) + 1)
    again = LearningCurve()
    again.restore(json.loads(json.dumps(state)))
    assert again.slope(4096, 5000.0) == curve.slope(4096, 5000.0)
    assert again.state() == state


def test_older_losses_do_not_count() -> None:
    """What lies before a quarter of the steps, here nonsense, changes nothing."""
    clean, spoiled = _curve(0), _curve(0)
    for step in range(20, 200):
        spoiled.add(step, 50.0)
    assert spoiled.slope(1000, 1000.0) == clean.slope(1000, 1000.0)
    for step in range(300, 310):
        spoiled.add(step, 50.0)
    assert spoiled.slope(1000, 1000.0) != clean.slope(1000, 1000.0)


def test_too_few_losses_give_no_slope() -> None:
    curve = LearningCurve()
    assert curve.slope(10, 12.0) is None
    for step in range(4, 9):
        curve.add(step, 2.0)  # one a block: nothing to tell the noise by
    assert curve.slope(9, 12.0) is None


def test_one_place_does_not_make_a_curve() -> None:
    with pytest.raises(InputError, match="do not determine a curve"):
        continued_slope(np.ones(5), np.ones(5), np.ones(5), 1.0, 2.0)


def test_constant_losses_have_slope_zero() -> None:
    """Without noise, where all errors are rounding: no warning, no division by 0."""
    slope = continued_slope(STEPS, np.full(9, 2.0), COUNTS, 0.0, 100.0)
    assert abs(slope.value) < 1e-15
    assert 0 < slope.error < 1e-15
