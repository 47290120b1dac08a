"""What the runs behind a fit of Eq. 8 can and cannot have determined."""

from dataclasses import replace

import numpy as np

from capgap.comparison.claims.claim import Claim, judge
from capgap.comparison.claims.plans import listed
from capgap.comparison.claims.points import HALF_DIGIT, paper_laws, rounding_moves
from capgap.comparison.digitised import fig8
from capgap.theory.coefficients import law_set
from capgap.theory.distillation import DistillationLaw
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

__all__ = ["identifiability_claims", "infinite_data_claims", "infinite_data_ratio"]

PROJECT = "this project, on arXiv 2502.08606, Eq. 8"


def identifiability_claims(chosen: LawSet) -> tuple[Claim, ...]:
    """Claims about the coefficients of Eq. 8; none for a set with another law."""
    law = chosen.laws.taught
    rows = [_rounding()]
    if isinstance(law, DistillationLaw):
        rows += [_degenerate(law), _knee(law), _zero_width(law)]
    return (*rows, _cannot_beat(chosen))


def _runs() -> tuple[FloatArray, FloatArray, FloatArray]:
    """N_S, D_S, L_T over the ranges of the paper's runs."""
    N_S, D_S, L_T = np.meshgrid(
        np.geomspace(143e6, 12.6e9, 12), np.geomspace(2e9, 512e9, 12), np.linspace(1.8, 2.85, 43),
        indexing="ij",
    )  # fmt: skip
    return N_S, D_S, L_T


def _same_k(law: DistillationLaw, c1: float) -> DistillationLaw:
    """Another c1 with d1 such that k = c1 f1 d1^(-1/f1) of the reduced form is kept."""
    return replace(law, c1=c1, d1=law.d1 * (c1 / law.c1) ** law.f1)


def _degenerate(law: DistillationLaw) -> Claim:
    runs = _runs()
    here = law.loss(*runs)
    moves = {
        f"c1 x {factor:g}": float(np.max(np.abs(_same_k(law, factor * law.c1).loss(*runs) - here)))
        for factor in (0.5, 2.0, 10.0, 1e4)
    }
    limit = float(np.max(np.abs(law.reduced().loss(*runs) - here)))
    return Claim(
        "law.c1-degenerate", PROJECT,
        "c1 and d1 cannot be told apart: with k = c1 f1 d1^(-1/f1) kept, any large c1 fits alike.",
        judge(max(*moves.values(), limit) < 0.01, limit < 0.01),
        "Largest change of the student's loss over the ranges of the paper's runs: " + ", ".join(
            f"{name}: {value:.4f}" for name, value in moves.items()
        ) + f"; c1 to infinity (one coefficient fewer): {limit:.4f} nat. The paper's stated error"
        " is 1% (0.02 nat).",
        moves | {"limit": limit},
    )  # fmt: skip


def _knee(law: DistillationLaw) -> Claim:
    own = law.supervised.loss(1e9, 2e10)
    ratio = float(law.knee(1e9, 2e10) / own)
    at_d1 = float(-law.c1 * law.f1 * np.log(2.0) / np.log(10.0))
    return Claim(
        "law.knee", "arXiv 2502.08606, section 4",
        f"The regime changes where the teacher's loss is d1 = {law.d1:g} times the student's own.",
        judge(abs(ratio - law.d1) < 0.02),
        f"c1 f1 = {law.c1 * law.f1:.1f}, so the factor has fallen to 1/e already at L_T ="
        f" {ratio:.3f} times the student's own loss, d1 (c1 f1)^(-f1); at {law.d1:g} times it is"
        f" 10^{at_d1:.0f}: the transition is long over.",
        {"knee": ratio, "d1": law.d1, "log10 factor at d1": at_d1},
    )  # fmt: skip


def _zero_width(law: DistillationLaw) -> Claim:
    low, high = law_set("printed").intervals["taught.c1"]
    double = float(np.max(np.abs(_same_k(law, 2 * law.c1).loss(*_runs()) - law.loss(*_runs()))))
    return Claim(
        "law.c1-interval", "arXiv 2502.08606, Table 6",
        f"c1 is known to four digits: its 90% interval is {low:g} to {high:g}.",
        judge(double > 0.01),
        f"Doubling c1 (with d1 moved along) changes no loss within the ranges of the runs by more"
        f" than {double:.4f} nat. An interval of no width is an optimizer that stands still.",
        {"low": low, "high": high, "doubling": double},
    )  # fmt: skip


def _rounding() -> Claim:
    moves = rounding_moves(paper_laws(100.0), fig8(), 100.0)
    spread = np.sqrt(np.sum(moves**2, axis=1) / 3)
    largest = np.max(np.abs(moves), axis=0)
    worst = list(HALF_DIGIT)[int(np.argmax(largest))]
    total = float(np.max(np.sum(np.abs(moves), axis=1)))
    return Claim(
        "law.rounding", PROJECT,
        "Three printed digits move predictions by 0.005 to 0.01 nat.",
        judge(bool(largest.max() > 0.002 and 0.005 < total < 0.03)),
        f"Half a unit in the last digit, at the points of Fig. 8: one coefficient up to"
        f" {largest.max():.4f} nat ({worst}), all at their worst together up to {total:.4f}, all"
        f" independent {np.median(spread):.4f} (one standard deviation, median point).",
        {"one": float(largest.max()), "all": total, "typical": float(np.median(spread))},
    )  # fmt: skip


def _cannot_beat(chosen: LawSet) -> Claim:
    N_S, D_S, L_T = _runs()
    over = float(np.min(chosen.taught.loss(N_S, D_S, L_T) - L_T))
    return Claim(
        "law.student-below-teacher", "arXiv 2502.08606, sections 4 and 5",
        "The law can express a student that beats its teacher (weak teacher, finite data), as the"
        " paper observes.",
        judge(over < 0),
        f"Least student loss minus teacher loss over the ranges of the runs: {over:+.4f} nat"
        f" with the law set “{chosen.name}”."
        + ("" if over < 0 else " Eq. 8 adds a positive gap to L_T: it cannot express what the"
           " paper observes."),
        {"least": over},
    )  # fmt: skip


def infinite_data_ratio(chosen: LawSet, N: FloatArray) -> FloatArray:
    """Limit of the best-taught student's loss over the supervised law's limit, minus 1.

    The teacher's loss is free, but not below the irreducible loss.
    """
    L_T = np.geomspace(max(chosen.supervised.irreducible_loss, 1e-3), 20.0, 40001)
    lowest = np.array([np.min(chosen.taught.infinite_data_loss(n, L_T)) for n in N])
    return np.asarray(lowest / chosen.supervised.infinite_data_loss(N) - 1)


def infinite_data_claims(chosen: LawSet) -> tuple[Claim, ...]:
    """Do the two laws agree about a student with infinite data, whose best it is anyway?"""
    N = np.array([1e8, 3e8, 1e9, 3e9, 1e10, 3e10, 1e11])
    ratio = infinite_data_ratio(chosen, N)
    return (
        Claim(
            "law.infinite-data", PROJECT,
            "With infinite data and the best teacher the student's loss is within 1% of the"
            " supervised limit, for 100M to 100B parameters.",
            judge(bool(np.all(np.abs(ratio) < 0.01)), bool(np.any(np.abs(ratio) < 0.01))),
            f"Relative difference: {listed(N, 100 * ratio, '+.2f')} percent. Nothing in Eq. 8"
            " forces it: a negative sign means that the law promises a student below what its"
            " size allows.",
            dict(zip((f"{n:.0e}" for n in N), ratio.tolist(), strict=True)),
        ),
    )  # fmt: skip
