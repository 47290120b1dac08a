"""A ridge student's best teacher has the student's effective capacity, not its size.

For a practitioner: regularization and finite data make a student smaller than it looks. The best
teacher of limited size stops at the last mode the student learns well enough,
s_i > 1 - sqrt(1 - gamma); more student data raises that capacity to the student's full size, and
the loss from a larger teacher vanishes.

Statement, perfect teacher of the first m modes, student stage of width n with shrinkages s_i and
gamma from `ridge_chain`, t_m = sum_{i>m} lambda beta^2, B_k = sum_{i<=k} lambda (1-s)^2 beta^2:
m <= n: E_S = t_m + B_m/(1 - gamma); m >= n: E_S = t_n + B_n/(1 - gamma) + gamma/(1 - gamma)
(t_n - t_m). Adding mode m <= n changes E_S by e [(1 - s)^2/(1 - gamma) - 1], e = lambda beta^2,
negative iff s > 1 - sqrt(1 - gamma); a mode beyond n adds e gamma/(1 - gamma) > 0. As s falls with
i, m* = #{i <= n : s_i > 1 - sqrt(1 - gamma)} is the only minimum up to modes with e = 0 or a tie.

Hypotheses: 0 < gamma < 1, 0 < s <= 1; s nonincreasing in i. Source: ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Effective capacity of a ridge student",
    "perfect m-mode teacher: mode m <= n lowers E_S iff s_m > 1 - sqrt(1 - gamma); "
    "modes beyond n raise it",
    "sympy, z3 + cvc5",
)

s, s2, g, r, e = sp.symbols("s s2 g r e", real=True)
# r is the square root of 1 - gamma.
DOMAIN = (s > 0, s <= 1, g > 0, g < 1, r > 0, sp.Eq(r**2, 1 - g), e > 0)
CHANGE = e * ((1 - s) ** 2 - (1 - g))  # times 1 - gamma > 0

CLAIMS = [
    smt.Claim(
        "a mode within the student helps iff it is learned well enough",
        DOMAIN,
        sp.Equivalent(CHANGE < 0, s > 1 - r),
        {
            "every mode helps": CHANGE < 0,
            "threshold gamma": sp.Equivalent(CHANGE < 0, s > g),
        },
    ),
    smt.Claim(
        "one minimum: once a mode hurts, later ones do not help",
        (*DOMAIN, CHANGE >= 0, s2 > 0, s2 <= s),
        e * ((1 - s2) ** 2 - (1 - g)) >= 0,
        {
            "whatever the order": smt.Claim(
                "", (*DOMAIN, CHANGE >= 0, s2 > 0, s2 <= 1), e * ((1 - s2) ** 2 - (1 - g)) >= 0
            )
        },
    ),
    smt.Claim(
        "the threshold is below gamma, so it vanishes with it",
        DOMAIN,
        sp.And(1 - r < g, 1 - r > 0),
        {"below gamma/2": 2 * (1 - r) < g},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Derive the closed forms with one stage of the chain for every m and n up to 4 modes."""
    yield from _closed_forms(4)
    yield from smt.steps(CLAIMS)


def student(m: int, n: int, modes: int) -> tuple[sp.Expr, sp.Expr]:
    """E_S by `ridge_chain`'s stage, and by the closed form; gamma n_S = sum s^2 stays implicit."""
    eig = sp.symbols(f"eig1:{modes + 1}", positive=True)
    beta = sp.symbols(f"beta1:{modes + 1}", real=True)
    shrink = sp.symbols(f"s1:{modes + 1}", positive=True)
    n_S = sp.Symbol("n_S", positive=True)
    gamma = sum(shrink[i] ** 2 for i in range(n)) / n_S
    label = [beta[i] if i < m else sp.Integer(0) for i in range(modes)]
    inside = sum(eig[i] * (1 - shrink[i]) ** 2 * label[i] ** 2 for i in range(n))
    outside = sum(eig[i] * label[i] ** 2 for i in range(n, modes))
    R = (inside + outside) / (1 - gamma)
    mean = [shrink[i] * label[i] if i < n else sp.Integer(0) for i in range(modes)]
    noise = [R / n_S * shrink[i] ** 2 / eig[i] if i < n else sp.Integer(0) for i in range(modes)]
    risk = sum(
        eig[i] * (beta[i] ** 2 - 2 * beta[i] * mean[i] + mean[i] ** 2 + noise[i])
        for i in range(modes)
    )
    k = min(m, n)
    tail = [sum(eig[i] * beta[i] ** 2 for i in range(j, modes)) for j in range(modes + 1)]
    bias = sum(eig[i] * (1 - shrink[i]) ** 2 * beta[i] ** 2 for i in range(k))
    closed = tail[k] + (bias + gamma * (tail[n] - tail[m] if m > n else 0)) / (1 - gamma)
    return risk, closed


def _closed_forms(modes: int) -> Iterator[Step]:
    for n in range(1, modes):
        for m in range(modes + 1):
            risk, closed = student(m, n, modes)
            yield identity(f"m = {m}, n = {n}", risk, closed)
    risk, _ = student(3, 2, modes)
    _, wrong = student(2, 2, modes)
    at = dict.fromkeys(risk.free_symbols | wrong.free_symbols, sp.Rational(1, 2))
    at[sp.Symbol("n_S", positive=True)] = sp.Integer(9)
    yield not_identity("m = 3 is as good as m = n = 2", risk, wrong, at)
