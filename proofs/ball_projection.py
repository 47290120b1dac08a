"""The best approximation of norm at most r is the target shrunk toward zero.

For a practitioner: a model that can represent a function but is held to a smaller norm (weight
decay, early stopping) keeps the function's shape and loses only amplitude. All closed forms of
appendix C.1 rest on this.

Statement: let u have norm a. Among all g with norm at most r, the squared distance to u is
least, and only, at g = C u with C = min(1, r/a); it is (1 - C)^2 a^2. A function enters only
through three numbers, gg = <g,g>, ga = <g,u> and aa = <u,u>, and these are tied only by the
Cauchy-Schwarz inequality ga^2 <= gg aa, so a statement about three reals covers every
dimension. "Only": equality forces gg = C^2 aa and ga = C aa, that is ||g - C u|| = 0.

Hypotheses: r > 0. Source: convexity of the ball; used in Busbridge et al., arXiv 2502.08606,
appendix C.1.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import huber

THEOREM = Theorem(
    "Projection on a ball",
    "min over ||g|| <= r of ||g - u||^2 is (1 - C)^2 ||u||^2 with C = min(1, r/||u||), at C u only",
    "z3 + cvc5",
)

r, a, gg, ga = sp.symbols("r a gg ga", real=True)
FEASIBLE = (r > 0, a >= 0, gg >= 0, gg <= r**2, ga**2 <= gg * a**2)
DISTANCE = gg - 2 * ga + a**2
LEAST = a**2 - huber(r, a)  # (1 - C)^2 a^2, without division
BINDING = (*FEASIBLE, a > r)

CLAIMS = [
    smt.Claim(
        "no feasible g is closer",
        FEASIBLE,
        DISTANCE >= LEAST,
        {
            "strictly farther always": DISTANCE > LEAST,
            "without the norm limit": smt.Claim(
                "", (r > 0, a >= 0, gg >= 0, ga**2 <= gg * a**2), DISTANCE >= LEAST
            ),
        },
    ),
    smt.Claim(
        "a binding limit: only the shrunk target is as close",
        (*BINDING, sp.Eq(DISTANCE, LEAST)),
        sp.And(sp.Eq(gg, r**2), sp.Eq(ga, r * a)),
        {"it is the target itself": sp.Eq(gg, a**2)},
    ),
    smt.Claim(
        "a loose limit: only the target itself",
        (*FEASIBLE, a <= r, sp.Eq(DISTANCE, LEAST)),
        sp.And(sp.Eq(gg, a**2), sp.Eq(ga, a**2)),
        {"it lies on the sphere": sp.Eq(gg, r**2)},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide the three claims and their mutants."""
    yield from smt.steps(CLAIMS)
