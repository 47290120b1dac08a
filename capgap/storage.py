"""Bytes that a teacher's outputs take on disk, so that students can be trained without it.

Sizes are those of plain arrays: no compression, no file headers. Units: bytes per token of
the student's text, and bytes once per corpus.
"""

import math
from dataclasses import dataclass

from capgap.errors import InputError

__all__ = [
    "Storage",
    "full_distribution",
    "hidden_state",
    "index_bytes",
    "sampled",
    "top_k",
    "top_p",
]


@dataclass(frozen=True, slots=True)
class Storage:
    """Size of stored teacher outputs.

    Parameters
    ----------
    per_token : float
        Bytes per token; a mean where the size varies from token to token.
    once : float
        Bytes that do not grow with the corpus.

    Examples
    --------
    >>> Storage(per_token=6.0, once=100.0).corpus_bytes(50)
    400.0
    """

    per_token: float
    once: float = 0.0

    def corpus_bytes(self, D: float) -> float:
        """Bytes for D tokens, per_token D + once; InputError unless D is finite and >= 0."""
        _require_number("corpus_bytes", "D", D, 0.0, math.inf)
        return self.per_token * D + self.once


def index_bytes(n_vocab: int) -> int:
    """Width of the smallest unsigned integer type that numbers n_vocab tokens from 0.

    >>> [index_bytes(size) for size in (256, 257, 65536, 65537)]
    [1, 2, 2, 4]
    """
    _require_count("index_bytes", "n_vocab", n_vocab, 2**64)
    for width in (1, 2, 4):
        if n_vocab <= 256**width:
            return width
    return 8


def full_distribution(n_vocab: int, value_bytes: int = 4) -> Storage:
    """Every logit or probability: n_vocab value_bytes per token.

    At the vocabulary in the text of Busbridge et al., arXiv 2502.08606, and in float32,
    the 129 kB per token that they state (131 kB for the 32768 of their Table 13):

    >>> full_distribution(32168).per_token
    128672.0

    Raises
    ------
    InputError
        n_vocab is not a count, or value_bytes is not 1, 2, 4 or 8.
    """
    _require_vocabulary("full_distribution", n_vocab, value_bytes)
    return Storage(float(n_vocab * value_bytes))


def top_k(n_vocab: int, k: int, value_bytes: int = 4) -> Storage:
    """The k largest values and their indices: k (value_bytes + index_bytes) per token.

    128 values of 4 bytes with indices of 2:

    >>> top_k(32168, 128).per_token
    768.0

    Raises
    ------
    InputError
        k is not in [1, n_vocab], or as in `full_distribution`.
    """
    _require_vocabulary("top_k", n_vocab, value_bytes)
    _require_count("top_k", "k", k, n_vocab)
    return Storage(float(k * (value_bytes + index_bytes(n_vocab))))


def top_p(n_vocab: int, kept: float, value_bytes: int = 4) -> Storage:
    """The most probable tokens up to a mass p, whose number varies from place to place.

    kept (value_bytes + index_bytes) per token, plus one number, as wide as an index, for
    how many (less one) were kept.

    Parameters
    ----------
    n_vocab : int
        Tokens in the vocabulary.
    kept : float
        Mean number of tokens kept, in [1, n_vocab]. It depends on the teacher and on p, and
        has to be measured.
    value_bytes : int
        1, 2, 4 or 8.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Examples
    --------
    2.5 x (4 + 2) + 2:

    >>> top_p(32168, 2.5).per_token
    17.0
    """
    _require_vocabulary("top_p", n_vocab, value_bytes)
    _require_number("top_p", "kept", kept, 1.0, float(n_vocab))
    width = index_bytes(n_vocab)
    return Storage(kept * (value_bytes + width) + width)


def sampled(n_vocab: int, samples: int, weight_bytes: int = 1) -> Storage:
    """Tokens drawn from the teacher: samples (index_bytes + weight_bytes) per token.

    A slot for each draw, of an index and of a count or an importance weight; when draws
    coincide, slots of weight 0 are left over. A count can reach `samples`, so one byte
    serves up to 255 draws.

    Parameters
    ----------
    n_vocab : int
        Tokens in the vocabulary.
    samples : int
        Draws per token, >= 1.
    weight_bytes : int
        1, 2, 4 or 8; the type must hold the number of draws.

    Raises
    ------
    InputError
        An argument is outside its domain.

    Examples
    --------
    50 draws, an index of 2 bytes and a count of 1:

    >>> sampled(32168, 50).per_token
    150.0
    """
    _require_vocabulary("sampled", n_vocab, weight_bytes, width_name="weight_bytes")
    _require_count("sampled", "samples", samples, 256**weight_bytes - 1)
    return Storage(float(samples * (index_bytes(n_vocab) + weight_bytes)))


def hidden_state(n_vocab: int, d_model: int, value_bytes: int = 4) -> Storage:
    """The last hidden state, from which the head restores every logit.

    d_model value_bytes per token, and the n_vocab d_model weights of the head once. The
    student's run then also pays the head's 2 n_vocab d_model FLOPs per token.

    A teacher of width 3 with a head of 5 rows:

    >>> hidden_state(5, 3)
    Storage(per_token=12.0, once=60.0)

    Raises
    ------
    InputError
        d_model is not a count, or as in `full_distribution`.
    """
    _require_vocabulary("hidden_state", n_vocab, value_bytes)
    _require_count("hidden_state", "d_model", d_model, 2**64)
    return Storage(float(d_model * value_bytes), once=float(n_vocab * d_model * value_bytes))


def _require_vocabulary(
    operation: str, n_vocab: int, width: int, width_name: str = "value_bytes"
) -> None:
    _require_count(operation, "n_vocab", n_vocab, 2**64)
    if isinstance(width, bool) or width not in (1, 2, 4, 8):
        raise InputError(f"{operation}: {width_name} = {width!r} must be 1, 2, 4 or 8")


def _require_count(operation: str, name: str, value: int, highest: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= highest:
        raise InputError(f"{operation}: {name} = {value!r} must be an integer in [1, {highest}]")


def _require_number(operation: str, name: str, value: float, lowest: float, highest: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (lowest <= value <= highest and math.isfinite(value)):
        raise InputError(f"{operation}: {name} = {value!r} must be in [{lowest:g}, {highest:g}]")
