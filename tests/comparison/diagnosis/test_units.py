"""Units: planted mixtures are found with their rows, and sound tables raise nothing."""

from pathlib import Path

import numpy as np
import pytest

from capgap.comparison.diagnosis.units import suspected_units
from capgap.comparison.measured import distillation_runs, supervised_runs
from capgap.comparison.tables.public import PUBLIC
from capgap.comparison.tables.read import read_runs
from capgap.comparison.tables.run_table import RunTable
from capgap.measurement.records import RunStore
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

OWN = supervised_law()
PLAIN = SupervisedLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
TINY = SupervisedLaw(E=0.6, A=40.0, B=2000.0, alpha=0.3, beta=0.5, gamma=0.8)
RUNS = Path(__file__).parents[3] / "simulations" / "runs"
NATS = np.log(2.0)


def isoflop() -> tuple[np.ndarray, np.ndarray]:
    """Eight sizes a factor of ten each way about the best, at four budgets."""
    C = np.repeat([1e18, 1e19, 1e20, 1e21], 8)
    N = np.tile(np.geomspace(0.1, 10, 8), 4) * np.sqrt(C / 120)
    return N, C / (6 * N)


def crossed(sizes, tokens) -> tuple[np.ndarray, np.ndarray]:
    N, D = np.meshgrid(sizes, tokens)
    return N.ravel(), D.ravel()


def scattered() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return 10 ** rng.uniform(7, 10, 120), 10 ** rng.uniform(9, 12, 120)


DESIGNS = {
    "grid": (PLAIN, *crossed(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e11, 6))),
    "isoflop": (OWN, *isoflop()),
    "tiny": (TINY, *crossed(np.geomspace(3e3, 3e5, 5), np.geomspace(1e5, 1e7, 5))),
    "scattered": (PLAIN, *scattered()),
}


def planted(design: str, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    law, N, D = DESIGNS[design]
    error = noise * np.random.default_rng(seed).standard_normal(N.size)
    return N, D, law.loss(N, D) * np.exp(error)


def some(size: int, share: float, seed: int) -> np.ndarray:
    chosen = np.zeros(size, dtype=bool)
    order = np.random.default_rng(seed + 100).permutation(size)
    chosen[order[: max(1, int(share * size))]] = True
    return chosen


def students(law, seed: int) -> tuple[np.ndarray, ...]:
    N_S, D_S, L_T = (
        a.ravel()
        for a in np.meshgrid([1.5e8, 5e8, 2e9, 7e9], [4e9, 1.5e10, 6e10], np.linspace(1.8, 2.85, 6))
    )
    error = 0.004 * np.random.default_rng(seed).standard_normal(N_S.size)
    return N_S, D_S, law.loss(N_S, D_S, L_T) * np.exp(error), L_T


TEACHING = {
    "eq8": distillation_law(),
    "hinge": HingeLaw(OWN, rho=0.85, s=0.04, c=2e-3, p=0.25),
    "weak-to-strong": HingeLaw(OWN, rho=0.5, s=0.05, c=0.2),
}


@pytest.mark.parametrize("noise", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("design", DESIGNS)
def test_sound_tables_raise_nothing(design: str, noise: float) -> None:
    for seed in range(8):
        assert suspected_units(RunTable(*planted(design, seed, noise))) == []


@pytest.mark.parametrize("law", TEACHING.values(), ids=TEACHING)
def test_sound_tables_of_students_raise_nothing(law) -> None:
    for seed in range(8):
        assert suspected_units(RunTable(*students(law, seed))) == []


@pytest.mark.parametrize("name", PUBLIC)
def test_public_sets_raise_nothing(name: str) -> None:
    assert suspected_units(read_runs(name)) == []


def test_the_project_s_own_runs_raise_nothing() -> None:
    records = list(RunStore(RUNS))
    alone, taught = supervised_runs(records), distillation_runs(records)
    assert alone.L.size > 30
    assert suspected_units(RunTable(alone.N, alone.D, alone.L)) == []
    assert suspected_units(RunTable(taught.N_S, taught.D_S, taught.L_S, taught.L_T)) == []


@pytest.mark.parametrize("share", [0.05, 0.2])
@pytest.mark.parametrize("design", DESIGNS)
def test_losses_of_some_runs_in_bits(design: str, share: float) -> None:
    for seed in range(4):
        N, D, loss = planted(design, seed, 0.005)
        bits = some(N.size, share, seed)
        (finding,) = suspected_units(RunTable(N, D, np.where(bits, loss / NATS, loss)))
        assert finding.code == "loss-units"
        assert finding.rows == tuple(np.flatnonzero(bits) + 1)


def test_nearly_half_the_losses_in_bits() -> None:
    """Statistic: share of 20 tables (120 runs, 45% in bits) with exactly the right rows.

    The two clusters are told apart by their distance alone; at least 18 of 20 must be right.
    """
    right = 0
    for seed in range(20):
        N, D, loss = planted("scattered", seed, 0.005)
        bits = some(N.size, 0.45, seed)
        found = suspected_units(RunTable(N, D, np.where(bits, loss / NATS, loss)))
        right += [f.rows for f in found] == [tuple(np.flatnonzero(bits) + 1)]
    assert right >= 18


def test_another_factor_is_not_called_bits() -> None:
    """Negative control: rows 1.25 or 1.8 times too high are outliers, not bits."""
    for factor in (1.25, 1.8):
        N, D, loss = planted("grid", 0, 0.005)
        high = some(N.size, 0.2, 0)
        assert suspected_units(RunTable(N, D, np.where(high, factor * loss, loss))) == []


@pytest.mark.parametrize("unit", [1e6, 1e9])
@pytest.mark.parametrize("name", ["N", "D"])
@pytest.mark.parametrize("design", DESIGNS)
def test_counts_of_some_runs_in_another_unit(design: str, name: str, unit: float) -> None:
    for seed in range(2):
        N, D, loss = planted(design, seed, 0.005)
        other = some(N.size, 0.2, seed)
        counts = {"N": N, "D": D}
        counts[name] = np.where(other, counts[name] / unit, counts[name])
        (finding,) = suspected_units(RunTable(**counts, loss=loss))
        assert finding.code == f"{name}-units"
        assert finding.rows == tuple(np.flatnonzero(other) + 1)


def test_tokens_of_some_runs_in_thousands() -> None:
    """The ranges overlap or nearly do, so that only the losses tell; 10 tables each.

    Statistic: tables with exactly the right rows. No wrong row may be named with another
    code, and at least 7 of 10 must be right.
    """
    for design in ("grid", "scattered"):
        right = 0
        for seed in range(10):
            N, D, loss = planted(design, seed, 0.005)
            other = some(N.size, 0.2, seed)
            found = suspected_units(RunTable(N, np.where(other, D / 1e3, D), loss))
            assert {f.code for f in found} <= {"D-units"}
            right += [f.rows for f in found] == [tuple(np.flatnonzero(other) + 1)]
        assert right >= 7


@pytest.mark.parametrize("design", ["grid", "isoflop", "scattered"])
@pytest.mark.parametrize(
    ("unit_N", "unit_D", "codes", "words"),
    [
        (1.0, 1e9, ["D-units"], "D in billions"),
        (1.0, 1e6, ["D-units"], "D in millions"),
        (1e6, 1.0, ["N-units"], "N in millions"),
        (1e6, 1e9, ["N-units", "D-units"], "D in billions"),
    ],
)
def test_whole_columns_in_another_unit(design: str, unit_N, unit_D, codes, words) -> None:
    N, D, loss = planted(design, 0, 0.005)
    found = suspected_units(RunTable(N / unit_N, D / unit_D, loss))
    assert [f.code for f in found] == codes
    assert any(words in f.message for f in found)


@pytest.mark.parametrize("law", TEACHING.values(), ids=TEACHING)
def test_all_teacher_losses_in_bits(law) -> None:
    N_S, D_S, L_S, L_T = students(law, 0)
    (finding,) = suspected_units(RunTable(N_S, D_S, L_S, L_T / NATS))
    assert finding.code == "loss-units"
    assert "teacher losses in bits" in finding.message


@pytest.mark.parametrize("law", [TEACHING["eq8"], TEACHING["hinge"]], ids=["eq8", "hinge"])
def test_all_student_losses_in_bits(law) -> None:
    N_S, D_S, L_S, L_T = students(law, 0)
    (finding,) = suspected_units(RunTable(N_S, D_S, L_S / NATS, L_T))
    assert "student losses in bits" in finding.message


@pytest.mark.parametrize("law", TEACHING.values(), ids=TEACHING)
def test_some_losses_of_students_or_teachers_in_bits(law) -> None:
    """Student rows are found exactly; of the teachers' those that no student can beat so far."""
    N_S, D_S, L_S, L_T = students(law, 0)
    bits = some(N_S.size, 0.2, 0)
    (own,) = suspected_units(RunTable(N_S, D_S, np.where(bits, L_S / NATS, L_S), L_T))
    assert own.rows == tuple(np.flatnonzero(bits) + 1)
    (theirs,) = suspected_units(RunTable(N_S, D_S, L_S, np.where(bits, L_T / NATS, L_T)))
    assert theirs.code == "loss-units"
    assert set(theirs.rows) <= set(np.flatnonzero(bits) + 1)


def test_a_long_table_is_examined_in_time() -> None:
    """200,000 runs, 1% of them in bits, all named."""
    rng = np.random.default_rng(0)
    N, D = 10 ** rng.uniform(7, 10, 200_000), 10 ** rng.uniform(9, 12, 200_000)
    loss = PLAIN.loss(N, D) * np.exp(0.004 * rng.standard_normal(N.size))
    bits = rng.random(N.size) < 0.01
    (finding,) = suspected_units(RunTable(N, D, np.where(bits, loss / NATS, loss)))
    assert finding.rows == tuple(np.flatnonzero(bits) + 1)
