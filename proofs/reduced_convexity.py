"""Exactly when the reduced law is convex in the teacher's loss.

For a practitioner: as `convexity_threshold`, with one coefficient fewer. The threshold is the
limit c1 -> infinity of Eq. 8's, and it depends on c0 alone.

Statement, v = p k (x/own)^p, which runs through (0, infinity): the second derivative has the sign
of u (1 + u) - p v, u = c0 + v, and that is >= 0 for all v > 0 iff p <= p+ = B + sqrt(B^2 - 1),
B = 1 + 2 c0.

Hypotheses: c0 >= 0, p > 0. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import reduced

THEOREM = Theorem(
    "Convexity threshold of the reduced law",
    "the reduced law is convex in L_T for all students iff p <= B + sqrt(B^2 - 1), B = 1 + 2 c0",
    "sympy, z3 + cvc5",
)

c0, p, v = sp.symbols("c0 p v", real=True)
FORM = (c0 + v) * (1 + c0 + v) - p * v
B = 1 + 2 * c0
BELOW = sp.Or(p <= B, p**2 - 2 * B * p + 1 <= 0)
ABOVE = (p > B, p**2 - 2 * B * p + 1 > 0)
DOMAIN = (c0 >= 0, p > 0)

CLAIMS = [
    smt.Claim(
        "at or below the threshold",
        (*DOMAIN, BELOW, v > 0),
        FORM >= 0,
        {
            "without it": smt.Claim("", (*DOMAIN, v > 0), FORM >= 0),
            "strictly": FORM > 0,
        },
    ),
    smt.Claim(
        "above it the form is negative somewhere",
        (*DOMAIN, *ABOVE, sp.Eq(2 * v, p - B)),
        sp.And(v > 0, FORM < 0),
        {"whatever p": smt.Claim("", (*DOMAIN, sp.Eq(2 * v, p - B)), sp.And(v > 0, FORM < 0))},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Derive the form from the law, then decide both directions."""
    x, own, U, k, a, q, c1 = sp.symbols("x own U k a q c1", positive=True)
    law = reduced(x, own, U, a, k, q)
    share = q * k * (x / own) ** q
    u = a + share
    second = x * sp.diff(law, x, 2)
    h = u * (law - x) / x
    yield identity("second derivative", second, h * (u * (1 + u) - q * share) / u)
    wrong = h * (u * (1 + u) - share) / u
    yield not_identity("without p", second, wrong, {x: 1, own: 1, U: 1, k: 1, a: 1, q: 2})
    full = 1 + 2 * a + 2 * a * (1 + a) / c1
    yield Step("proved", "the threshold is Eq. 8's limit", sp.limit(full, c1, sp.oo) == 1 + 2 * a)
    yield from smt.steps(CLAIMS)
