"""A teacher that is not one of our own runs, as a record; free of torch."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_number

__all__ = ["ExternalModel"]


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A causal language model from elsewhere, such as a Hugging Face folder.

    Parameters
    ----------
    name : str
        What people call it; its folder's name.
    sha256 : str
        Over configuration and weights: the model's identity, wherever the folder lies.
    vocab_size, N : int
        Outputs; non-embedding parameters.
    forward_flops : float
        Per token, by the paper's formula, at `sequence_length`.
    sequence_length : int
        Context in tokens at which it is read: that of its students.
    tokenizer : str
        Fingerprint of its tokenizer.
    """

    name: str
    sha256: str
    vocab_size: int
    N: int
    forward_flops: float
    sequence_length: int
    tokenizer: str

    def __post_init__(self) -> None:
        for name in ("vocab_size", "N", "sequence_length"):
            require_integer("external model", name, getattr(self, name), 1)
        require_number("external model", "forward_flops", self.forward_flops, 0.0, math.inf)
        for name in ("name", "sha256", "tokenizer"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"external model: {name} must be text")

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the record."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
