"""The exchanged cases in the proof of appendix C.1, and what survives.

For a practitioner: the paper's conclusion, a U with its best teacher at the student's size,
holds; its proof does not show it. The floor of the U may be flat beyond that size, which
matters when one looks for the gap in data: its absence just beyond n is no evidence against it.

Statement: for a teacher larger than the student (m >= n) with C = T/A_m, the student's factor is
Q = 1 where C A_n <= D and Q = D/(C A_n) where C A_n > D. With the two cases exchanged, as in Case
2 of the paper's proof, the student breaks its own norm limit, or is blown up to it; its
error is then wrong except at ties and at one overshoot that mirrors the right factor. And the
error does not rise right beyond m = n: it is flat up to A_m = T A_n/D, the paper's setting (D <=
T < ||f*||) included.

Hypotheses: 0 < D <= T <= A_m, 0 < A_n <= A_m. Source: Busbridge et al., arXiv 2502.08606,
appendix C.1; the corrections are ours.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof
from proofs.formulas import kernel_error, least, shrinks

THEOREM = Theorem(
    "The paper's Case 2, corrected",
    "m >= n: Q = 1 iff C A_n <= D; exchanged, the student leaves its ball or is wrong; "
    "E_S is flat up to A_m = T A_n/D",
    "z3 + cvc5",
)

a, A, T, D, C, Q, d, s, s_n, C_n = sp.symbols("a A T D C Q d s s_n C_n", real=True)
SETTING = (D > 0, D <= T, T <= A, a > 0, a <= A, sp.Eq(C * A, T), C > 0)
FITS, SHRUNK = sp.Eq(Q, 1), sp.Eq(Q * C * a, D)
RIGHT = (*SETTING, sp.Or(sp.And(C * a <= D, FITS), sp.And(C * a > D, SHRUNK)))
EXCHANGED = (*SETTING, sp.Or(sp.And(C * a <= D, SHRUNK), sp.And(C * a > D, FITS)))
TRUE_FACTOR = (*shrinks(d, D, a), *least(s, C, d))
SAME_ERROR = sp.Eq(kernel_error(a, C * Q, sp.Integer(0)), kernel_error(a, s, sp.Integer(0)))
AT_N = (*TRUE_FACTOR, *shrinks(C_n, T, a), *least(s_n, C_n, d))
HERE, OWN_SIZE = kernel_error(a, s, sp.Integer(0)), kernel_error(a, s_n, sp.Integer(0))

CLAIMS = [
    smt.Claim(
        "the right cases keep the student in its ball, by shrinking",
        RIGHT,
        sp.And(Q * C * a <= D, Q <= 1),
        {
            "exchanged: norm at most D": smt.Claim("", EXCHANGED, Q * C * a <= D),
            "exchanged: a factor of at most 1": smt.Claim("", EXCHANGED, Q <= 1),
        },
    ),
    smt.Claim(
        "the right cases give the student's error",
        (*RIGHT, *TRUE_FACTOR),
        SAME_ERROR,
        {"exchanged": smt.Claim("", (*EXCHANGED, *TRUE_FACTOR), SAME_ERROR)},
    ),
    smt.Claim(
        "exchanged, the error is right only at ties and at a mirrored overshoot",
        (*EXCHANGED, *TRUE_FACTOR, SAME_ERROR),
        sp.Or(sp.Eq(C * a, D), sp.Eq(C * Q + s, 2)),
        {"never": sp.false},
    ),
    smt.Claim(
        "the floor is flat up to T A_n/D",
        (*SETTING, *AT_N, D * A <= T * a),
        sp.Eq(HERE, OWN_SIZE),
        {
            "and up to twice that": smt.Claim(
                "", (*SETTING, *AT_N, D * A <= 2 * T * a), sp.Eq(HERE, OWN_SIZE)
            ),
            "strict rise right beyond n": smt.Claim("", (*SETTING, *AT_N, A > a), HERE > OWN_SIZE),
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide the corrected case distinction; the printed one is the mutant."""
    yield from smt.steps(CLAIMS)
