"""When a student beats its teacher: the misfit must be worth more than the bias it meets.

For a practitioner: a student that cannot copy its teacher loses the part v of the teacher outside
its own reach. If that part is error, the loss is a gain: weak-to-strong generalization. If it is
signal the student lacks (b), the loss is a loss.

Statement: P an orthogonal projection, g the teacher, f the target, v = (I - P) g, b = (I - P) f:
||g - f||^2 - ||P g - f||^2 = ||v||^2 - 2 <v, b>. Realisable (b = 0): the gain is the misfit. The
gain is positive iff ||v||^2 > 2 <v, b>, for sure if ||v|| > 2 ||b||, and never exceeds
(||v|| + ||b||)^2 - ||b||^2.

Hypotheses: P self-adjoint with P^2 = P; any inner-product space (only inner products of P g,
P f, v and b enter). Source: ours; b = 0 is Charikar et al., arXiv 2405.15116.
"""

# ruff: noqa: SIM300 - inequalities are statements here, written as they are read

from collections.abc import Iterator

import sympy as sp

from proofs import smt
from proofs.checking import Step, Theorem, identity, not_identity, proof

THEOREM = Theorem(
    "Gain identity (weak-to-strong)",
    "||g - f||^2 - ||Pg - f||^2 = ||v||^2 - 2 <v, b>, v = (I-P) g, b = (I-P) f",
    "sympy, z3 + cvc5",
)

vv, vb, bb, v, b = sp.symbols("vv vb bb v b", real=True)
NORMS = (v >= 0, b >= 0, sp.Eq(vv, v**2), sp.Eq(bb, b**2), vb**2 <= vv * bb)
GAIN = vv - 2 * vb

CLAIMS = [
    smt.Claim(
        "a misfit more than twice the bias is a gain",
        (*NORMS, v > 2 * b),
        GAIN > 0,
        {"more than the bias is enough": smt.Claim("", (*NORMS, v > b), GAIN > 0)},
    ),
    smt.Claim(
        "upper bound",
        NORMS,
        GAIN <= (v + b) ** 2 - b**2,
        {"the misfit": GAIN <= vv},
    ),
]


@proof
def prove() -> Iterator[Step]:
    """Expand in inner products, and once more with a general projection matrix."""
    yield from _abstract()
    yield from _matrix()
    yield from smt.steps(CLAIMS)


def _abstract() -> Iterator[Step]:
    """Vectors as combinations of Pg, Pf, v, b; the first two are orthogonal to the last two."""
    gg, gf, ff = sp.symbols("gg gf ff", real=True)
    gram = sp.Matrix([[gg, gf, 0, 0], [gf, ff, 0, 0], [0, 0, vv, vb], [0, 0, vb, bb]])
    Pg, Pf, out_g, out_f = (sp.eye(4)[:, i] for i in range(4))
    g, f = Pg + out_g, Pf + out_f

    def square(vector: sp.Matrix) -> sp.Expr:
        return (vector.T * gram * vector)[0, 0]

    gain = square(g - f) - square(Pg - f)
    yield identity("gain", gain, vv - 2 * vb)
    yield not_identity("gain = misfit whatever b", gain, vv, {vb: 1, vv: 1})
    loose = gram + sp.Matrix(4, 4, lambda i, j: sp.Symbol("c") if {i, j} == {0, 2} else 0)
    wrong = ((g - f).T * loose * (g - f) - (Pg - f).T * loose * (Pg - f))[0, 0]
    yield not_identity("for oblique projections", wrong, vv - 2 * vb, _ones(wrong))


def _matrix() -> Iterator[Step]:
    """Orthogonal projection of R^3 on a plane with any normal."""
    x, y = sp.symbols("x y", real=True)
    normal = sp.Matrix([x, y, 1])
    P = sp.eye(3) - normal * normal.T / (normal.T * normal)[0, 0]
    g, f = sp.Matrix(sp.symbols("g1:4", real=True)), sp.Matrix(sp.symbols("f1:4", real=True))
    misfit, bias = g - P * g, f - P * f
    gain = (g - f).dot(g - f) - (P * g - f).dot(P * g - f)
    yield identity("a general plane in R^3", gain, misfit.dot(misfit) - 2 * misfit.dot(bias))


def _ones(expression: sp.Expr) -> dict[sp.Symbol, int]:
    values = dict.fromkeys(expression.free_symbols, 1)
    return values | {s: 2 for s in values if str(s) == "gf"}
