"""The audit: verdicts recomputed another way, false statements caught, the table."""

import csv
import io

import numpy as np
import pytest

from capgap.comparison.claims import Claim, audit, audit_table
from capgap.comparison.claims.claim import judge
from capgap.comparison.claims.document_code import (
    document_ece,
    document_student_error,
    document_top_k,
    ece,
    top_k,
)
from capgap.comparison.claims.document_laws import TABLE_13, document_forward_flops
from capgap.comparison.claims.identifiability import infinite_data_ratio
from capgap.comparison.claims.plans import last_crossing
from capgap.comparison.claims.read_off import READ_OFF, READ_ORDER
from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import allocate
from capgap.theory.coefficients import law_set
from capgap.theory.kernel import kernel_population

LAWS = law_set()
SECTION_8 = {  # item of the list of corrections -> the row that records it
    1: "document.product-form", 2: "document.forward-flops", 3: "document.regimes",
    4: "document.threshold", 5: "rule.document-s-plan", 6: "document.plateau",
    7: "document.top-k-fill", 8: "document.ece", 9: "document.student-error",
    10: "document.pretraining-flops", 11: "document.converge", 12: "document.vocabulary",
}  # fmt: skip


@pytest.fixture(scope="module")
def claims() -> dict[str, Claim]:
    found = audit()
    assert len({claim.id for claim in found}) == len(found)
    return {claim.id: claim for claim in found}


@pytest.fixture(scope="module")
def printed() -> dict[str, Claim]:
    return {claim.id: claim for claim in audit(law_set("printed"))}


def test_every_row_has_numbers_and_a_sentence(claims: dict[str, Claim]) -> None:
    for claim in claims.values():
        assert claim.numbers, claim.id
        assert claim.statement.endswith("."), claim.id
        assert claim.evidence.endswith("."), claim.id
        words = claim.evidence.replace("of -inf gives", "").split()
        assert not {"nan", "inf", "-inf", "nan,", "inf,"} & set(words), claim.id


@pytest.mark.parametrize("item", SECTION_8)
def test_every_correction_of_the_document_is_recorded(item: int, claims: dict[str, Claim]) -> None:
    """The document is wrong or only partly right in each of its twelve items."""
    assert claims[SECTION_8[item]].verdict in ("contradicted", "depends")


def test_true_rules_are_not_called_wrong_by_habit(claims: dict[str, Claim]) -> None:
    """Control beside the corrections: what is right is confirmed."""
    for name in ("scenario.only-teacher-loss", "scenario.overtrain", "scenario.teacher-is-optimal",
                 "scenario.power-laws", "law.c1-degenerate", "rule.one-number-rule",
                 "law.infinite-data", "scenario.fig-8"):  # fmt: skip
        assert claims[name].verdict == "confirmed", name


def test_printed_coefficients_change_the_verdicts_that_rest_on_the_data_term(
    claims: dict[str, Claim], printed: dict[str, Claim]
) -> None:
    """Negative control: with the printed B' statements of the paper come out contradicted."""
    for name in ("scenario.fig-8", "table-3.large-students-below-1e21"):
        assert claims[name].verdict == "confirmed"
        assert printed[name].verdict == "contradicted"
    assert printed["scenario.never-wins"].verdict == "contradicted"
    assert printed["B.factor"] == claims["B.factor"]  # not a matter of the set audited


def test_fig_8_numbers_by_a_direct_plan(claims: dict[str, Claim]) -> None:
    errors = [
        float(allocate(LAWS, N, 1e20, name).student_loss) - value
        for N, values in READ_OFF.items()
        for name, value in zip(READ_ORDER, values, strict=True)
    ]
    square = np.sqrt(np.mean(np.square(errors)))
    assert claims["scenario.fig-8"].numbers["root_mean_square"] == pytest.approx(square, abs=1e-9)
    assert square < 0.02


def test_crossovers_are_where_the_two_losses_meet(claims: dict[str, Claim]) -> None:
    """At each reported budget the two plans are equal, to what a grid of 1/8 decade can tell."""
    numbers = claims["scenario.catches-up"].numbers
    assert {"crossover 300M", "crossover 1B", "crossover 3B", "crossover 10B"} <= set(numbers)
    assert "crossover 100M" not in numbers
    for label, N in (("300M", 3e8), ("1B", 1e9), ("3B", 3e9), ("10B", 1e10)):
        C = numbers[f"crossover {label}"]
        losses = [float(allocate(LAWS, N, C, s).student_loss) for s in ("best", "supervised")]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)
        after = [float(allocate(LAWS, N, 30 * C, s).student_loss) for s in ("best", "supervised")]
        assert after[0] > after[1]


def test_where_supervised_never_catches_up_the_limits_say_so(claims: dict[str, Claim]) -> None:
    """Closed form: the limit for infinite data of the taught student against (A/N^a)^g + E."""
    ratio = infinite_data_ratio(LAWS, np.array([1e8, 2e8, 3e8, 1e9, 1e10, 3e10]))
    assert np.all(ratio[[0, 1, 5]] < 0)
    assert np.all(ratio[[2, 3, 4]] > 0)
    assert np.all(np.abs(ratio) < 0.01)
    own, taught = LAWS.supervised, LAWS.taught
    by_hand = own.E + (own.A / 1e8**own.alpha) ** own.gamma  # type: ignore[attr-defined]
    L_T = np.linspace(own.irreducible_loss, 4, 200001)
    best = np.min(taught.loss(1e8, 1e60, L_T))
    assert ratio[0] == pytest.approx(best / by_hand - 1, abs=1e-7)


def test_knee_and_degeneracy_in_closed_form(claims: dict[str, Claim]) -> None:
    """d1 (c1 f1)^(-f1) with the printed coefficients, by hand."""
    by_hand = 1.315 * (522.6 * 0.090) ** -0.090
    assert claims["law.knee"].numbers["knee"] == pytest.approx(by_hand, rel=1e-9)
    assert claims["law.knee"].verdict == "contradicted"
    assert round(by_hand, 2) == 0.93


def test_savings_need_a_teacher_that_is_there(claims: dict[str, Claim]) -> None:
    found = claims["scenario.savings"]
    assert found.verdict == "contradicted"
    assert found.numbers["both 500M"] > 2
    assert found.numbers["inference 500M"] == pytest.approx(0.75, abs=0.1)
    assert found.numbers["inference 10B"] == pytest.approx(0.5, abs=0.1)


def test_document_s_code_against_ours() -> None:
    logits = np.log([[0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(top_k(logits, 2), [[0, 0, 3 / 7, 4 / 7]], atol=1e-15)
    # The document's fill: logits 0 for two tokens are e^0 = 1 beside 0.3 and 0.4.
    np.testing.assert_allclose(document_top_k(logits, 2), np.array([[1, 1, 0.3, 0.4]]) / 2.7)
    confidence = np.array([0.2, 0.6, 0.9, 1.0])
    correct = np.array([0.0, 1.0, 1.0, 1.0])
    assert ece(confidence, correct, 10) == pytest.approx((0.2 + 0.4 + 0.1) / 4)
    assert document_ece(np.array([0.0]), np.array([1.0]), 10).tolist() == [0.0]
    assert ece(np.array([0.0]), np.array([1.0]), 10) == 1.0


def test_document_s_student_error_is_the_distance_to_the_teacher() -> None:
    """Oracle: both distances from coefficient vectors built one by one."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        alpha = rng.normal(size=12)
        m, n = int(rng.integers(1, 13)), int(rng.integers(1, 13))
        T = float(rng.uniform(0.5, 5))
        D = float(rng.uniform(0.3, 1.0)) * T
        teacher = np.where(np.arange(12) < m, alpha, 0.0)
        teacher *= min(1, T / np.linalg.norm(teacher))
        student = np.where(np.arange(12) < n, teacher, 0.0)
        student *= min(1, D / np.linalg.norm(student))
        wrong = document_student_error(alpha, m, n, T, D)
        assert wrong == pytest.approx(np.linalg.norm(student - teacher), abs=1e-12)
        right = kernel_population(alpha, n, T, D).student_error[m - 1]
        assert right == pytest.approx(np.linalg.norm(student - alpha), abs=1e-12)


def test_document_s_flops_miss_table_13_and_ours_do_not() -> None:
    family = ModelFamily()
    for layers, gigaflops in TABLE_13.items():
        N = float(family.parameters(layers))
        assert abs(float(family.forward_flops(N)) / (1e9 * gigaflops) - 1) < 0.013
        assert abs(float(document_forward_flops(N)) / (1e9 * gigaflops) - 1) > 0.2


def test_last_crossing() -> None:
    budget = np.array([1.0, 10.0, 100.0])
    assert last_crossing(budget, np.array([-1.0, 1.0, 3.0])) == pytest.approx(10**0.5)
    assert last_crossing(budget, np.array([1.0, -1.0, 1.0])) == pytest.approx(10**1.5)
    assert last_crossing(budget, np.array([1.0, 1.0, 1.0])) == 1.0
    assert np.isnan(last_crossing(budget, np.array([1.0, 1.0, -1.0])))


def test_claims_refuse_what_is_no_verdict_or_no_number() -> None:
    with pytest.raises(InputError, match="verdict = 'maybe'"):
        Claim("a", "b", "c", "maybe", "d")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must be finite"):
        Claim("a", "b", "c", judge(True), "d", {"x": float("nan")})
    with pytest.raises(TypeError):
        Claim("a", "b", "c", judge(True), "d", {"x": 1.0}).numbers["x"] = 2.0  # type: ignore[index]
    with pytest.raises(InputError, match="no distillation law"):
        audit(law_set("chinchilla"))


def test_table_carries_every_row_in_every_form(claims: dict[str, Claim]) -> None:
    rows = list(claims.values())
    read = list(csv.DictReader(io.StringIO(audit_table(rows, "csv"))))
    assert [row["id"] for row in read] == list(claims)
    assert [row["evidence"] for row in read] == [claim.evidence for claim in rows]
    lines = audit_table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert all(line.count(" | ") == 4 for line in lines[2:])
    assert audit_table(rows, "text").count("CONTRADICTED") == sum(
        claim.verdict == "contradicted" for claim in rows
    )
    with pytest.raises(InputError, match="form = 'html'"):
        audit_table(rows, "html")  # type: ignore[arg-type]
