"""One scheduler for all engines: laws over plans, orders of ends, deaths and errors."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measurement.engines.fake_engine import FakeEngine

from capgap.errors import InputError
from capgap.lm.config import RunConfig, TeacherShare
from capgap.measurement.engines import scheduling
from capgap.measurement.engines.interface import Job, SweepEvent
from capgap.measurement.engines.scheduling import ATTEMPTS, schedule
from capgap.measurement.engines.shares import OtherShares, Share


def run(seed: int, *teachers: RunConfig) -> RunConfig:
    """A run with up to two teachers."""
    if not teachers:
        return RunConfig(depth=1, tokens=4096, corpus="c", seed=seed)
    further = tuple(TeacherShare(teacher=t, weight=0.5) for t in teachers[1:2])
    return RunConfig(
        depth=1, tokens=4096, corpus="c", seed=seed, teacher=teachers[0],
        distillation_weight=1.0, further_teachers=further,
    )  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> list[RunConfig]:
    """Up to eight runs, each taught by up to two before it: chains, trees, diamonds."""
    configs: list[RunConfig] = []
    for seed in range(draw(st.integers(1, 8))):
        teachers = draw(st.lists(st.sampled_from(configs), max_size=2, unique=True)) if seed else []
        configs.append(run(seed, *teachers))
    return configs


def jobs_of(configs: list[RunConfig], sizes: list[int]) -> list[Job]:
    """Groups of neighbors that can be one job: none teaches another."""
    jobs: list[Job] = []
    for i, config in enumerate(configs):
        together = (*jobs[-1].configs, config) if jobs else ()
        ids = {c.id for c in together}
        fits = together and len(together) <= sizes[i % len(sizes)]
        if fits and not any(ancestors(c) & ids for c in together):
            jobs[-1] = Job(together)
        else:
            jobs.append(Job((config,)))
    return jobs


def ancestors(config: RunConfig) -> set[str]:
    runs = [t for t, _ in config.teachers if isinstance(t, RunConfig)]
    return {t.id for t in runs}.union(*(ancestors(t) for t in runs))


@given(
    configs=plans(),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    places=st.sampled_from([1, 2, 3, None]),
    data=st.data(),
)
def test_every_run_is_made_once_or_lost_with_a_reason(
    configs: list[RunConfig], sizes: list[int], places: int | None, data: st.DataObject
) -> None:
    """Against the definition: what can be made is made, whatever dies in whatever order."""
    ids = [config.id for config in configs]
    fates = data.draw(
        st.fixed_dictionaries(
            {i: st.lists(st.sampled_from(["done", "error", "dead"]), min_size=3, max_size=3)
             for i in ids}
        )
    )  # fmt: skip
    engine = FakeEngine(
        fate=lambda config, attempt: fates[config.id][attempt - 1],
        pick=lambda n: data.draw(st.integers(0, n - 1)),
        places=places,
    )
    events: list[SweepEvent] = []
    jobs = jobs_of(configs, sizes)
    lost = schedule(jobs, engine, made=engine.made.__contains__, report=events.append)

    assert sorted([*engine.made, *lost]) == sorted(ids)  # each once, made or lost
    assert max(engine.attempts.values(), default=0) <= ATTEMPTS
    assert places is None or engine.most <= places
    ends = Counter((e.kind, e.config.id) for e in events if e.kind != "step")
    assert ends == Counter([*(("done", i) for i in engine.made), *(("lost", i) for i in lost)])
    assert all(e.step == 1 for e in events if e.kind == "step")
    for config in configs:
        hopeless = {t.id for t, _ in config.teachers} & set(lost)
        if hopeless:
            assert config.id not in engine.attempts
            assert "was not made" in lost[config.id]
        elif max(sizes) == 1:  # alone in its job, a run has its own fate
            first = next((f for f in fates[config.id] if f != "dead"), "dead")
            assert (config.id in engine.made) == (first == "done")


@given(plans())
def test_jobs_start_in_their_order_when_nothing_dies(configs: list[RunConfig]) -> None:
    """With one place, a plan whose teachers come first is made in the order of the plan."""
    engine = FakeEngine(places=1)
    assert schedule([Job((c,)) for c in configs], engine, made=engine.made.__contains__) == {}
    assert engine.made == [config.id for config in configs]


def test_the_fake_engine_sees_a_student_before_its_teacher() -> None:
    """Negative control of the test above: a scheduler that forgets teachers is caught."""
    teacher = run(0)
    with pytest.raises(AssertionError, match="before its teacher"):
        FakeEngine().start(Job((run(1, teacher),)))


def test_runs_that_a_dead_group_had_made_are_not_tried_again() -> None:
    group = Job((run(0), run(1), run(2)))
    second = group.configs[1].id
    engine = FakeEngine(fate=lambda c, n: "dead" if c.id == second and n < 3 else "done")
    assert schedule([group], engine, made=engine.made.__contains__) == {}
    assert [engine.attempts[c.id] for c in group.configs] == [1, 3, 3]


def test_a_group_loses_the_students_of_a_lost_teacher_alone() -> None:
    bad, good = run(0), run(1)
    group = Job((run(2, bad), run(3, good), run(4, good, bad)))
    engine = FakeEngine(fate=lambda c, n: "error" if c.id == bad.id else "done")
    lost = schedule([Job((bad,)), Job((good,)), group], engine, made=engine.made.__contains__)
    assert sorted(lost) == sorted([bad.id, group.configs[0].id, group.configs[2].id])
    assert engine.made == [good.id, group.configs[1].id]


def test_a_job_cannot_hold_a_teacher_and_its_student() -> None:
    with pytest.raises(InputError, match="teaches another run"):
        Job((run(0), run(1, run(0))))
    with pytest.raises(InputError, match="no runs"):
        Job(())


def test_jobs_that_wait_for_each_other_are_refused() -> None:
    a, b = run(0), run(1)
    jobs = [Job((a, run(2, b))), Job((b, run(3, a)))]
    with pytest.raises(InputError, match="wait for runs of each other"):
        schedule(jobs, FakeEngine(), made=lambda run_id: False)


def test_a_record_that_is_not_seen_here_is_lost_with_the_reason() -> None:
    """The folder is not shared: the worker says done, the sweep sees nothing, and says so."""
    slept: list[float] = []
    config = run(0)
    lost = schedule([Job((config,))], FakeEngine(), made=lambda run_id: False, sleep=slept.append)
    assert "must share the folder" in lost[config.id]
    assert sum(slept) == scheduling.LATENESS


def test_a_record_that_appears_late_is_not_lost() -> None:
    answers = iter([False, False, True])
    config = run(0)
    assert schedule(
        [Job((config,))], FakeEngine(), made=lambda i: next(answers), sleep=lambda s: None
    ) == {}  # fmt: skip


# Shares: several schedulers meet in one set of records.


class Shares:
    """Independent sweeps as threads, of which one at a time works: a sleep passes the turn."""

    def __init__(self, configs: list[RunConfig], count: int, folder: Path, places: int = 1) -> None:
        self.configs, self.count, self.folder, self.places = configs, count, folder, places
        self.made: list[str] = []
        self.events: list[SweepEvent] = []
        self.lost: dict[str, str] = {}
        self.seconds = 0.0
        self.clock: Callable[[], float] = time.monotonic
        self._turn = threading.Lock()

    def sweep(self, *indices: int) -> None:
        """Run shares to their ends."""
        with ThreadPoolExecutor(len(indices)) as pool:
            list(pool.map(self._one, indices))

    def _one(self, index: int) -> None:
        share = Share(index, self.count)
        others = OtherShares(self.configs, share, self.folder, patience=60, clock=self.clock)
        engine = FakeEngine(places=self.places)
        engine.made = self.made
        with self._turn:
            jobs = [Job((c,)) for c in share.of(self.configs) if c.id not in self.made]
            self.lost |= schedule(
                jobs, engine, made=self.made.__contains__, others=others, sleep=self._sleep,
                report=self.events.append,
            )  # fmt: skip

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._turn.release()
        time.sleep(1e-5)
        self._turn.acquire()


@settings(max_examples=50)
@given(configs=plans(), count=st.integers(1, 4), places=st.integers(1, 2), data=st.data())
def test_shares_make_every_run_once(
    configs: list[RunConfig], count: int, places: int, data: st.DataObject
) -> None:
    """Any number of shares in any order; if they could block each other, they would give up."""
    sweeps = Shares(configs, count, Path("nowhere"), places)
    sweeps.sweep(*data.draw(st.permutations(range(count))))
    assert sweeps.lost == {}
    assert sorted(sweeps.made) == sorted(config.id for config in configs)


def test_a_share_waits_for_the_teacher_of_another_and_says_so(tmp_path: Path) -> None:
    teacher = run(0)
    student = run(1, teacher)
    sweeps = Shares([teacher, student], 2, tmp_path)
    sweeps._sleep = lambda seconds: sweeps.made.append(teacher.id)  # type: ignore[method-assign]
    sweeps.sweep(1)
    assert sweeps.made == [teacher.id, student.id]
    (waiting,) = [event for event in sweeps.events if event.kind == "waiting"]
    assert (waiting.config, waiting.message) == (teacher, "share 0/2 makes it")


def test_a_share_gives_up_when_the_others_are_silent(tmp_path: Path) -> None:
    teacher, alone = run(0), run(2)
    student = run(1, teacher)
    (tmp_path / "something.json").touch()
    sweeps = Shares([teacher, student, run(3), alone], 2, tmp_path)
    sweeps.clock = lambda: sweeps.seconds
    sweeps.sweep(1)
    assert sweeps.made == [alone.id]  # what can be made is made first
    assert list(sweeps.lost) == [student.id]
    assert "share 0/2" in sweeps.lost[student.id]
    assert 60 < sweeps.seconds <= 60 + 2 * scheduling.INTERVAL


def test_any_change_in_the_folder_is_a_sign_of_life(tmp_path: Path) -> None:
    now = 0.0
    others = OtherShares([run(0)], Share(1, 2), tmp_path, patience=10, clock=lambda: now)
    for i in range(5):
        (tmp_path / f"{i}.checkpoint").touch()
        now += 9
        assert not others.silent()
    now += 9
    assert not others.silent()
    now += 2
    assert others.silent()
    others.busy()
    assert not others.silent()


@pytest.mark.parametrize("text", ["8/8", "-1/8", "1", "1/0", "a/b", "", "1/2/3"])
def test_shares_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be I/N"):
        Share.parse(text)
