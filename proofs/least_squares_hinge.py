"""Least squares taught by a perfect teacher of limited size is exactly a hinge.

For a practitioner: in a model that can be solved, the student's error against its teacher's is two
straight lines: slope 1 while the teacher is the bottleneck, slope -theta once it knows what the
student cannot hold. theta = n/(n_S - n - 1) falls as the student sees more samples: the capacity
gap is a matter of finite data.

Statement, t_m the target's energy beyond mode m, n the student's size, n_S its samples,
theta = n/(n_S - n - 1): the two branches m <= n: E_S = E_T, and m >= n: E_S = t_n + n v_m +
theta [(t_n - t_m) + (m - n) v_m], v_m = (sigma^2 + t_m)/(n_T - m - 1), E_T = t_m + m v_m, agree at
m = n; as n_T -> infinity both are E_S = max{E_T, (1 + theta) t_n - theta E_T}, with its corner at
E_T = t_n. As n_S -> infinity the gap vanishes.

Hypotheses: t nonincreasing in m; n < n_S - 1; the branch formulas themselves (Gaussian design;
mean of an inverse Wishart matrix), which are not proved here. Source: ours.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Hinge law of least squares",
    "perfect teacher: E_S = max{E_T, (1 + theta) t_n - theta E_T}, theta = n/(n_S - n - 1)",
    "sympy, z3 + cvc5",
)

t_m, t_n, theta, E_T, E_S = sp.symbols("t_m t_n theta E_T E_S", real=True)
HINGE = sp.Piecewise(
    (E_T, E_T >= (1 + theta) * t_n - theta * E_T), ((1 + theta) * t_n - theta * E_T, True)
)
DOMAIN = (theta > 0, t_n >= 0, t_m >= 0, sp.Eq(E_T, t_m))
SMALL = (*DOMAIN, t_m >= t_n, sp.Eq(E_S, t_m))
LARGE = (*DOMAIN, t_m <= t_n, sp.Eq(E_S, t_n + theta * (t_n - t_m)))

CLAIMS = [
    smt.Claim(
        "m <= n",
        SMALL,
        sp.Eq(E_S, HINGE),
        {"falling branch": sp.Eq(E_S, (1 + theta) * t_n - theta * E_T)},
    ),
    smt.Claim(
        "m >= n",
        LARGE,
        sp.Eq(E_S, HINGE),
        {"rising branch": sp.Eq(E_S, E_T), "corner at zero": sp.Eq(E_S, t_n - theta * E_T)},
    ),
    smt.Claim(
        "no student of a perfect teacher of larger size beats the student's own size",
        LARGE,
        sp.And(E_S >= t_n, E_S >= E_T),
        {"every teacher is as good": sp.Eq(E_S, t_n)},
    ),
]


def branches(
    m: sp.Expr, n: sp.Expr, t_m: sp.Expr, t_n: sp.Expr, v_m: sp.Expr, theta: sp.Expr
) -> tuple[sp.Expr, sp.Expr]:
    """E_S of theorem 2a for m <= n and for m >= n."""
    return t_m + m * v_m, t_n + n * v_m + theta * ((t_n - t_m) + (m - n) * v_m)


@proof
def prove() -> Iterator[Step]:
    """Continuity, limits, then the two branches of the hinge."""
    m, n, n_T, n_S, noise, a, b, slope = sp.symbols("m n n_T n_S noise a b slope", positive=True)
    v = (noise + a) / (n_T - m - 1)
    small, large = branches(m, n, a, b, v, slope)
    at_n = {m: n, b: a}
    yield identity("the branches meet at m = n", small.subs(at_n), large.subs(at_n))
    at = {m: 3, n: 2, a: 1, b: 2, n_T: 9, noise: 1, slope: 3}
    yield not_identity("they agree beyond it", small, large, at)
    yield identity("n_T -> infinity, small", sp.limit(small, n_T, sp.oo), a)
    yield identity("n_T -> infinity, large", sp.limit(large, n_T, sp.oo), b + slope * (b - a))
    vanishes = sp.limit(n / (n_S - n - 1), n_S, sp.oo) == 0
    yield Step("proved", "n_S -> infinity: theta -> 0", vanishes)
    yield from smt.steps(CLAIMS)
