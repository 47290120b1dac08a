"""Which run is next, how often it is tried, when it is given up: one answer for all engines."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from capgap.errors import InputError
from capgap.lm.config import RunConfig
from capgap.measurement.engines.interface import Ended, Engine, Job, SweepEvent
from capgap.measurement.engines.shares import OtherShares

__all__ = ["ATTEMPTS", "schedule"]

# A worker that dies without a word (killed, out of memory) is started again this often.
ATTEMPTS = 3

# Seconds between two looks at the folder for teachers that other shares make.
INTERVAL = 5.0

# Seconds until the record of a run that is done must be visible.
LATENESS = 90


def schedule(
    jobs: Sequence[Job],
    engine: Engine,
    *,
    made: Callable[[str], bool],
    report: Callable[[SweepEvent], None] = lambda event: None,
    others: OtherShares | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Make all jobs on an engine that is open; teachers come before their students.

    A job starts when the engine has a place for it and all its teachers are made; jobs that
    could start do so in their order. A run in error is given up at once, one whose worker
    died after `ATTEMPTS` times, and with a run its students are given up too. Everything
    that can be made is made before this returns.

    Parameters
    ----------
    jobs : sequence of Job
        Runs that are not made yet, each in one job.
    engine : Engine
        Where they are made.
    made : callable
        Whether the record of a run, given its id, can be seen from here.
    report : callable
        Hears what happens to the runs: events of kind "step", "done", "lost", "waiting".
    others : OtherShares or None
        Runs that are made elsewhere and that runs of ours may have to wait for.
    sleep : callable
        Waits so many seconds.

    Returns
    -------
    dict
        Why runs were lost, by their id; empty when all were made.
    """
    state = _Schedule(list(jobs), engine, made, report, others, sleep)
    while state.waiting or state.flying:
        state.fill()
        if state.flying:
            timeout = INTERVAL if state.waiting and others is not None else None
            for number, event in engine.wait(timeout):
                state.hear(number, event)
        elif state.waiting:
            state.idle()
    return state.lost


@dataclass
class _Flight:
    """A job in the hands of the engine, and its runs that are not settled yet."""

    job: Job
    open: dict[str, RunConfig]


@dataclass
class _Schedule:
    waiting: list[Job]
    engine: Engine
    made: Callable[[str], bool]
    report: Callable[[SweepEvent], None]
    others: OtherShares | None
    sleep: Callable[[float], None]
    flying: dict[int, _Flight] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    lost: dict[str, str] = field(default_factory=dict)
    announced: set[str] = field(default_factory=set)

    def fill(self) -> None:
        """Start jobs while there are places and jobs that can start."""
        places = self.engine.places
        while (places is None or len(self.flying) < places) and (job := self._next()) is not None:
            self.attempts.update(config.id for config in job.configs)
            runs = {config.id: config for config in job.configs}
            self.flying[self.engine.start(job)] = _Flight(job, runs)

    def hear(self, number: int, event: SweepEvent | Ended) -> None:
        """Take in what the engine tells of a job."""
        if self.others is not None:
            self.others.busy()
        flight = self.flying[number]
        if isinstance(event, Ended):
            del self.flying[number]
            self._settle(flight, event)
        elif event.config.id not in flight.open:
            pass  # a step that was overtaken by the end of its run
        elif event.kind == "step":
            self.report(event)
        else:
            del flight.open[event.config.id]
            self._close(event)

    def idle(self) -> None:
        """Nothing runs here, nothing can start: wait for other shares, or give them up."""
        blocked = [(job, t) for job in self.waiting for t in self._elsewhere(job)]
        if self.others is None or not blocked:
            waiting = ", ".join(config.id for job in self.waiting for config in job.configs)
            raise InputError(f"sweep: jobs wait for runs of each other: {waiting}")
        if self.others.silent():
            for job, teacher in blocked:
                if job in self.waiting:
                    self.waiting.remove(job)
                    self._give_up(job.configs, self.others.reason(teacher.id))
            return
        for teacher in {t.id: t for _, t in blocked}.values():
            if teacher.id not in self.announced:
                self.announced.add(teacher.id)
                whose = f"share {self.others.owner(teacher.id)} makes it"
                self.report(SweepEvent("waiting", teacher, message=whose))
        self.sleep(INTERVAL)

    def _next(self) -> Job | None:
        """The first waiting job that can start; runs without hope are given up on the way."""
        while True:
            pending = {config.id for config in self._unsettled()}
            for job in self.waiting:
                hopeless = {t.id for t in job.teachers} & self.lost.keys()
                if hopeless:
                    self._abandon(job, hopeless)
                    break  # others may have lost their hope with it: look again
                if not any(t.id in pending for t in job.teachers) and not self._elsewhere(job):
                    self.waiting.remove(job)
                    return job
            else:
                return None

    def _unsettled(self) -> Iterable[RunConfig]:
        for job in self.waiting:
            yield from job.configs
        for flight in self.flying.values():
            yield from flight.open.values()

    def _elsewhere(self, job: Job) -> list[RunConfig]:
        """Teachers of a job that another share has not made yet."""
        others = self.others
        if others is None:
            return []
        return [t for t in job.teachers if t.id in others and not self.made(t.id)]

    def _abandon(self, job: Job, hopeless: set[str]) -> None:
        """Give up the runs of a waiting job that have a lost teacher; keep the others."""
        place = self.waiting.index(job)
        doomed = [c for c in job.configs if hopeless & {t.id for t, _ in c.teachers}]
        rest = tuple(c for c in job.configs if c not in doomed)
        self.waiting[place : place + 1] = [Job(rest)] if rest else []
        for config in doomed:
            teacher = min(hopeless & {t.id for t, _ in config.teachers})
            self._give_up([config], f"its teacher {teacher} was not made")

    def _close(self, event: SweepEvent) -> None:
        """A run is done, or in error, by the word of its worker."""
        if event.kind == "error":
            self._give_up([event.config], event.message)
        elif self._visible(event.config.id):
            self.report(event)
        else:
            message = "its worker made it, but the record is not in the folder here"
            self._give_up([event.config], f"{message}: all machines must share the folder")

    def _visible(self, run_id: str) -> bool:
        """Whether a record is there; a shared folder may show it late (NFS: a minute)."""
        for _ in range(LATENESS):
            if self.made(run_id):
                return True
            self.sleep(1.0)
        return False

    def _settle(self, flight: _Flight, end: Ended) -> None:
        """A worker is gone: try the runs that it left open again, or give them up."""
        rest = tuple(flight.open.values())
        again = tuple(c for c in rest if self.attempts[c.id] < ATTEMPTS)
        if again:
            self.waiting.insert(0, replace(flight.job, configs=again))
        over = [c for c in rest if c not in again]
        self._give_up(over, f"its process died {ATTEMPTS} times ({end.message})")

    def _give_up(self, configs: Iterable[RunConfig], message: str) -> None:
        for config in configs:
            self.lost[config.id] = f"{config.id}: {message}"
            self.report(SweepEvent("lost", config, message=message))
