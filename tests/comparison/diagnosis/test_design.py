"""Designs: what they cannot identify is found, by code; sound ones raise nothing.

Oracle of the identification findings: counting by hand. A full grid of k_N sizes sees
E + A/N^alpha at k_N points only, so the plain law needs three sizes; with gamma free the two
terms interact and six cells can decide six coefficients.
"""

from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.diagnosis.design import examine_design
from capgap.comparison.diagnosis.finding import CODES, Finding
from capgap.comparison.diagnosis.representative import unseen
from capgap.comparison.tables.read import read_runs
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

PLAIN = SupervisedLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
OWN = supervised_law()
LAWS = {"plain": PLAIN, "supervised": OWN}
SIZES, TOKENS = np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e11, 5)
TAUGHT = ("distillation", "distillation-reduced", "distillation-power", "hinge", "hinge-additive")


def grid(sizes, tokens) -> tuple[np.ndarray, np.ndarray]:
    N, D = np.meshgrid(sizes, tokens)
    return N.ravel(), D.ravel()


def table(N, D, law=PLAIN, seed: int = 1, noise: float = 0.004) -> RunTable:
    error = noise * np.random.default_rng(seed).standard_normal(np.size(N))
    return RunTable(N, D, law.loss(N, D) * np.exp(error))


def taught(law, seed: int = 1, teachers=6, sizes=(1.5e8, 5e8, 2e9), tokens=(4e9, 2e10, 1e11)):
    L_T = np.linspace(1.85, 2.8, teachers)
    N_S, D_S, L_T = (a.ravel() for a in np.meshgrid(sizes, tokens, L_T))
    error = 0.003 * np.random.default_rng(seed).standard_normal(N_S.size)
    return RunTable(N_S, D_S, law.loss(N_S, D_S, L_T) * np.exp(error), L_T)


def by_code(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.code: finding.severity for finding in findings}


def test_codes_are_documented() -> None:
    """Every code has a line in the package's table, and the table no other."""
    from capgap.comparison import diagnosis

    lines = (diagnosis.__doc__ or "").splitlines()
    named = [word.strip(",") for line in lines for word in line[:24].split() if "-" in word or
             word.strip(",") == "outliers"]  # fmt: skip
    assert {word for word in named if not word.startswith("=")} == set(CODES)


@pytest.mark.parametrize("law", ["plain", "supervised"])
def test_a_sound_grid_raises_nothing(law: str) -> None:
    assert examine_design(table(*grid(SIZES, TOKENS), LAWS[law]), law) == ()


@pytest.mark.parametrize("law", TAUGHT)
def test_a_sound_table_of_students_raises_nothing(law: str) -> None:
    """But a note: gaps of a strong student fall below the noise of 0.3%."""
    found = examine_design(taught(distillation_law()), law)
    assert by_code(found) == ({} if "hinge" in law else {"student-below-teacher": "note"})


@pytest.mark.parametrize("name", ["N", "D"])
def test_single_value_is_refused(name: str) -> None:
    N, D = grid(SIZES, TOKENS)
    one = {"N": N, "D": D} | {name: np.full(N.size, 2e9)}
    (finding,) = examine_design(table(**one), "plain")
    assert (finding.code, finding.severity) == ("single-value", "refuse")
    assert f"{name} = 2e+09" in finding.message


def test_a_single_teacher_is_refused() -> None:
    runs = taught(distillation_law())
    one = runs.where(runs.L_T[0] == runs.L_T)
    assert by_code(examine_design(one, "distillation"))["single-value"] == "refuse"


@pytest.mark.parametrize(
    ("sizes", "tokens", "law", "severity", "together"),
    [
        (2, 5, "plain", "refuse", ("A", "alpha", "E")),
        (5, 2, "plain", "refuse", ("B", "beta", "E")),
        (2, 2, "plain", "refuse", ("A", "B", "alpha", "beta", "E")),
        (2, 5, "supervised", "warn", ()),
        (5, 2, "supervised", "warn", ()),
        (2, 2, "supervised", "refuse", None),
        (3, 3, "plain", None, ()),
        (3, 3, "supervised", None, ()),
    ],
)
def test_few_values(sizes: int, tokens: int, law: str, severity, together) -> None:
    N, D = grid(SIZES[:sizes], TOKENS[:tokens])
    runs = table(np.tile(N, 3), np.tile(D, 3), LAWS[law])
    assert by_code(examine_design(runs, law)).get("few-values") == severity
    found = unseen(runs, law)
    assert found is not None
    if together is not None:
        assert found.together == together


def test_two_teachers_cost_a_warning() -> None:
    found = by_code(examine_design(taught(distillation_law(), teachers=2), "hinge"))
    assert found == {"few-values": "warn"}


def test_too_few_runs() -> None:
    N, D = grid(SIZES, TOKENS)
    pick = np.random.default_rng(3).permutation(N.size)
    found = {k: by_code(examine_design(table(N[pick[:k]], D[pick[:k]]), "plain")) for k in (4, 7)}
    assert found[4]["too-few-runs"] == "refuse"
    assert found[7]["too-few-runs"] == "warn"
    assert "too-few-runs" not in by_code(examine_design(table(N[pick[:8]], D[pick[:8]]), "plain"))


@pytest.mark.parametrize(
    ("D_of_N", "severity"),
    [
        (lambda N: 20 * N, "refuse"),
        (lambda N: 3e4 * N**0.6, "refuse"),
        (lambda N: 1e20 / (6 * N), "warn"),
        (lambda N: 1e9 * np.exp(0.1 * np.log(N / 1e7) ** 2), "warn"),
    ],
)
def test_runs_on_one_curve(D_of_N, severity: str) -> None:
    N = np.geomspace(1e7, 1e10, 15)
    assert by_code(examine_design(table(N, D_of_N(N)), "plain")) == {"collinear-design": severity}


@pytest.mark.parametrize("spread", [2.0, 4.0])
def test_runs_off_the_line_are_sound(spread: float) -> None:
    """Tokens per parameter that vary by a factor of 2 each way already break the curve."""
    N = np.geomspace(1e7, 1e10, 15)
    D = 20 * N * spread ** np.tile([-1.0, 0.0, 1.0], 5)
    assert examine_design(table(N, D), "plain") == ()


def test_exchanged_terms_fit_alike() -> None:
    """Why one line is refused: with D = 20 N another law gives the same losses exactly."""
    N = np.geomspace(1e7, 1e10, 15)
    law = SupervisedLaw(E=1.7, A=400.0, B=1000.0, alpha=0.3, beta=0.4)
    other = SupervisedLaw(E=1.7, A=1000.0 / 20**0.4, B=400.0 * 20**0.3, alpha=0.4, beta=0.3)
    np.testing.assert_allclose(other.loss(N, 20 * N), law.loss(N, 20 * N), rtol=1e-13)
    assert abs(other.loss(1e9, 1e12) / law.loss(1e9, 1e12) - 1) > 0.01


def test_teachers_that_follow_their_students() -> None:
    runs = taught(distillation_law())
    follows = 1.5 + 30 / runs.N**0.2
    bound = RunTable(runs.N, runs.D, runs.loss, follows)
    found = [f for f in examine_design(bound, "hinge") if f.code == "collinear-design"]
    assert [f.severity for f in found] == ["warn"]
    assert "L_T" in found[0].message


def test_duplicate_rows() -> None:
    N, D = grid(SIZES, TOKENS)
    runs = table(N, D)
    twice = np.append(np.arange(30), [4, 4, 11])
    (finding,) = examine_design(RunTable(N[twice], D[twice], runs.loss[twice]), "plain")
    assert (finding.code, finding.severity) == ("duplicate-rows", "warn")
    assert finding.rows == (31, 32, 33)
    coarse = np.round(runs.loss[twice], 2)
    assert by_code(examine_design(RunTable(N[twice], D[twice], coarse), "plain")) == {
        "duplicate-rows": "note"
    }
    seeds = runs.loss[twice] * np.append(np.ones(30), [1.002, 0.999, 1.001])
    assert examine_design(RunTable(N[twice], D[twice], seeds), "plain") == ()


def test_students_below_their_teachers() -> None:
    """Only Eq. 8 cannot express them; the count and the median are those of the table."""
    runs = taught(HingeLaw(OWN, rho=0.7, s=0.03, c=2e-3, p=0.25))
    below = runs.loss < runs.L_T
    assert below.sum() > 3
    for law in ("eq8", "eq8-reduced", "eq8-power"):
        (finding,) = examine_design(runs, law)
        assert (finding.code, finding.severity) == ("student-below-teacher", "warn")
        assert finding.rows == tuple(np.flatnonzero(below) + 1)
        assert f"{np.median((runs.L_T - runs.loss)[below]):.2g} nats" in finding.message
    assert examine_design(runs, "hinge") == ()


def test_a_hidden_column_shows_in_the_repeats() -> None:
    """Repeated data: equal (N, D) with other numbers of unique tokens (datablations)."""
    named = read_runs("datablations")
    assert examine_design(named, "plain") == ()
    runs = replace(named, cell=None)
    assert by_code(examine_design(runs, "plain")) == {"repeats-disagree": "warn"}


def test_unknown_laws_skip_what_needs_their_form() -> None:
    N, D = grid(SIZES[:2], TOKENS)
    assert examine_design(table(N, D), "mine") == ()


def test_tables_of_the_wrong_kind() -> None:
    with pytest.raises(InputError, match="has no L_T"):
        examine_design(table(*grid(SIZES, TOKENS)), "hinge")
    with pytest.raises(InputError, match="has L_T"):
        examine_design(taught(distillation_law()), "plain")


def test_row_numbers_are_the_file_s() -> None:
    N, D = grid(SIZES, TOKENS)
    runs = table(N, D)
    twice = np.append(np.arange(30), 4)
    rows = np.arange(31) + 100
    named = RunTable(N[twice], D[twice], runs.loss[twice], row=rows)
    (finding,) = examine_design(named, "plain")
    assert finding.rows == (130,)
    assert "row 130" in finding.message
