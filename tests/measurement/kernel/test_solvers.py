"""Batched solvers against textbook ones."""

from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize

from capgap.errors import InputError
from capgap.measurement.kernel.backend import Backend, open_backend
from capgap.measurement.kernel.solvers import bounded_fit, ridge_fit

BACKENDS = ("numpy", "torch")
WEIGHT = np.array([2.0, 1.0, 0.5, 0.25, 0.1, 0.05])


def problem(backend: Backend, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.standard_normal((4, n, 6)), rng.standard_normal((4, n))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("n", [3, 6, 20])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_ridge_is_least_squares_on_stacked_rows(name: str, n: int, ridge: float) -> None:
    """Oracle: numpy's lstsq in w = u/sqrt(weight); rows sqrt(n ridge) I make the ridge."""
    backend = open_backend(name)
    Z, y = problem(backend, n)
    found = backend.back(ridge_fit(backend, *map(backend.array, (Z, y, WEIGHT)), ridge))
    for u, rows, labels in zip(found, Z, y, strict=True):
        X = np.vstack([rows * np.sqrt(WEIGHT), np.sqrt(n * ridge) * np.eye(6)])
        w = np.linalg.lstsq(X, np.append(labels, np.zeros(6)))[0]
        assert u == pytest.approx(w * np.sqrt(WEIGHT), abs=1e-8)


@pytest.mark.parametrize("name", BACKENDS)
def test_repeated_samples_get_the_fit_of_least_norm(name: str) -> None:
    """Random signs repeat among few samples: a singular system without a ridge."""
    backend = open_backend(name)
    Z, y = problem(backend, 4)
    Z[:, 3], y[:, 3] = Z[:, 0], y[:, 0]
    found = backend.back(ridge_fit(backend, *map(backend.array, (Z, y, WEIGHT)), 0.0))
    for u, rows, labels in zip(found, Z, y, strict=True):
        w = np.linalg.lstsq(rows * np.sqrt(WEIGHT), labels)[0]
        assert u == pytest.approx(w * np.sqrt(WEIGHT), abs=1e-9)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("bound", [0.1, 0.4, inf])
def test_bounded_fit_is_the_constrained_minimum(name: str, bound: float) -> None:
    """Oracle: scipy's SLSQP, whose own tolerance is 1e-6; and the norm, to rounding."""
    backend = open_backend(name)
    Z, y = problem(backend, 20)
    found = backend.back(bounded_fit(backend, *map(backend.array, (Z, y, WEIGHT)), bound))
    for u, rows, labels in zip(found, Z, y, strict=True):
        free = np.linalg.lstsq(rows, labels)[0]
        assert np.sqrt(np.sum(WEIGHT * u**2)) == pytest.approx(
            min(bound, np.sqrt(np.sum(WEIGHT * free**2))), rel=1e-11
        )
        limit = {"type": "ineq", "fun": lambda v: min(bound, 1e6) ** 2 - np.sum(WEIGHT * v**2)}
        best = minimize(
            lambda v, A=rows, b=labels: np.sum((b - A @ v) ** 2), np.zeros(6),
            constraints=[limit], method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        assert u == pytest.approx(best.x, abs=2e-5)


def test_bounded_fit_needs_samples() -> None:
    backend = open_backend("numpy")
    Z, y = problem(backend, 5)
    with pytest.raises(InputError, match="5 samples must be at least 6"):
        bounded_fit(backend, Z, y, WEIGHT, 1.0)


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("jax", "cpu", "must be 'numpy' or 'torch'"),
        ("numpy", "cuda", "must be 'cpu' for numpy"),
        ("torch", "no-such-device", "must be one that torch has"),
    ],
)
def test_backend_is_refused(name: str, device: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_backend(name, device)
