"""Ridge and norm-constrained least squares, batched over replications."""

from typing import Any

from capgap.errors import InputError
from capgap.measurement.kernel.backend import Backend

__all__ = ["bounded_fit", "ridge_fit"]

_STEPS = 60  # of Newton's method; it doubles its digits
_CLOSE = 1e-12  # relative error of a norm


def ridge_fit(backend: Backend, Z: Any, y: Any, weight: Any, ridge: float) -> Any:
    r"""Minimize :math:`\frac1n \lVert y - Zu \rVert^2 + ridge \sum_i u_i^2 / weight_i`.

    Without a ridge and with fewer samples than columns, the fit of least
    :math:`\sum_i u_i^2/weight_i`.

    Parameters
    ----------
    Z, y : arrays, shapes (B, n, p) and (B, n)
        Samples.
    weight : array, shape (p,)
        Eigenvalues where the columns are orthonormal functions, > 0.
    ridge : float
        >= 0.

    Returns
    -------
    array, shape (B, p)
    """
    n, p = Z.shape[-2:]
    solve = backend.solve if ridge > 0 else backend.least_norm
    if n >= p:
        matrix = backend.add_diagonal(Z.mT @ Z, n * ridge / weight)
        return solve(matrix, (Z.mT @ y[..., None])[..., 0])
    weighted = Z * weight
    dual = solve(backend.add_diagonal(weighted @ Z.mT, n * ridge), y)
    return (weighted.mT @ dual[..., None])[..., 0]


def bounded_fit(backend: Backend, Z: Any, y: Any, weight: Any, bound: float) -> Any:
    r"""Minimize :math:`\lVert y - Zu \rVert^2`, :math:`\sum_i weight_i u_i^2 \le bound^2`.

    The constraint's multiplier solves :math:`\lVert v(\nu) \rVert = bound`; Newton's method on
    :math:`1/\lVert v \rVert`, which is nearly a line, comes from below and never overshoots
    (Moré and Sorensen 1983, Computing a trust region step, section 3).

    Parameters
    ----------
    Z, y : arrays, shapes (B, n, p) and (B, n)
        Samples, n >= p.
    weight : array, shape (p,)
        > 0.
    bound : float
        > 0; infinity removes the constraint.

    Returns
    -------
    array, shape (B, p)
    """
    if Z.shape[-2] < Z.shape[-1]:
        raise InputError(f"bounded_fit: {Z.shape[-2]} samples must be at least {Z.shape[-1]}")
    n = Z.shape[-2]
    scale = weight**-0.5
    scaled = Z * scale
    values, vectors = backend.eigh(scaled.mT @ scaled / n)
    right = (vectors.mT @ (scaled.mT @ y[..., None] / n))[..., 0]
    multiplier = backend.zeros(Z.shape[0], 1)
    for _ in range(_STEPS):
        v = right / (values + multiplier)
        norm = (v**2).sum(-1, keepdims=True) ** 0.5
        outside = norm > bound * (1 + _CLOSE)
        if not bool(outside.any()):
            return scale * (vectors @ v[..., None])[..., 0]
        slope = (v**2 / (values + multiplier)).sum(-1, keepdims=True) / norm**2
        multiplier = multiplier + outside * (norm / bound - 1) / slope
    raise InputError(f"bounded_fit: norm must reach its bound {bound:g} in {_STEPS} steps")
