"""Sweeps as Ray tasks: the records of the local pool; killed workers; shares of a GPU.

One cluster of this machine serves all tests: two cores, and one GPU that exists in name alone.
"""

import dataclasses
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.measurement.engines import scheduling
from capgap.measurement.engines.interface import Job, SweepEvent, Workplace
from capgap.measurement.engines.ray_session import Session
from capgap.measurement.engines.ray_tasks import RayEngine
from capgap.measurement.engines.ray_worker import run_task
from capgap.measurement.records import RunStore
from capgap.measurement.runs import execute
from capgap.measurement.sweep import SweepPlan, run_sweep

ray: Any = pytest.importorskip("ray", reason="needs the extra 'cluster'")
pytest.importorskip("torch", reason="needs the extra 'lm'")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(
        address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture
def plan(text_folder: Path) -> SweepPlan:
    from capgap.lm.corpus import load_text

    text = (str(text_folder),)
    teacher = RunConfig(
        depth=1, aspect_ratio=8, sequence_length=32, tokens=2048, half="teacher",
        corpus=load_text(text).fingerprint,
    )  # fmt: skip
    student = dataclasses.replace(teacher, half="student", teacher=teacher, distillation_weight=1.0)
    return SweepPlan(text, (teacher, student))


def made_here(plan: SweepPlan, folder: Path) -> list[dict[str, Any]]:
    """The oracle: the same runs made in this process by `execute`, without any engine."""
    from capgap.lm.corpus import load_text

    corpus, store = load_text(plan.text), RunStore(folder)
    return [execute(config, corpus, store).outcome() for config in plan.configs]


def test_records_are_those_of_the_local_engine(plan: SweepPlan, tmp_path: Path) -> None:
    steps: list[SweepEvent] = []
    store = RunStore(tmp_path / "ray")
    records = run_sweep(plan, store, engine=RayEngine(), report=steps.append)
    assert [record.outcome() for record in records] == made_here(plan, tmp_path / "here")
    assert [e.config.half for e in steps if e.kind == "done"] == ["teacher", "student"]
    assert {e.kind for e in steps} <= {"step", "done"}
    assert not list(store.folder.glob(".shared-*"))


def process_named(name: str) -> int:
    """The process in which Ray runs a task of this name (Linux)."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if name.encode() in path.read_bytes():
                    return int(path.parent.name)
            except OSError:
                pass
        time.sleep(0.01)
    raise AssertionError(f"no process {name}")


def test_killed_worker_is_started_again_with_the_same_record(
    plan: SweepPlan, tmp_path: Path
) -> None:
    config = dataclasses.replace(plan.configs[0], tokens=100_000)
    trains = threading.Event()
    pids: list[int] = []

    def kill() -> None:
        assert trains.wait(60)
        pids.append(process_named(f"ray::capgap {config.id}"))
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    steps: list[int] = []

    def listen(event: SweepEvent) -> None:
        steps.append(event.step)
        trains.set()

    one = SweepPlan(plan.text, (config,))
    (record,) = run_sweep(one, RunStore(tmp_path / "killed"), engine=RayEngine(), report=listen)
    killer.join()
    assert len(pids) == 1
    assert [record.outcome()] == made_here(one, tmp_path / "whole")


def test_worker_that_always_dies_is_given_up(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "ATTEMPTS", 2)  # processes take a second to start
    engine = _Deadly()
    lost: list[SweepEvent] = []
    one = SweepPlan(plan.text, plan.configs)
    with pytest.raises(CapgapError, match=r"2 of 2 .* died 2 times \(WorkerCrashedError\)"):
        run_sweep(one, RunStore(tmp_path), engine=engine, report=lost.append)
    assert [event.kind for event in lost] == ["lost", "lost"]
    assert engine.starts == 2


class _Deadly(RayEngine):
    """Its tasks kill their worker."""

    starts = 0

    @staticmethod
    def _run(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def start(self, job: Job) -> int:
        self.starts += 1
        return super().start(job)


def test_error_in_a_run_is_told_once(plan: SweepPlan, tmp_path: Path) -> None:
    """The texts are not those of the configuration."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("Other words. " * 2000)
    told: list[SweepEvent] = []
    other = SweepPlan((str(tmp_path / "other"),), plan.configs[:1])
    with pytest.raises(CapgapError, match="1 of 1 runs not made"):
        run_sweep(other, RunStore(tmp_path / "runs"), engine=RayEngine(), report=told.append)
    assert [event.kind for event in told] == ["lost"]
    assert "\n" not in told[0].message


def test_task_that_cannot_begin_is_told_once(plan: SweepPlan, tmp_path: Path) -> None:
    """As on a machine without the package: an exception outside of the run."""

    class Broken(RayEngine):
        @staticmethod
        def _run(*arguments: object) -> None:
            raise ModuleNotFoundError("no capgap")

    told: list[SweepEvent] = []
    with pytest.raises(CapgapError, match="ModuleNotFoundError: no capgap"):
        run_sweep(
            SweepPlan(plan.text, plan.configs[:1]), RunStore(tmp_path / "runs"), engine=Broken(),
            report=told.append,
        )  # fmt: skip
    assert [event.kind for event in told] == ["lost"]


def test_folder_that_is_not_shared_is_refused(plan: SweepPlan, tmp_path: Path) -> None:
    """The task runs here, with the name of a mark that is not there."""
    job = Job(plan.configs[:1])
    place = Workplace(RunStore(tmp_path), plan.text)
    (end,) = run_task(job, place, tmp_path / ".shared-none", 1, None)
    assert end.kind == "error"
    assert "all machines must share it" in end.message


@pytest.mark.parametrize(("gpus", "most"), [(0.5, 2), (1.0, 1)])
def test_runs_share_a_gpu_as_asked(tmp_path: Path, gpus: float, most: int) -> None:
    """Tasks that note when they begin and end; the cores alone would let both run at once."""
    engine = _Clocked(gpus_per_run=gpus, cpus_per_run=0)
    engine.open(Workplace(RunStore(tmp_path / "runs")))
    ends: list[SweepEvent] = []
    try:
        for seed in range(3):
            engine.start(Job((RunConfig(depth=1, tokens=4096, corpus="c", seed=seed),)))
        while len(ends) < 3:
            ends += [e for _, e in engine.wait() if isinstance(e, SweepEvent)]
    finally:
        engine.close()
    times = [tuple(map(float, event.message.split())) for event in ends]
    together = max(sum(a <= begin < b for a, b in times) for begin, _ in times)
    assert together == most


class _Clocked(RayEngine):
    """Its tasks last half a second and tell when they began and ended."""

    @staticmethod
    def _run(job: Job, *arguments: object) -> list[SweepEvent]:  # type: ignore[override]
        begin = time.time()
        time.sleep(0.5)
        return [SweepEvent("done", job.configs[0], message=f"{begin} {time.time()}")]


@pytest.mark.parametrize(
    ("options", "device", "words"),
    [
        ({"gpus_per_run": 2.0}, "cpu", "gpus_per_run = 2 must be at most 1"),
        ({"cpus_per_run": 3.0}, "cpu", "cpus_per_run = 3 must be at most 2"),
        ({"gpus_per_run": 0.0}, "cuda", "must be positive with device 'cuda'"),
        ({}, "cuda:1", "Ray chooses which"),
    ],
)
def test_what_the_cluster_cannot_give_is_refused(
    tmp_path: Path, options: dict[str, float], device: str, words: str
) -> None:
    engine = RayEngine(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        engine.open(Workplace(RunStore(tmp_path), device=device))
    engine.close()


def test_a_cluster_that_was_there_stays(tmp_path: Path) -> None:
    before, output = ray.get_runtime_context().get_node_id(), sys.stdout
    engine = RayEngine()
    engine.open(Workplace(RunStore(tmp_path)))
    engine.close()
    engine.close()  # twice is harmless
    assert ray.is_initialized()
    assert ray.get_runtime_context().get_node_id() == before
    assert sys.stdout is output


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_address_where_nobody_listens_is_told_at_once(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("Ray was asked to connect"))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with socket.socket() as bound:  # a port of ours on which nobody listens
        bound.bind(("127.0.0.1", 0))
        address, output = form.format(bound.getsockname()[1]), sys.stdout
        with pytest.raises(CapgapError, match=f"no Ray cluster at {address}: Connection"):
            Session(address)
    assert sys.stdout is output


def test_rays_threads_are_kept_off_standard_output() -> None:
    from capgap.measurement.engines.ray_session import _WithoutRay

    stream = io.StringIO()
    quiet = _WithoutRay(stream)
    for name in ("ray_listen_error_messages", "other"):
        thread = threading.Thread(target=quiet.write, args=(name,), name=name)
        thread.start()
        thread.join()
    assert stream.getvalue() == "other"
    assert not quiet.isatty()
