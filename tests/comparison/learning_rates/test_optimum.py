"""Optima of planted curves: exact for parabolas, within a stated error for others."""

import numpy as np
import pytest

from capgap.comparison.learning_rates.optimum import find_optima, rate_means

GRID = np.arange(6.0)


def test_parabolas_are_exact_wherever_they_lie() -> None:
    places = np.linspace(0.6, 4.4, 39)
    found = find_optima(0.01 * (GRID - places[:, None]) ** 2 + 0.5)
    np.testing.assert_allclose(found.position, places, atol=1e-9)
    np.testing.assert_array_equal(np.abs(found.index - places) <= 0.5 + 1e-9, True)
    assert not found.at_edge.any()


def test_lopsided_valleys_have_the_stated_error() -> None:
    """exp(x) - 1 - x: the vertex lies 0.2 to 0.6 steps to the left, as the docstring says."""
    places = np.linspace(1.6, 3.4, 19)
    for bend, depth in ((0.6, 0.1), (1.0, 0.03)):
        x = bend * (GRID - places[:, None])
        error = find_optima(depth * (np.exp(x) - 1 - x)).position - places
        assert np.all(error < -0.2)
        assert np.all(error > -0.6)
        assert np.ptp(error) < 0.26  # nearly the same everywhere: it cancels between sizes


def test_noise_is_that_of_least_squares_over_all_points() -> None:
    """Standard deviation of the vertex in a valley of 1.35% a squared step and 0.6% noise.

    Unweighted, to first order, sigma / (sqrt(17.5) 2 c) = 0.053 steps for six even points
    about the vertex; weights cost some of that. The best grid point is control: far noisier.
    """
    rng = np.random.default_rng(0)
    y = 0.0135 * (GRID - 2.5) ** 2 + 0.006 * rng.standard_normal((4000, 6))
    found = find_optima(y)
    assert 0.053 < found.position.std() < 0.08
    assert found.position.mean() == pytest.approx(2.5, abs=0.01)
    assert found.index.std() > 5 * found.position.std()


@pytest.mark.parametrize(
    ("y", "index"),
    [
        ([0.0, 1, 2, 3, 4, 5], 0),
        ([5.0, 4, 3, 2, 1, 0], 5),
        ([np.nan, np.nan, 0, 1, np.nan, np.nan], 2),
        ([0.9, 1.0, 0.4, 1.1, 0.9, 0.5], 2),  # bends downward
    ],
)
def test_no_parabola_is_told(y: list[float], index: int) -> None:
    found = find_optima(np.array(y), height=10.0)
    assert bool(found.at_edge)
    assert int(found.index) == float(found.position) == index


def test_an_optimum_beside_a_divergence_is_told() -> None:
    y = np.array([0.09, 0.03, 0.0, np.inf, np.inf, np.inf])
    found = find_optima(y)
    assert bool(found.at_edge)
    assert 1.5 < float(found.position) <= 2.0  # and never among the divergences


def test_points_without_a_value_are_left_out() -> None:
    y = 0.02 * (GRID - 2.2) ** 2
    y[[0, 4, 5]] = np.nan, np.inf, np.inf
    found = find_optima(y)
    assert float(found.position) == pytest.approx(2.2)
    assert not found.at_edge


def test_three_rates_are_enough() -> None:
    assert float(find_optima(np.array([1.0, 0.0, 1.0])).position) == 1.0


def test_means_are_plain_without_gaps() -> None:
    y = np.random.default_rng(1).standard_normal((6, 3))
    np.testing.assert_allclose(rate_means(y), y.mean(axis=1))


def test_means_with_gaps_are_of_the_additive_law() -> None:
    """y = m_r + b_s without noise: exact whatever is missing, while the plain mean is not."""
    m, b = np.array([1.0, 0.5, 0.7, 2.0]), np.array([-0.2, 0.0, 0.2])
    y = m[:, None] + b
    y[1, 2] = y[3, 0] = np.nan
    np.testing.assert_allclose(rate_means(y), m, atol=1e-12)
    assert np.abs(np.nanmean(y, axis=1) - m).max() > 0.05


def test_a_divergence_is_infinite_and_no_run_is_nan() -> None:
    y = np.array([[1.0, 2.0], [np.nan, np.nan], [1.0, np.inf]])
    np.testing.assert_allclose(rate_means(y), [1.5, np.nan, np.inf], rtol=1e-14)
