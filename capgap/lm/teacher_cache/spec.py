"""What a cache of teacher outputs is of: its key, and which runs it serves."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_member
from capgap.lm.config import HALVES, PRECISIONS, RunConfig
from capgap.lm.teacher_outputs import TeacherOutputs

__all__ = ["CacheSpec", "cache_spec"]


@dataclass(frozen=True, kw_only=True)
class CacheSpec:
    """The outputs of one teacher on the first windows of one order of one text.

    Windows are numbered in the order in which a run visits them
    (`capgap.lm.batches.Batches.rows`). That order depends on neither batch size nor model, so
    students of any size and batch size read the same cache.

    Parameters
    ----------
    teacher : str
        Id of the teacher's run.
    teacher_sha256 : str or None
        Of its weights; None or "" in what a run expects means that it is not compared.
    corpus, half : str
        Fingerprint of the text, and which half of it.
    sequence_length, order_seed, vocab_size : int
        Tokens per window, seed of the order, tokens in the vocabulary.
    windows : int
        Number of windows; a cache with more than a run needs serves it.
    outputs : TeacherOutputs
        What is kept of each distribution.
    precision : str
        Of the teacher's matrix products: "float32", or "bfloat16" for autocast.

    Raises
    ------
    InputError
        A count is not positive, or the outputs ask for more tokens than there are.
    """

    teacher: str
    teacher_sha256: str | None
    corpus: str
    half: str
    sequence_length: int
    order_seed: int
    vocab_size: int
    windows: int
    outputs: TeacherOutputs
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("sequence_length", "vocab_size", "windows"):
            require_integer("cache", name, getattr(self, name), 1)
        require_integer("cache", "order_seed", self.order_seed, 0)
        require_member("cache", "half", self.half, HALVES)
        require_member("cache", "precision", self.precision, PRECISIONS)
        if self.outputs.k is not None and self.outputs.k > self.vocab_size:
            raise InputError(
                f"cache: k = {self.outputs.k} must be at most the {self.vocab_size} tokens of the"
                " vocabulary"
            )

    @property
    def tokens(self) -> int:
        """Positions with outputs: windows x sequence_length."""
        return self.windows * self.sequence_length

    @property
    def name(self) -> str:
        """A name for its folder: first 16 hexadecimal digits of the SHA-256 of its JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def misfit(self, needed: "CacheSpec") -> str | None:
        """In which field this cache cannot serve a run that needs `needed`; None if it can."""
        for field in dataclasses.fields(self):
            own, other = getattr(self, field.name), getattr(needed, field.name)
            if field.name == "teacher_sha256" and not other:
                continue
            if field.name == "windows":
                if own < other:
                    return f"windows: it has {own}, the run needs {other}"
            elif own != other:
                own, other = _shown(own), _shown(other)
                return f"{field.name}: it has {own}, the run needs {other}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**values, "outputs": self.outputs.label}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CacheSpec":
        """Inverse of `to_dict`; InputError where it is not one."""
        try:
            return cls(**{**values, "outputs": TeacherOutputs.parse(values["outputs"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"cache: not a complete specification ({error})") from None


def cache_spec(config: RunConfig, teacher_sha256: str | None = None) -> CacheSpec:
    """The cache that a run reads: of its teacher, for as many windows as it visits.

    Raises
    ------
    InputError
        The run has no teacher, or lets it run along.

    Examples
    --------
    >>> teacher = RunConfig(depth=2, tokens=4096, corpus="text", half="teacher")
    >>> student = RunConfig(
    ...     depth=1, tokens=4096, corpus="text", teacher=teacher, distillation_weight=1.0,
    ...     teacher_outputs=TeacherOutputs.parse("top-k:12"), seed=3, data_seed=0,
    ... )
    >>> spec = cache_spec(student)
    >>> spec.windows, spec.order_seed, spec.teacher == teacher.id
    (16, 0, True)
    """
    if config.teacher is None or config.teacher_outputs is None:
        raise InputError(
            "cache: the run needs a teacher and teacher_outputs; without them it reads no cache"
        )
    return CacheSpec(
        teacher=config.teacher.id,
        teacher_sha256=teacher_sha256,
        corpus=config.corpus,
        half=config.half,
        sequence_length=config.sequence_length,
        order_seed=config.order_seed,
        vocab_size=config.vocab_size,
        windows=config.steps * config.batch_size,
        outputs=config.teacher_outputs,
        precision=config.precision,
    )


def _shown(value: object) -> str:
    return value.label if isinstance(value, TeacherOutputs) else repr(value)
