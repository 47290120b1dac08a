"""One dial, depth; the rest of a model is derived from it. A run is a frozen configuration.

Free of torch, so that records of runs can be read and fitted without it.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Self

from capgap.compute import ffn_width, flops_per_token, non_embedding_parameters
from capgap.errors import InputError

__all__ = ["HALVES", "PRECISIONS", "ModelShape", "RunConfig"]

HALVES = ("teacher", "student")
PRECISIONS = ("float32", "bfloat16")

# The largest model that this code will even describe: a guard against a slip of the
# keyboard (depth 4000), far above anything one device trains.
MAX_PARAMETERS = 100e9


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """A decoder-only transformer, derived from its depth in four steps.

    1. width: d_model = aspect_ratio * depth (arXiv 2502.08606, appendix H: 128 in the
       paper; 16 suits models of 10^4 to 10^6 parameters);
    2. head width: d_head = aspect_ratio, so that n_heads = depth (multi-head attention,
       appendix I). It does not change with size, so muP needs no correction of the
       attention scale;
    3. feed-forward width: d_ff = 8/3 d_model rounded up to a multiple of d_head
       (`capgap.compute.ffn_width`; reproduces Table 13);
    4. N and FLOPs: `capgap.compute`.

    Parameters
    ----------
    depth : int
        Number of layers, at least 1.
    aspect_ratio : int
        d_model / depth; even, because rotary embeddings turn pairs of coordinates.
    vocab_size : int
        Size of the vocabulary; 256 for bytes.
    sequence_length : int
        Context in tokens.

    Examples
    --------
    >>> shape = ModelShape(depth=4)
    >>> shape.d_model, shape.n_heads, shape.d_ff, shape.N
    (64, 4, 176, 201408)
    """

    depth: int
    aspect_ratio: int = 16
    vocab_size: int = 256
    sequence_length: int = 256

    def __post_init__(self) -> None:
        for name in ("depth", "aspect_ratio", "vocab_size", "sequence_length"):
            _require_integer("model", name, getattr(self, name), 1)
        if self.aspect_ratio % 2:
            raise InputError(
                f"model: aspect_ratio = {self.aspect_ratio} must be even (rotary embedding)"
            )
        if self.N > MAX_PARAMETERS:
            raise InputError(
                f"model: depth {self.depth} at aspect ratio {self.aspect_ratio} has {self.N:.3g}"
                f" parameters, more than the {MAX_PARAMETERS:.0e} this program accepts"
            )

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.aspect_ratio * self.depth

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.aspect_ratio

    @property
    def n_heads(self) -> int:
        """Number of attention heads."""
        return self.depth

    @property
    def d_ff(self) -> int:
        """Hidden width of the gated feed-forward layer."""
        return ffn_width(self.d_model, self.d_head)

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return non_embedding_parameters(self.depth, self.d_model, self.d_head, self.d_ff)

    @property
    def forward_flops(self) -> float:
        """Forward FLOPs per token."""
        return flops_per_token(
            self.N, self.depth, self.d_model, self.sequence_length, self.vocab_size
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the outcome of one training run on one machine.

    Device and number of threads are arguments of the training function: they change
    rounding, not the experiment, and are kept in the record.

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
        `capgap.lm.training.parameter_groups`.
    warmup_fraction, final_fraction : float
        Share of the steps with rising rate; final rate over peak rate (cosine).
    weight_decay : float
        Shrinkage of matrices per step at the peak of the schedule, independent of the rate.
    clip : float
        Largest gradient norm.
    z_weight : float
        lambda_Z, the weight of the z-loss.
    teacher : RunConfig or None
        The teacher's own configuration; None for supervised training.
    distillation_weight : float
        lambda in (1 - lambda) NTP + lambda KD; must be 0 without a teacher.
    temperature : float
        tau of the distillation loss.
    precision : str
        "float32", or "bfloat16" for autocast of matrix products.
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
    teacher: "RunConfig | None" = None
    distillation_weight: float = 0.0
    temperature: float = 1.0
    precision: str = "float32"

    def __post_init__(self) -> None:
        _ = self.shape  # checks the model
        _require_integer("run", "batch_size", self.batch_size, 1)
        _require_integer("run", "base_width", self.base_width, 1)
        _require_integer("run", "seed", self.seed, 0)
        _require_integer("run", "tokens", self.tokens, 1)
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
        ):
            _require_number("run", name, getattr(self, name), low, high)
        if self.temperature == 0 or self.clip == 0 or self.peak_learning_rate == 0:
            raise InputError("run: temperature, clip and peak_learning_rate must be positive")
        _require_member("run", "half", self.half, HALVES)
        _require_member("run", "precision", self.precision, PRECISIONS)
        self._check_teacher()

    def _check_teacher(self) -> None:
        if self.teacher is None:
            if self.distillation_weight != 0.0:
                raise InputError(
                    f"run: distillation_weight = {self.distillation_weight} needs a teacher"
                )
            return
        if self.distillation_weight == 0.0:
            raise InputError("run: a teacher needs a distillation_weight above 0")
        for name in ("vocab_size", "corpus"):
            if getattr(self.teacher, name) != getattr(self, name):
                raise InputError(
                    f"run: {name} of teacher and student differ"
                    f" ({getattr(self.teacher, name)} and {getattr(self, name)})"
                )
        if self.teacher.sequence_length < self.sequence_length:
            raise InputError(
                f"run: the teacher's sequence_length {self.teacher.sequence_length} is shorter"
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
    def steps(self) -> int:
        """Optimizer steps."""
        return self.tokens // (self.batch_size * self.sequence_length)

    @property
    def D(self) -> int:
        """Training tokens seen: steps x batch x sequence."""
        return self.steps * self.batch_size * self.sequence_length

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the teacher is nested."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; unknown keys and wrong types are refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(
                f"run: unknown setting {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
        missing = sorted({"depth", "tokens", "corpus"} - set(values))
        if missing:
            raise InputError(f"run: missing setting {', '.join(missing)}")
        values = dict(values)
        if isinstance(values.get("teacher"), dict):
            values["teacher"] = cls.from_dict(values["teacher"])
        for field in dataclasses.fields(cls):
            # TOML and JSON write 1 for 1.0; the id must not depend on that.
            if field.type is float and isinstance(values.get(field.name), int):
                values[field.name] = float(values[field.name])
        return cls(**values)


def _require_integer(operation: str, name: str, value: object, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(f"{operation}: {name} = {value!r} must be an integer of at least {low}")


def _require_number(operation: str, name: str, value: object, low: float, high: float) -> None:
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    if not ok or not (low <= float(value) <= high) or not math.isfinite(float(value)):  # type: ignore[arg-type]
        raise InputError(f"{operation}: {name} = {value!r} must be a number in [{low}, {high}]")


def _require_member(operation: str, name: str, value: object, members: tuple[str, ...]) -> None:
    if value not in members:
        raise InputError(f"{operation}: {name} = {value!r} must be one of {', '.join(members)}")
