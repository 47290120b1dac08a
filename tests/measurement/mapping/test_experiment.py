"""Stacks train as single networks do; studies reproduce, resume and refuse."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import InputError  # noqa: E402
from capgap.lm.mapping_mlp import (  # noqa: E402
    Schedule,
    Stack,
    initial_stack,
    parameter_count,
    rate,
    train_stack,
)
from capgap.measurement.mapping.experiment import MappingStudy, draw_examples  # noqa: E402
from capgap.measurement.mapping.records import (  # noqa: E402
    MappingRecord,
    MappingStore,
    run_name,
)
from capgap.measurement.mapping.settings import (  # noqa: E402
    MappingSettings,
    TeacherChoice,
    paper_settings,
    small_settings,
)
from capgap.measurement.mapping.task import Task  # noqa: E402

TINY = MappingSettings(
    task=Task(3), student_widths=(4, 6), teacher_widths=(4, 8), stop_width=8,
    stop_steps=(5, 20), seeds=(0, 1, 2), batch_size=16, peak_rate=1e-2, fewest_steps=20,
    samples_per_parameter=1.0,
)  # fmt: skip


def reference(
    layers: list[np.ndarray], batches: list[tuple[np.ndarray, np.ndarray]], schedule: Schedule
) -> list[np.ndarray]:
    """One network by torch.nn and torch.optim as anyone would write it, float64."""
    net = torch.nn.Sequential(
        torch.nn.Linear(*layers[0].shape), torch.nn.ReLU(),
        torch.nn.Linear(*layers[2].shape), torch.nn.ReLU(), torch.nn.Linear(*layers[4].shape),
    ).double()  # fmt: skip
    for own, given in zip(net.parameters(), layers, strict=True):
        own.data = torch.as_tensor(given.T if given.shape[0] > 1 else given[0]).clone()
    optimizer = torch.optim.Adam(net.parameters(), lr=1.0)
    for step, (x, p) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, schedule)
        optimizer.zero_grad()
        log_q = torch.log_softmax(net(torch.as_tensor(x)), -1)
        kl = torch.nn.functional.kl_div(log_q, torch.as_tensor(p), reduction="batchmean")
        kl.backward()
        optimizer.step()
    return [p.detach().numpy().T for p in net.parameters()]


def test_stacked_training_equals_training_alone() -> None:
    """Four members, two streams, soft and hard targets, 60 steps in float64; against
    torch.nn with the KL divergence. 1e-6 leaves room for another order of additions."""
    examples = Task(4).examples()
    rng = np.random.default_rng(0)
    soft = rng.dirichlet(np.ones(4), len(examples))
    targets = [soft, examples.targets, soft, examples.targets]
    start = initial_stack(8, 12, 4, [[0], [1], [2], [0]], torch.float64)
    picks = rng.integers(len(examples), size=(60, 2, 32))
    streams, schedule = [0, 0, 1, 1], Schedule(60, 1e-2)
    end = train_stack(start, examples.inputs, targets, lambda t: picks[t], streams, schedule)[60]
    for k in range(4):
        batches = [
            (examples.inputs[picks[t, streams[k]]], targets[k][picks[t, streams[k]]])
            for t in range(60)
        ]
        alone = reference([p[k].numpy() for p in start.parameters], batches, schedule)
        for mine, theirs in zip(end.parameters, alone, strict=True):
            np.testing.assert_allclose(mine[k].numpy().squeeze(), theirs.squeeze(), atol=1e-6)
        moved = max(
            float((a[k] - b[k]).abs().max())
            for a, b in zip(end.parameters, start.parameters, strict=True)
        )
        assert moved > 0.05  # the comparison is of trained networks


def test_a_snapshot_is_the_stack_at_that_step() -> None:
    """Training on to a later end does not change what was kept on the way."""
    examples = Task(3).examples()
    start = initial_stack(6, 5, 3, [[0], [1]])
    picks = np.random.default_rng(1).integers(len(examples), size=(9, 1, 8))

    def kept(snapshots: tuple[int, ...]) -> dict[int, Stack]:
        return train_stack(
            start, examples.inputs, [examples.targets] * 2, lambda t: picks[t], [0, 0],
            Schedule(9), snapshots,
        )  # fmt: skip

    with_stops, without = kept((2, 7)), kept(())
    assert sorted(with_stops) == [2, 7, 9]
    for a, b in zip(with_stops[9].parameters, without[9].parameters, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(with_stops[2].parameters[0], with_stops[7].parameters[0])


def test_training_learns_the_task(tmp_path: Path) -> None:
    """Three classes, 400 steps at a high rate leave little of the log 3 at the start."""
    settings = dataclasses.replace(TINY, fewest_steps=400, seeds=(0,))
    record = MappingStudy(settings, MappingStore(tmp_path)).teacher(TeacherChoice(24))
    assert record.loss[0] < 0.1
    assert record.accuracy[0] > 0.97


def outcome(record: MappingRecord) -> dict[str, Any]:
    values = record.to_dict()
    del values["seconds"]
    return values


def test_same_seeds_same_numbers_and_other_seeds_others(tmp_path: Path) -> None:
    one = MappingStudy(TINY, MappingStore(tmp_path / "a")).run()
    again = MappingStudy(TINY, MappingStore(tmp_path / "b")).run()
    assert [outcome(r) for r in one] == [outcome(r) for r in again]
    other = dataclasses.replace(TINY, seeds=(3, 4, 5))
    third = MappingStudy(other, MappingStore(tmp_path / "c")).run()
    assert all(set(a.loss).isdisjoint(b.loss) for a, b in zip(one, third, strict=True))


def test_records_say_what_was_asked(tmp_path: Path) -> None:
    study = MappingStudy(TINY, MappingStore(tmp_path))
    records = study.run()
    assert len(records) == 4 + 2 * 4 == len(study.names())
    for r in records:
        assert r.parameters == parameter_count(6, r.width, 3)
        wanted = r.teacher.stop if r.role == "teacher" and r.teacher.stop else None
        assert r.steps == (wanted or TINY.steps(r.parameters))
        assert (np.array(r.divergence) > 0).all() == (r.role == "student")
        assert all(0 <= a <= 1 for a in r.accuracy)
    assert study.run(["width"]) == tuple(r for r in records if r.teacher.form == "width")


def test_loss_of_a_record_is_that_of_its_distribution(tmp_path: Path) -> None:
    """Recomputed by a loop over examples; the table is kept in float32, hence 1e-6."""
    store = MappingStore(tmp_path)
    study, choice = MappingStudy(TINY, store), TeacherChoice(8)
    record = study.teacher(choice)
    logs = store.log_probabilities(run_name(TINY, "teacher", 8, choice))
    examples = TINY.task.examples()
    for k in range(3):
        loss = -sum(
            p * logs[k, j, y]
            for j, (p, y) in enumerate(zip(examples.probability, examples.label, strict=True))
        )
        assert record.loss[k] == pytest.approx(loss, abs=1e-6)
    np.testing.assert_allclose(np.exp(logs).sum(-1), 1, atol=1e-6)


def test_an_interrupted_study_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = MappingStudy(TINY, MappingStore(tmp_path / "whole")).run()

    class Stop(Exception):
        pass

    count = 0

    def stop_at_seven(record: MappingRecord) -> None:
        nonlocal count
        count += 1
        if count == 7:
            raise Stop

    store = MappingStore(tmp_path / "parts")
    with pytest.raises(Stop):
        MappingStudy(TINY, store, stop_at_seven).run()
    before = {p.name: p.stat().st_mtime_ns for p in store.folder.iterdir()}
    assert 7 <= sum(name.endswith(".json") for name in before) < len(whole)
    resumed = MappingStudy(TINY, store).run()
    assert [outcome(r) for r in resumed] == [outcome(r) for r in whole]
    assert all((store.folder / n).stat().st_mtime_ns == t for n, t in before.items())


def test_students_share_start_and_data_whatever_the_teacher(tmp_path: Path) -> None:
    """Two teachers that are one: the students are equal, bit for bit."""
    store = MappingStore(tmp_path)
    study = MappingStudy(TINY, store)
    for choice in TINY.teachers:
        study.teacher(choice)
    same = store.log_probabilities(run_name(TINY, "teacher", 4, TeacherChoice(4)))
    for choice in (TeacherChoice(8), TeacherChoice(8, 5)):
        name = run_name(TINY, "teacher", 8, choice)
        record = store.read(name)
        assert record is not None
        store.write(name, record, same)
    losses = {study.student(6, c).loss for c in (TeacherChoice(4), TeacherChoice(8))}
    assert len(losses) == 1


def test_longer_students_take_more_steps_with_the_same_teachers(tmp_path: Path) -> None:
    store = MappingStore(tmp_path)
    choice = TeacherChoice(8)
    MappingStudy(TINY, store).teacher(choice)
    short = MappingStudy(TINY, store).student(6, choice)
    longer = dataclasses.replace(TINY, student_factor=2.5)
    record = MappingStudy(longer, store).student(6, choice)
    assert record.steps == 2.5 * short.steps == 50
    assert record.loss != short.loss


def test_examples_drawn_follow_the_distribution() -> None:
    """Shares of 40,000 draws within 5 standard errors, and another key draws others."""
    p = np.array([0.1, 0.0, 0.6, 0.3])
    drawn = draw_examples(np.cumsum(p), 0, 40_000, [[0], [1]])
    shares = np.bincount(drawn[0], minlength=4) / 40_000
    assert (np.abs(shares - p) <= 5 * np.sqrt(p * (1 - p) / 40_000)).all()
    assert not np.array_equal(drawn[0], drawn[1])


def test_settings_are_those_of_the_paper() -> None:
    """Section C.2 of arXiv 2502.08606: widths, last and first time, seeds, rate, batch."""
    s = paper_settings()
    assert s.student_widths == (128, 256, 362)
    assert max(s.teacher_widths) == s.stop_width == 512
    assert (min(s.stop_steps), max(s.stop_steps)) == (64, 16384)
    assert (s.batch_size, s.peak_rate, s.warmup_fraction) == (512, 3e-4, 0.05)
    assert len(s.seeds) >= 4
    assert s.steps(1) == 500  # 500 x 512 samples at least
    assert s.steps(100_000) == 3907  # 20 x 100,000 / 512, rounded up
    assert len(small_settings().seeds) >= 4


def test_names_differ_where_the_outcome_may() -> None:
    base = run_name(TINY, "student", 4, TeacherChoice(8))
    changes: list[dict[str, Any]] = [
        {"task": Task(4)}, {"task": Task(3, 0.4)}, {"seeds": (0, 1)}, {"batch_size": 8},
        {"peak_rate": 1e-3}, {"warmup_fraction": 0.1}, {"fewest_steps": 21},
        {"samples_per_parameter": 2.0}, {"student_factor": 2.0},
    ]  # fmt: skip
    others = {
        run_name(dataclasses.replace(TINY, **c), "student", 4, TeacherChoice(8)) for c in changes
    }
    assert len(others | {base}) == len(changes) + 1
    # Teachers do not depend on how long students train.
    longer = dataclasses.replace(TINY, student_factor=2.0)
    own = [run_name(s, "teacher", 8, TeacherChoice(8)) for s in (TINY, longer)]
    assert own[0] == own[1]
    # More widths in the list are more runs, and the same ones.
    wider = dataclasses.replace(TINY, student_widths=(4, 6, 10), teacher_widths=(8,))
    assert run_name(wider, "student", 4, TeacherChoice(8)) == base


def test_damaged_records_are_refused(tmp_path: Path) -> None:
    store = MappingStore(tmp_path)
    assert store.read("none") is None
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"format": "other"}), encoding="utf-8")
    (tmp_path / "c.json").write_text(
        json.dumps({"format": "capgap-mapping-1", "role": "teacher"}), encoding="utf-8"
    )
    (tmp_path / "a.npy").write_bytes(b"no array")
    for name in ("a", "b", "c"):
        with pytest.raises(InputError, match=f"{name}.json"):
            store.read(name)
    for name in ("a", "missing"):
        with pytest.raises(InputError, match=f"{name}.npy"):
            store.log_probabilities(name)


def test_bad_settings_are_named() -> None:
    for change, words in (
        ({"student_widths": (4, 4)}, "student_widths"),
        ({"stop_steps": (0,)}, "stop_steps"),
        ({"seeds": ()}, "seeds"),
    ):
        with pytest.raises(InputError, match=words):
            dataclasses.replace(TINY, **change)
    stack = initial_stack(6, 4, 3, [[0]])
    data = Task(3).examples()
    with pytest.raises(InputError, match="2 targets"):
        train_stack(
            stack, data.inputs, [data.targets] * 2, lambda t: data.pointer, [0], Schedule(2)
        )
    with pytest.raises(InputError, match="snapshots"):
        train_stack(
            stack, data.inputs, [data.targets], lambda t: data.pointer, [0], Schedule(2), [3]
        )
