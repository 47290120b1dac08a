"""Where the regimes of Eq. 8 change: not at d1.

For a practitioner: "the student is the stronger learner when L_T < d1 L(N_S, D_S)" is in
circulation, with d1 = 1.315. The transition is where k (L_T/L)^(1/f1) = 1, that is at
L_T/L = d1 (c1 f1)^(-f1), and for the published coefficients that is 0.93: below the student's
own loss, not a third above it.

Statement, y = (r/d1)^p, p = 1/f1: at r = d1 (c1/p)^(-1/p), c1 y/p = 1 and the factor of the gap is
(1 + p/c1)^(-c1/p), which is between 1/e and 1/2 for c1 f1 >= 1 and tends to 1/e; at r = d1 it is
2^(-c1/p). For every coefficient in the published intervals the knee is between 0.90 and 0.95, and
the factor at d1 is below 1e-13: there the gap is long closed.

Hypotheses: positive coefficients; intervals of Table 6. Source: Busbridge et al., arXiv
2502.08606, Eq. 8 and Table 6; the correction is ours.
"""

from collections.abc import Iterator

import sympy as sp
from flint import arb

from proofs.checking import Step, Theorem, identity, not_identity, proof
from proofs.published import box

THEOREM = Theorem(
    "The knee of the distillation law",
    "at r = d1 (c1 f1)^-f1 the factor is (1 + 1/(c1 f1))^(-c1 f1) in (1/e, 1/2]; r = 0.90 to 0.95 "
    "over the published intervals, not d1 = 1.315",
    "sympy, Arb",
)

r, d1, c1, p, q = sp.symbols("r d1 c1 p q", positive=True)


@proof
def prove() -> Iterator[Step]:
    """Substitute the knee, bound the factor, evaluate over the box."""
    y = (r / d1) ** p
    knee = d1 * (c1 / p) ** (-1 / p)
    yield identity("c1 y/p = 1 at the knee", (c1 * y / p).subs(r, knee), 1)
    yield not_identity("c1 y = 1 there", (c1 * y).subs(r, knee), 1, {c1: 4, p: 2})
    yield identity("y = 1 at d1", y.subs(r, d1), 1)
    fall = (1 + 1 / q) ** -q
    yield Step("proved", "the factor tends to 1/e", sp.limit(fall, q, sp.oo) == sp.exp(-1))
    yield Step("proved", "it is 1/2 at c1 f1 = 1", fall.subs(q, 1) == sp.Rational(1, 2))
    yield Step("proved", "it falls", _falls())
    f1, over, c = box("f1"), box("d1"), box("c1")
    position = over * (c * f1) ** (-f1)
    within = position > arb("0.90") and position < arb("0.95")
    yield Step("proved", "knee over the published box", bool(within), _ends(position))
    apart = position < over.lower()
    yield Step("mutant refuted", "the knee can be at d1", bool(apart), _ends(over))
    at_d1 = arb(2) ** (-c * f1)
    yield Step("proved", "the factor at d1", bool(at_d1 < arb("1e-13")))


def _ends(value: arb) -> str:
    return f"[{float(value.lower()):.3f}, {float(value.upper()):.3f}]"


def _falls() -> bool:
    """Its log falls: log(1 + 1/q) > 1/(q + 1), for their difference falls to zero."""
    slope = sp.diff(-q * sp.log(1 + 1 / q), q)
    excess = sp.log(1 + 1 / q) - 1 / (q + 1)
    same = sp.simplify(slope + excess) == 0
    falling = sp.factor(sp.together(sp.diff(excess, q))).is_negative is True
    return bool(same and falling and sp.limit(excess, q, sp.oo) == 0)
