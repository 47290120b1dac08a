"""Folders of this project's run records as tables."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from planted import records

from capgap.comparison.measured import distillation_runs, supervised_runs
from capgap.comparison.tables.read import read_runs, read_tables
from capgap.errors import InputError
from capgap.measurement.records import RunRecord, RunStore


def store(folder: Path, made: list[RunRecord]) -> Path:
    for record in made:
        RunStore(folder).write(record)
    return folder


@pytest.fixture(scope="module")
def made() -> list[RunRecord]:
    """35 supervised runs and 42 distillations; one of each failed, one is at tau = 2."""
    found = records(0.003)
    failed = [
        dataclasses.replace(
            record,
            config=dataclasses.replace(record.config, seed=9),
            status="failed",
            failure="diverged",
            loss=None,
        )
        for record in (found[0], found[-1])
    ]
    soft = dataclasses.replace(
        found[-1], config=dataclasses.replace(found[-1].config, temperature=2.0)
    )
    return [*found, *failed, soft]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made: list[RunRecord]) -> Path:
    return store(tmp_path_factory.mktemp("runs"), made)


def test_both_tables_hold_the_usable_runs_and_only_those(
    folder: Path, made: list[RunRecord]
) -> None:
    """The tables that the project's own fit of its runs uses are the oracle."""
    tables = read_tables(folder)
    assert tables.supervised is not None
    assert tables.taught is not None
    own, taught = supervised_runs(made), distillation_runs(made)
    assert sorted(tables.supervised.loss) == sorted(own.L)
    assert sorted(tables.supervised.N) == sorted(own.N)
    assert sorted(tables.taught.loss) == sorted(taught.L_S)
    assert tables.taught.L_T is not None
    assert sorted(tables.taught.L_T) == sorted(taught.L_T)
    assert tables.failed == 2
    assert tables.notes[:2] == (
        "2 runs failed and are not used",
        "1 runs are not of the paper's recipe (lambda = 1, tau = 1, forward KL) and are not used",
    )
    assert "5 runs are of models with one layer" in tables.notes[2]
    assert np.all(tables.supervised.standard_error == 0.02)


def test_rows_are_places_in_the_order_of_ids(folder: Path) -> None:
    listed = list(RunStore(folder))
    runs = read_runs(folder, taught=True)
    assert runs.row is not None
    assert [listed[row - 1].loss for row in runs.row] == runs.loss.tolist()


def test_one_of_two_tables_must_be_chosen(folder: Path) -> None:
    assert (len(read_runs(folder, taught=False)), len(read_runs(folder, taught=True))) == (35, 42)
    with pytest.raises(InputError, match="35 supervised runs and 42 students"):
        read_runs(folder)


def test_filters_by_configuration_and_outcome(folder: Path, made: list[RunRecord]) -> None:
    deep = read_tables(folder, where=["depth>=2"])
    assert deep.supervised is not None
    assert len(deep.supervised) == 30
    assert "5 runs do not fulfil the filters and are not used" in deep.notes
    assert not any("one layer" in note for note in deep.notes)
    soft = read_runs(folder, where=["temperature=2"])
    assert soft.loss.tolist() == [made[-1].loss]
    halves = read_tables(folder, where=["half=teacher"])
    assert halves.taught is None
    assert len(halves.table()) == 7
    assert len(read_runs(folder, taught=True, where=["L_T<=loss"])) <= 42


def test_a_folder_with_one_kind_needs_no_choice(tmp_path: Path, made: list[RunRecord]) -> None:
    store(tmp_path, made[:3])
    assert not read_runs(tmp_path).taught
    with pytest.raises(InputError, match="has no students of teachers"):
        read_runs(tmp_path, taught=True)


def test_runs_on_two_texts_are_not_put_together(tmp_path: Path, made: list[RunRecord]) -> None:
    other = dataclasses.replace(made[0], config=dataclasses.replace(made[0].config, corpus="b"))
    store(tmp_path, [*made[:3], other])
    with pytest.raises(InputError, match=r"on 2 texts.*corpus=b or corpus=sotu"):
        read_runs(tmp_path)
    assert len(read_runs(tmp_path, where=["corpus=b"])) == 1


@pytest.mark.parametrize(
    ("where", "columns", "message"),
    [
        (["layers=2"], None, "no field 'layers' to filter by .*D, L_T, N"),
        (["N>layers"], None, "no field 'layers' to filter by"),
        (["half>2"], None, "run 1, filter half>2: 'teacher' is not a number|'student'"),
        (["depth=99"], None, "has no usable run among 80 with depth=99"),
        ([], {"N": "depth"}, "is a folder of run records, whose columns are known"),
    ],
)
def test_wishes_that_cannot_be(
    folder: Path, where: list[str], columns: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_tables(folder, where=where, columns=columns)
    assert str(caught.value).startswith(f"runs: {folder}")


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '"x"', "{", '{"format": "capgap-run-1"}'])
def test_a_file_that_is_no_record(tmp_path: Path, made: list[RunRecord], text: str) -> None:
    store(tmp_path, made[:2])
    (tmp_path / "zz.json").write_text(text)
    with pytest.raises(InputError, match=r"record|cannot be read") as caught:
        read_tables(tmp_path)
    assert str(caught.value).count("runs: ") == 1


def test_a_folder_of_failed_runs(tmp_path: Path, made: list[RunRecord]) -> None:
    store(tmp_path, [record for record in made if record.status == "failed"])
    with pytest.raises(InputError, match="has no usable run among 2"):
        read_runs(tmp_path)
