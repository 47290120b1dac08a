"""With a weighted norm and both limits binding, the curve can be a W: an exact instance.

For a practitioner: "use a teacher of the student's size" is a theorem in the paper's kernel model
and not beyond it. A larger teacher can be worse, then better than any smaller one, then worse
again; a search that stops at the first rise stops too early.

Statement, weights w_i, squared target coefficients, student of n = 2 modes, sum w g^2 <= T^2 =
41/25 for the teacher and D^2 = 41/100 for the student. (a) w = (1, 4, 9), alpha^2 = (1, 1, 41/3):
E_S(3) = 4367/300 < E_S(2) < E_S(1), so m = n is not best. The multipliers are nu = 0, 1/4, 1 for
m = 1, 2, 3. (b) With modes of weight 9 added so that nu = 0, 1/4, 2/5, 1, 2 for m = 1..5: E_S(1)
> E_S(2) < E_S(3) > E_S(4) < E_S(5), and m = 4 is best: a W.

Hypotheses: none; all numbers are rational, the student's multipliers are algebraic and enter by
their equations. Source: ours; (a) corrects the belief that the optimum m = n needs no isotropy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, proof

THEOREM = Theorem(
    "W-shaped curve in a weighted norm",
    "w = (1, 4, 9), alpha^2 = (1, 1, 41/3), n = 2, T^2 = 41/25, D^2 = 41/100: E_S(3) = 4367/300 < "
    "E_S(2) < E_S(1); with two more modes E_S is a W",
    "sympy, z3 + cvc5",
)

R = sp.Rational
Numbers: TypeAlias = tuple[sp.Rational, ...]
T2, D2, N = R(41, 25), R(41, 100), 2


@dataclass(frozen=True, slots=True)
class Instance:
    """Weights, squared coefficients and the teacher's multiplier for m = 1, 2, ..."""

    weights: Numbers
    squares: Numbers
    nu: Numbers

    def norm(self, m: int) -> sp.Rational:
        """Weighted squared norm of the teacher with m modes."""
        return _norm(self.weights, self.squares, m, self.nu[m - 1])


def _norm(weights: Numbers, squares: Numbers, m: int, nu: sp.Rational) -> sp.Rational:
    return sum(w * a / (1 + nu * w) ** 2 for w, a in zip(weights[:m], squares[:m], strict=True))


def completed(nu: Numbers) -> Instance:
    """Two modes (1, 4), then modes of weight 9 that make the given multipliers exact."""
    weights, squares = [R(1), R(4)], [R(1), R(1)]
    for value in nu[2:]:
        rest = T2 - _norm(tuple(weights), tuple(squares), len(weights), value)
        weights.append(R(9))
        squares.append(rest * (1 + 9 * value) ** 2 / 9)
    return Instance(tuple(weights), tuple(squares), nu)


THREE = Instance((R(1), R(4), R(9)), (R(1), R(1), R(41, 3)), (R(0), R(1, 4), R(1)))
FIVE = completed((R(0), R(1, 4), R(2, 5), R(1), R(2)))


def student(case: Instance, m: int) -> tuple[tuple[sp.logic.boolalg.Boolean, ...], sp.Expr]:
    """Hypotheses that define the student's shrinkages; its squared error less the tail."""
    k = min(m, N)
    mu = sp.Symbol(f"mu{m}", real=True)
    shrunk = sp.symbols(f"h{m}_1:{k + 1}", real=True)
    kept = [1 / (1 + case.nu[m - 1] * w) for w in case.weights[:k]]
    norm = sum(
        w * a * (c * h) ** 2
        for w, a, c, h in zip(case.weights[:k], case.squares[:k], kept, shrunk, strict=True)
    )
    defines = [sp.Eq(h * (1 + mu * w), 1) for h, w in zip(shrunk, case.weights[:k], strict=True)]
    loose, binding = sp.And(sp.Eq(mu, 0), norm <= D2), sp.And(mu > 0, sp.Eq(norm, D2))
    near = sum(a * (1 - c * h) ** 2 for a, c, h in zip(case.squares[:k], kept, shrunk, strict=True))
    beyond = sum(case.squares[k:N])
    return (mu >= 0, *defines, sp.Or(loose, binding)), near + beyond


# Enclosures of the squared error inside the student's span (the tail is the same for all m).
WITHIN = {
    THREE: ((R(112, 100), R(113, 100)), (R(897, 1000), R(898, 1000)), (R(89, 100), R(89, 100))),
    FIVE: (
        (R(112, 100), R(113, 100)),
        (R(897, 1000), R(898, 1000)),
        (R(8981, 10000), R(8982, 10000)),
        (R(89, 100), R(89, 100)),
        (R(100, 81), R(100, 81)),
    ),
}


def enclosure(case: Instance, m: int) -> smt.Claim:
    """E_S(m), less the tail, is inside its enclosure."""
    hypotheses, error = student(case, m)
    low, high = WITHIN[case][m - 1]
    inside = sp.And(error >= low, error <= high)
    return smt.Claim(
        f"{len(case.weights)} modes, m = {m}: E_S less the tail in [{low}, {high}]",
        hypotheses,
        inside,
        {"below it": error < low, "above it": error > high},
    )


@proof
def prove() -> Iterator[Step]:
    """Multipliers, enclosures, and the order of the enclosures."""
    for case in (THREE, FIVE):
        size = len(case.weights)
        for m in range(1, size + 1):
            fits = case.norm(m) == T2 if case.nu[m - 1] > 0 else case.norm(m) <= T2
            yield Step("proved", f"{size} modes: nu_{m} = {case.nu[m - 1]}", bool(fits))
        yield from smt.steps([enclosure(case, m) for m in range(1, size + 1)])
    positive = all(square > 0 for square in FIVE.squares)
    yield Step("proved", "added modes are real", positive, ", ".join(map(str, FIVE.squares)))
    exact = WITHIN[THREE][2][0] + THREE.squares[2] == R(4367, 300)
    yield Step("proved", "E_S(3) = 4367/300", bool(exact))
    for m, k in ((3, 2), (2, 1)):
        yield _order(THREE, m, k)
    for m, k in ((2, 1), (2, 3), (4, 3), (4, 5), (4, 2)):
        yield _order(FIVE, m, k)


def _order(case: Instance, m: int, k: int) -> Step:
    holds = WITHIN[case][m - 1][1] < WITHIN[case][k - 1][0]
    return Step("proved", f"{len(case.weights)} modes: E_S({m}) < E_S({k})", bool(holds))
