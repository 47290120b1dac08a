"""Sweeps: expansion of files; kill -9 of the sweep and of its workers, and resumption."""

import dataclasses
import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from measurement.engines.fake_engine import HereEngine

from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.lm.corpus import load_text
from capgap.measurement.engines import make_engine
from capgap.measurement.records import RunRecord, RunStore
from capgap.measurement.sweep import SweepEvent, SweepPlan, expand, read_sweep, run_sweep

FILE = """
text = ["texts"]

[defaults]
aspect_ratio = 8
sequence_length = 32
batch_size = 4

[[runs]]
depth = [1, 2]
tokens = 8_000
half = "teacher"

[[runs]]
depth = 1
tokens = [5_000, 8_000]
half = "student"
distillation_weight = 1.0
teacher = {depth = [1, 2], tokens = 8_000, half = "teacher"}

[[runs]]
depth = 1
tokens = 5_000
half = "student"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_grids_are_products_and_teachers_come_first(tmp_path: Path) -> None:
    text, contents = read_sweep(write(tmp_path, FILE))
    configs = expand(contents, "c")
    assert text == (str(tmp_path / "texts"),)
    assert len(configs) == 7
    made: set[str] = set()
    for config in configs:
        assert config.teacher is None or config.teacher.id in made
        assert config.sequence_length == 32
        made.add(config.id)
    assert {(c.depth, c.tokens) for c in configs if c.half == "teacher"} == {
        (1, 8_000),
        (2, 8_000),
    }


def test_a_teacher_that_is_not_listed_is_made_too(tmp_path: Path) -> None:
    text = '[[runs]]\ndepth=1\ntokens=4096\ndistillation_weight=1\n' \
        'teacher={depth=2, tokens=4096, half="teacher"}\n'  # fmt: skip
    configs = expand(read_sweep(write(tmp_path, text))[1], "c")
    assert [(c.depth, c.half) for c in configs] == [(2, "teacher"), (1, "student")]


def test_students_defaults_do_not_reach_their_teachers(tmp_path: Path) -> None:
    text = '[defaults]\ndistillation_weight=0.5\n[[runs]]\ndepth=1\ntokens=4096\n' \
        'teacher={depth=2, tokens=4096, half="teacher"}\n'  # fmt: skip
    configs = expand(read_sweep(write(tmp_path, text))[1], "c")
    assert [c.distillation_weight for c in configs] == [0.0, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[runs]]\ndepth = ", "is not TOML"),
        ("", r"no \[\[runs\]\]"),
        ("[[run]]\ndepth=1", "unknown entry run"),
        ("[[runs]]\ndepht=1\ntokens=4096", "unknown setting depht"),
        ("[[runs]]\ndepth=[]\ntokens=4096", "empty list"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        expand(read_sweep(write(tmp_path, text))[1], "c")


GROUPS = """
[defaults]
sequence_length = 64
divergence = "jsd"

[[runs]]
depth = 1
tokens = 4096
distillation_weight = 1.0
teacher = {depth = 2, tokens = 4096, half = "teacher"}
temperature_schedule = {start = 2.0, rate = 3.0, final = 1.0}
"""
PAIR = '{teacher = {depth = [3, 4], tokens = 4096, half = "teacher"}, weight = 0.3}'


def test_list_of_further_teachers_is_one_value(tmp_path: Path) -> None:
    """One group of two entries, the first a grid of two depths: two runs, not four."""
    text = GROUPS + f"further_teachers = [{PAIR}, {PAIR.replace('[3, 4]', '5')}]\n"
    configs = expand(read_sweep(write(tmp_path, text))[1], "c")
    students = [config for config in configs if config.teacher is not None]
    assert [[t.N for t, _ in config.teachers] for config in students] == [
        [RunConfig(depth=d, tokens=4096, corpus="c").N for d in (2, first, 5)] for first in (3, 4)
    ]
    assert [[w for _, w in config.teachers] for config in students] == [[0.4, 0.3, 0.3]] * 2
    # Teachers of all kinds come first, with the defaults that are not a student's own.
    assert [c.depth for c in configs] == [2, 3, 5, 1, 4, 1]
    assert {c.sequence_length for c in configs} == {64}
    assert {c.divergence for c in configs if c.teacher is None} == {"forward-kl"}


def test_list_of_lists_of_further_teachers_is_a_grid(tmp_path: Path) -> None:
    one = PAIR.replace("[3, 4]", "3")
    text = GROUPS + f"further_teachers = [[{one}], [{one}, {one.replace('3,', '4,')}], []]\n"
    configs = expand(read_sweep(write(tmp_path, text))[1], "c")
    assert [len(c.teachers) for c in configs if c.teacher is not None] == [2, 3, 1]


def test_teacher_outputs_are_a_grid_of_forms(tmp_path: Path) -> None:
    text = '[[runs]]\ndepth=1\ntokens=4096\ndistillation_weight=1\n' \
        'teacher_outputs=["full", "top-k:12,tail=drop"]\n' \
        'teacher={depth=2, tokens=4096, half="teacher"}\n'  # fmt: skip
    configs = expand(read_sweep(write(tmp_path, text))[1], "c")
    assert [c.teacher_outputs and c.teacher_outputs.label for c in configs] == [
        None, "full", "top-k:12,tail=drop",
    ]  # fmt: skip


def test_teacher_from_elsewhere_is_not_a_run_and_takes_no_defaults(tmp_path: Path) -> None:
    text = '[defaults]\nseed=3\n[[runs]]\ndepth=1\ntokens=4096\ndistillation_weight=1\n' \
        'teacher={name="m", sha256="a", vocab_size=256, N=10, forward_flops=20.0,' \
        ' sequence_length=512, tokenizer="b"}\n'  # fmt: skip
    (config,) = expand(read_sweep(write(tmp_path, text))[1], "c")
    assert config.teacher is not None
    assert config.teacher.N == 10


@pytest.mark.parametrize("value", ["3", "[3]", "{teacher = {depth = 2, tokens = 1}}", "[[1], [2]]"])
def test_further_teachers_of_another_form_are_refused(tmp_path: Path, value: str) -> None:
    text = GROUPS + f"further_teachers = {value}\n"
    with pytest.raises(InputError, match="further_teachers must be a list of tables"):
        expand(read_sweep(write(tmp_path, text))[1], "c")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_sweep(tmp_path / "none.toml")


@pytest.fixture
def small(text_folder: Path) -> SweepPlan:
    """A teacher and four students that can share a pass of it: two sizes, two seeds."""
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    grid = {
        "aspect_ratio": 8, "sequence_length": 32, "tokens": 1024, "depth": [1, 2],
        "half": "student", "data_seed": 0, "seed": [0, 1], "distillation_weight": 1.0,
        "teacher": {"aspect_ratio": 8, "sequence_length": 32, "tokens": 1024, "depth": 1,
                    "half": "teacher"},
    }  # fmt: skip
    text = (str(text_folder),)
    return SweepPlan(text, expand({"runs": [grid]}, load_text(text).fingerprint))


def test_students_made_together_have_the_records_of_students_made_alone(
    small: SweepPlan, tmp_path: Path
) -> None:
    alone, together = HereEngine(), HereEngine()
    expected = run_sweep(small, RunStore(tmp_path / "alone"), engine=alone)
    records = run_sweep(small, RunStore(tmp_path / "together"), engine=together, together=3)
    assert [len(job.configs) for job in alone.jobs] == [1, 1, 1, 1, 1]
    assert [len(job.configs) for job in together.jobs] == [1, 3, 1]
    assert outcomes(records) == outcomes(expected)


def test_shares_make_their_runs_alone(small: SweepPlan, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    first = run_sweep(small, store, engine=HereEngine(), share=(0, 2))
    assert [r.id for r in first] == [c.id for c in small.configs[0::2]]
    assert len(list(store)) == 3
    second = run_sweep(small, store, engine=HereEngine(), share=(1, 2))
    assert [r.id for r in second] == [c.id for c in small.configs[1::2]]


def test_share_tells_that_the_teacher_of_another_share_failed(
    small: SweepPlan, tmp_path: Path
) -> None:
    store = RunStore(tmp_path / "runs")
    (made,) = run_sweep(SweepPlan(small.text, small.configs[:1]), store, engine=HereEngine())
    store.write(dataclasses.replace(made, status="failed", failure="diverged", loss=None))
    with pytest.raises(CapgapError, match=r"1 of 1 .*the teacher .* failed: diverged"):
        run_sweep(
            SweepPlan(small.text, small.configs[:2]), store, engine=HereEngine(), share=(1, 2)
        )


def test_teacher_in_another_folder_is_not_made_again(small: SweepPlan, tmp_path: Path) -> None:
    elsewhere = RunStore(tmp_path / "teachers")
    pair = SweepPlan(small.text, small.configs[:2])
    run_sweep(SweepPlan(small.text, small.configs[:1]), elsewhere, engine=HereEngine())
    engine, store = HereEngine(), RunStore(tmp_path / "runs")
    records = run_sweep(pair, store, engine=engine, teachers=[elsewhere])
    assert [job.configs for job in engine.jobs] == [(pair.configs[1],)]
    assert [r.id for r in records] == [c.id for c in pair.configs]
    assert [r.id for r in store] == [pair.configs[1].id]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"engine": "slurm"}, "must be one of local, ray"),
        ({"processes": 0}, "at least 1"),
        ({"together": 0}, "at least 1"),
        ({"share": (2, 2)}, "must be I/N"),
        ({"engine": HereEngine(), "processes": 2}, "option of the engine"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    small: SweepPlan, tmp_path: Path, options: dict[str, Any], rule: str
) -> None:
    with pytest.raises(InputError, match=rule):
        run_sweep(small, RunStore(tmp_path), **options)


def test_options_of_ray_need_ray() -> None:
    with pytest.raises(InputError, match=r"gpus_per_run = 0\.5 needs the engine ray"):
        make_engine("local", gpus_per_run=0.5)
    with pytest.raises(InputError, match=r"gpus_per_run = 1\.5 must lie"):
        make_engine("ray", gpus_per_run=1.5)


def test_missing_ray_is_one_line(
    small: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ray" else find(name)
    )
    with pytest.raises(CapgapError, match=r"needs ray: pip install 'capgap\[cluster\]'"):
        run_sweep(small, RunStore(tmp_path), engine="ray")


# What follows trains: each run is a process of its own and takes seconds to start.


@pytest.fixture
def sweep(text_folder: Path, tmp_path: Path) -> Path:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    return write(tmp_path, FILE)


def plan_of(path: Path) -> SweepPlan:
    text, contents = read_sweep(path)
    return SweepPlan(text, expand(contents, load_text(text).fingerprint))


def outcomes(records: "tuple[RunRecord, ...] | list[RunRecord]") -> dict[str, object]:
    return {record.id: record.outcome() for record in records}


def test_killed_sweep_ends_with_the_records_of_an_undisturbed_one(
    sweep: Path, tmp_path: Path
) -> None:
    undisturbed = outcomes(run_sweep(plan_of(sweep), RunStore(tmp_path / "whole"), processes=2))
    folder = tmp_path / "killed"
    command = [
        sys.executable, "-m", "capgap", "sweep", str(sweep), "--runs", str(folder), "--json",
        "--processes", "2",
    ]  # fmt: skip
    kills = 0
    for wanted in (1, 3, 5):  # kill when so many records are there, at whatever moment that is
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(folder.glob("*.json"))) < wanted:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 2  # on a quick machine the last one may have finished first
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    records = [RunRecord.from_dict(values) for values in json.loads(answer.stdout)]
    assert outcomes(records) == undisturbed
    assert outcomes(list(RunStore(folder))) == undisturbed


def test_workers_end_with_a_killed_sweep(sweep: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    command = [
        sys.executable, "-m", "capgap", "sweep", str(sweep), "--runs", str(folder),
        "--processes", "1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (workers := children(process.pid)):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(worker) for worker in workers)


def test_interrupted_sweep_says_so_in_one_line(sweep: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the sweep and its workers at once, as a terminal sends it."""
    # A shell that started the tests in the background has them ignore Ctrl-C; a terminal not.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " from capgap.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable, "-c", code, "sweep", str(sweep), "--runs", str(tmp_path / "runs"),
        "--processes", "2",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not children(process.pid):
        time.sleep(0.02)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "capgap: interrupted; finished runs are kept\n"


def children(pid: int) -> list[int]:
    """Processes started by `pid` (Linux)."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("needs /proc")
    return [int(word) for word in path.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def test_killed_worker_is_started_again(sweep: Path, tmp_path: Path) -> None:
    plan = plan_of(sweep)
    plan = SweepPlan(plan.text, plan.configs[:1])
    killed = threading.Event()

    def kill_first_worker() -> None:
        while not (workers := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(workers[0].pid or 0, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill_first_worker).start()
    records = run_sweep(plan, RunStore(tmp_path / "runs"), processes=1)
    assert killed.is_set()
    assert [record.status for record in records] == ["ok"]


def test_unforeseen_error_in_a_worker_is_told_once(sweep: Path, tmp_path: Path) -> None:
    """The folder of runs is a file: told after one attempt, without a traceback."""
    plan = plan_of(sweep)
    lost = []
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(CapgapError, match="1 of 1 runs not made"):
        run_sweep(
            SweepPlan(plan.text, plan.configs[:1]), RunStore(tmp_path / "runs"), processes=1,
            report=lambda event: lost.append(event.kind) if event.kind != "step" else None,
        )  # fmt: skip
    assert lost == ["lost"]


def test_diverged_run_is_kept_as_failed_and_its_students_are_not_made(
    text_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    text = FILE.split("[[runs]]")[0] + (
        "[[runs]]\ndepth = 1\ntokens = 4096\nhalf = 'student'\ndistillation_weight = 1.0\n"
        "teacher = {depth = 1, tokens = 4096, half = 'teacher', peak_learning_rate = 10.0,"
        " clip = 1e9, z_weight = 1e30}\n"
    )
    store, events = RunStore(tmp_path / "runs"), []

    def listen(event: SweepEvent) -> None:
        events.append((event.kind, event.config.half))

    with pytest.raises(CapgapError, match=r"1 of 2 runs not made: .*the teacher .* failed"):
        run_sweep(plan_of(write(tmp_path, text)), store, processes=1, report=listen)
    (record,) = list(store)
    assert record.status == "failed"
    assert record.loss is None
    assert "not finite" in str(record.failure)
    assert [e for e in events if e[0] != "step"] == [("done", "teacher"), ("lost", "student")]
