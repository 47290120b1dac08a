"""Real teachers can be too strong: the gap begins above the irreducible loss.

For a practitioner: a capacity gap that only perfect teachers could show would not matter. By the
paper's law the gap's onset is within reach: a teacher at the irreducible loss E, the best there can
be, is too strong for each of these students; by the reconstructed coefficients the paper's own
7.75B teacher is too strong for 143M and 546M.

Statement: a convex law has teachers that are too strong iff h(E) > 1 (`one_best_teacher`). In
interval arithmetic h(E) > 1 for the printed and the reconstructed coefficients and students from
143M to 30B. At the loss that Eq. 1 gives a 7.75B teacher on 20 tokens per parameter (2.0036), h >
1 for the 143M and 546M students on 20 tokens per parameter in the reconstructed set, and not for
the 143M student in the printed set. For a student of 1e13 parameters on 1e16 tokens h(E) < 1:
there the gap is out of reach.

Hypotheses: coefficients as printed decimals, B' times 100 in the reconstructed set (ours). Source:
Busbridge et al., arXiv 2502.08606, Eqs. 1 and 8, Table 6.
"""

from collections.abc import Iterator

from flint import arb, ctx

from proofs.best_teacher_intervals import STUDENTS, below_threshold
from proofs.checking import Step, Theorem, proof
from proofs.published import FACTOR_ON_B, own_loss, point, slope

THEOREM = Theorem(
    "The rising branch is reached",
    "h(E) > 1 for published coefficients and students from 143M to 30B",
    "Arb",
)


@proof
def prove() -> Iterator[Step]:
    """Evaluate 1 - h at E, and at the loss of a teacher that was trained."""
    with ctx.workprec(128):
        for name in FACTOR_ON_B:
            yield Step("proved", f"{name}: convex", below_threshold(name))
            v = point(name)
            for N_S, D_S in STUDENTS:
                h = 1 - slope(v, arb(N_S), arb(D_S), v["E"])
                claim = f"{name}: h(E) > 1 at N_S = {N_S / 1e6:g}M"
                yield Step("proved", claim, bool(h > 1), f"h(E) = {float(h):.4g}")
        yield from _real_teacher()
        yield from _out_of_reach()


def _real_teacher() -> Iterator[Step]:
    loss = own_loss(point("printed"), arb(7_750_000_000), arb(155_000_000_000))
    near = arb("2.003") < loss and loss < arb("2.004")
    yield Step("proved", "Eq. 1: the 7.75B teacher is at 2.0036", bool(near))
    for N_S, D_S in STUDENTS[:2]:
        h = 1 - slope(point("reconstructed"), arb(N_S), arb(D_S), loss)
        claim = f"reconstructed: it is too strong for {N_S / 1e6:g}M"
        yield Step("proved", claim, bool(h > 1), f"h = {float(h):.4g}")
    N_S, D_S = STUDENTS[0]
    h = 1 - slope(point("printed"), arb(N_S), arb(D_S), loss)
    yield Step("mutant refuted", "printed: for 143M too", bool(h < 1), f"h = {float(h):.4g}")


def _out_of_reach() -> Iterator[Step]:
    v = point("reconstructed")
    h = 1 - slope(v, arb(10) ** 13, arb(10) ** 16, v["E"])
    yield Step("mutant refuted", "for every student", bool(h < 1), f"h(E) = {float(h):.4g}")
