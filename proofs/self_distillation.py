"""Self-distillation on the same data: what a second look at one's own answers does.

For a practitioner: training again on one's own predictions is a stronger ridge in another dress.
Mixing them with the labels has a best weight that is known in closed form and may be negative or
above one; repeated for ever with weight xi it is ridge with lam/(1 - xi).

Statement, one eigendirection of X'X/n with eigenvalue mu, c its part of X'y/n, b(l) = c/(mu + l):
(a) student with ridge lS on the predictions of b(lT): (lS b(lS) - lT b(lT))/(lS - lT).
(b) equal lam, labels (1 - xi) y + xi prediction: b + xi lam b', b' = db/dlam, so the risk is
R + xi lam R' + xi^2 lam^2 ||b'||^2, least at xi* = -R'/(2 lam ||b'||^2), gain R'^2/(4 ||b'||^2).
(c) repeated: the fixed point is b(lam/(1 - xi)).

Hypotheses: mu, lam > 0; algebra per direction, so for every design. Source: (b) Das & Sanghavi,
arXiv 2301.13304; (c) Borup & Andersen, arXiv 2102.13088.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Self-distillation in closed form",
    "xi* = -R'(lam)/(2 lam ||b'||^2); b(lS | b(lT)) = (lS b(lS) - lT b(lT))/(lS - lT); repeated: "
    "ridge with lam/(1 - xi)",
    "sympy",
)

mu, lam, lS, lT = sp.symbols("mu lam lS lT", positive=True)
c, xi = sp.symbols("c xi", real=True)


def ridge(penalty: sp.Expr) -> sp.Expr:
    """Coefficient of one eigendirection."""
    return c / (mu + penalty)


@proof
def prove() -> Iterator[Step]:
    """Solve each stage per eigendirection; the quadratic for the best mixture."""
    taught = mu * ridge(lT) / (mu + lS)
    two = (lS * ridge(lS) - lT * ridge(lT)) / (lS - lT)
    yield identity("two ridges", taught, two)
    at = {mu: 1, lS: 2, lT: 3, c: 1, lam: 2, xi: 3}
    yield not_identity("their plain average", taught, (ridge(lS) + ridge(lT)) / 2, at)
    mixed = ((1 - xi) * c + xi * mu * ridge(lam)) / (mu + lam)
    slope = sp.diff(ridge(lam), lam)
    yield identity("mixture", mixed, ridge(lam) + xi * lam * slope)
    yield not_identity("mixture with the sign reversed", mixed, ridge(lam) - xi * lam * slope, at)
    again = sp.Symbol("again", real=True)
    fixed = sp.solve(sp.Eq(again, ((1 - xi) * c + xi * mu * again) / (mu + lam)), again)[0]
    yield identity("repeated for ever", fixed, ridge(lam / (1 - xi)))
    yield from _best_mixture()


def _best_mixture() -> Iterator[Step]:
    """Risk in two directions, with any weights and any truth; chain rule, then algebra."""
    w, truth = sp.symbols("w1:3", positive=True), sp.symbols("t1:3", real=True)
    path = [sp.Function(f"b{i}")(lam) for i in (1, 2)]
    b, moved = sp.symbols("b1:3", real=True), sp.symbols("m1:3", real=True)
    plain = {sp.diff(f, lam): m for f, m in zip(path, moved, strict=True)}
    risk = sum(w[i] * (path[i] - truth[i]) ** 2 for i in range(2))
    slope = sp.diff(risk, lam).subs(plain).subs(dict(zip(path, b, strict=True)))
    risk = risk.subs(dict(zip(path, b, strict=True)))
    after = sum(w[i] * (b[i] + xi * lam * moved[i] - truth[i]) ** 2 for i in range(2))
    square = sum(w[i] * moved[i] ** 2 for i in range(2))
    yield identity("risk of a mixture", after, risk + xi * lam * slope + xi**2 * lam**2 * square)
    R_slope, size = sp.symbols("R_slope size", positive=True)
    quadratic = xi * lam * R_slope + xi**2 * lam**2 * size
    best = -R_slope / (2 * lam * size)
    yield identity("it is stationary at xi*", sp.diff(quadratic, xi).subs(xi, best))
    yield identity("gain at xi*", -quadratic.subs(xi, best), R_slope**2 / (4 * size))
    at = {R_slope: 1, size: 1, lam: 1}
    yield not_identity("xi* without the 2", sp.diff(quadratic, xi).subs(xi, 2 * best), 0, at)
