"""Training: supervised or distilled, one student or several on the same batches.

AdamW with weight decay independent of the rate, clipped gradients, linear warm-up and
cosine decay, z-loss, muP (simple). Source: Busbridge et al. 2025, arXiv 2502.08606,
appendix I, where it says; our choices are marked in `capgap.lm.mup`.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from capgap.errors import InputError
from capgap.lm.batches import Batches
from capgap.lm.config import RunConfig
from capgap.lm.memory import keep_freed_memory
from capgap.lm.model import Transformer
from capgap.lm.text import Text
from capgap.lm.training.checkpoints import Checkpoints
from capgap.lm.training.execution import Execution
from capgap.lm.training.guard import Event
from capgap.lm.training.meter import CurvePoint, Progress
from capgap.lm.training.processes import ALONE, Processes
from capgap.lm.training.sources import (
    CachedTeacher,
    OnlineTeachers,
    StoredOutputs,
    TargetSource,
    Untaught,
)
from capgap.lm.training.student import Student

__all__ = ["Training", "open_device", "train", "train_many"]

Teaching = nn.Module | Sequence[nn.Module] | StoredOutputs | None


@dataclass(frozen=True)
class Training:
    """A trained model and how it got there.

    Attributes
    ----------
    model : Transformer
        In evaluation mode, on the device it was trained on.
    D : int
        Tokens seen.
    curve : tuple of (int, float, float or None)
        Tokens seen, mean next-token loss and mean distillation loss (nats per token)
        of the batches since the previous point.
    unique_tokens : int
        Different tokens among those seen.
    seconds : float
        Wall time of the training loop; of students trained together, of all of them.
    failure : str or None
        Why it stopped early; None if it ran to its end.
    events : tuple of (int, str, float)
        Steps skipped and loss spikes; see `capgap.lm.training.guard`.
    """

    model: Transformer
    D: int
    curve: tuple[CurvePoint, ...]
    unique_tokens: int
    seconds: float
    failure: str | None
    events: tuple[Event, ...] = ()


def open_device(name: str) -> torch.device:
    """The torch device of that name, or an error that says what there is."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from None
    return device


def train(
    config: RunConfig,
    corpus: Text,
    *,
    teacher: Teaching = None,
    device: torch.device,
    progress: Callable[[Progress], None] | None = None,
    execution: Execution = Execution(),  # noqa: B008 - frozen
    processes: Processes = ALONE,
) -> Training:
    """Train the model of a configuration.

    The same configuration and number of threads give the same weights, bit for bit, on the
    same machine, also when the run was interrupted and went on from a kept state. On a GPU
    torch's deterministic kernels are asked for, which comes as near to that as torch does; it
    was tested on the CPU alone.

    Parameters
    ----------
    config : RunConfig
        What to train.
    corpus : Text
        Text; its fingerprint must be that of the configuration.
    teacher : nn.Module, sequence of nn.Module, stored outputs or None
        The trained teachers in the order of `config.teachers`, or an open cache of outputs,
        when the configuration names one.
    device : torch.device
        Where to train.
    progress : callable or None
        Called about twice a second.
    execution : Execution
        How; changes nothing but rounding.
    processes : Processes
        Those that share the batches.

    Raises
    ------
    InputError
        The corpus is not the configuration's, or too short; the teacher is missing or
        not the configuration's; the device has no bfloat16; a kept state is damaged.
    """
    report = None if progress is None else lambda place, p: progress(p)
    return train_many(
        (config,), corpus, teacher=teacher, device=device, progress=report,
        execution=execution, processes=processes,
    )[0]  # fmt: skip


def train_many(
    configs: Sequence[RunConfig],
    corpus: Text,
    *,
    teacher: Teaching = None,
    device: torch.device,
    progress: Callable[[int, Progress], None] | None = None,
    execution: Execution = Execution(),  # noqa: B008 - frozen
    processes: Processes = ALONE,
) -> tuple[Training, ...]:
    """Train several students on the same batches, while each teacher runs once per batch.

    Sizes, seeds (with a common `data_seed`), lengths, rates, weights and divergences may
    differ; text, batches and teachers must not. Every student ends as it would have alone,
    bit for bit.

    Parameters
    ----------
    configs : sequence of RunConfig
        The students.
    progress : callable or None
        Called with the place of the student in `configs` and its progress.
    corpus, teacher, device, execution, processes
        As in `train`.

    Raises
    ------
    InputError
        As in `train`; or students that cannot share batches (the setting is named).
    """
    first = _check(configs, corpus, teacher, device, processes)
    keep_freed_memory()
    batches = Batches(
        corpus.stream(first.half), first.batch_size, first.sequence_length, first.order_seed
    )
    source = _source(first, teacher, device)
    reports = [_report_of(place, progress, processes) for place in range(len(configs))]
    students = [
        Student(config, device, execution, processes, report)
        for config, report in zip(configs, reports, strict=True)
    ]
    kept = _Keeper(students, execution, processes)
    with _deterministic(device), kept.at_interruption():
        _loop(students, batches, source, execution, processes, device, kept)
    return tuple(_result(student, batches) for student in students)


def _loop(
    students: Sequence[Student],
    batches: Batches,
    source: TargetSource,
    execution: Execution,
    processes: Processes,
    device: torch.device,
    kept: "_Keeper",
) -> None:
    """All steps. A student that was further when the run was interrupted waits for the rest."""
    share = processes.share(batches.batch_size)
    size = execution.micro_batch_size or len(share)
    while pending := [student for student in students if not student.finished]:
        step = min(student.step for student in pending)
        learning = [student for student in pending if student.step == step]
        for start in range(share.start, share.stop, size):
            count = min(size, share.stop - start)
            window = step * batches.batch_size + start
            tokens = torch.from_numpy(batches.rows(window, count)).to(device)
            targets = source.targets(tokens[:, :-1], window)
            for student in learning:
                student.learn(tokens, targets, last=start + count == share.stop)
        with kept.changing():
            for student in learning:
                student.update()
        kept.maybe_write()


class _Keeper:
    """Reads the states of an interrupted run, and keeps new ones from time to time."""

    def __init__(
        self, students: Sequence[Student], execution: Execution, processes: Processes
    ) -> None:
        self._students, self._processes = students, processes
        self._seconds, self._last = execution.checkpoint_seconds, time.monotonic()
        self._whole = True
        folder = execution.checkpoints
        self._places = (
            [] if folder is None else [Checkpoints(folder, s.config.id) for s in students]
        )
        for student, place in zip(students, self._places, strict=False):
            state = place.read()
            if state is not None:
                student.restore(state)
        processes.meet()  # before the first process may replace what another still reads

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While students change, their state is not that of any step."""
        self._whole = False
        yield
        self._whole = True

    @contextmanager
    def at_interruption(self) -> Iterator[None]:
        """Keep the state when the user interrupts the run."""
        try:
            yield
        except KeyboardInterrupt:
            if self._whole:
                self._write()
            raise

    def maybe_write(self) -> None:
        """Keep the state, if it is time."""
        if time.monotonic() - self._last >= self._seconds:
            self._write()

    def _write(self) -> None:
        if not self._places or not self._processes.leads:
            return
        for student, place in zip(self._students, self._places, strict=True):
            place.write(student.state())
        self._last = time.monotonic()


def _source(config: RunConfig, teacher: Teaching, device: torch.device) -> TargetSource:
    if teacher is None:
        return Untaught()
    if config.teacher_outputs is not None:
        return CachedTeacher(teacher)  # type: ignore[arg-type]
    models = [model.to(device).eval() for model in _models(teacher)]
    return OnlineTeachers(models, [weight for _, weight in config.teachers], config.precision)


def _models(teacher: Teaching) -> Sequence[nn.Module]:
    return [teacher] if isinstance(teacher, nn.Module) else list(teacher)  # type: ignore[arg-type]


def _report_of(
    place: int, progress: Callable[[int, Progress], None] | None, processes: Processes
) -> Callable[[Progress], None] | None:
    if progress is None or not processes.leads:
        return None
    return lambda p: progress(place, p)


def _result(student: Student, batches: Batches) -> Training:
    seen = student.step * batches.batch_size * batches.sequence_length
    return Training(
        student.model.eval(),
        seen,
        tuple(student.meter.curve),
        min(seen, batches.unique_tokens),
        student.meter.seconds,
        student.failure,
        student.events,
    )


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """On a GPU, ask for kernels that add in a fixed order; the CPU's do."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _check(
    configs: Sequence[RunConfig],
    corpus: Text,
    teacher: Teaching,
    device: torch.device,
    processes: Processes,
) -> RunConfig:
    """Refuse what cannot be trained, or not together; returns the first configuration."""
    if not configs:
        raise InputError("train: no configuration given")
    first = configs[0]
    for config in configs[1:]:
        for name, value in config.shared.items():
            if value != first.shared[name]:
                raise InputError(f"train: students of one pass must share {name}")
    if corpus.fingerprint != first.corpus:
        raise InputError(
            f"train: the configuration is for corpus {first.corpus}, not {corpus.fingerprint}"
        )
    if processes.world > first.batch_size:
        raise InputError(
            f"train: {processes.world} processes cannot share batches of {first.batch_size}"
        )
    half = first.precision == "bfloat16"
    if half and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise InputError(f"train: {device} has no bfloat16; use float32")
    _check_teacher(first, teacher)
    return first


def _check_teacher(config: RunConfig, teacher: Teaching) -> None:
    if (teacher is None) != (config.teacher is None):
        raise InputError("train: a teacher model is needed exactly when the configuration has one")
    if teacher is None or config.teacher_outputs is not None:
        return
    models = _models(teacher)
    if len(models) != len(config.teachers):
        raise InputError(
            f"train: the configuration has {len(config.teachers)} teachers, {len(models)} given"
        )
    for model, (settings, _) in zip(models, config.teachers, strict=True):
        if isinstance(settings, RunConfig) and getattr(model, "shape", None) != settings.shape:
            raise InputError("train: the teacher's shape is not the one in the configuration")
