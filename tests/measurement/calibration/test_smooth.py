"""Smooth ECE against the kernel summed directly over its reflections."""

import numpy as np
import pytest
from scipy.integrate import quad

from capgap.errors import InputError
from capgap.measurement.calibration import ResidualGrid, smooth_ece


def direct(c: np.ndarray, o: np.ndarray, sigma: float, points: int = 20_001) -> float:
    """Oracle: reflected Gaussians on a fine grid of t, trapezoids."""
    t = np.linspace(0, 1, points)[:, None]
    kernel = sum(
        np.exp(-((t - image - 2 * m) ** 2) / (2 * sigma**2))
        for m in range(-3, 4)
        for image in (c, -c)
    ) / (sigma * np.sqrt(2 * np.pi))
    return float(np.trapezoid(np.abs(np.asarray(kernel) @ (o - c)) / c.size, t[:, 0]))


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.5])
def test_smoothed_residual_is_that_of_reflected_gaussians(sigma: float) -> None:
    """Grid error (h / sigma)^2 / 8 of the curvature: 1e-3 of the value is allowed."""
    rng = np.random.default_rng(0)
    c = np.concatenate([rng.random(40), [0.0, 1.0, 1.0]])
    o = (rng.random(43) < c**2).astype(float)
    assert smooth_ece(c, o, sigma=sigma).value == pytest.approx(direct(c, o, sigma), rel=1e-3)


def test_kernel_conserves_residuals_of_one_sign() -> None:
    """All residuals positive: the integral is their mean, whatever sigma."""
    c = np.random.default_rng(1).random(50)
    for sigma in (0.0, 0.01, 0.3, 5.0):
        assert smooth_ece(c, np.ones(50), sigma=sigma).value == pytest.approx(
            float(np.mean(1 - c)), rel=1e-9
        )


def test_value_is_its_own_width() -> None:
    rng = np.random.default_rng(2)
    c = rng.random(500)
    o = (rng.random(500) < c**1.5).astype(float)
    found = smooth_ece(c, o)
    assert found.value == pytest.approx(found.sigma, abs=1e-8)
    assert found.value == pytest.approx(direct(c, o, found.sigma), rel=1e-3)


def test_error_falls_with_width() -> None:
    rng = np.random.default_rng(3)
    c = rng.random(200)
    grid = ResidualGrid.of(c, rng.random(200) < c)
    errors = [grid.error(sigma) for sigma in (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)]
    assert (np.diff(errors) <= 1e-15).all()
    assert errors[0] > 2 * errors[3]


def test_known_miscalibration() -> None:
    """Reference c^2, uniform: residual c^2 - c has one sign, so its mean 1/6 stays."""
    c = (np.arange(10_000) + 0.5) / 10_000
    assert smooth_ece(c, c**2).value == pytest.approx(quad(lambda x: x - x * x, 0, 1)[0], abs=1e-6)


def test_identical_reference_is_zero() -> None:
    c = np.random.default_rng(4).random(99)
    assert (smooth_ece(c, c).value, smooth_ece(c, c).sigma) == (0.0, 0.0)


def test_small_moves_of_confidence_move_it_little() -> None:
    """Where bins jump: confidences at an edge, a little below or above it."""
    o = [0, 1] * 50
    values = [smooth_ece([0.5 + d, 0.5 - d] * 50, o).value for d in (-1e-6, 1e-6)]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_grids_of_parts_add_up() -> None:
    rng = np.random.default_rng(5)
    c, o = rng.random(300), rng.integers(0, 2, 300)
    parts = ResidualGrid.of(c[:100], o[:100]) + ResidualGrid.of(c[100:], o[100:])
    assert parts.solve().value == pytest.approx(smooth_ece(c, o).value, rel=1e-9)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="0 predictions"):
        smooth_ece([], [])
    with pytest.raises(InputError, match="sigma = -1"):
        smooth_ece([0.5], [1], sigma=-1)
    with pytest.raises(InputError, match="cells = 0"):
        smooth_ece([0.5], [1], cells=0)
    with pytest.raises(InputError, match="as many cells"):
        ResidualGrid.of([0.5], [1], 8) + ResidualGrid.of([0.5], [1], 16)
