"""Both laws keep their form in any unit of loss.

For a practitioner: losses in bits, in nats, or per character give the same curves; exponents
c0, c1, f1, d1, alpha, beta and gamma are free of units, and E, A, B, A', B' carry them. A fit that
changes its exponents with the unit has a defect.

Statement: with losses multiplied by l, E -> l E, A, B -> l^(1/gamma) A, B multiply the supervised
law by l; (x, K, U) -> (l x, l K, l^(1 + c0) U) multiplies L_S by l, as do
A', B' -> l^((1 + c0)/gamma') A', B'. The reduced law scales in the same way with k unchanged.

Hypotheses: all symbols positive. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import corner, distillation, reduced, supervised

THEOREM = Theorem(
    "Homogeneity of the laws",
    "(x, K, U) -> (l x, l K, l^(1+c0) U) gives l L_S; "
    "(E, A, B) -> (l E, l^(1/g) A, l^(1/g) B) gives l L",
    "sympy",
)

x, K, U, c0, c1, p, k, unit = sp.symbols("x K U c0 c1 p k l", positive=True)
N, D, E, A, B, a, b, g = sp.symbols("N D E A B a b g", positive=True)
z, rho, theta, s = sp.symbols("z rho theta s", positive=True)


@proof
def prove() -> Iterator[Step]:
    """Scale and compare normal forms."""
    law = distillation(x, K, U, c0, c1, p)
    scaled = distillation(unit * x, unit * K, unit ** (1 + c0) * U, c0, c1, p)
    yield identity("distillation law", scaled, unit * law)
    unscaled = distillation(unit * x, unit * K, unit * U, c0, c1, p)
    at = {x: 2, K: 3, U: 5, c0: 1, c1: 4, p: 2, unit: 2}
    yield not_identity("U scaled like a loss", unscaled, unit * law, at)
    small = reduced(unit * x, unit * K, unit ** (1 + c0) * U, c0, k, p)
    yield identity("reduced law", small, unit * reduced(x, K, U, c0, k, p))
    root = unit ** (1 / g)
    large = supervised(N, D, unit * E, root * A, root * B, a, b, g)
    yield identity("supervised law", large, unit * supervised(N, D, E, A, B, a, b, g))
    bracket = (A / N**a + B / D**b) ** g
    power = unit ** ((1 + c0) / g)
    scaled_bracket = (power * A / N**a + power * B / D**b) ** g
    yield identity("the gap term U from A' and B'", scaled_bracket, unit ** (1 + c0) * bracket)
    yield identity(
        "additive hinge: s scales with the loss",
        corner(unit * z, rho, theta, unit * s),
        unit * corner(z, rho, theta, s),
    )
    yield not_identity(
        "additive hinge with s unchanged",
        corner(unit * z, rho, theta, s),
        unit * corner(z, rho, theta, s),
        {z: 1, rho: 1, theta: 1, s: 1, unit: 2},
    )
