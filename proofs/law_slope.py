"""The slope of Eq. 8 in the teacher's loss, and what it makes of the best teacher.

For a practitioner: a better teacher helps exactly while h < 1. At the best teacher h = 1; a
student with a larger gap term U (smaller, or trained on fewer tokens) is best taught by a weaker
teacher.

Statement, x = L_T, y = (x/K)^p, sigma = y/(1 + y), u = c0 + c1 sigma, h = u (L_S - x)/x:
dL_S/dx = 1 - h; x h'/h = p c1 sigma (1 - sigma)/u - 1 - u;
x L_S'' = h [u (1 + u) - p c1 sigma (1 - sigma)]/u;
h = 1 iff x^(1 + c0) (1 + y)^(c1/p) = U u;
and along h = 1, dx*/dU = x u/(U [u (1 + u) - p c1 sigma (1 - sigma)]), which is positive where
L_S is convex.

Hypotheses: all symbols positive. Source: Busbridge et al., arXiv 2502.08606, Eq. 8; the
derivatives are ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import convexity_form, distillation, hump, hump_as_product, sigma

THEOREM = Theorem(
    "Slope of the distillation law",
    "dL_S/dL_T = 1 - h, x h'/h = p c1 sigma (1 - sigma)/u - 1 - u, h = 1 iff "
    "x^(1+c0) (1+y)^(c1/p) = U u, dx*/dU > 0 where convex",
    "sympy",
)

x, K, U, c0, c1, p = sp.symbols("x K U c0 c1 p", positive=True)
LAW, H = distillation(x, K, U, c0, c1, p), hump(x, K, U, c0, c1, p)
S = sigma(x, K, p)
u = c0 + c1 * S
AT = {x: 2, K: 3, U: 5, c0: 1, c1: 4, p: 2}


@proof
def prove() -> Iterator[Step]:
    """Differentiate and compare normal forms."""
    yield identity("slope", sp.diff(LAW, x), 1 - H)
    yield not_identity("slope with c1 f1 for c1", sp.diff(LAW, x), 1 - H.subs(c1, c1 / p), AT)
    elasticity = p * c1 * S * (1 - S) / u - 1 - u
    yield identity("elasticity of h", x * sp.diff(H, x) / H, elasticity)
    yield not_identity("without the one", x * sp.diff(H, x) / H, elasticity + 1, AT)
    form = convexity_form(S, c0, c1, p)
    yield identity("second derivative", x * sp.diff(LAW, x, 2), H * form / u)
    yield identity("h as a product: stationarity", H, hump_as_product(x, K, U, c0, c1, p))
    # dx*/dU = -(dh/dU)/(dh/dx) = x u/(U form), multiplied out.
    moves, stays = -sp.diff(H, U) * U * form, x * u * sp.diff(H, x)
    yield identity("motion of the best teacher in U", moves, stays)
    yield not_identity("with the sign reversed", moves, -stays, AT)
