"""A larger student, or more tokens, always lowers the loss that Eq. 8 gives.

For a practitioner: at a given teacher the law never rewards a smaller student or less data, in
total and at a fixed supervised loss. A fitted law that does has left its domain.

Statement, G = U x^-c0 (1 + y)^(-c1/p), y = (x/K)^p: dL_S = G (dU/U + c1 sigma dK/K), and both U
and the supervised loss K/d1 strictly fall in N_S and D_S; hence L_S does. The hinge laws: at
fixed slopes and rho <= 1, L_S falls with l.

Hypotheses: all coefficients and inputs positive (c0 >= 0). Source: ours, for Busbridge et al.,
arXiv 2502.08606, Eqs. 1 and 8.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.formulas import corner, distillation, sigma, supervised

THEOREM = Theorem(
    "The laws fall in student size and tokens",
    "dL_S/dN_S < 0 and dL_S/dD_S < 0, at fixed supervised loss and in total; L_S > L_T > 0",
    "sympy, z3 + cvc5",
)

x, K, U, c0, c1, p = sp.symbols("x K U c0 c1 p", positive=True)
N, D, A, B, a, b, g, E = sp.symbols("N D A B a b g E", positive=True)
G, sig, dU, dK, cap, own, up = sp.symbols("G sig dU dK cap own up", real=True)
GROWTH = (G > 0, cap >= 0, sig > 0, sig < 1, own > 0, up > 0)
CHANGE = G * (dU / up + cap * sig * dK / own)
w, rho, theta = sp.symbols("w rho theta", real=True)
HINGE = (w > 0, w < 1, rho > 0, theta > 0)

CLAIMS = [
    smt.Claim(
        "falling U and K lower the loss; U alone too",
        (*GROWTH, dU < 0, dK <= 0),
        CHANGE < 0,
        {
            "a rising K does no harm": smt.Claim("", (*GROWTH, dU < 0), CHANGE < 0),
            "a falling K alone, c1 = 0": smt.Claim("", (*GROWTH, dU <= 0, dK < 0), CHANGE < 0),
        },
    ),
    smt.Claim(
        "hinge: share of l in the loss, rho <= 1",
        (*HINGE, rho <= 1),
        1 - rho * w + theta * (1 - w) > 0,
        {"any rho": smt.Claim("", HINGE, 1 - rho * w + theta * (1 - w) > 0)},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Derive the differentials, then decide their signs."""
    law = distillation(x, K, U, c0, c1, p)
    gap = law - x
    yield identity("dL_S/dU", sp.diff(law, U), gap / U)
    yield identity("dL_S/dK", sp.diff(law, K), gap * c1 * sigma(x, K, p) / K)
    at = {x: 2, K: 3, U: 5, c0: 1, c1: 4, p: 2}
    yield not_identity("dL_S/dK with p c1", sp.diff(law, K), gap * p * c1 * sigma(x, K, p) / K, at)
    loss = supervised(N, D, E, A, B, a, b, g)
    bracket = A / N**a + B / D**b
    slope_N = -g * a * A / N ** (a + 1) * bracket ** (g - 1)
    slope_D = -g * b * B / D ** (b + 1) * bracket ** (g - 1)
    for name, symbol, slope in (("N", N, slope_N), ("D", D, slope_D)):
        yield identity(f"slope of a power sum in {name}", sp.diff(loss, symbol), slope)
        yield Step("proved", f"it is negative in {name}", slope.is_negative is True)
    yield from _hinge_in_level()
    yield from smt.steps(CLAIMS)


def _hinge_in_level() -> Iterator[Step]:
    """d log L_S/d log l = 1 - rho w + theta (1 - w), w the weak branch's share."""
    t, level, slope, fall, s = sp.symbols("t level slope fall s", positive=True)
    z = t - level
    weak, strong = sp.exp(slope * z / s), sp.exp(-fall * z / s)
    share = weak / (weak + strong)
    value = level + corner(z, slope, fall, s)
    yield identity(
        "hinge: derivative in log l", sp.diff(value, level), 1 - slope * share + fall * (1 - share)
    )
