"""The kernel model has a distillation law of its own: student error from teacher error.

For a practitioner: beyond the student's size nothing about the teacher matters but its error;
the student's error is an explicit function of it, and it falls as the teacher gets worse. This
is the capacity gap written as a law in the teacher's loss, like the paper's Eq. 8, and here it
is a theorem.

Statement: for m >= n, A_m >= T (the teacher's limit binds) and A_n T <= D A_m (the student's does
not bind further), s = 2 T^2/(F^2 + T^2 - E_T) and E_S = F^2 - A_n^2 s (2 - s), which strictly
decreases in E_T.

Hypotheses: T > 0, A_n > 0, F >= A_m. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import kernel_error, shrinks

THEOREM = Theorem(
    "The kernel model's own law",
    "m >= n, T binding, D loose: E_S = F^2 - A_n^2 s (2 - s), s = 2T^2/(F^2 + T^2 - E_T), "
    "strictly decreasing in E_T",
    "sympy, z3 + cvc5",
)

a, A, F2, T, C, E_T, E_U, s, r = sp.symbols("a A F2 T C E_T E_U s r", real=True)


def factor(s: sp.Expr, error: sp.Expr) -> tuple[sp.logic.boolalg.Boolean, ...]:
    """s is the factor that belongs to a teacher of this squared error."""
    return (sp.Eq(s * (F2 + T**2 - error), 2 * T**2), s > 0)


BEYOND = (T > 0, A > 0, F2 >= A**2, *shrinks(C, T, A), *factor(s, kernel_error(A, C, F2)))
# Errors that a teacher with a binding limit can have: F^2 - 2 T A + T^2 with A >= T.
REACHED = (T > 0, a > 0, F2 >= T**2, E_T < E_U, E_U <= F2 - T**2)
TAUGHT, TAUGHT_WORSE = kernel_error(a, s, F2), kernel_error(a, r, F2)

CLAIMS = [
    smt.Claim(
        "the factor is the teacher's own shrinkage, T/A_m",
        (*BEYOND, A >= T),
        sp.Eq(s, C),
        {"where the limit is loose": smt.Claim("", BEYOND, sp.Eq(s, C))},
    ),
    smt.Claim(
        "a worse teacher makes a better student",
        (*REACHED, *factor(s, E_T), *factor(r, E_U)),
        TAUGHT_WORSE < TAUGHT,
        {"a worse student": TAUGHT_WORSE > TAUGHT},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Derive s, then decide both claims."""
    binding = kernel_error(A, T / A, F2)
    yield identity("s = T/A_m", 2 * T**2 / (F2 + T**2 - binding), T / A)
    yield not_identity(
        "T/A_m without the square", 2 * T / (F2 + T**2 - binding), T / A, {T: 2, A: 3, F2: 16}
    )
    yield from smt.steps(CLAIMS)
