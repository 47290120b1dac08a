"""The two branches of the U: a growing teacher first helps, then hurts.

For a practitioner: up to the student's own size every useful feature that the teacher gains
helps the student. Beyond it a further feature never helps, and it hurts exactly when the
teacher has to give up amplitude for it (its limit binds) and the student is not held back even
more.

Statement, A = A_m, B = A_{m+1} (B > A iff the coefficient between them is not zero):
(i) m < n: E_S(m+1) < E_S(m) iff B > A, for every T, D > 0.
(ii) m >= n, with a = A_n: E_S(m+1) >= E_S(m), strictly iff a > 0, B > A and
B > max(T, T a/D).

Hypotheses: T, D > 0 in any order. Source: ours, for the setting of Busbridge et al., arXiv
2502.08606, appendix C.1; the paper states T and D below ||f*|| and D <= T, which is not needed.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import huber, kernel_error, least, shrinks

THEOREM = Theorem(
    "Branches of the capacity gap",
    "m < n: E_S falls iff alpha_{m+1} != 0; m >= n: it never falls, and rises iff A_n > 0, "
    "alpha_{m+1} != 0 and A_{m+1} > max(T, T A_n/D)",
    "z3 + cvc5",
)

a, A, B, T, D = sp.symbols("a A B T D", real=True)
LEAST = sp.Piecewise((T, T <= D), (D, True))
LIMITS = (T > 0, D > 0)
LEFT = (*LIMITS, A >= 0, B >= A)
# The target's total norm cancels from every comparison.
NOW_LEFT, NEXT_LEFT = -huber(LEAST, A), -huber(LEAST, B)
C_now, C_after, d, s_now, s_after = sp.symbols("C_now C_after d s_now s_after", real=True)
RIGHT = (
    *LIMITS, a >= 0, A >= a, B >= A,
    *shrinks(C_now, T, A), *shrinks(C_after, T, B), *shrinks(d, D, a),
    *least(s_now, C_now, d), *least(s_after, C_after, d),
)  # fmt: skip
NOW_RIGHT, NEXT_RIGHT = (kernel_error(a, s, sp.Integer(0)) for s in (s_now, s_after))
BINDS = sp.And(a > 0, B > A, B > T, B * D > T * a)

CLAIMS = [
    smt.Claim(
        "left branch",
        LEFT,
        sp.Equivalent(NEXT_LEFT < NOW_LEFT, B > A),
        {"falls even with a zero coefficient": NEXT_LEFT < NOW_LEFT},
    ),
    smt.Claim(
        "right branch never falls",
        RIGHT,
        NEXT_RIGHT >= NOW_RIGHT,
        {"always rises": sp.Implies(B > A, NEXT_RIGHT > NOW_RIGHT)},
    ),
    smt.Claim(
        "right branch rises exactly where the limits bind",
        RIGHT,
        sp.Equivalent(NEXT_RIGHT > NOW_RIGHT, BINDS),
        {
            "the student's limit ignored": sp.Equivalent(
                NEXT_RIGHT > NOW_RIGHT, sp.And(a > 0, B > A, B > T)
            ),
            "without a > 0": sp.Equivalent(
                NEXT_RIGHT > NOW_RIGHT, sp.And(B > A, B > T, B * D > T * a)
            ),
            "ratio inverted": sp.Equivalent(
                NEXT_RIGHT > NOW_RIGHT, sp.And(a > 0, B > A, B > T, B * T > D * a)
            ),
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide both branches and their mutants, and that no order of T and D is assumed."""
    yield from smt.steps(CLAIMS)
    yield from smt.steps([limits_in_any_order(order) for order in (T < D, T > D)])


def limits_in_any_order(order: sp.logic.boolalg.Boolean) -> smt.Claim:
    """The strict rise happens whichever limit is the larger: no order is assumed."""
    return smt.Claim(
        f"strict rise with {order}",
        (*RIGHT, order, BINDS),
        NEXT_RIGHT > NOW_RIGHT,
        {"it falls": NEXT_RIGHT < NOW_RIGHT},
    )
