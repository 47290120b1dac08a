"""Settings of a mapping study: the task, how networks are trained, and which of them."""

import math
from dataclasses import dataclass
from typing import Any

from capgap.errors import InputError
from capgap.measurement.mapping.task import Task

__all__ = ["MappingSettings", "TeacherChoice", "paper_settings", "small_settings"]


@dataclass(frozen=True, slots=True)
class TeacherChoice:
    """A teacher: its width, and after how many steps it is stopped (None: trained to its end)."""

    width: int
    stop: int | None = None

    @property
    def form(self) -> str:
        """Of the two forms of the experiment the one it belongs to: "width" or "time"."""
        return "width" if self.stop is None else "time"

    @property
    def size(self) -> int:
        """What varies in its form: the width, or the steps."""
        return self.width if self.stop is None else self.stop


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """A mapping study.

    Parameters
    ----------
    task : Task
    student_widths, teacher_widths : tuple of int
        Widths of both hidden layers; teachers of these widths are trained to their end.
    stop_width : int
        Width of the teacher that is stopped early.
    stop_steps : tuple of int
        After how many steps; its schedule is that of the largest, and the others are taken
        on the way (the paper says "stopped" and no more). Empty: that form is left out.
    seeds : tuple of int
        Each makes a teacher, and a student that has the same start and the same data
        whatever the teacher, so that teachers compare seed by seed.
    batch_size : int
        Examples per step, fresh in every step.
    peak_rate, warmup_fraction : float
        See `capgap.lm.mapping_mlp.Schedule`.
    fewest_steps : int
        Training takes max(fewest_steps batch_size, samples_per_parameter N) examples.
    samples_per_parameter : float
        N counts all weights and biases.
    student_factor : float
        Students take this many times the examples of that rule; 1 in the paper. Tells what
        is too small a network from what is too short a training.

    Raises
    ------
    InputError
        A list holds something that is not a positive integer, or something twice.
    """

    task: Task
    student_widths: tuple[int, ...]
    teacher_widths: tuple[int, ...]
    stop_width: int
    stop_steps: tuple[int, ...]
    seeds: tuple[int, ...]
    batch_size: int = 512
    peak_rate: float = 3e-4
    warmup_fraction: float = 0.05
    fewest_steps: int = 500
    samples_per_parameter: float = 20.0
    student_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("student_widths", "teacher_widths", "stop_steps"):
            values = getattr(self, name)
            if any(v < 1 for v in values) or len(set(values)) < len(values):
                raise InputError(f"mapping study: {name} = {values} must be different, positive")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"mapping study: seeds = {self.seeds} must be different, at least one")

    @property
    def teachers(self) -> tuple[TeacherChoice, ...]:
        """Teachers of both forms, widths first."""
        stopped = (TeacherChoice(self.stop_width, stop) for stop in self.stop_steps)
        return (*(TeacherChoice(width) for width in self.teacher_widths), *stopped)

    def steps(self, parameters: int) -> int:
        """Steps of a network with so many parameters, rounded up."""
        samples = max(self.fewest_steps * self.batch_size, self.samples_per_parameter * parameters)
        return math.ceil(samples / self.batch_size)

    def student_steps(self, parameters: int) -> int:
        """Steps of a student, rounded up.

        >>> import dataclasses
        >>> dataclasses.replace(small_settings(), student_factor=10.0).student_steps(1)
        5000
        """
        return math.ceil(self.student_factor * self.steps(parameters))

    def training(self) -> dict[str, Any]:
        """What one training depends on beside its width, teacher and seeds, as plain values."""
        return {
            "num_classes": self.task.num_classes,
            "zero_share": self.task.zero_share,
            "batch_size": self.batch_size,
            "peak_rate": self.peak_rate,
            "warmup_fraction": self.warmup_fraction,
            "fewest_steps": self.fewest_steps,
            "samples_per_parameter": self.samples_per_parameter,
        }


def small_settings() -> MappingSettings:
    """Six classes and widths to 256: the same training, minutes on two cores.

    >>> settings = small_settings()
    >>> len(settings.teachers), settings.steps(19_720)  # 20 x 19720 / 512, rounded up
    (14, 771)
    """
    return MappingSettings(
        task=Task(6),
        student_widths=(64, 128, 192),
        teacher_widths=(32, 64, 96, 128, 160, 192, 256),
        stop_width=256,
        stop_steps=(64, 128, 256, 512, 1024, 2048, 4096),
        seeds=tuple(range(6)),
    )


def paper_settings() -> MappingSettings:
    """Eight classes, widths and times of Busbridge et al., arXiv 2502.08606, C.2; four seeds.

    The paper gives students, the largest teacher, first and last time; between them we fill in.
    """
    return MappingSettings(
        task=Task(8),
        student_widths=(128, 256, 362),
        teacher_widths=(64, 128, 192, 256, 362, 512),
        stop_width=512,
        stop_steps=(64, 256, 1024, 2048, 4096, 8192, 16384),
        seeds=tuple(range(4)),
    )
