"""One ridge stage of a chain: its excess risk, and the least-squares formulas inside it.

For a practitioner: the same three numbers (kappa, the shrinkages s_i, gamma) describe every stage
of teacher, assistants and student. Setting the ridge to zero gives ordinary least squares.

Statement. Per mode i <= m: a -> s a, q -> s^2 q + (R/n) s^2/lambda, R = [sum lambda (1 - s)^2 q +
tail + tau^2]/(1 - gamma), gamma = (1/n) sum s^2. Then the excess risk against incoming labels is
sum lambda (1 - s)^2 q + tail + gamma R, so R - tau^2 is the stage's own excess risk; with
kappa = lam + (kappa/n) sum s, s = lambda/(lambda + kappa): sum s + n lam/kappa = n, and the
training error is (lam/kappa)^2 R. lam -> 0 with m < n: kappa = 0, s = 1, gamma = m/n,
R = (t_m + tau^2)/(1 - m/n): the exact least-squares risk with n - m for n - m - 1.

Hypotheses: the deterministic equivalent itself (proportional limit), which is not proved here.
Source: ours for chains; one stage: Canatar et al. 2021, arXiv 2006.13198; Simon et al., arXiv
2110.03922.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "A ridge stage of a chain",
    "excess risk = B + tail + gamma R, R = (B + tail + tau^2)/(1 - gamma); "
    "sum s + n lam/kappa = n; lam -> 0: least squares",
    "sympy",
)

eig, kappa, lam, n, beta, a, q, tau2, B, tail, gamma = sp.symbols(
    "eig kappa lam n beta a q tau2 B tail gamma", positive=True
)
s = sp.Symbol("s", positive=True)
MODES = 4


@proof
def prove() -> Iterator[Step]:
    """One mode, then four modes, then the ridgeless limit."""
    R = (B + tail + tau2) / (1 - gamma)
    yield identity("R - tau^2 is the risk against the labels", R - tau2, B + tail + gamma * R)
    at = {B: 1, tail: 1, tau2: 1, gamma: sp.Rational(1, 2)}
    yield not_identity("without label noise in R", R, B + tail + gamma * R, at)
    own = eig * (q - 2 * q * s + s**2 * q)
    yield identity("one mode against the labels", own, eig * (1 - s) ** 2 * q)
    truth = eig * (beta**2 - 2 * beta * s * a + s**2 * q)
    exact = {a: beta, q: beta**2}
    yield identity("one mode against the truth", truth.subs(exact), eig * (1 - s) ** 2 * beta**2)
    yield from _four_modes()
    yield from _ridgeless()


def _four_modes() -> Iterator[Step]:
    """The sum over modes: shrinkages of a fixed point use up n - n lam/kappa samples."""
    eigs = sp.symbols(f"eig1:{MODES + 1}", positive=True)
    shrink = [value / (value + kappa) for value in eigs]
    ridge = kappa - kappa / n * sum(shrink)
    yield identity("sum s + n lam/kappa = n", sum(shrink) + n * ridge / kappa, n)
    yield not_identity("sum s = n", sum(shrink), n, {**dict.fromkeys(eigs, 1), kappa: 1, n: 4})
    # The residuals' share: 1 - (2/n) sum s + (1/n) sum s^2 - ... collapses to (lam/kappa)^2.
    yield identity("lam/kappa = 1 - sum s/n", ridge / kappa, 1 - sum(shrink) / n)


def _ridgeless() -> Iterator[Step]:
    m = sp.Symbol("m", positive=True)
    R = (tail + tau2) / (1 - m / n)
    yield identity("least squares: R", R, n * (tail + tau2) / (n - m))
    yield identity("and its excess risk", tail + (m / n) * R, tail + m * (tau2 + tail) / (n - m))
    exact = tail + m * (tau2 + tail) / (n - m - 1)
    apart = sp.limit(n * (exact - tail - (m / n) * R), n, sp.oo)
    yield Step("proved", "exact and asymptotic agree to order 1/n", apart == 0, f"n x gap: {apart}")
    order = sp.limit(n**2 * (exact - tail - (m / n) * R), n, sp.oo)
    differs = sp.simplify(order - m * (tau2 + tail)) == 0
    yield Step("mutant refuted", "to order 1/n^2", bool(differs), f"n^2 x gap: {order}")
