"""Oracles of kernel regression that know nothing of its closed forms."""

from fractions import Fraction

import mpmath
import numpy as np
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize


def multiplier_fit(target: np.ndarray, size: int, limit: float) -> np.ndarray:
    """min ||g - target|| over g supported on the first `size` functions with ||g|| <= limit.

    The Lagrange condition (X'X + nu) g = X' target with X the first columns of the identity,
    and nu found by root search; it knows nothing of radial shrinkage.
    """
    X = np.eye(target.size)[:, :size]

    def solution(nu: float) -> np.ndarray:
        return np.linalg.solve(X.T @ X + nu * np.eye(size), X.T @ target)

    if np.linalg.norm(solution(0.0)) > limit:
        high = 1.0
        while np.linalg.norm(solution(high)) > limit:
            high *= 4
        nu = brentq(lambda v: np.linalg.norm(solution(v)) - limit, 0.0, high, xtol=1e-14)
        return X @ solution(nu)
    return X @ solution(0.0)


def searched_fit(
    target: np.ndarray, basis: np.ndarray, limit: float, w: np.ndarray | None = None
) -> np.ndarray:
    """min ||basis c - target|| with sum w c^2 <= limit^2, by sequential quadratic programs.

    scipy's SLSQP from a feasible start, told the objective, the constraint and their gradients
    only. It stops within about 1e-7 of the minimum.
    """
    weights = np.ones(basis.shape[1]) if w is None else w
    start = basis.T @ target
    start = start * min(1.0, 0.5 * limit / max(np.sqrt(np.sum(weights * start**2)), 1e-300))
    constraints = []
    if np.isfinite(limit):
        constraints = [{
            "type": "ineq",
            "fun": lambda c: limit**2 - np.sum(weights * c**2),
            "jac": lambda c: -2 * weights * c,
        }]  # fmt: skip
    found = minimize(
        lambda c: np.sum((basis @ c - target) ** 2), start,
        jac=lambda c: 2 * basis.T @ (basis @ c - target), constraints=constraints,
        method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    assert np.sum(weights * found.x**2) <= limit**2 * (1 + 1e-6)
    return basis @ found.x


def precise_errors(
    alpha: list[Fraction], n: int, T_squared: Fraction, D_squared: Fraction | None
) -> tuple[list[mpmath.mpf], list[mpmath.mpf]]:
    """Teacher and student errors for m = 1 .. M at mpmath's precision, vector by vector."""

    def real(q: Fraction) -> mpmath.mpf:
        return mpmath.mpf(q.numerator) / q.denominator

    def capped(vector: list[mpmath.mpf], limit_squared: Fraction | None) -> list[mpmath.mpf]:
        square = mpmath.fsum(v**2 for v in vector)
        if limit_squared is None or square <= real(limit_squared):
            return vector
        factor = mpmath.sqrt(real(limit_squared) / square)
        return [factor * v for v in vector]

    target = [real(a) for a in alpha]
    teachers, students = [], []
    for m in range(1, len(target) + 1):
        g = capped([a if i < m else mpmath.mpf(0) for i, a in enumerate(target)], T_squared)
        h = capped([v if i < n else mpmath.mpf(0) for i, v in enumerate(g)], D_squared)
        teachers.append(mpmath.fsum((x - a) ** 2 for x, a in zip(g, target, strict=True)))
        students.append(mpmath.fsum((x - a) ** 2 for x, a in zip(h, target, strict=True)))
    return teachers, students


coefficient_lists = st.lists(
    st.one_of(st.just(0.0), st.floats(0.01, 3.0), st.floats(-3.0, -0.01)), min_size=2, max_size=12
)
limits = st.floats(0.1, 6.0)
open_limits = st.one_of(st.just(np.inf), limits)


@st.composite
def instances(draw) -> tuple[np.ndarray, int, float, float]:
    """alpha, n, T, D: zeros, ties, and limits on both sides of the target's norm."""
    alpha = np.array(draw(coefficient_lists))
    return alpha, draw(st.integers(1, alpha.size)), draw(limits), draw(open_limits)
