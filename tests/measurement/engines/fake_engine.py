"""An engine in memory that makes nothing: any order of ends, any deaths, as it is told."""

from collections.abc import Callable, Sequence

from capgap.lm.config import RunConfig
from capgap.measurement.engines.interface import Ended, Job, SweepEvent, Workplace
from capgap.measurement.engines.work import work


class FakeEngine:
    """Ends one job per `wait`, chosen by `pick`; `fate` says what becomes of each run.

    `fate(config, attempt)` is "done", "error" or "dead"; runs of a job meet it in order, and
    after a death the rest of the job is dead too. `made` holds what a store would.
    """

    def __init__(
        self,
        fate: Callable[[RunConfig, int], str] = lambda config, attempt: "done",
        pick: Callable[[int], int] = lambda n: 0,
        places: int | None = 2,
    ) -> None:
        self.places = places
        self.made: list[str] = []
        self.attempts: dict[str, int] = {}
        self.most = 0
        self._fate, self._pick = fate, pick
        self._jobs: dict[int, Job] = {}
        self._started = 0

    def open(self, workplace: Workplace) -> None: ...

    def start(self, job: Job) -> int:
        for teacher in job.teachers:
            assert teacher.id in self.made, "a student started before its teacher was made"
        self._started += 1
        self._jobs[self._started] = job
        self.most = max(self.most, len(self._jobs))
        return self._started

    def wait(self, timeout: float | None = None) -> Sequence[tuple[int, SweepEvent | Ended]]:
        number = list(self._jobs)[self._pick(len(self._jobs))]
        job = self._jobs.pop(number)
        events: list[tuple[int, SweepEvent | Ended]] = []
        for config in job.configs:
            self.attempts[config.id] = self.attempts.get(config.id, 0) + 1
        for config in job.configs:
            events.append((number, SweepEvent("step", config, 1)))
            end = self._fate(config, self.attempts[config.id])
            if end == "dead":
                break
            if end == "done":
                self.made.append(config.id)
            events.append((number, SweepEvent(end, config, message="told")))
            events.append((number, SweepEvent("step", config, 2)))  # overtaken: must be ignored
        return [*events, (number, Ended("fake"))]

    def close(self) -> None: ...


class HereEngine:
    """Makes each job in this process as soon as it starts: the work of workers, without any."""

    places = 1

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._workplace: Workplace | None = None
        self._events: list[tuple[int, SweepEvent | Ended]] = []

    def open(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def start(self, job: Job) -> int:
        assert self._workplace is not None
        self.jobs.append(job)
        number = len(self.jobs)
        work(job, self._workplace, lambda event: self._events.append((number, event)))
        self._events.append((number, Ended()))
        return number

    def wait(self, timeout: float | None = None) -> Sequence[tuple[int, SweepEvent | Ended]]:
        events, self._events = self._events, []
        return events

    def close(self) -> None: ...
