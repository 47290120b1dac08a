"""Real kernels on real data: Gram matrices, and the spectrum that they give."""

from dataclasses import dataclass
from importlib import import_module
from math import isfinite

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.spectrum.spectrum import FloatArray, Spectrum

__all__ = [
    "KernelBasis",
    "digits",
    "kernel_basis",
    "laplace_gram",
    "rbf_gram",
    "relu_ntk_gram",
]

_ROUNDING = 4 * np.finfo(np.float64).eps  # of the largest eigenvalue, for every row


def rbf_gram(
    X: npt.ArrayLike, Y: npt.ArrayLike | None = None, *, length: float = 1.0
) -> FloatArray:
    r"""Return :math:`k(x, y) = \exp(-\lVert x - y \rVert^2 / (2\, length^2))`.

    Parameters
    ----------
    X, Y : array_like, shapes (N, d) and (K, d)
        Rows are inputs; Y is X by default.
    length : float
        > 0, in the inputs' unit.

    Returns
    -------
    array, shape (N, K)

    Raises
    ------
    InputError
        Inputs that are not finite or of different widths, or length is not > 0.

    Examples
    --------
    >>> bool(np.isclose(rbf_gram([[0.0]], [[2.0]])[0, 0], np.exp(-2)))
    True
    """
    _check_length("rbf_gram", length)
    return np.exp(-_square_distances(*_pair("rbf_gram", X, Y)) / (2 * length**2))


def laplace_gram(
    X: npt.ArrayLike, Y: npt.ArrayLike | None = None, *, length: float = 1.0
) -> FloatArray:
    r"""Return :math:`k(x, y) = \exp(-\lVert x - y \rVert_2 / length)`; see `rbf_gram`.

    Examples
    --------
    >>> bool(np.isclose(laplace_gram([[0.0, 0.0]], [[3.0, 4.0]])[0, 0], np.exp(-5)))
    True
    """
    _check_length("laplace_gram", length)
    return np.exp(-np.sqrt(_square_distances(*_pair("laplace_gram", X, Y))) / length)


def relu_ntk_gram(X: npt.ArrayLike, Y: npt.ArrayLike | None = None) -> FloatArray:
    r"""Neural tangent kernel of a wide two-layer ReLU network without biases.

    With :math:`\theta` the angle between x and y,

    .. math:: k(x, y) = x \cdot y\, \kappa_0 + \lVert x \rVert \lVert y \rVert \kappa_1
    .. math:: \kappa_0 = \frac{\pi - \theta}{\pi}, \qquad
              \kappa_1 = \frac{\sin\theta + (\pi - \theta) \cos\theta}{\pi}

    the mean of :math:`\nabla f(x) \cdot \nabla f(y)` over standard normal parameters of
    :math:`f(x) = \sqrt{2/P} \sum_p a_p \max(0, w_p \cdot x)`: the first term from w, the second
    from a.

    Parameters
    ----------
    X, Y : array_like, shapes (N, d) and (K, d)
        Rows are inputs; Y is X by default. A zero row has k = 0 with all others.

    Returns
    -------
    array, shape (N, K)

    Raises
    ------
    InputError
        Inputs that are not finite or of different widths.

    Notes
    -----
    Cho and Saul 2009 (arc-cosine kernels of order 0 and 1); Jacot et al. 2018, arXiv
    1806.07572.

    Examples
    --------
    Parallel inputs: twice their product. Orthogonal ones: product of norms over pi.

    >>> bool(np.isclose(relu_ntk_gram([[1.0, 0.0]], [[3.0, 0.0]])[0, 0], 6.0))
    True
    >>> bool(np.isclose(relu_ntk_gram([[1.0, 0.0]], [[0.0, 2.0]])[0, 0], 2 / np.pi))
    True
    """
    left, right = _pair("relu_ntk_gram", X, Y)
    norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    dot = left @ right.T
    cosine = np.clip(np.divide(dot, norms, out=np.zeros_like(dot), where=norms > 0), -1, 1)
    if left is right:
        # The angle is the root of what rounding leaves of 1 - cosine.
        np.fill_diagonal(cosine, 1.0)
    theta = np.arccos(cosine)
    rest = (np.pi - theta) / np.pi
    return np.asarray(dot * rest + norms * (np.sqrt(1 - cosine**2) / np.pi + rest * cosine))


@dataclass(frozen=True, slots=True)
class KernelBasis:
    """A kernel on N inputs as independent features.

    Attributes
    ----------
    spectrum : Spectrum
        Eigenvalues, falling, and the target's coefficients; `alpha` is >= 0, which fixes the
        signs of the functions.
    features : array, shape (N, M)
        Orthonormal functions at the inputs: mean squares are 1, mean products 0.
    residual : float
        Mean square of what the functions kept leave of the target.
    """

    spectrum: Spectrum
    features: FloatArray
    residual: float


def kernel_basis(
    gram: npt.ArrayLike, target: npt.ArrayLike, modes: int | None = None
) -> KernelBasis:
    r"""Eigen-decomposition of a kernel on given inputs, and of a target on them.

    .. math:: \frac1N K \phi_i = \lambda_i \phi_i, \quad \frac1N \phi_i \cdot \phi_j = \delta_{ij},
              \quad \alpha_i = \frac1N \phi_i \cdot y

    Kernel ridge regression on some of the inputs is the ridge regression of `Stage` on the
    features :math:`\sqrt{\lambda_i} \phi_i`.

    Parameters
    ----------
    gram : array_like, shape (N, N)
        Symmetric, positive semi-definite to rounding.
    target : array_like, shape (N,)
        Labels y.
    modes : int, optional
        How many functions to keep, the largest first; by default all that are not rounding.

    Returns
    -------
    KernelBasis

    Raises
    ------
    InputError
        The matrix is not square, symmetric, finite or positive semi-definite, or the target
        or modes do not belong to it.

    Examples
    --------
    Two inputs with k = 2 on and 1 off the diagonal: functions (1, 1) and (1, -1).

    >>> basis = kernel_basis([[2.0, 1.0], [1.0, 2.0]], [5.0, 1.0])
    >>> basis.spectrum.eigenvalues.round(12).tolist(), basis.spectrum.alpha.round(12).tolist()
    ([1.5, 0.5], [3.0, 2.0])
    """
    K, y = _checked(gram, target)
    N = y.size
    values, vectors = np.linalg.eigh(K / N)
    values, vectors = values[::-1], vectors[:, ::-1]
    floor = _ROUNDING * N * max(values[0], 0.0)
    if values[-1] < -floor:
        raise InputError(f"kernel_basis: eigenvalue {values[-1]:.3g} must be >= 0 to rounding")
    usable = int(np.sum(values > floor))
    if usable == 0 or (modes is not None and not 1 <= modes <= usable):
        raise InputError(f"kernel_basis: modes = {modes} must be 1 .. {usable}")
    kept = slice(modes or usable)
    features = np.sqrt(N) * vectors[:, kept]
    alpha = features.T @ y / N
    features = features * np.where(alpha < 0, -1.0, 1.0)
    alpha = np.abs(alpha)
    residual = float(np.mean((y - features @ alpha) ** 2))
    return KernelBasis(Spectrum(values[kept], alpha / np.sqrt(values[kept])), features, residual)


def digits() -> tuple[FloatArray, FloatArray]:
    """The 1797 handwritten digits that scikit-learn bundles: pixels, and even against odd.

    Returns
    -------
    pixels : array, shape (1797, 64)
        8 x 8 images, 0 .. 1.
    labels : array, shape (1797,)
        1 for an even digit, -1 for an odd one.

    Raises
    ------
    InputError
        scikit-learn is not installed.

    Notes
    -----
    Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, test set, UCI Machine
    Learning Repository, CC BY 4.0.

    Examples
    --------
    >>> pixels, labels = digits()
    >>> pixels.shape, pixels.max().item(), labels[:4].tolist()  # 0, 1, 2, 3
    ((1797, 64), 1.0, [1.0, -1.0, 1.0, -1.0])
    """
    try:
        datasets = import_module("sklearn.datasets")
    except ImportError:
        raise InputError(
            "digits: scikit-learn must be installed: pip install 'capgap[data]'"
        ) from None
    pixels, digit = datasets.load_digits(return_X_y=True)
    return np.asarray(pixels / 16.0), np.asarray(1.0 - 2.0 * (digit % 2))


def _pair(what: str, X: npt.ArrayLike, Y: npt.ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    left = np.asarray(X, dtype=np.float64)
    right = left if Y is None else np.asarray(Y, dtype=np.float64)
    for array in (left, right):
        if array.ndim != 2 or array.size == 0 or not np.all(np.isfinite(array)):
            raise InputError(f"{what}: inputs of shape {array.shape} must be finite, (N, d)")
    if left.shape[1] != right.shape[1]:
        raise InputError(f"{what}: {right.shape[1]} columns of Y must be {left.shape[1]}, as in X")
    return left, right


def _square_distances(X: FloatArray, Y: FloatArray) -> FloatArray:
    squares = np.sum(X**2, axis=1)[:, None] + np.sum(Y**2, axis=1) - 2 * X @ Y.T
    if X is Y:
        # The distance, too, is a root of rounding.
        np.fill_diagonal(squares, 0.0)
    return np.asarray(np.maximum(squares, 0.0))


def _check_length(what: str, length: float) -> None:
    if not (isfinite(length) and length > 0):
        raise InputError(f"{what}: length = {length:g} must be finite and > 0")


def _checked(gram: npt.ArrayLike, target: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    K, y = np.asarray(gram, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or K.size == 0 or not np.all(np.isfinite(K)):
        raise InputError(f"kernel_basis: matrix of shape {K.shape} must be finite and square")
    if y.shape != (K.shape[0],) or not np.all(np.isfinite(y)):
        raise InputError(f"kernel_basis: target of shape {y.shape} must be {K.shape[:1]}, finite")
    if np.abs(K - K.T).max() > 1e-9 * np.abs(K).max():
        raise InputError("kernel_basis: matrix must be symmetric")
    return K, y
