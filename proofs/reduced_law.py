"""Eq. 8 without its degenerate coefficient: the limit of large c1.

For a practitioner: c1 = 522.6 with an interval of zero width looks like knowledge. It is the
optimizer standing still: for large c1 only k = c1 f1 d1^(-1/f1) acts on the student's loss, and
c1 and d1 cannot be told apart. The reduced law has one coefficient fewer and the same curves.

Statement, w = k r^p = (c1/p) (r/d1)^p, r = L_T/Lt_S, p = 1/f1: the exponent of Eq. 8's factor lies
between -w and -w + w^2 p/(2 c1), so the factor tends to exp(-w) as c1 -> infinity at fixed k.
The reduced law's slope is 1 - h with u = c0 + v, v = p w, and x h'/h = p v/u - 1 - u.

Hypotheses: all symbols positive. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import distillation, reduced

THEOREM = Theorem(
    "The reduced law is the limit of large c1",
    "c1 -> infinity at fixed k: (1 + y)^(-c1 f1) -> exp(-k r^p), error of the exponent in "
    "[0, w^2 p/(2 c1)]",
    "sympy",
)

x, own, d1, U, c0, c1, p, k, w, q = sp.symbols("x own d1 U c0 c1 p k w q", positive=True)


@proof
def prove() -> Iterator[Step]:
    """Bound the exponent, take the limit, differentiate the limit law."""
    same_k = {d1: (c1 / (p * k)) ** (1 / p)}
    y = ((x / (own * d1)) ** p).subs(same_k)
    yield identity("y at fixed k", y, k * (x / own) ** p * p / c1)
    exponent = -(c1 / p) * sp.log(1 + w * p / c1)
    yield Step("proved", "limit", sp.limit(exponent, c1, sp.oo) == -w)
    short = sp.limit(exponent * p, c1, sp.oo) == -w
    yield Step("mutant refuted", "limit with c1 for c1 f1", not short)
    yield from _logarithm_bounds()
    yield identity("bounds in w", (c1 / p) * (w * p / c1) ** 2 / 2, w**2 * p / (2 * c1))
    law = reduced(x, own, U, c0, k, p)
    v = p * k * (x / own) ** p
    u = c0 + v
    h = u * (law - x) / x
    yield identity("slope", sp.diff(law, x), 1 - h)
    yield identity("elasticity of h", x * sp.diff(h, x) / h, p * v / u - 1 - u)
    full = distillation(x, own * d1, U, c0, c1, p)
    at = {x: 1, own: 1, U: 1, c0: 1, c1: 2, p: 1, d1: 2, k: 1}
    yield not_identity("equal at a finite c1", full, law, at)


def _logarithm_bounds() -> Iterator[Step]:
    """q - q^2/2 <= log(1 + q) <= q: equal at zero, and the differences rise."""
    for claim, rises in (
        ("log(1 + q) <= q", q - sp.log(1 + q)),
        ("log(1 + q) >= q - q^2/2", sp.log(1 + q) - q + q**2 / 2),
    ):
        slope = sp.factor(sp.together(sp.diff(rises, q)))
        yield Step("proved", claim, rises.subs(q, 0) == 0 and slope.is_positive is True)
    too_low = sp.diff(sp.log(1 + q) - q, q)
    yield Step("mutant refuted", "log(1 + q) >= q", sp.factor(too_low).is_negative is True)
