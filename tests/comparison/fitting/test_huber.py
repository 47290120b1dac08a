"""The minimizer alone, on lines, whose answers are known from linear algebra and programs."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.optimize import linprog

from capgap.comparison.fitting import huber as module
from capgap.comparison.fitting.huber import gradient_norm, huber, minimize_huber, polish
from capgap.comparison.fitting.log_models import LogModel

RNG = np.random.default_rng(0)
BASIS = np.column_stack([np.ones(40), RNG.uniform(-1, 1, (40, 2))])
TRUTH = np.array([0.5, -1.0, 2.0])
Y = BASIS @ TRUTH + 0.1 * RNG.standard_t(2, 40)


@dataclass(frozen=True)
class Line(LogModel):
    """Log loss linear in its coordinates: least squares and least deviations have oracles."""

    basis: np.ndarray
    limits: tuple[float, float] = (-10.0, 10.0)

    names = ("a", "b", "c")

    @property
    def bounds(self) -> np.ndarray:
        return np.array([self.limits] * 3)

    def evaluate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x @ self.basis.T, np.broadcast_to(self.basis, (len(x), *self.basis.shape))

    def coefficients(self, x: np.ndarray) -> dict[str, float]:
        return dict(zip(self.names, x.tolist(), strict=True))

    def law(self, x):
        raise NotImplementedError

    def laws(self, x, supervised=None):
        raise NotImplementedError

    def starts(self, log_loss: np.ndarray) -> np.ndarray:
        return np.zeros((1, 3))

    def at(self, inputs: Mapping[str, np.ndarray]) -> "Line":
        return replace(self, basis=np.column_stack(list(inputs.values())))


LINE = Line(BASIS)


def test_huber_by_hand_and_per_run_thresholds() -> None:
    assert huber(np.array([0.5, -3.0, 3.0]), 1.0) == pytest.approx([0.125, 2.5, 2.5])
    both = huber(np.array([3.0, 3.0]), np.array([1.0, 4.0]))
    assert both == pytest.approx([2.5, 4.5])


def test_far_inside_delta_it_is_weighted_least_squares() -> None:
    """Oracle: numpy's lstsq, for 30 problems with their own targets and weights."""
    weights = RNG.uniform(0, 2, (30, 40))
    y = Y + RNG.standard_normal((30, 40))
    end = minimize_huber(LINE, y, weights, np.zeros((30, 3)), 100.0)
    assert end.converged.all()
    for x, t, w in zip(end.x, y, weights, strict=True):
        root = np.sqrt(w)
        expected = np.linalg.lstsq(BASIS * root[:, None], t * root)[0]
        np.testing.assert_allclose(x, expected, atol=1e-6)


@pytest.mark.parametrize("delta", [1e-4, 1e-7])
def test_far_below_the_noise_it_is_least_absolute_deviation(delta: float) -> None:
    """Oracle: the linear program of least absolute deviations, by scipy's HiGHS.

    Huber/delta lies between sum |r| - n delta/2 and sum |r| at every point, so the two minima
    differ by at most n delta/2.
    """
    n = len(Y)
    eye = np.eye(n)
    program = linprog(
        np.concatenate([np.zeros(3), np.ones(2 * n)]),
        A_eq=np.hstack([BASIS, eye, -eye]), b_eq=Y,
        bounds=[(None, None)] * 3 + [(0, None)] * (2 * n),
    )  # fmt: skip
    end = minimize_huber(LINE, Y, np.ones(n), np.zeros((1, 3)), delta)
    end = polish(LINE, Y, np.ones(n), end.x[0], delta)
    assert end.converged[0]
    assert end.objective[0] / delta <= program.fun * (1 + 1e-9)
    assert end.objective[0] / delta >= program.fun - n * delta / 2 - 1e-9
    assert gradient_norm(LINE, Y, np.ones(n), end.x, delta) < 1e-4
    # Negative control: a tenth of the noise beside the minimum the gradient has not vanished.
    assert gradient_norm(LINE, Y, np.ones(n), end.x + 0.01, delta) > 1e-2


def test_held_coordinates_satisfy_the_conditions_at_a_bound() -> None:
    """c = 2 may not exceed 1: it stays there, its slope outwards, the others' zero."""
    narrow = replace(LINE, limits=(-1.5, 1.0))
    for end in (
        minimize_huber(narrow, Y, np.ones(40), np.zeros((1, 3)), 0.05),
        polish(narrow, Y, np.ones(40), np.zeros(3), 0.05),
    ):
        assert end.converged[0]
        x = end.x[0]
        assert x[2] == pytest.approx(1.0, abs=1e-6)
        slope = BASIS.T @ np.clip(BASIS @ x - Y, -0.05, 0.05)
        assert slope[2] < -0.1
        # A step that promises 1e-10 of the objective (about 0.3) has a slope of 3e-5 at most.
        np.testing.assert_allclose(slope[:2], 0, atol=5e-5)


def test_results_depend_neither_on_threads_nor_on_the_batch(monkeypatch) -> None:
    weights = RNG.multinomial(40, np.full(40, 1 / 40), size=50).astype(float)
    starts = np.zeros((50, 3))
    whole = minimize_huber(LINE, Y, weights, starts, 0.02)
    monkeypatch.setattr(module, "_PIECE", 7 * 120)
    one = minimize_huber(LINE, Y, weights, starts, 0.02, workers=1)
    # Eight pieces in place of one: the order of summation inside numpy may differ.
    np.testing.assert_allclose(one.x, whole.x, rtol=1e-12)
    for workers in (2, 5, None):
        several = minimize_huber(LINE, Y, weights, starts, 0.02, workers=workers)
        np.testing.assert_array_equal(several.x, one.x)
        np.testing.assert_array_equal(several.objective, one.objective)
        np.testing.assert_array_equal(several.converged, one.converged)
    alone = minimize_huber(LINE, Y, weights[7], starts[:1], 0.02)
    np.testing.assert_allclose(alone.x[0], whole.x[7], rtol=1e-12)
    empty = minimize_huber(LINE, Y, weights[:0], starts[:0], 0.02)
    assert empty.x.shape == (0, 3)


def test_threads_inherit_the_error_state(monkeypatch) -> None:
    class Loud(Line):
        def evaluate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            np.exp(np.array([1e4]))
            return super().evaluate(x)

    monkeypatch.setattr(module, "_PIECE", 120)
    call = (Loud(BASIS), Y, np.ones(40), np.zeros((4, 3)), 0.02)
    with np.errstate(over="ignore"):
        minimize_huber(*call, workers=2)
    with pytest.raises(RuntimeWarning, match="overflow"):
        minimize_huber(*call, workers=2)


def test_memory_does_not_grow_with_the_batch() -> None:
    """6,000 problems on 240 runs: their Jacobians take 35 MB at once, each several times over.

    Traced peak beyond the inputs, two iterations; a piece needs about 20 MB at most.
    """
    model = Line(np.tile(BASIS, (6, 1)))
    starts = np.zeros((6000, 3))
    y = np.tile(Y, 6)
    tracemalloc.start()
    minimize_huber(model, y, np.ones(240), starts, 0.02, max_iterations=2, workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6
