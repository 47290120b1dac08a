"""The best of all teachers for a ridge student exaggerates what the student learns well.

For a practitioner: the perfect teacher is not the truth. It amplifies the modes the student
learns well, to pay for the shrinkage, and damps the ones that would only become noise. Training a
teacher for its own accuracy is not training it for its student.

Statement, student stage with shrinkages s_i, theta = gamma/(1 - gamma): a teacher with
coefficients b gives E_S = sum_{i<=n} lambda [(beta - s b)^2 + theta (1 - s)^2 b^2] +
sum_{i>n} lambda [beta^2 + theta b^2]. It is least at b_i = s beta/(s^2 + theta (1 - s)^2) for
i <= n and b_i = 0 beyond; there the mode costs lambda beta^2 theta (1 - s)^2/(s^2 + theta (1-s)^2).
b_i > beta_i (for beta_i > 0) iff s_i > gamma.

Hypotheses: 0 < s < 1, 0 < gamma < 1. Source: ours; agrees with Ildiz et al., arXiv 2410.18837.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Best teacher of a ridge student",
    "b_i = s beta/(s^2 + theta (1 - s)^2), theta = gamma/(1 - gamma); amplifies iff s_i > gamma",
    "sympy, z3 + cvc5",
)

s, beta, b, theta, g, best = sp.symbols("s beta b theta g best", real=True)
COST = (beta - s * b) ** 2 + theta * (1 - s) ** 2 * b**2
SHAPE = s**2 + theta * (1 - s) ** 2
STAGE = (s > 0, s < 1, g > 0, g < 1, theta > 0, sp.Eq(theta * (1 - g), g))
OPTIMUM = (*STAGE, sp.Eq(best * SHAPE, s * beta))

CLAIMS = [
    smt.Claim(
        "no other coefficient is better",
        OPTIMUM,
        COST.subs(b, best) <= COST,
        {"the truth is best": smt.Claim("", (*STAGE,), COST.subs(b, beta) <= COST)},
    ),
    smt.Claim(
        "it amplifies exactly the modes with s > gamma",
        (*OPTIMUM, beta > 0),
        sp.Equivalent(best > beta, s > g),
        {
            "every mode": best > beta,
            "s > theta": sp.Equivalent(best > beta, s > theta),
        },
    ),
    smt.Claim(
        "beyond the student's size nothing is best",
        (theta > 0,),
        beta**2 + theta * b**2 >= beta**2,
        {
            "without the student's variance": smt.Claim(
                "", (theta >= 0, sp.Ne(b, 0)), beta**2 + theta * b**2 > beta**2
            )
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Complete the square, then decide."""
    at_best = s * beta / SHAPE
    square = SHAPE * (b - at_best) ** 2 + beta**2 * theta * (1 - s) ** 2 / SHAPE
    yield identity("the cost of a mode, completed", COST, square)
    half = sp.Rational(1, 2)
    at = {s: half, beta: 1, b: 2, theta: 1}
    yield not_identity("without the remainder", COST, SHAPE * (b - at_best) ** 2, at)
    yield from smt.steps(CLAIMS)
