"""Which teachers are best: the one of the student's size, and a flat floor after it.

For a practitioner: a teacher of exactly the student's size is always among the best. A somewhat
larger one may be just as good: the floor ends only where the teacher's norm limit starts to
cost the student amplitude. A student with a tight limit of its own makes the floor longer, and
a teacher without a binding limit (T >= ||f*||) makes no gap at all.

Statement, a = A_n, A = A_m:
(iii) E_S(m) = E_S(n) iff a <= A <= max(a, T, T a/D), or a = 0 (and m >= n); for m <= n: iff
A = a. E_S(m) >= E_S(n) for every m.
(iv) T >= ||f*||: E_S(m) = E_S(n) for all m >= n. The student's limit moves the end of the floor
beyond max(a, T) iff D < min(a, T); D < a alone does not: with T <= D < a it stays at a.

Hypotheses: T, D > 0 in any order. Source: ours, for the setting of Busbridge et al., arXiv
2502.08606, appendix C.1.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import huber, kernel_error, least, shrinks

THEOREM = Theorem(
    "Best teachers of the kernel model",
    "E_S(m) >= E_S(n), with equality iff A_n <= A_m <= max(A_n, T, T A_n/D) or A_n = 0; "
    "the floor grows iff D < min(A_n, T)",
    "z3 + cvc5",
)

a, A, F, T, D = sp.symbols("a A F T D", real=True)
C_n, C_m, d, s_n, s_m = sp.symbols("C_n C_m d s_n s_m", real=True)
LEAST = sp.Piecewise((T, T <= D), (D, True))
LIMITS = (T > 0, D > 0)
LEFT = (*LIMITS, A >= 0, A <= a)
RIGHT = (
    *LIMITS, a >= 0, A >= a,
    *shrinks(C_n, T, a), *shrinks(C_m, T, A), *shrinks(d, D, a),
    *least(s_n, C_n, d), *least(s_m, C_m, d),
)  # fmt: skip
SMALLER, OWN_SIZE = -huber(LEAST, A), -huber(LEAST, a)
AT_N, LARGER = (kernel_error(a, s, sp.Integer(0)) for s in (s_n, s_m))
FLOOR = sp.Or(A <= a, A <= T, A * D <= T * a, sp.Eq(a, 0))

CLAIMS = [
    smt.Claim(
        "no smaller teacher is better, and only one of the same norm as good",
        LEFT,
        sp.And(SMALLER >= OWN_SIZE, sp.Equivalent(sp.Eq(SMALLER, OWN_SIZE), sp.Eq(A, a))),
        {"all as good once T is reached": sp.Implies(A >= T, sp.Eq(SMALLER, OWN_SIZE))},
    ),
    smt.Claim(
        "the two branches meet at m = n",
        RIGHT,
        sp.Eq(AT_N, OWN_SIZE),
        {"and at every m": sp.Eq(LARGER, OWN_SIZE)},
    ),
    smt.Claim(
        "no larger teacher is better, and the floor is as stated",
        RIGHT,
        sp.And(LARGER >= AT_N, sp.Equivalent(sp.Eq(LARGER, AT_N), FLOOR)),
        {
            "a floor of one point": sp.Equivalent(sp.Eq(LARGER, AT_N), A <= a),
            "a floor up to max(a, T)": sp.Equivalent(
                sp.Eq(LARGER, AT_N), sp.Or(A <= a, A <= T, sp.Eq(a, 0))
            ),
        },
    ),
    smt.Claim(
        "a teacher that can hold the target makes no gap",
        (*RIGHT, A <= F, T >= F),
        sp.Eq(LARGER, AT_N),
        {
            "half the norm is enough": smt.Claim(
                "", (*RIGHT, A <= F, 2 * T >= F), sp.Eq(LARGER, AT_N)
            )
        },
    ),
    smt.Claim(
        "a student below both its own norm and the teacher's limit delays the onset",
        (*LIMITS, a > 0),
        sp.Equivalent(sp.And(T * a > D * a, T * a > D * T), sp.And(D < a, D < T)),
        {"D < a is enough": sp.Equivalent(sp.And(T * a > D * a, T * a > D * T), D < a)},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide the argmin set, the case without a gap and the onset."""
    yield from smt.steps(CLAIMS)
