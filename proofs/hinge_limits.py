"""What the hinge laws say far from the corner, and at a sharp one.

For a practitioner: a weak teacher's student follows it with slope rho, so with rho < 1 it beats
any teacher that is weak enough, which Eq. 8 cannot express; a strong teacher's student loses
theta for every nat its teacher gains. With a constant rho < 1 the law has a blind spot: even an
unlimited student does not copy its teacher.

Statement: max(rho z, -theta z) < corner(z) <= max(rho z, -theta z) + s log 2, so corner >0 and
L_S > l; s -> 0 gives the sharp hinge max(rho z, -theta z). In the log form, for rho < 1 and
z > s log 2/(1 - rho), L_S < L_T; log(L_S/L_T) -> -infinity as L_T/l grows, and the weak branch
keeps L_S/L_T away from 1.

Hypotheses: rho, theta, s > 0. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import corner

THEOREM = Theorem(
    "Limits of the hinge laws",
    "max(rho z, -theta z) < corner(z) <= max + s log 2; s -> 0: the sharp hinge; "
    "rho < 1: L_S < L_T for weak teachers",
    "sympy, z3 + cvc5",
)

rho, theta, s = sp.symbols("rho theta s", positive=True)
z = sp.Symbol("z", real=True)
up = sp.Symbol("up", positive=True)
r, T, S, Z, excess, ln2, e = sp.symbols("r T S Z excess ln2 e", real=True)
SLOPES = (r > 0, T > 0, S > 0)
# e = exp(-(rho+theta)|z|/s) in (0, 1]; excess = log(1 + e) in (0, log 2].
SOFT = (excess > 0, excess <= ln2, ln2 > 0)
SHARP = sp.Piecewise((r * Z, Z >= 0), (-T * Z, True))

CLAIMS = [
    smt.Claim(
        "above l, and above both branches",
        (*SLOPES, *SOFT),
        sp.And(SHARP + S * excess > 0, SHARP + S * excess > r * Z, SHARP + S * excess > -T * Z),
        {"above the teacher": SHARP + S * excess > Z},
    ),
    smt.Claim(
        "a weak teacher is beaten if rho < 1",
        (*SLOPES, *SOFT, r < 1, Z * (1 - r) > S * ln2),
        SHARP + S * excess < Z,
        {
            "any weaker teacher is": smt.Claim(
                "", (*SLOPES, *SOFT, r < 1, Z > 0), SHARP + S * excess < Z
            )
        },
    ),
    smt.Claim(
        "log(1 + e) grows with e in (0, 1]",
        (e > 0, e <= 1),
        sp.And(1 + e > 1, 1 + e <= 2),
        {"never reaches 2": 1 + e < 2},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Split the corner into a branch and a softplus; limits; signs."""
    fall = s * sp.log(1 + sp.exp(-(rho + theta) * z / s))
    rise = s * sp.log(1 + sp.exp((rho + theta) * z / s))
    CORNER = corner(z, rho, theta, s)
    yield identity("weak branch plus excess", sp.exp(CORNER / s), sp.exp((rho * z + fall) / s))
    yield identity("strong branch plus excess", sp.exp(CORNER / s), sp.exp((rise - theta * z) / s))
    at = {rho: 1, theta: 3, s: 2, z: 1}
    wrong = sp.exp((rise + rho * z) / s)
    yield not_identity("weak branch with the other's excess", sp.exp(CORNER / s), wrong, at)
    excess_at = s * sp.log(1 + sp.exp(-up / s))
    yield Step("proved", "sharp corner: the excess vanishes", sp.limit(excess_at, s, 0, "+") == 0)
    at_corner = sp.limit((s * sp.log(1 + sp.exp(-sp.Integer(0) / s))) / s, s, 0, "+")
    yield Step("mutant refuted", "and does so relative to s at the corner", at_corner == sp.log(2))
    share, t = sp.symbols("share t", positive=True)
    bound = (share / (1 + share) - 1) * t + s * sp.log(2)
    tends = sp.limit(bound, t, sp.oo)
    yield Step("proved", "rho = share/(1+share) < 1: log(L_S/L_T) has no floor", tends == -sp.oo)
    yield from smt.steps(CLAIMS)
