"""A run is a frozen configuration: everything that decides its outcome on one machine.

Free of torch, so that records of runs can be read and fitted without it.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Self

from capgap.errors import InputError
from capgap.lm.adaptive import AdaptiveCompute
from capgap.lm.checks import require_integer, require_member, require_number
from capgap.lm.external import ExternalModel
from capgap.lm.objective import DIVERGENCES, Objective, TemperatureSchedule, WeightSchedule
from capgap.lm.shape import ModelShape
from capgap.lm.teacher_outputs import TeacherOutputs

__all__ = ["HALVES", "PRECISIONS", "ModelShape", "RunConfig", "Teacher", "TeacherShare"]

HALVES = ("teacher", "student")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the outcome of one training run on one machine.

    Device and number of threads are arguments of the training function: they change
    rounding, not the experiment, and are kept in the record. So are the sizes of parts of a
    batch, the number of processes and compilation.

    Parameters
    ----------
    depth, aspect_ratio, vocab_size, sequence_length : int
        See `ModelShape`.
    tokens : int
        Training tokens asked for; the run sees the largest whole number of batches in it.
    corpus : str
        Fingerprint of the corpus (`capgap.lm.corpus.Corpus.fingerprint`).
    half : str
        Half of the training documents: "teacher" or "student".
    seed : int
        Seeds initialization and data order.
    batch_size : int
        Sequences per step.
    peak_learning_rate : float
        Peak rate at `base_width`; the same for all sizes (muP).
    base_width : int
        Width at which the rates of matrices equal the peak rate; see
        `capgap.lm.mup.parameter_groups`.
    warmup_fraction, final_fraction : float
        Share of the steps with rising rate; final rate over peak rate (cosine).
    weight_decay : float
        Shrinkage of matrices per step at the peak of the schedule, independent of the rate.
    clip : float
        Largest gradient norm.
    z_weight : float
        lambda_Z, the weight of the z-loss.
    teacher : RunConfig, ExternalModel or None
        The teacher's own configuration, or a model from elsewhere; None for supervised
        training.
    distillation_weight : float
        lambda in (1 - lambda) NTP + lambda KD; must be 0 without a teacher.
    temperature : float
        tau of the distillation loss.
    precision : str
        "float32", or "bfloat16" for autocast of matrix products.
    data_seed : int or None
        Seeds the data order alone, so that students of different seeds can share the outputs
        of one teacher; None: `seed` does it.
    divergence : str
        What KD measures, one of `capgap.lm.objective.DIVERGENCES`.
    jsd_beta : float
        Weight of the teacher in the mixture of the generalized JSD.
    temperature_schedule : TemperatureSchedule or None
        tau as a function of the share of steps done, in place of `temperature`.
    weight_schedule : WeightSchedule or None
        lambda likewise, in place of `distillation_weight`, which is then its largest value.
    further_teachers : tuple of TeacherShare
        More teachers with their weights; the first one, `teacher`, has the rest of 1.
    teacher_outputs : TeacherOutputs or None
        Form in which the teacher's outputs were kept on disk; None: the teacher runs along.
    adaptive : AdaptiveCompute or None
        A run that stops by itself; `tokens` is then the most it may use.

    Notes
    -----
    Settings from `data_seed` on enter the id of a run only where they differ from their
    defaults: runs made before they existed keep their ids.
    """

    depth: int
    tokens: int
    corpus: str
    half: str = "student"
    seed: int = 0
    aspect_ratio: int = 16
    vocab_size: int = 256
    sequence_length: int = 256
    batch_size: int = 4
    peak_learning_rate: float = 1e-2
    base_width: int = 64
    warmup_fraction: float = 0.05
    final_fraction: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 1.0
    z_weight: float = 1e-4
    teacher: "RunConfig | ExternalModel | None" = None
    distillation_weight: float = 0.0
    temperature: float = 1.0
    precision: str = "float32"
    data_seed: int | None = None
    divergence: str = "forward-kl"
    jsd_beta: float = 0.5
    temperature_schedule: TemperatureSchedule | None = None
    weight_schedule: WeightSchedule | None = None
    further_teachers: "tuple[TeacherShare, ...]" = ()
    teacher_outputs: TeacherOutputs | None = None
    adaptive: AdaptiveCompute | None = None

    def __post_init__(self) -> None:
        _ = self.shape  # checks the model
        require_integer("run", "batch_size", self.batch_size, 1)
        require_integer("run", "base_width", self.base_width, 1)
        require_integer("run", "seed", self.seed, 0)
        require_integer("run", "tokens", self.tokens, 1)
        if self.data_seed is not None:
            require_integer("run", "data_seed", self.data_seed, 0)
        if self.tokens < self.batch_size * self.sequence_length:
            raise InputError(
                f"run: tokens = {self.tokens} is less than one batch of"
                f" {self.batch_size} x {self.sequence_length} tokens"
            )
        for name, low, high in (
            ("peak_learning_rate", 0.0, 10.0),
            ("warmup_fraction", 0.0, 1.0),
            ("final_fraction", 0.0, 1.0),
            ("weight_decay", 0.0, 1.0),
            ("clip", 0.0, math.inf),
            ("z_weight", 0.0, math.inf),
            ("distillation_weight", 0.0, 1.0),
            ("temperature", 0.0, math.inf),
            ("jsd_beta", 0.0, 1.0),
        ):
            require_number("run", name, getattr(self, name), low, high)
        if self.temperature == 0 or self.clip == 0 or self.peak_learning_rate == 0:
            raise InputError("run: temperature, clip and peak_learning_rate must be positive")
        require_member("run", "half", self.half, HALVES)
        require_member("run", "precision", self.precision, PRECISIONS)
        require_member("run", "divergence", self.divergence, DIVERGENCES)
        if self.adaptive and (self.weight_schedule or self.temperature_schedule):
            raise InputError(
                "run: an adaptive run judges by its loss, which schedules of weight and temperature"
                " change; leave them out"
            )
        if self.teacher is None:
            self._check_untaught()
        else:
            self._check_weight()
            self._check_outputs()
            for teacher, _ in self.teachers:
                self._check_teacher(teacher)

    def _check_untaught(self) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in _TAUGHT_ONLY:
            if getattr(self, name) != defaults[name]:
                raise InputError(f"run: {name} = {_shown(getattr(self, name))} needs a teacher")

    def _check_weight(self) -> None:
        if self.distillation_weight == 0.0:
            raise InputError("run: a teacher needs a distillation_weight above 0")
        if self.weight_schedule is not None:
            largest = max(self.weight_schedule.start, self.weight_schedule.end)
            if self.distillation_weight != largest:
                raise InputError(
                    f"run: distillation_weight = {self.distillation_weight} must be the largest"
                    f" value of the weight schedule, {largest}"
                )
        if self.temperature_schedule is not None and self.temperature != 1.0:
            raise InputError(
                f"run: temperature = {self.temperature} and a temperature schedule exclude"
                " each other"
            )
        if self.divergence == "top-1" and (self.temperature != 1 or self.temperature_schedule):
            raise InputError("run: top-1 is of the teacher's best token: it has no temperature")
        total = math.fsum(share.weight for share in self.further_teachers)
        if total >= 1:
            raise InputError(
                f"run: the weights of further teachers sum to {total:g}; the first teacher has"
                " the rest of 1, so the sum must be below 1"
            )

    def _check_outputs(self) -> None:
        outputs = self.teacher_outputs
        if outputs is None:
            return
        partial = outputs.kind in ("top-k", "top-p") and outputs.tail == "bucket"
        hot = self.temperature != 1.0 or self.temperature_schedule is not None
        if hot and (partial or outputs.kind == "sampled"):
            raise InputError(
                f"run: stored {outputs.label} outputs do not determine the teacher at another"
                " temperature than 1"
            )
        if outputs.kind == "sampled" and self.divergence != "forward-kl":
            raise InputError(f"run: sampled outputs serve forward-kl only, not {self.divergence}")
        if self.further_teachers:
            raise InputError("run: stored outputs are of one teacher; several run along")

    def _check_teacher(self, teacher: "Teacher") -> None:
        if isinstance(teacher, RunConfig) and teacher.corpus != self.corpus:
            raise InputError(
                f"run: corpus of teacher and student differ ({teacher.corpus} and {self.corpus})"
            )
        if teacher.vocab_size != self.vocab_size:
            raise InputError(
                "run: vocab_size of teacher and student differ"
                f" ({teacher.vocab_size} and {self.vocab_size})"
            )
        if teacher.sequence_length < self.sequence_length:
            raise InputError(
                f"run: the teacher's sequence_length {teacher.sequence_length} is shorter"
                f" than the student's {self.sequence_length}"
            )

    @property
    def shape(self) -> ModelShape:
        """The model."""
        return ModelShape(
            depth=self.depth,
            aspect_ratio=self.aspect_ratio,
            vocab_size=self.vocab_size,
            sequence_length=self.sequence_length,
        )

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return self.shape.N

    @property
    def forward_flops(self) -> float:
        """Forward FLOPs per token."""
        return self.shape.forward_flops

    @property
    def teachers(self) -> "tuple[tuple[Teacher, float], ...]":
        """All teachers with their weights, which sum to 1; empty without."""
        if self.teacher is None:
            return ()
        rest = 1.0 - math.fsum(share.weight for share in self.further_teachers)
        return (
            (self.teacher, rest),
            *((share.teacher, share.weight) for share in self.further_teachers),
        )

    @property
    def shared(self) -> dict[str, Any]:
        """What students must have in common to learn from one pass of their teachers."""
        names = (
            "corpus", "half", "vocab_size", "sequence_length", "batch_size", "order_seed",
            "precision", "teachers", "teacher_outputs",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    @property
    def recipe(self) -> str:
        """What laws describe: "supervised", "distilled" (the paper's: the whole distribution of
        one teacher, forward KL, lambda = 1, tau = 1), or "other".
        """
        if self.adaptive is not None:
            return "other"
        if self.teacher is None:
            return "supervised"
        outputs = self.teacher_outputs
        paper = (
            self.distillation_weight == 1.0
            and self.temperature == 1.0
            and self.divergence == "forward-kl"
            and self.weight_schedule is None
            and self.temperature_schedule is None
            and not self.further_teachers
            and (outputs is None or outputs.kind in ("full", "hidden"))
        )
        return "distilled" if paper else "other"

    @property
    def steps(self) -> int:
        """Optimizer steps (of an adaptive run: at most)."""
        return self.tokens // (self.batch_size * self.sequence_length)

    @property
    def D(self) -> int:
        """Training tokens seen: steps x batch x sequence (of an adaptive run: at most)."""
        return self.steps * self.batch_size * self.sequence_length

    @property
    def order_seed(self) -> int:
        """Seed of the data order."""
        return self.seed if self.data_seed is None else self.data_seed

    def objective(self, step: int) -> Objective:
        """What a step minimizes."""
        done = step / self.steps
        weight, temperature = self.distillation_weight, self.temperature
        if self.weight_schedule is not None:
            weight = self.weight_schedule.at(done)
        if self.temperature_schedule is not None:
            temperature = self.temperature_schedule.at(done)
        return Objective(
            distillation_weight=weight,
            temperature=temperature,
            z_weight=self.z_weight,
            divergence=self.divergence,
            jsd_beta=self.jsd_beta,
        )

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; teachers are nested, later settings at their defaults left out."""
        from capgap.lm.config_json import plain

        values: dict[str, Any] = plain(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; unknown keys and wrong types are refused.

        `teacher_outputs` may be written as `TeacherOutputs.parse` reads it.
        """
        from capgap.lm.config_json import build

        built: Self = build(cls, "run", {**values})
        return built


@dataclass(frozen=True, kw_only=True)
class TeacherShare:
    """A further teacher and its weight in (0, 1)."""

    teacher: "RunConfig | ExternalModel"
    weight: float

    def __post_init__(self) -> None:
        require_number("teacher share", "weight", self.weight, 0.0, 1.0)
        if self.weight in (0.0, 1.0):
            raise InputError(f"teacher share: weight = {self.weight} must lie inside (0, 1)")


Teacher = RunConfig | ExternalModel

_TAUGHT_ONLY = (
    "distillation_weight", "temperature_schedule", "weight_schedule", "further_teachers",
    "teacher_outputs", "divergence", "jsd_beta",
)  # fmt: skip


def _shown(value: object) -> str:
    return f"({len(value)} of them)" if isinstance(value, tuple) else repr(value)
