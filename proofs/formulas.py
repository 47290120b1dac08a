"""The formulas that theorems share, as functions of sympy expressions.

Written from the papers' equations and not from the package, whose functions are compared with
these in `tests/proofs`. Losses in nats per token; symbols as in the paper.
"""

from typing import TypeAlias

import sympy as sp
from sympy.logic.boolalg import Boolean

__all__ = [
    "convexity_form",
    "corner",
    "distillation",
    "huber",
    "hump",
    "hump_as_product",
    "kernel_error",
    "least",
    "reduced",
    "shrinks",
    "sigma",
    "supervised",
]

Expr: TypeAlias = sp.Expr


def supervised(N: Expr, D: Expr, E: Expr, A: Expr, B: Expr, a: Expr, b: Expr, g: Expr) -> Expr:
    """Eq. 1 of arXiv 2502.08606: E + (A/N^a + B/D^b)^g."""
    return E + (A / N**a + B / D**b) ** g


def distillation(x: Expr, K: Expr, U: Expr, c0: Expr, c1: Expr, p: Expr) -> Expr:
    """Eq. 8 in x = L_T: x + U x^-c0 (1 + (x/K)^p)^(-c1/p).

    K is the student's supervised loss times d1, p = 1/f1, U = (A'/N^a' + B'/D^b')^g'.
    """
    return x + U * x**-c0 * (1 + (x / K) ** p) ** (-c1 / p)


def reduced(x: Expr, own: Expr, U: Expr, c0: Expr, k: Expr, p: Expr) -> Expr:
    """Eq. 8 in the limit of large c1: x + U x^-c0 exp(-k (x/own)^p)."""
    return x + U * x**-c0 * sp.exp(-k * (x / own) ** p)


def sigma(x: Expr, K: Expr, p: Expr) -> Expr:
    """Share of the transition passed: y/(1 + y), y = (x/K)^p."""
    y = (x / K) ** p
    return y / (1 + y)


def hump(x: Expr, K: Expr, U: Expr, c0: Expr, c1: Expr, p: Expr) -> Expr:
    """The h of dL_S/dL_T = 1 - h: (c0 + c1 sigma) (L_S - x)/x."""
    u = c0 + c1 * sigma(x, K, p)
    return u * (distillation(x, K, U, c0, c1, p) - x) / x


def hump_as_product(x: Expr, K: Expr, U: Expr, c0: Expr, c1: Expr, p: Expr) -> Expr:
    """The same h without a difference: U u/(x^(1 + c0) (1 + (x/K)^p)^(c1/p))."""
    u = c0 + c1 * sigma(x, K, p)
    return U * u / (x ** (1 + c0) * (1 + (x / K) ** p) ** (c1 / p))


def convexity_form(s: Expr, c0: Expr, c1: Expr, p: Expr) -> Expr:
    """u (1 + u) - p c1 s (1 - s), u = c0 + c1 s: the sign of the second derivative of Eq. 8."""
    u = c0 + c1 * s
    return u * (1 + u) - p * c1 * s * (1 - s)


def corner(z: Expr, rho: Expr, theta: Expr, s: Expr) -> Expr:
    """The smooth corner of both hinge laws: s log(e^(rho z/s) + e^(-theta z/s))."""
    return s * sp.log(sp.exp(rho * z / s) + sp.exp(-theta * z / s))


def kernel_error(A_k: Expr, s: Expr, F2: Expr) -> Expr:
    """Squared error of s times the target's first k terms: (1 - s)^2 A_k^2 + F^2 - A_k^2."""
    return (1 - s) ** 2 * A_k**2 + F2 - A_k**2


def huber(limit: Expr, x: Expr) -> Expr:
    """x^2 up to the limit, beyond it 2 limit x - limit^2."""
    return sp.Piecewise((x**2, sp.Le(x, limit)), (2 * limit * x - limit**2, True))


def shrinks(c: Expr, limit: Expr, norm: Expr) -> tuple[Boolean, ...]:
    """c = min(1, limit/norm), as relations without division: provers like these better."""
    loose, binding = (
        sp.And(norm <= limit, sp.Eq(c, 1)),
        sp.And(norm > limit, sp.Eq(c * norm, limit)),
    )
    return (c > 0, c <= 1, sp.Or(loose, binding))


def least(s: Expr, *others: Expr) -> tuple[Boolean, ...]:
    """s is the least of the others, as relations."""
    return (*(sp.Le(s, other) for other in others), sp.Or(*(sp.Eq(s, other) for other in others)))
