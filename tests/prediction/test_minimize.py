"""The minimizer on functions whose minimum is known."""

import numpy as np
import pytest

from capgap.prediction.minimize import minimize_on_boxes


def box(rows: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((rows, dims), -3.0), np.full((rows, dims), 4.0)


@pytest.mark.parametrize("stretch", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("angle", [0.1, 0.7, 1.1])
def test_narrow_slanted_valleys(stretch: float, angle: float) -> None:
    """cosh along the valley, `stretch` times a square across it: 0 at (.3, .2)."""
    cos, sin = np.cos(angle), np.sin(angle)

    def valley(row, x):
        a, b = x[..., 0] - 0.3, x[..., 1] - 0.2
        return np.cosh(cos * a + sin * b) + stretch * (cos * b - sin * a) ** 2

    found = minimize_on_boxes(valley, *box(1, 2))
    np.testing.assert_allclose(found.x[0], [0.3, 0.2], atol=1e-5)
    np.testing.assert_allclose(found.value, 1.0, rtol=1e-11)


def test_a_curved_valley() -> None:
    """Rosenbrock's, 100 times as steep: 0 at (1, 1)."""

    def banana(row, x):
        return (1 - x[..., 0]) ** 2 + 1e4 * (x[..., 1] - x[..., 0] ** 2) ** 2

    found = minimize_on_boxes(banana, *box(1, 2))
    np.testing.assert_allclose(found.x[0], [1, 1], atol=1e-6)


def test_the_lower_of_many_minima() -> None:
    """A cosine of period 1.1 in a bowl around the center of each row: of its 49
    minima in the box the lowest is the one nearest to the center."""
    centers = np.random.default_rng(1).uniform(-2, 3, size=(50, 2))

    def egg_box(row, x):
        u = x - centers[row][:, None]
        return np.sum(0.5 * u**2 - np.cos(2 * np.pi * u / 1.1), axis=-1)

    found = minimize_on_boxes(egg_box, *box(50, 2))
    np.testing.assert_allclose(found.x, centers, atol=1e-6)
    np.testing.assert_allclose(found.value, -2, rtol=1e-13)


def test_minima_on_edges_and_in_corners() -> None:
    """A slope: the corner. A slope along one axis and a square along the other: the edge."""

    def corner_then_edge(row, x):
        first = x[..., 0] + x[..., 1]
        second = -x[..., 0] + (x[..., 1] - 0.5) ** 2
        return np.where((row == 0)[:, None], first, second)

    found = minimize_on_boxes(corner_then_edge, *box(2, 2))
    np.testing.assert_array_equal(found.x[0], [-3, -3])
    assert found.x[1, 0] == 4
    np.testing.assert_allclose(found.x[1, 1], 0.5, atol=1e-6)


def test_a_kink_and_a_wall() -> None:
    """|x - .3|, with no value below .1 in the second row: there the wall is beside the kink."""

    def kink(row, x):
        wall = np.array([-np.inf, 0.1])[row][:, None]
        return np.where(x[..., 0] < wall, np.inf, np.abs(x[..., 0] - 0.3))

    found = minimize_on_boxes(kink, *box(2, 1), points=20)
    np.testing.assert_allclose(found.x[:, 0], 0.3, atol=3e-9)
    assert np.all(found.half_width <= 3e-9)


def test_plateaus_sides_of_no_width_and_nothing_finite() -> None:
    low, high = np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]])
    found = minimize_on_boxes(lambda row, x: (x[..., 0] - 0.25) ** 2 + x[..., 1], low, high)
    np.testing.assert_allclose(found.x[0], [0.25, 2.0], atol=1e-7)
    flat = minimize_on_boxes(lambda row, x: np.maximum(x[..., 0], 0.5), low, high)
    assert flat.value == 0.5
    none = minimize_on_boxes(lambda row, x: np.full(x.shape[:-1], np.inf), low, high)
    assert none.value == np.inf


def test_rows_do_not_see_each_other() -> None:
    centers = np.linspace(-2, 3, 400)

    def bowl(row, x):
        return np.sum((x - centers[row][:, None, None]) ** 4 + x**2, axis=-1)

    together = minimize_on_boxes(bowl, *box(400, 2))
    for i in (0, 123, 399):
        alone = minimize_on_boxes(lambda row, x, i=i: bowl(row + i, x), *box(1, 2))
        np.testing.assert_array_equal(alone.x[0], together.x[i])
