"""In which form a teacher's outputs are kept on disk; free of torch."""

from dataclasses import dataclass, replace
from typing import Any

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_member, require_number

__all__ = ["KINDS", "TeacherOutputs"]

KINDS = ("full", "top-k", "top-p", "sampled", "hidden")
TAILS = ("bucket", "drop")

# The one number that a kind needs, and its field.
_NUMBER = {"top-k": "k", "top-p": "p", "sampled": "samples"}


@dataclass(frozen=True, kw_only=True)
class TeacherOutputs:
    """A form of stored outputs.

    Parameters
    ----------
    kind : str
        "full": all log-probabilities in float16; "top-k": the k largest; "top-p": the
        smallest set of largest probabilities that holds the mass p (the token that crosses
        p included); "sampled": draws from the teacher, unbiased (Anshumann et al. 2025,
        arXiv 2503.16870); "hidden": the states that the head reads, in float32, and the
        head: exact.
    k, samples : int or None
        Tokens kept; draws per token.
    p : float or None
        Mass kept, in (0, 1].
    tail : str
        Of top-k and top-p: "bucket" keeps the mass of the rest as one bucket, "drop" forgets
        it and renormalizes what is kept.
    seed : int
        Of the draws of "sampled".

    Examples
    --------
    >>> TeacherOutputs.parse("top-k:12,tail=drop")
    TeacherOutputs(kind='top-k', k=12, p=None, samples=None, tail='drop', seed=0)
    >>> TeacherOutputs.parse("top-p:0.9").label
    'top-p:0.9'
    """

    kind: str
    k: int | None = None
    p: float | None = None
    samples: int | None = None
    tail: str = "bucket"
    seed: int = 0

    def __post_init__(self) -> None:
        require_member("teacher outputs", "kind", self.kind, KINDS)
        needed = _NUMBER.get(self.kind)
        for name in ("k", "p", "samples"):
            value = getattr(self, name)
            if (value is None) == (name == needed):
                rule = "is needed" if name == needed else "has no meaning"
                raise InputError(f"teacher outputs: {name} = {value} {rule} for {self.kind}")
        if self.k is not None:
            require_integer("teacher outputs", "k", self.k, 1)
        if self.samples is not None:
            require_integer("teacher outputs", "samples", self.samples, 1)
        if self.p is not None:
            require_number("teacher outputs", "p", self.p, 0.0, 1.0)
            if self.p == 0:
                raise InputError("teacher outputs: p = 0 must be in (0, 1]")
        require_member("teacher outputs", "tail", self.tail, TAILS)
        if self.tail == "drop" and self.kind not in ("top-k", "top-p"):
            raise InputError(f"teacher outputs: {self.kind} has no tail to drop")
        require_integer("teacher outputs", "seed", self.seed, 0)
        if self.seed and self.kind != "sampled":
            raise InputError(f"teacher outputs: {self.kind} draws nothing, so it has no seed")

    @property
    def label(self) -> str:
        """The form that `parse` reads."""
        number = _NUMBER.get(self.kind)
        words = self.kind if number is None else f"{self.kind}:{getattr(self, number):g}"
        words += ",tail=drop" if self.tail == "drop" else ""
        return words + (f",seed={self.seed}" if self.seed else "")

    @classmethod
    def parse(cls, text: str) -> "TeacherOutputs":
        """Read ``full``, ``hidden``, ``top-k:12[,tail=drop]``, ``top-p:0.9``, ``sampled:12``."""
        first, *rest = text.replace(" ", "").split(",")
        kind, _, number = first.partition(":")
        require_member("teacher outputs", "kind", kind, KINDS)
        values: dict[str, Any] = {"kind": kind}
        try:
            if number:
                if kind not in _NUMBER:
                    raise ValueError
                values[_NUMBER[kind]] = float(number) if kind == "top-p" else int(number)
            for entry in rest:
                key, _, value = entry.partition("=")
                if key not in ("tail", "seed"):
                    raise ValueError
                values[key] = int(value) if key == "seed" else value
        except ValueError:
            raise InputError(
                f"teacher outputs: {text!r} must look like full, hidden, top-k:12,"
                " top-k:12,tail=drop, top-p:0.9 or sampled:12,seed=1"
            ) from None
        return cls(**values)

    def with_seed(self, seed: int) -> "TeacherOutputs":
        """The same form with other draws."""
        return replace(self, seed=seed)
