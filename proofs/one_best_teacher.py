"""A convex Eq. 8 with c0 > 0 has exactly one best teacher, between two bounds in closed form.

For a practitioner: the best teacher can be bracketed before any search, and bisection in the
teacher's loss cannot miss it.

Statement: h of `law_slope` strictly falls where L_S is strictly convex, so h = 1 at most once, and
a strictly convex function has at most one minimiser. With c0 > 0, h > 1 where
x^(1+c0) (1+y)^(c1/p) <= U c0 and h < 1 where it is >= U (c0 + c1); that product runs from zero to
infinity, so both bounds exist and h = 1 exactly once between them. With c0 = 0 and p = 1 = p+ there
may be none: h < U c1/K everywhere, and for U c1 <= K every better teacher makes a better student.

Hypotheses: c0 > 0, c1, p, K, U > 0. Source: ours, for Busbridge et al., arXiv 2502.08606, Eq. 8.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, proof
from proofs.formulas import hump

THEOREM = Theorem(
    "One best teacher",
    "convex, c0 > 0: exactly one L_T* with h = 1; bracketed by u -> c0 and u -> c0 + c1",
    "sympy, z3 + cvc5",
)

M, U, c0, c1, sig, h, h2, t, t2 = sp.symbols("M U c0 c1 sig h h2 t t2", real=True)
# M stands for x^(1+c0) (1+y)^(c1/p); h M = U u by `law_slope`.
POINT = (U > 0, c0 > 0, c1 > 0, sig > 0, sig < 1, M > 0, sp.Eq(h * M, U * (c0 + c1 * sig)))
L_1, L_2, L_mid, least = sp.symbols("L_1 L_2 L_mid least", real=True)
FALLS = (
    sp.Implies(t < t2, h > h2),
    sp.Implies(t > t2, h < h2),
    sp.Implies(sp.Eq(t, t2), sp.Eq(h, h2)),
)

CLAIMS = [
    smt.Claim(
        "left of the lower bound a weaker teacher is better",
        (*POINT, M <= U * c0),
        h > 1,
        {"up to u = c0 + c1": smt.Claim("", (*POINT, M <= U * (c0 + c1)), h > 1)},
    ),
    smt.Claim(
        "right of the upper bound a better teacher is better",
        (*POINT, M >= U * (c0 + c1)),
        h < 1,
        {"from u = c0": smt.Claim("", (*POINT, M >= U * c0), h < 1)},
    ),
    smt.Claim(
        "a falling h is 1 at most once",
        (*FALLS, sp.Eq(h, 1), sp.Eq(h2, 1)),
        sp.Eq(t, t2),
        {"without falling": smt.Claim("", (sp.Eq(h, 1), sp.Eq(h2, 1)), sp.Eq(t, t2))},
    ),
    smt.Claim(
        "strictly convex: no two minimisers",
        (sp.Eq(L_1, least), sp.Eq(L_2, least), L_mid >= least),
        2 * L_mid >= L_1 + L_2,  # so strict midpoint convexity fails between two minimisers
        {"three equal values are impossible": 2 * L_mid > L_1 + L_2},
    ),
    smt.Claim(
        "rising branch: a falling h, 1 at t2, is above 1 at t iff t is better",
        (*FALLS, sp.Eq(h2, 1)),
        sp.Equivalent(h > 1, t < t2),
        {"without falling": smt.Claim("", (sp.Eq(h2, 1),), sp.Equivalent(h > 1, t < t2))},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Ends of the product and of h, then the claims."""
    x, K, V, a, b = sp.symbols("x K V a b", positive=True)
    yield Step("proved", "the product vanishes at 0", sp.limit(x ** (1 + a), x, 0) == 0)
    yield Step("proved", "and has no limit", sp.limit(x ** (1 + a), x, sp.oo) == sp.oo)
    flat = hump(x, K, V, sp.Integer(0), b, sp.Integer(1))
    yield identity("h for c0 = 0, p = 1", flat, V * b / K * (1 + x / K) ** (-1 - b))
    top = sp.limit(flat, x, 0)
    yield Step("proved", "its top is U c1/K", sp.simplify(top - V * b / K) == 0, str(top))
    falls = sp.diff(V * b / K * (1 + x / K) ** (-1 - b), x).is_negative
    yield Step("proved", "and it falls, so U c1 <= K leaves no best teacher", falls is True)
    yield from smt.steps(CLAIMS)
