"""Appendix C.1's two-step formulas collapse to one shrinkage factor.

For a practitioner: a student's error is a function of how strongly teacher and student are
held back together, s = min(1, T/A_m, D/A_k). Nothing else about the teacher reaches it.

Statement, with A_j the norm of the target's first j coefficients, k = min(m, n), T and D the
norm limits of teacher and student (any order), F the target's norm: the paper's
(1 - C Q)^2 A_k^2 + F^2 - A_k^2, C = min(1, T/A_m), Q = min(1, D/(C A_k)), equals
F^2 - A_k^2 s (2 - s); for m <= n (k = m) that is F^2 - phi_min(T,D)(A_m); the teacher's error is
F^2 - phi_T(A_m). phi_M(x) = x^2 up to M and 2 M x - M^2 beyond.

Hypotheses: T, D > 0, 0 <= A_k <= A_m. Source: Busbridge et al., arXiv 2502.08606, appendix C.1;
the closed forms are ours.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import huber, kernel_error, least, shrinks

THEOREM = Theorem(
    "Closed forms of the kernel model",
    "E_T = F^2 - phi_T(A_m); E_S = F^2 - A_k^2 s (2 - s), for m <= n: F^2 - phi_min(T,D)(A_m)",
    "z3 + cvc5",
)

A_m, A_k, F2, T, D, C, Q, d, s = sp.symbols("A_m A_k F2 T D C Q d s", real=True)
DOMAIN = (T > 0, D > 0, A_k >= 0, A_k <= A_m, F2 >= A_m**2, *shrinks(C, T, A_m))
TWO_STEPS = (*DOMAIN, *shrinks(Q, D, C * A_k))
ONE_STEP = (*TWO_STEPS, *shrinks(d, D, A_k), *least(s, C, d))
LEAST = sp.Piecewise((T, T <= D), (D, True))

CLAIMS = [
    smt.Claim(
        "teacher",
        DOMAIN,
        sp.Eq(kernel_error(A_m, C, F2), F2 - huber(T, A_m)),
        {"no shrinkage": sp.Eq(kernel_error(A_m, C, F2), F2 - A_m**2)},
    ),
    smt.Claim(
        "student, any k",
        ONE_STEP,
        sp.Eq(kernel_error(A_k, C * Q, F2), F2 - A_k**2 * s * (2 - s)),
        {"teacher's limit alone": sp.Eq(kernel_error(A_k, C * Q, F2), kernel_error(A_k, C, F2))},
    ),
    smt.Claim(
        "student with m <= n",
        (*TWO_STEPS, sp.Eq(A_k, A_m)),
        sp.Eq(kernel_error(A_k, C * Q, F2), F2 - huber(LEAST, A_m)),
        {
            "limit T": sp.Eq(kernel_error(A_k, C * Q, F2), F2 - huber(T, A_m)),
            "limit D": sp.Eq(kernel_error(A_k, C * Q, F2), F2 - huber(D, A_m)),
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide the three identities and their mutants."""
    yield from smt.steps(CLAIMS)
