"""Projection on a ball in a weighted norm: each mode is shrunk by its own factor.

For a practitioner: a norm that charges fine features more than coarse ones (a kernel's own norm
does) shrinks them more. Teacher and student then disagree about shapes and not only about
amplitude, which is what makes the exceptions of `w_shape` possible.

Statement: g*_i = alpha_i/(1 + nu w_i) with nu >= 0 and nu (sum w g*^2 - T^2) = 0 satisfies, for
every g, sum (g - alpha)^2 - sum (g* - alpha)^2 = sum (1 + nu w_i) (g_i - g*_i)^2 - nu (sum w g^2
- sum w g*^2); for feasible g the right side is >= sum (g_i - g*_i)^2. So g* is the only
minimiser, for every number of modes: the identity holds mode by mode. nu is the only root of sum
w alpha^2/(1 + nu w)^2 = T^2, whose left side strictly falls; another mode raises it.

Hypotheses: w_i > 0, T > 0. Source: Lagrangian duality; Busbridge et al., arXiv 2502.08606,
appendix C.1, has w = 1.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Projection on a weighted ball",
    "g_i = alpha_i/(1 + nu w_i) is the only minimiser of ||g - alpha|| with sum w g^2 <= T^2; "
    "nu rises with every mode",
    "sympy, z3 + cvc5",
)

w, nu, nu2, g, best, s, s2, alpha, T2 = sp.symbols("w nu nu2 g best s s2 alpha T2", real=True)
near, norm, norm_best = sp.symbols("near norm norm_best", real=True)
v, u, e, f, extra = sp.symbols("v u e f extra", real=True)
# s = 1/(1 + nu w) and s2 = 1/(1 + nu2 w).
MODE = (w > 0, nu >= 0, nu2 >= 0, sp.Eq(s * (1 + nu * w), 1), sp.Eq(s2 * (1 + nu2 * w), 1))
GAIN = near - nu * (norm - norm_best)
BINDING = sp.Or(sp.Eq(nu, 0), sp.Eq(norm_best, T2))

CLAIMS = [
    smt.Claim(
        "the identity's right side is at least the squared distance to g*",
        (nu >= 0, near >= 0, norm <= T2, norm_best <= T2, BINDING),
        GAIN >= near,
        {
            "without complementary slackness": smt.Claim(
                "", (nu >= 0, near >= 0, norm <= T2, norm_best <= T2), GAIN >= near
            )
        },
    ),
    smt.Claim(
        "a mode's share of the norm falls with nu",
        (*MODE, nu < nu2, alpha**2 > 0),
        w * (s2 * alpha) ** 2 < w * (s * alpha) ** 2,
        {"it rises": w * (s2 * alpha) ** 2 > w * (s * alpha) ** 2},
    ),
    smt.Claim(
        "a mode's error rises with nu, and its amplitude never grows",
        (*MODE, nu < nu2, alpha**2 > 0),
        sp.And((1 - s2) ** 2 * alpha**2 > (1 - s) ** 2 * alpha**2, s2 < s, s <= 1, s2 > 0),
        {"its error falls": (1 - s2) ** 2 < (1 - s) ** 2},
    ),
    smt.Claim(
        # v, u: norm of the old modes at nu and nu2, falling in between; extra: the new mode's.
        "another mode raises nu",
        (sp.Implies(nu2 < nu, u > v), sp.Eq(v, T2), sp.Eq(u + extra, T2), extra >= 0),
        nu2 >= nu,
        {
            "without the norm's monotony": smt.Claim(
                "", (sp.Eq(v, T2), sp.Eq(u + extra, T2), extra >= 0), nu2 >= nu
            )
        },
    ),
]


@proof
def prove() -> Iterator[Step]:
    """The identity of one mode; signs."""
    target = (1 + nu * w) * best
    left = (g - target) ** 2 - (best - target) ** 2
    right = (1 + nu * w) * (g - best) ** 2 - nu * w * (g**2 - best**2)
    yield identity("one mode", left, right)
    at = {nu: 1, w: 2, g: 3, best: 1}
    yield not_identity("without the multiplier's term", left, (1 + nu * w) * (g - best) ** 2, at)
    yield from smt.steps(CLAIMS)
