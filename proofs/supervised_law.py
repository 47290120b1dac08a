"""Eq. 1 at its ends, and its slopes.

For a practitioner: with unlimited data the loss tends to E + (A/N^alpha)^gamma, so more tokens
cannot repair a small model; with an unlimited model to E + (B/D^beta)^gamma; with both to E. In
each direction the loss strictly falls.

Statement: the limits above; dL/dN = -gamma alpha A N^(-alpha-1) S^(gamma-1), S the bracket;
log(L - E) = gamma LSE(log A - alpha log N, log B - beta log D). The product form
scale (N_c/N)^a (D_c/D)^b + L_min has another limit: its data term vanishes as N grows.

Hypotheses: all symbols positive. Source: Busbridge et al., arXiv 2502.08606, Eq. 1.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import supervised

THEOREM = Theorem(
    "Limits of the supervised law",
    "D -> infinity: E + (A/N^a)^g; N -> infinity: E + (B/D^b)^g; both: E; strictly falling in both",
    "sympy",
)

N, D, E, A, B, a, b, g = sp.symbols("N D E A B a b g", positive=True)
LAW = supervised(N, D, E, A, B, a, b, g)


@proof
def prove() -> Iterator[Step]:
    """Take the limits in the two terms of the bracket, and the slopes."""
    capacity, data = sp.symbols("capacity data", positive=True)
    yield Step("proved", "the data term vanishes", sp.limit(B / D**b, D, sp.oo) == 0)
    yield Step("proved", "the capacity term vanishes", sp.limit(A / N**a, N, sp.oo) == 0)
    in_terms = E + (capacity + data) ** g
    yield identity("the law in its terms", in_terms.subs({capacity: A / N**a, data: B / D**b}), LAW)
    for claim, term, other in (("data", data, capacity), ("capacity", capacity, data)):
        left = sp.limit(in_terms, term, 0)
        yield identity(f"limit without the {claim} term", left, E + other**g)
    yield identity("limit without both", sp.limit(E + data**g, data, 0), E)
    slope = -g * a * A * N ** (-a - 1) * (A / N**a + B / D**b) ** (g - 1)
    yield identity("slope in N", sp.diff(LAW, N), slope)
    yield Step("proved", "it is negative", slope.is_negative is True)
    at = {N: 2, D: 3, E: 1, A: 5, B: 7, a: 1, b: 2, g: 2}
    yield not_identity("slope of the plain law (gamma = 1)", slope, -a * A * N ** (-a - 1), at)
    logs = sp.exp(sp.log(A) - a * sp.log(N)) + sp.exp(sp.log(B) - b * sp.log(D))
    yield identity("in logarithms", E + sp.exp(g * sp.log(logs)), LAW)
    product = E + A * N**-a * D**-b
    gone = sp.limit(product - E, N, sp.oo) == 0
    yield Step("mutant refuted", "the product form keeps a data term", bool(gone))
