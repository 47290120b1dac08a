"""Teachers and students of the mapping problem, trained in stacks and kept as they finish."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from capgap.measurement.mapping.records import MappingRecord, MappingStore, run_name
from capgap.measurement.mapping.settings import MappingSettings, TeacherChoice
from capgap.measurement.mapping.task import Examples

if TYPE_CHECKING:
    from capgap.lm.mapping_mlp import Stack

__all__ = ["MappingStudy", "draw_examples"]

FloatArray = npt.NDArray[np.float64]

# First entry of a generator's seed: starts and data of different networks do not overlap.
_START, _DATA = 0, 1
_TEACHER, _STUDENT, _STOPPED = 0, 1, 2


def draw_examples(
    cumulative: FloatArray, step: int, count: int, keys: Sequence[Sequence[int]]
) -> npt.NDArray[np.int64]:
    """Which examples a step sees, shape (keys, count), by the inverse of the distribution.

    Every (key, step) has a generator of its own, so that a batch depends on nothing else.

    >>> draw_examples(np.array([0.0, 1.0]), 3, 4, [[0], [1]])  # all mass on the second
    array([[1, 1, 1, 1],
           [1, 1, 1, 1]])
    """
    uniform = [np.random.default_rng([*key, step]).random(count) for key in keys]
    places = np.searchsorted(cumulative, np.stack(uniform), side="right")
    return np.asarray(np.minimum(places, cumulative.size - 1), dtype=np.int64)


@dataclass
class MappingStudy:
    """All trainings of a study; each is made at most once.

    Losses are exact: all examples of the task are listed, so the loss of a network is a sum
    over them and not an estimate, and a teacher's distribution is a table that students look
    up. Nothing but the seed makes runs differ.

    Parameters
    ----------
    settings : MappingSettings
    store : MappingStore
        What it holds already is not made again.
    report : callable
        Called with every record, found or made.
    """

    settings: MappingSettings
    store: MappingStore
    report: Callable[[MappingRecord], None] = lambda record: None
    examples: Examples = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.examples = self.settings.task.examples()
        self._inputs, self._targets = self.examples.inputs, self.examples.targets
        self._cumulative = np.cumsum(self.examples.probability)

    def run(self, forms: Sequence[str] = ("width", "time")) -> tuple[MappingRecord, ...]:
        """Make all trainings of the forms that the store does not have; return all records."""
        teachers = [choice for choice in self.settings.teachers if choice.form in forms]
        found = [self.teacher(choice) for choice in teachers]
        for width in sorted(self.settings.student_widths):
            found += [self.student(width, choice) for choice in teachers]
        return tuple(found)

    def names(self) -> tuple[str, ...]:
        """Names of all runs of the study, made or not, teachers first."""
        settings = self.settings
        pairs = [("teacher", choice.width, choice) for choice in settings.teachers]
        for width in sorted(settings.student_widths):
            pairs += [("student", width, choice) for choice in settings.teachers]
        return tuple(run_name(settings, *pair) for pair in pairs)

    def teacher(self, choice: TeacherChoice) -> MappingRecord:
        """A teacher of every seed; of one that is stopped, all stops are made together."""
        name = run_name(self.settings, "teacher", choice.width, choice)
        if (record := self.store.read(name)) is None:
            self._make_teachers(choice)
            record = self.store.read(name)
            assert record is not None
        self.report(record)
        return record

    def student(self, width: int, choice: TeacherChoice) -> MappingRecord:
        """A student of every seed, taught by the teacher of the same seed; it must be made."""
        name = run_name(self.settings, "student", width, choice)
        if (record := self.store.read(name)) is None:
            taught = self.store.log_probabilities(
                run_name(self.settings, "teacher", choice.width, choice)
            )
            steps = self.settings.student_steps(self._parameters(width))
            start = time.perf_counter()
            stack = self._train(width, _STUDENT, list(np.exp(taught)), steps, ())[steps]
            seconds = time.perf_counter() - start
            logs = stack.log_probabilities(self._inputs)
            divergence = self._mean((np.exp(taught) * (taught - logs)).sum(-1))
            record = self._record("student", width, steps, choice, logs, divergence, seconds)
            self.store.write(name, record)
        self.report(record)
        return record

    def _make_teachers(self, choice: TeacherChoice) -> None:
        settings = self.settings
        stops: tuple[int, ...] = ()
        steps, kind = settings.steps(self._parameters(choice.width)), _TEACHER
        if choice.stop is not None:
            stops, kind = settings.stop_steps, _STOPPED
            steps = max(stops)
        labels = [self._targets] * len(settings.seeds)
        start = time.perf_counter()
        kept = self._train(choice.width, kind, labels, steps, stops)
        seconds = time.perf_counter() - start
        for step, stack in kept.items():
            one = TeacherChoice(choice.width, step if stops else None)
            logs = stack.log_probabilities(self._inputs)
            nothing = (0.0,) * len(settings.seeds)
            share = seconds * step / steps
            record = self._record("teacher", choice.width, step, one, logs, nothing, share)
            self.store.write(run_name(settings, "teacher", choice.width, one), record, logs)

    def _train(
        self,
        width: int,
        kind: int,
        targets: Sequence[FloatArray],
        steps: int,
        snapshots: Sequence[int],
    ) -> "dict[int, Stack]":
        from capgap.lm.mapping_mlp import Schedule, initial_stack, train_stack

        settings, n = self.settings, self.settings.task.num_classes
        keys = [[_DATA, seed, kind, width] for seed in settings.seeds]
        starts = [[_START, seed, kind, width] for seed in settings.seeds]
        return train_stack(
            initial_stack(2 * n, width, n, starts),
            self._inputs,
            targets,
            lambda step: draw_examples(self._cumulative, step, settings.batch_size, keys),
            range(len(keys)),
            Schedule(steps, settings.peak_rate, settings.warmup_fraction),
            snapshots,
        )

    def _record(
        self,
        role: str,
        width: int,
        steps: int,
        choice: TeacherChoice,
        logs: FloatArray,
        divergence: tuple[float, ...],
        seconds: float,
    ) -> MappingRecord:
        right = logs.argmax(-1) == self.examples.label
        return MappingRecord(
            role, width, self._parameters(width), steps, choice, self.settings.seeds,
            self._mean(-(self._targets * logs).sum(-1)), divergence,
            self._mean(right.astype(np.float64)), round(seconds, 3),
        )  # fmt: skip

    def _mean(self, values: FloatArray) -> tuple[float, ...]:
        """Expectation over the examples, for each seed."""
        return tuple(float(v) for v in values @ self.examples.probability)

    def _parameters(self, width: int) -> int:
        from capgap.lm.mapping_mlp import parameter_count

        n = self.settings.task.num_classes
        return parameter_count(2 * n, width, n)
