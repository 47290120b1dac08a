"""The U survives in a weighted norm as long as only the teacher is limited.

For a practitioner: a kernel's own norm (w = 1/eigenvalue) changes the curve's shape but not its
message: with a student that is limited by size alone, the best teacher is still the student's
size.

Statement, teacher g_i = alpha_i/(1 + nu_m w_i) of `weighted_projection`, student = its first n
modes. For m >= n: E_S = sum_{i<=n} alpha^2 (1 - s_i)^2 + tail, s_i = 1/(1 + nu_m w_i), and nu_m
never falls with m, so neither does E_S; strictly if nu rises and some alpha_i, i <= n, is not
zero. For m <= n the student is the teacher, E_S = E_T, and a wider teacher has more to choose
from: E_T never rises, and falls iff alpha_{m+1} != 0, for then g_{m+1} != 0 and the minimiser is
unique.

Hypotheses: w > 0, D infinite. Proved per mode, hence for every number of modes. Source: ours, for
the setting of Busbridge et al., arXiv 2502.08606, appendix C.1, with weights.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof

THEOREM = Theorem(
    "Weighted norm, limited teacher: the optimum stays at m = n",
    "D infinite: E_S falls up to m = n (iff alpha_{m+1} != 0) and never falls after it",
    "z3 + cvc5",
)

nu, nu2, w1, w2, a1, a2, s1, s2, r1, r2 = sp.symbols("nu nu2 w1 w2 a1 a2 s1 s2 r1 r2", real=True)
# A student of two modes, squared target coefficients a, before (s) and after (r) the teacher grew.
MODES = (
    w1 > 0, w2 > 0, a1 >= 0, a2 >= 0, nu >= 0,
    sp.Eq(s1 * (1 + nu * w1), 1), sp.Eq(s2 * (1 + nu * w2), 1),
    sp.Eq(r1 * (1 + nu2 * w1), 1), sp.Eq(r2 * (1 + nu2 * w2), 1),
)  # fmt: skip
BEFORE, AFTER = (a1 * (1 - x) ** 2 + a2 * (1 - y) ** 2 for x, y in ((s1, s2), (r1, r2)))
near, norm, norm_best, g, alpha, s, w = sp.symbols("near norm norm_best g alpha s w", real=True)

CLAIMS = [
    smt.Claim(
        "beyond the student's size its error never falls",
        (*MODES, nu2 >= nu),
        AFTER >= BEFORE,
        {"it always rises": AFTER > BEFORE},
    ),
    smt.Claim(
        "it rises with nu",
        (*MODES, nu2 > nu, a1 + a2 > 0),
        AFTER > BEFORE,
        {"with a zero target too": smt.Claim("", (*MODES, nu2 > nu), AFTER > BEFORE)},
    ),
    smt.Claim(
        "a new mode within the student's size is used iff the target has it",
        (w > 0, nu >= 0, sp.Eq(s * (1 + nu * w), 1), sp.Eq(g, s * alpha)),
        sp.Equivalent(sp.Ne(g, 0), sp.Ne(alpha, 0)),
        {"always used": sp.Ne(g, 0)},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Decide the three claims."""
    yield from smt.steps(CLAIMS)
