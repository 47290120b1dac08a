"""Above the convexity threshold Eq. 8 can have two best teachers: an exact example.

For a practitioner: a sharp transition (small f1) can leave two good teachers with a bad one between
them; a local search finds one and cannot know about the other.

Statement, c0 = 1/2, c1 = 2, p = 40, K = 1, U = 0.7878: dL_S/dx is negative, zero, positive, zero,
negative, zero, positive, with exactly three zeros: x in (0.5365, 0.5375), (0.9883, 0.9893) and
(1.2135, 1.2145); the outer two are the local minima, the first the lower one (1.612 against 1.699).
p+ is 5.31 < 40. With U = 2 there is one zero.

Method: log h has the derivative -1 - u + p c1 sigma (1 - sigma)/u in log x, positive exactly
between two values of sigma (a quadratic), so h has three monotone pieces; on each, signs at the
ends decide. Hypotheses: none. Source: ours, for Busbridge et al., arXiv 2502.08606, Eq. 8.
"""

from collections.abc import Iterator

from flint import arb, ctx

from proofs.checking import Step, Theorem, proof
from proofs.convex_on_published_box import threshold
from proofs.published import hump

THEOREM = Theorem(
    "Two best teachers above the threshold",
    "c0 = .5, c1 = 2, p = 40, K = 1, U = .7878: exactly three zeros of dL_S/dL_T, minima near .537 "
    "and 1.214",
    "Arb",
)

BITS = 128


def numbers() -> tuple[arb, arb, arb, arb]:
    """c0, c1, p and U."""
    return arb("0.5"), arb(2), arb(40), arb("0.7878")


def slope(x: arb, U: arb | None = None) -> arb:
    """dL_S/dx = 1 - h at K = 1."""
    c0, c1, p, given = numbers()
    return 1 - hump(x, arb(1), given if U is None else U, c0, c1, p)


def loss(x: arb) -> arb:
    """L_S at K = 1."""
    c0, c1, p, U = numbers()
    return x + U * x**-c0 * (1 + x**p) ** (-c1 / p)


def turning_points() -> tuple[arb, arb]:
    """Where h stops falling and where it stops rising.

    The roots in sigma of c0 (1 + c0) + c1 (1 + 2 c0 - p) s + c1 (c1 + p) s^2, as
    x = (s/(1 - s))^(1/p).
    """
    c0, c1, p, _ = numbers()
    a, b, c = c1 * (c1 + p), c1 * (1 + 2 * c0 - p), c0 * (1 + c0)
    root = (b * b - 4 * a * c).sqrt()
    first, second = (-b - root) / (2 * a), (-b + root) / (2 * a)
    return (first / (1 - first)) ** (1 / p), (second / (1 - second)) ** (1 / p)


@proof
def prove() -> Iterator[Step]:
    """Three monotone pieces of h, a change of sign on each, none elsewhere."""
    with ctx.workprec(BITS):
        c0, c1, p, _ = numbers()
        yield Step("proved", "p > p+", bool(threshold(c0, c1) < p), f"p+ = {threshold(c0, c1)}")
        low, high = turning_points()
        where = f"{float(low):.6f} and {float(high):.6f}"
        yield Step("proved", "h turns twice", bool(low > 0 and low < high), where)
        yield Step("proved", "at the first turn the loss rises", bool(slope(low) > 0))
        yield Step("proved", "at the second turn it falls", bool(slope(high) < 0))
        for left, right, rises in (("0.5365", "0.5375", True), ("0.9883", "0.9893", False),
                                   ("1.2135", "1.2145", True)):  # fmt: skip
            signs = (slope(arb(left)), slope(arb(right)))
            changes = signs[0] < 0 < signs[1] if rises else signs[1] < 0 < signs[0]
            yield Step("proved", f"a zero in ({left}, {right})", bool(changes))
        apart = arb("0.5375") < low and low < arb("0.9883")
        apart = apart and arb("0.9893") < high and high < arb("1.2135")
        yield Step("proved", "one zero on each piece", bool(apart))
        yield from _ends()


def _ends() -> Iterator[Step]:
    """On the outer pieces h falls, so its signs hold to both ends; which minimum is lower."""
    left, right = slope(arb("0.01")) < 0, slope(arb(100)) > 0
    yield Step("proved", "signs at 0.01 and 100", bool(left and right))
    low, high = turning_points()
    single = slope(low, arb(2)) < 0 and slope(high, arb(2)) < 0
    yield Step("mutant refuted", "two minima for U = 2 as well", bool(single))
    first, second = loss(arb("0.537")), loss(arb("1.2135").union(arb("1.2145")))
    detail = f"{float(first):.4f} and {float(second):.4f}"
    yield Step("proved", "the first minimum is the lower one", bool(first < second), detail)
