"""One-pass stochastic gradient descent on Gaussian data: its second moments, exactly.

For a practitioner: every step multiplies the error of mode i by a factor that also collects the
noise of all other modes; a step size is stable only while that sum stays below what the mode
forgets. A teacher and a student stage are the same recursion.

Statement, x ~ N(0, diag lambda), y = x.beta + noise of variance s2, w' = w + eta x (y - x.w), r =
w - beta, rho_i = E r_i^2: E r_i' = (1 - eta lambda_i) E r_i and rho_i' = rho_i (1 - 2 eta
lambda_i + 2 eta^2 lambda_i^2) + eta^2 lambda_i (sum_j lambda_j rho_j + s2).

Hypotheses: x independent of r; Gaussian moments E x_i^2 = lambda_i, E x_i^4 = 3 lambda_i^2, odd
ones zero. Source: ours; compare Paquette et al. 2024.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "One step of SGD on Gaussian data",
    "rho_i <- rho_i (1 - 2 eta lam_i + 2 eta^2 lam_i^2) + eta^2 lam_i (sum lam_j rho_j + s2)",
    "sympy",
)

eta, s2, noise = sp.symbols("eta s2 noise", positive=True)
MODES = 3
x = sp.symbols(f"x1:{MODES + 1}", real=True)
r = sp.symbols(f"r1:{MODES + 1}", real=True)
_EVEN_MOMENTS = {0: 1, 2: 1, 4: 3}  # of a Gaussian, in powers of its variance
lam = sp.symbols(f"lam1:{MODES + 1}", positive=True)


@proof
def prove() -> Iterator[Step]:
    """Expand one step in monomials and replace Gaussian moments, in three modes."""
    step = [
        r[i] + eta * x[i] * (noise - sum(a * b for a, b in zip(x, r, strict=True)))
        for i in range(MODES)
    ]
    total = sum(value * entry**2 for value, entry in zip(lam, r, strict=True))
    for i in range(MODES):
        yield identity(f"mean of mode {i + 1}", mean(step[i]), (1 - eta * lam[i]) * r[i])
        after = mean(step[i] ** 2)
        forget = 1 - 2 * eta * lam[i] + 2 * eta**2 * lam[i] ** 2
        right = r[i] ** 2 * forget + eta**2 * lam[i] * (total + s2)
        yield identity(f"square of mode {i + 1}", after, right)
    at = dict.fromkeys((*r, *lam, eta, s2), 1)
    bounded = r[0] ** 2 * (1 - eta * lam[0]) ** 2 + eta**2 * lam[0] * (total + s2)
    yield not_identity("without the fourth moment", mean(step[0] ** 2), bounded, at)


def mean(expression: sp.Expr) -> sp.Expr:
    """Mean over x and noise of a polynomial of degree at most 4 in x and 2 in the noise."""
    polynomial = sp.Poly(sp.expand(expression), *x, noise)
    found = sp.Integer(0)
    for powers, coefficient in polynomial.terms():
        if any(power % 2 for power in powers):
            continue
        term = coefficient
        for power, variance in zip(powers, (*lam, s2), strict=True):
            term *= _EVEN_MOMENTS[power] * variance ** (power // 2)
        found += term
    return sp.expand(found)
