"""Eq. 8 is convex in the teacher's loss for every coefficient in the published intervals.

For a practitioner: within the paper's own uncertainty no student has two best teachers.

Statement: p = 1/f1 < p+ of `convexity_threshold` for all (c0, c1, f1) in the 90% intervals of
Table 6 at once, by interval arithmetic; and p > p+ somewhere once the lower end of f1 is moved
from 0.088 to 0.080, so the margin is not large. The second derivative is positive for every
student.

Hypotheses: intervals as printed (that of c1 has zero width); c1 in [100, 1e6] does as well.
Source: Busbridge et al., arXiv 2502.08606, Table 6.
"""

from collections.abc import Iterator

from flint import arb

from proofs.checking import Step, Theorem, proof
from proofs.published import box

THEOREM = Theorem(
    "Convexity over the published box",
    "1/f1 < p+ for all c0, c1, f1 in the published 90% intervals",
    "Arb",
)


def threshold(c0: arb, c1: arb) -> arb:
    """p+ = B + sqrt(B^2 - 1), B = 1 + 2 c0 + 2 c0 (1 + c0)/c1."""
    B = 1 + 2 * c0 + 2 * c0 * (1 + c0) / c1
    return B + (B * B - 1).sqrt()


@proof
def prove() -> Iterator[Step]:
    """Evaluate both sides over the box."""
    p, limit = 1 / box("f1"), threshold(box("c0"), box("c1"))
    detail = f"p in {_ends(p)}, p+ in {_ends(limit)}"
    yield Step("proved", "p < p+ on the whole box", bool(p < limit), detail)
    wide = threshold(box("c0"), arb(100).union(arb(10) ** 6))
    yield Step("proved", "with c1 in [100, 1e6]", bool(p < wide), f"p+ in {_ends(wide)}")
    softer = 1 / arb("0.080") > threshold(arb("2.425"), box("c1"))
    yield Step("mutant refuted", "f1 down to 0.080", bool(softer))
    crossing = 1 / arb("0.088") > threshold(arb("2.2"), box("c1"))
    yield Step("mutant refuted", "c0 down to 2.2", bool(crossing))


def _ends(value: arb) -> str:
    return f"[{float(value.lower()):.3f}, {float(value.upper()):.3f}]"
