"""The script on planted records, the sweep's file, and the committed records and table."""

import csv
import dataclasses
import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from planted import CORPUS, record

from capgap.comparison.learning_rates.transfer import learning_rate_transfer
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunRecord, RunStore
from capgap.measurement.sweep import expand, read_sweep
from capgap.plotting.learning_rates import rate_columns
from capgap.reproduce.job import Reproduction
from capgap.reproduce.learning_rates import rate_sections

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "simulations" / "learning_rates"
TEACHER = "d9cfbd5fd652cb66"


def script() -> ModuleType:
    path = ROOT / "simulations" / "measured_learning_rates.py"
    spec = importlib.util.spec_from_file_location("measured_learning_rates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configs() -> tuple[RunConfig, ...]:
    _, contents = read_sweep(ROOT / "simulations" / "learning_rate_runs.toml")
    return expand(contents, CORPUS)


def planted(power: float) -> list[RunRecord]:
    """The sweep's own runs, with the best rate 0.012 x (width / 64)^power and little noise."""
    rng = np.random.default_rng(0)
    made = []
    for config in configs():
        if config.half == "teacher":
            continue
        best = 0.012 * (config.shape.d_model / 64) ** power
        steps = math.log2(config.peak_learning_rate / best)
        loss = 2.0 * math.exp(0.02 * steps**2 + 0.003 * rng.standard_normal()) / config.depth**0.2
        made.append(record(config, loss, None if config.teacher is None else 1.4))
    return made


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    folder = tmp_path_factory.mktemp("rates")
    made = planted(0.0)
    made[5] = dataclasses.replace(made[5], status="failed", failure="diverged", loss=None)
    for one in made:
        RunStore(folder / "runs").write(one)
    return folder / "out", script().run(folder / "out", folder / "runs")


def test_script_draws_and_returns_its_verdict(drawn: tuple[Path, dict[str, float]]) -> None:
    out, found = drawn
    for kind in ("supervised", "distilled"):
        assert found[f"grid steps between best rates, {kind}"] == 0
        assert found[f"probability of at most one, {kind}"] > 0.99
        assert found[f"power of the width, {kind}"] == pytest.approx(0.0, abs=0.15)
    assert found["best common rate"] == 0.01
    assert (out / "learning_rates.png").stat().st_size > 10_000
    with (out / "learning_rates.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 6
    assert sum(row["loss"] == "inf" for row in rows) == 1
    written = json.loads((out / "learning_rates.json").read_text())
    assert written["failed"] == 1
    assert [verdict["transfers"] for verdict in written["verdicts"]] == [True, True]


def test_rates_that_do_not_transfer_are_told(tmp_path: Path) -> None:
    """Negative control: planted optima that fall as the square of the width."""
    for one in planted(-2.0):
        RunStore(tmp_path / "runs").write(one)
    found = script().run(tmp_path / "out", tmp_path / "runs")
    written = json.loads((tmp_path / "out" / "learning_rates.json").read_text())
    assert [verdict["transfers"] for verdict in written["verdicts"]] == [False, False]
    assert found["power of the width, supervised"] == pytest.approx(-2.0, abs=0.3)


def test_report_has_a_section_where_the_table_is(
    drawn: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    def told(studies: Path | None) -> tuple[object, ...]:
        result = object.__new__(Reproduction)
        object.__setattr__(result, "studies", studies)
        return rate_sections(result)

    assert told(None) == told(tmp_path) == ()
    (section,) = told(drawn[0])
    assert "costs 0.0" in str(section)


def test_sweep_file_is_four_sizes_six_rates_three_seeds_alone_and_taught() -> None:
    made = configs()
    students = [config for config in made if config.half == "student"]
    assert len(students) == 2 * 4 * 6 * 3
    assert {c.id for c in made if c.half == "teacher"} == {TEACHER}
    assert {c.teacher.id for c in students if c.teacher is not None} == {TEACHER}
    assert RunStore(ROOT / "simulations" / "runs").has(TEACHER)


def test_committed_records_are_the_sweep() -> None:
    kept = {record.id for record in RunStore(RUNS)}
    assert kept == {config.id for config in configs() if config.half == "student"}


def test_committed_table_is_that_of_the_records() -> None:
    """Losses and optima, which do not depend on the redrawn curves."""
    found = learning_rate_transfer(RunStore(RUNS), draws=20)
    with (ROOT / "figures" / "learning_rates.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = rate_columns(found)
    for name in ("peak_learning_rate", "width", "loss", "best_grid_rate", "best_rate"):
        np.testing.assert_allclose([float(r[name]) for r in rows], columns[name], rtol=1e-9)
