"""Exactly when Eq. 8 is convex in the teacher's loss, for every student at once.

For a practitioner: below the threshold there is one best teacher and every local search finds
it. Above it some students have two locally best teachers, and an optimizer may return the wrong
one. One number decides, and no property of the student enters.

Statement, B = 1 + 2 c0 + 2 c0 (1 + c0)/c1, p+ = B + sqrt(B^2 - 1), p = 1/f1. The second
derivative has the sign of g(s) = u (1 + u) - p c1 s (1 - s), u = c0 + c1 s, s in (0, 1)
(`law_slope`), and s runs through all of (0, 1) as L_T does.
p < p+: g > 0 on (0, 1): strictly convex. p = p+, c0 > 0: g touches zero once; L_S is still
strictly convex. p > p+: g < 0 at s = (p - 1 - 2 c0)/(2 (c1 + p)), which is in (0, 1), for
whatever student. With c0 = 0: p+ = 1, and p = 1 gives g > 0.

Hypotheses: c0 >= 0, c1, p > 0. p <= p+ enters as p <= B or p^2 - 2 B p + 1 <= 0. Source: ours, for
Busbridge et al., arXiv 2502.08606, Eq. 8.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, proof
from proofs.formulas import convexity_form

THEOREM = Theorem(
    "Convexity threshold of the distillation law",
    "L_S is strictly convex in L_T for all U, K iff p = 1/f1 <= p+ = B + sqrt(B^2 - 1), "
    "B = 1 + 2 c0 + 2 c0 (1 + c0)/c1; its second derivative is positive everywhere if p < p+",
    "sympy, z3 + cvc5",
)

c0, c1, p, s, r, B = sp.symbols("c0 c1 p s r B", real=True)
DOMAIN = (c0 >= 0, c1 > 0, p > 0)
INSIDE = (s > 0, s < 1)
FORM = convexity_form(s, c0, c1, p)
# c1 B, and c1 (p^2 - 2 B p + 1): without division by c1.
C1_B = c1 * (1 + 2 * c0) + 2 * c0 * (1 + c0)
BEYOND_THE_ROOTS = c1 * (p**2 + 1) - 2 * p * C1_B
BELOW = sp.Or(c1 * p <= C1_B, BEYOND_THE_ROOTS <= 0)
STRICTLY_BELOW = sp.Or(c1 * p <= C1_B, BEYOND_THE_ROOTS < 0)
ABOVE = (c1 * p > C1_B, BEYOND_THE_ROOTS > 0)
AT_ITS_LEAST = (sp.Eq(s * 2 * (c1 + p), p - 1 - 2 * c0),)

CLAIMS = [
    smt.Claim(
        "at or below the threshold",
        (*DOMAIN, BELOW, *INSIDE),
        FORM >= 0,
        {
            "without the threshold": smt.Claim("", (*DOMAIN, *INSIDE), FORM >= 0),
            "p up to 2 B": smt.Claim("", (*DOMAIN, c1 * p <= 2 * C1_B, *INSIDE), FORM >= 0),
        },
    ),
    smt.Claim(
        "strictly below it, with c0 > 0",
        (*DOMAIN, c0 > 0, STRICTLY_BELOW, *INSIDE),
        FORM > 0,
        {"at it too": smt.Claim("", (*DOMAIN, c0 > 0, BELOW, *INSIDE), FORM > 0)},
    ),
    smt.Claim(
        "c0 = 0: up to p = 1",
        (c1 > 0, p > 0, p <= 1, *INSIDE),
        FORM.subs(c0, 0) > 0,
        {
            "up to p = 1.1": smt.Claim(
                "", (c1 > 0, p > 0, 10 * p <= 11, *INSIDE), FORM.subs(c0, 0) > 0
            )
        },
    ),
    smt.Claim(
        "at the threshold only one point is flat",
        (*DOMAIN, c0 > 0, sp.Eq(BEYOND_THE_ROOTS, 0), c1 * p >= C1_B, *INSIDE, sp.Eq(FORM, 0)),
        AT_ITS_LEAST[0],
        {"none is": sp.false},
    ),
    smt.Claim(
        "above the threshold the form is negative somewhere",
        (*DOMAIN, *ABOVE, *AT_ITS_LEAST),
        sp.And(s > 0, s < 1, FORM < 0),
        {
            "below it too": smt.Claim(
                "", (*DOMAIN, c1 * p > C1_B, *AT_ITS_LEAST), sp.And(s > 0, s < 1, FORM < 0)
            )
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Show that p+ is the larger root, then decide the five claims."""
    root = B + sp.sqrt(B**2 - 1)
    yield identity("p+ is a root of p^2 - 2 B p + 1", root**2 - 2 * B * root + 1)
    quadratic = c0 * (1 + c0) + c1 * (1 + 2 * c0 - p) * s + c1 * (c1 + p) * s**2
    yield identity("the form as a quadratic", FORM, quadratic)
    discriminant = sp.discriminant(FORM, s)
    yield identity("its discriminant", discriminant, c1 * BEYOND_THE_ROOTS)
    yield from smt.steps(CLAIMS)
    yield from smt.steps([_larger_root()])


def _larger_root() -> smt.Claim:
    """p <= p+ written with the root is the condition used above."""
    return smt.Claim(
        "p <= B + sqrt(B^2 - 1) in polynomials",
        (B >= 1, r >= 0, sp.Eq(r**2, B**2 - 1), p > 0),
        sp.Equivalent(p <= B + r, sp.Or(p <= B, p**2 - 2 * B * p + 1 <= 0)),
        {"the smaller root": sp.Equivalent(p <= B - r, sp.Or(p <= B, p**2 - 2 * B * p + 1 <= 0))},
    )
