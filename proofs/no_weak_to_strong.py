"""In the kernel model of appendix C.1 no student beats its teacher.

For a practitioner: with nested features, isotropic norms and infinite data the student inherits
the teacher's errors and adds its own. A student better than its teacher needs something this
model lacks: misfit in a direction that hurts the teacher (see `gain_identity`), finite samples,
or other features.

Statement: E_S(m) >= E_T(m), for m <= n and for m >= n, with equality for m <= n iff the
student's limit does not bind further (A_m <= D or T <= D).

Hypotheses: T, D > 0 in any order, 0 <= A_n <= A_m. Source: ours, for the setting of Busbridge et
al., arXiv 2502.08606, appendix C.1.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import huber, kernel_error, least, shrinks

THEOREM = Theorem(
    "No weak-to-strong gain in the kernel model", "E_S(m) >= E_T(m) for every m, T, D", "z3 + cvc5"
)

a, A, T, D, C, d, s = sp.symbols("a A T D C d s", real=True)
LEAST = sp.Piecewise((T, T <= D), (D, True))
LIMITS = (T > 0, D > 0)
SHRUNK = (*shrinks(C, T, A), *shrinks(d, D, a), *least(s, C, d))
TEACHER, SMALLER = -huber(T, A), -huber(LEAST, A)
LARGER = kernel_error(a, s, sp.Integer(0))

CLAIMS = [
    smt.Claim(
        "teacher not larger than the student",
        (*LIMITS, A >= 0),
        sp.And(SMALLER >= TEACHER, sp.Equivalent(sp.Eq(SMALLER, TEACHER), sp.Or(A <= D, T <= D))),
        {"always worse": SMALLER > TEACHER},
    ),
    smt.Claim(
        "teacher larger than the student",
        (*LIMITS, a >= 0, A >= a, *SHRUNK),
        LARGER >= TEACHER,
        {
            "always worse": LARGER > TEACHER,
            "without nesting (A_n > A_m)": smt.Claim(
                "", (*LIMITS, a >= 0, A >= 0, *SHRUNK), LARGER >= TEACHER
            ),
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide both ranges and their mutants."""
    yield from smt.steps(CLAIMS)
