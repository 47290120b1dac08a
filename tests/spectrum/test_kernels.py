"""Kernels against their definitions, and the spectrum against the kernel it came from."""

from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.spectrum.kernels import (
    digits,
    kernel_basis,
    laplace_gram,
    rbf_gram,
    relu_ntk_gram,
)

GRAMS = {"rbf": rbf_gram, "laplace": laplace_gram, "ntk": relu_ntk_gram}


def points(seed: int, count: int = 20, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width))


def network_gradient(X: np.ndarray, a: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Gradient of f(x) = sqrt(2/P) sum_p a_p max(0, w_p . x) in all parameters, by hand."""
    P = a.size
    hidden = X @ W.T
    in_a = np.maximum(hidden, 0)
    in_W = ((hidden > 0) * a)[:, :, None] * X[:, None, :]
    return np.sqrt(2 / P) * np.concatenate([in_a, in_W.reshape(len(X), -1)], axis=1)


def wide_network_gram(X: np.ndarray, P: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    gradient = network_gradient(X, rng.standard_normal(P), rng.standard_normal((P, X.shape[1])))
    return gradient @ gradient.T


def test_tangent_kernel_is_that_of_a_wide_network() -> None:
    """Oracle: gradients of 200 000 random neurons; means of that many are 0.5% off at most."""
    X = points(1, count=6)
    found, sampled = relu_ntk_gram(X), wide_network_gram(X, 200_000)
    scale = np.sqrt(np.outer(np.diag(found), np.diag(found)))
    assert np.abs(found - sampled).max() < 0.015 * scale.max()
    # Negative control: the kernel of the last layer alone is not it.
    only_last = found - X @ X.T * (pi - np.arccos(np.clip(cosines(X), -1, 1))) / pi
    assert np.abs(only_last - sampled).max() > 0.2 * scale.max()


def cosines(X: np.ndarray) -> np.ndarray:
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


@given(st.sampled_from(sorted(GRAMS)), st.integers(0, 30))
def test_gram_matrices_are_symmetric_positive_and_as_between_two_sets(name: str, seed: int) -> None:
    X = points(seed, count=12)
    K = GRAMS[name](X)
    assert np.abs(K - K.T).max() <= 1e-14 * np.abs(K).max()
    assert np.linalg.eigvalsh(K).min() > -1e-12 * np.abs(K).max()
    # Rounding: a distance of 0 comes out as the root of 1e-16 between two copies.
    assert GRAMS[name](X, X.copy()) == pytest.approx(K, abs=1e-6 * np.abs(K).max())
    assert GRAMS[name](X[:3], X[5:]) == pytest.approx(K[:3, 5:], rel=1e-12, abs=1e-14)


def test_diagonals() -> None:
    X = points(2)
    assert np.array_equal(np.diag(rbf_gram(X)), np.ones(20))
    assert np.array_equal(np.diag(laplace_gram(X)), np.ones(20))
    assert np.diag(relu_ntk_gram(X)) == pytest.approx(2 * np.sum(X**2, axis=1), rel=1e-14)
    assert relu_ntk_gram(np.zeros((1, 3)), X).max() == 0


@given(st.sampled_from(sorted(GRAMS)), st.floats(-3, 3))
def test_kernels_do_not_change_when_inputs_are_rotated(name: str, angle: float) -> None:
    X = points(3, width=2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert GRAMS[name](X @ turn) == pytest.approx(GRAMS[name](X), abs=1e-7)


@given(st.sampled_from(sorted(GRAMS)), st.integers(0, 20))
def test_basis_gives_back_kernel_and_target(name: str, seed: int) -> None:
    X = points(seed)
    y = np.random.default_rng(seed + 100).standard_normal(20)
    K = GRAMS[name](X)
    basis = kernel_basis(K, y)
    phi, lam = basis.features, basis.spectrum.eigenvalues
    assert phi.T @ phi / 20 == pytest.approx(np.eye(phi.shape[1]), abs=1e-12)
    assert (phi * lam) @ phi.T == pytest.approx(K, abs=1e-12 * np.abs(K).max())
    assert np.all(np.diff(lam) <= 0)
    assert np.all(basis.spectrum.alpha >= 0)
    # What is not in the functions is the residual: Pythagoras.
    inside = float(np.sum(basis.spectrum.alpha**2))
    assert inside + basis.residual == pytest.approx(float(np.mean(y**2)), rel=1e-10)


def test_basis_of_few_modes_keeps_the_largest() -> None:
    y = np.sin(np.arange(20.0))
    full, part = (kernel_basis(rbf_gram(points(4)), y, modes=k) for k in (None, 5))
    assert part.spectrum.eigenvalues == pytest.approx(full.spectrum.eigenvalues[:5], rel=1e-14)
    left = float(np.sum(full.spectrum.alpha[5:] ** 2)) + full.residual
    assert part.residual == pytest.approx(left, rel=1e-10)


def test_ridge_on_the_features_is_kernel_ridge() -> None:
    """The same predictions: features and ridge of `Stage`, or the Gram matrix of a subset."""
    X, y = points(5, count=30), np.cos(np.arange(30.0))
    K = laplace_gram(X)
    basis = kernel_basis(K, y)
    some, ridge = np.arange(0, 30, 3), 0.05
    kernel = K[:, some] @ np.linalg.solve(K[np.ix_(some, some)] + 10 * ridge * np.eye(10), y[some])
    features = basis.features * np.sqrt(basis.spectrum.eigenvalues)
    rows = features[some]
    w = np.linalg.solve(rows.T @ rows / 10 + ridge * np.eye(30), rows.T @ y[some] / 10)
    assert features @ w == pytest.approx(kernel, abs=1e-11)


def test_digits_and_their_spectrum() -> None:
    pixels, labels = digits()
    assert pixels.min() == 0
    assert set(labels.tolist()) == {-1.0, 1.0}
    # 891 even digits of 1797: counted in the published test set.
    assert int(np.sum(labels > 0)) == 891
    basis = kernel_basis(relu_ntk_gram(pixels[:400]), labels[:400])
    lam, alpha = basis.spectrum.eigenvalues, basis.spectrum.alpha
    assert lam[0] > 10 * lam[1] > 10 * lam[40] > 0
    # Even against odd is learnable: more than half of it in a tenth of the functions.
    assert np.sum(alpha[:40] ** 2) > 0.5 * np.sum(alpha**2)


def test_digits_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("capgap.spectrum.kernels.import_module", refuse)
    with pytest.raises(InputError, match="pip install 'capgap\\[data\\]'"):
        digits()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rbf_gram([[1.0]], length=0.0), "length = 0 must be finite and > 0"),
        (lambda: laplace_gram([[1.0]], [[1.0, 2.0]]), "2 columns of Y must be 1"),
        (lambda: relu_ntk_gram([[np.nan]]), "must be finite"),
        (lambda: kernel_basis([[1.0, 2.0]], [1.0]), "must be finite and square"),
        (lambda: kernel_basis(np.eye(2), [1.0]), "target of shape"),
        (lambda: kernel_basis([[1.0, 0.5], [0.0, 1.0]], [1.0, 1.0]), "symmetric"),
        (lambda: kernel_basis([[1.0, 2.0], [2.0, 1.0]], [1.0, 1.0]), "must be >= 0"),
        (lambda: kernel_basis(np.eye(2), [1.0, 1.0], modes=3), "modes = 3 must be 1 .. 2"),
        (lambda: kernel_basis(np.zeros((2, 2)), [1.0, 1.0]), "modes = None must be 1 .. 0"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message.replace("..", r"\.\.")):
        call()
