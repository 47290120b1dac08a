"""Both hinge laws have one best teacher, in closed form.

For a practitioner: no search, no local minimum, and the answer can be read: the best teacher
stands at the student's level l, moved by the softness s and by how much steeper one side is than
the other.

Statement, corner(z) = s log(e^(rho z/s) + e^(-theta z/s)), w = share of the first term:
corner' = rho w - theta (1 - w); corner'' = (rho + theta)^2 w (1 - w)/s > 0; the only zero of
corner' is z* = s log(theta/rho)/(rho + theta); corner(z*) =
s log[q^(rho/(rho+theta)) + q^(-theta/(rho+theta))], q = theta/rho. With z = log(L_T/l) it gives
L_T* = l q^(s/(rho+theta)) and L_S* = l [...]^s (log form), with z = L_T - l the additive twin's
L_T* = l + z*.

Hypotheses: rho, theta, s > 0. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import corner

THEOREM = Theorem(
    "Best teacher of the hinge laws",
    "L_T* = l q^(s/(rho+theta)), L_S* = l [q^(rho/(rho+theta)) + q^(-theta/(rho+theta))]^s, "
    "q = theta/rho; strictly convex in log L_T (log form), in L_T (additive form)",
    "sympy",
)

rho, theta, s, level = sp.symbols("rho theta s l", positive=True)
z = sp.Symbol("z", real=True)
CORNER = corner(z, rho, theta, s)
SHARE = 1 / (1 + sp.exp(-(rho + theta) * z / s))
BEST = s * sp.log(theta / rho) / (rho + theta)
q = theta / rho
AT = {rho: 1, theta: 3, s: 2, z: 1}


@proof
def prove() -> Iterator[Step]:
    """Differentiate, substitute the optimum."""
    first = rho * SHARE - theta * (1 - SHARE)
    second = (rho + theta) ** 2 * SHARE * (1 - SHARE) / s
    yield identity("slope", sp.diff(CORNER, z), first)
    yield identity("curvature", sp.diff(first, z), second)
    yield not_identity("curvature without 1/s", sp.diff(first, z), second * s, AT)
    positive = sp.simplify(SHARE * (1 - SHARE) - SHARE**2 * sp.exp(-(rho + theta) * z / s)) == 0
    yield Step("proved", "curvature is a product of positive factors", bool(positive))
    yield identity("slope at the optimum", sp.powdenest(first.subs(z, BEST), force=True))
    wrong = s * sp.log(rho / theta) / (rho + theta)
    yield not_identity("optimum with the ratio inverted", first.subs(z, wrong), 0, AT)
    power = (rho + theta) ** -1
    height = s * sp.log(q ** (rho * power) + q ** (-theta * power))
    yield identity("height", _in_powers(CORNER.subs(z, BEST)), height)
    yield not_identity("height for equal slopes only", height, s * sp.log(2), AT)
    log_form = level * sp.exp(BEST)
    yield identity("L_T* of the log form", _in_powers(log_form), level * q ** (s * power))


def _in_powers(expression: sp.Expr) -> sp.Expr:
    """exp(c log(theta/rho)) as the power (theta/rho)^c."""
    ratio = sp.Symbol("ratio", positive=True)
    plain = expression.subs(sp.log(theta / rho), sp.log(ratio))
    return sp.powsimp(sp.simplify(plain)).subs(ratio, q)
