"""The script on planted records: the planted law wins and the pictures' numbers are the runs."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
from planted import records

from capgap.measurement.records import RunStore

SCRIPT = Path(__file__).parents[2] / "simulations" / "measured_laws.py"


def test_script_draws_and_returns_its_agreement(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("measured_laws", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = records(0.003)
    store = RunStore(tmp_path / "runs")
    for record in made:
        store.write(record)
    headline = script.run(tmp_path / "out", store.folder)
    start = "held-out error (root mean square of log loss), "
    error = {key.removeprefix(start): v for key, v in headline.items() if key.startswith(start)}
    assert error["hinge"] < error["eq8-reduced"]
    assert error["supervised"] < 0.02
    with (tmp_path / "out" / "measured_supervised.csv").open() as file:
        drawn = sorted(float(row["loss"]) for row in csv.DictReader(file))
    fitted = [r.loss for r in made if r.config.teacher is None and r.config.depth > 1]
    np.testing.assert_array_equal(drawn, sorted(x for x in fitted if x is not None))
    assert (tmp_path / "out" / "measured_distillation.png").stat().st_size > 10_000


def test_shipped_runs_are_complete_and_their_teachers_have_weights() -> None:
    """The design that the project promises: sizes, token counts, distillations, weights."""
    store = RunStore(SCRIPT.parent / "runs")
    made = [r for r in store if r.status == "ok"]
    alone = {(r.N, r.D) for r in made if r.config.teacher is None}
    sizes = {N for N, _ in alone if sum(n == N for n, _ in alone) >= 4}
    assert len(sizes) >= 5
    taught = [r for r in made if r.config.teacher is not None]
    assert len(taught) >= 24
    for record in taught:
        assert record.config.teacher is not None
        assert store.read(record.config.teacher.id).loss == record.L_T
        assert store.weights_path(record.config.teacher.id).is_file()
    assert {r.machine.code_version for r in made}
