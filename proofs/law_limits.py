"""Eq. 8 at its ends: perfect teachers, useless teachers, perfect students.

For a practitioner: as the teacher approaches loss zero the student's loss is U x^-c0, which
grows without limit for c0 > 0; a useless teacher is imitated exactly (the student's own data
play no part); and a student without limits of its own copies any teacher. The law cannot
express a student that beats its teacher: L_S > L_T always.

Statement, for x = L_T: L_S > x; L_S/(U x^-c0) -> 1 as x -> 0; L_S - x -> 0 as x -> infinity,
for c0 = 0 too; L_S -> x as U -> 0.

Hypotheses: K, U, c1, p > 0, c0 >= 0. In y = (x/K)^p, which runs through (0, infinity) with x.
Source: Busbridge et al., arXiv 2502.08606, Eq. 8; the limits are ours.
"""

from collections.abc import Iterator

import sympy as sp

from proofs.checking import Step, Theorem, identity, proof
from proofs.formulas import distillation

THEOREM = Theorem(
    "Limits of the distillation law",
    "L_S > L_T; x -> 0: L_S ~ U x^-c0; x -> infinity: L_S - x -> 0; U -> 0: L_S -> x",
    "sympy",
)

x, y, K, U, c0, c1, p = sp.symbols("x y K U c0 c1 p", positive=True)
GAP = distillation(x, K, U, c0, c1, p) - x
IN_Y = K * y ** (1 / p)
FACTOR = (1 + y) ** (-c1 / p)


@proof
def prove() -> Iterator[Step]:
    """Write the gap in y, then take each limit."""
    in_y = U * IN_Y**-c0 * FACTOR
    yield identity("the gap in y", GAP.subs(x, IN_Y), in_y)
    yield Step("proved", "the gap is positive", GAP.is_positive is True)
    yield _limit("x -> 0: the factor", FACTOR, y, 0, 1)
    yield _limit("x -> 0: x against U x^-c0", x ** (1 + c0) / U, x, 0, 0)
    yield _limit("x -> infinity: the gap, c0 > 0", U * x**-c0, x, sp.oo, 0)
    yield _limit("x -> infinity: the factor, hence the gap with c0 = 0", FACTOR, y, sp.oo, 0)
    yield Step("proved", "the factor is at most 1", _at_most_one())
    yield _limit("U -> 0: the gap", GAP, U, 0, 0)
    wrong = sp.limit(FACTOR.subs({c1: 3, p: 2}), y, 0) != 0
    yield Step("mutant refuted", "x -> 0: the factor vanishes", bool(wrong))
    held = sp.limit(FACTOR.subs(c1, 0), y, sp.oo) == 1
    yield Step("mutant refuted", "c1 = 0 = c0: the gap vanishes all the same", bool(held))


def _limit(claim: str, expression: sp.Expr, at: sp.Symbol, to: sp.Expr, value: int) -> Step:
    found = sp.limit(expression, at, to, "+" if to == 0 else "-")
    return Step("proved", claim, bool(sp.simplify(found - value) == 0), f"limit {found}")


def _at_most_one() -> bool:
    """1 at y = 0 and falling: its derivative is a product of one negative factor."""
    return FACTOR.subs(y, 0) == 1 and sp.diff(FACTOR, y).is_negative is True
