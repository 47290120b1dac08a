"""Records: round trip, atomic writing, refusals."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import Machine, RunRecord, RunStore

finite = st.floats(0.01, 10.0)


def machine(seconds: float = 1.0) -> Machine:
    return Machine(
        device="cpu", threads=1, processor="p", platform="q", versions={"torch": "2"},
        code_version="0", seconds=seconds, tokens_per_second=5.0, finished="2026-01-01T00:00:00Z",
    )  # fmt: skip


def make(seed: int = 0, loss: float | None = 1.5, status: str = "ok", **changes) -> RunRecord:
    config = RunConfig(depth=2, tokens=4096, corpus="c", seed=seed)
    values = {
        "config": config, "status": status, "failure": None if status == "ok" else "diverged",
        "N": config.shape.N, "D": config.D, "unique_tokens": config.D, "loss": loss,
        "standard_error": 0.01, "bits_per_byte": 2.0, "document_losses": (1.4, 1.6),
        "document_tokens": (10, 12), "L_T": None, "curve": ((1024, 3.0, None), (4096, 2.0, 2.1)),
        "flops": 1e9, "weights_sha256": "ab", "machine": machine(), **changes,
    }  # fmt: skip
    return RunRecord(**values)


@given(st.integers(0, 10**6), finite, st.sampled_from(["ok", "failed"]))
def test_round_trip_through_json(seed: int, loss: float, status: str) -> None:
    record = make(seed, loss, status)
    assert RunRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_outcome_leaves_out_only_the_machine() -> None:
    one, two = make(), make(machine=machine(2.0))
    assert one != two
    assert one.outcome() == two.outcome()
    assert make(loss=1.6).outcome() != one.outcome()


def test_store_keeps_and_finds_by_the_beginning_of_an_id(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    records = [make(seed) for seed in range(5)]
    for record in records:
        store.write(record)
    assert sorted(r.id for r in store) == sorted(r.id for r in records)
    assert store.read(records[0].id) == records[0]
    assert store.read(records[0].id[:12]) == records[0]
    with pytest.raises(InputError, match="5 runs ''"):
        store.read("")
    with pytest.raises(InputError, match="no run 'zz'"):
        store.read("zz")


def test_unfinished_files_are_ignored(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write(make())
    (tmp_path / ".abc.json.123.part").write_text("{")
    assert len(list(store)) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("loss"),
        lambda v: v.update(format="other"),
        lambda v: v.update(id="0" * 16),
        lambda v: v["config"].update(depth=3),
        lambda v: v["config"].update(depht=3),
        lambda v: v.update(curve=[[1, 2]]),
        lambda v: v.update(extra=1),
    ],
)
def test_damaged_records_are_named_and_refused(tmp_path: Path, change) -> None:
    store, record = RunStore(tmp_path), make()
    store.write(record)
    values = record.to_dict()
    change(values)
    path = store.record_path(record.id)
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=record.id) as caught:
        list(store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[1]", "3", '"text"', "null", "{}"])
def test_json_that_is_no_record_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "stray.json").write_text(text)
    with pytest.raises(InputError, match=r"stray\.json") as caught:
        list(RunStore(tmp_path))
    assert "\n" not in str(caught.value)


def test_truncated_record_is_refused(tmp_path: Path) -> None:
    store, record = RunStore(tmp_path), make()
    store.write(record)
    path = store.record_path(record.id)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"\.json"):
        list(store)


def test_full_disk_keeps_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, record = RunStore(tmp_path), make()
    store.write(record)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CapgapError, match="No space left"):
        store.write(dataclasses.replace(record, loss=9.0))
    monkeypatch.undo()
    assert store.read(record.id) == record
    assert len(list(tmp_path.iterdir())) == 1
