r"""How outputs lie in a shard: plain columns one after the other, no header.

Log-probabilities are kept in float16, not logits: rounding has relative error
:math:`2^{-11}`, so :math:`\log p` is kept to :math:`2^{-11} |\log p|`, finest where the mass
is, whereas a logit carries an arbitrary constant and loses digits to it. With errors
:math:`\delta_a` and renormalization on reading, KL(p || kept) is
:math:`\frac{1}{2} \mathrm{Var}_p(\delta) \le 2^{-23} E_p[\log^2 p]`, about 1e-6 nats (to
second order). Log-probabilities below -65504 become -inf; in float32 they are 0 anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capgap.errors import InputError
from capgap.lm.teacher_outputs import TeacherOutputs
from capgap.storage import (
    Storage,
    full_distribution,
    hidden_state,
    index_bytes,
    sampled,
    top_k,
    top_p,
)

__all__ = ["Column", "Columns", "columns", "pack", "shard_windows", "theory", "unpack"]

Columns = dict[str, NDArray[Any]]

VALUE = "<f2"
# Bytes of a shard: what is aimed at, and the most.
SHARD_BYTES = (64 * 2**20, 2**30)
NOMINAL_KEPT = 64


@dataclass(frozen=True)
class Column:
    """One array of a shard.

    Parameters
    ----------
    name : str
        What it holds.
    dtype : str
        NumPy's name of the type, little-endian.
    width : int or None
        Numbers per position; 0 for one number (no axis), None for rows of different lengths
        joined (their lengths, less one, are the column "counts").
    """

    name: str
    dtype: str
    width: int | None

    def shape(self, tokens: int, kept: int) -> tuple[int, ...]:
        """Shape for so many positions, and so many tokens kept in all."""
        if self.width is None:
            return (kept,)
        return (tokens, self.width) if self.width else (tokens,)


def columns(outputs: TeacherOutputs, n_vocab: int, d_model: int | None) -> tuple[Column, ...]:
    """Columns of a shard, the widest numbers first, so that each is aligned in the file.

    Index types are the smallest that number the vocabulary.
    """
    index = _unsigned(index_bytes(n_vocab))
    bucket = [Column("log_tail", VALUE, 0)] if outputs.tail == "bucket" else []
    if outputs.kind == "full":
        found = [Column("log_probs", VALUE, n_vocab)]
    elif outputs.kind == "hidden":
        if d_model is None:
            raise InputError("cache: hidden states need the teacher's width")
        found = [Column("states", "<f4", d_model)]
    elif outputs.kind == "top-k":
        found = [
            Column("log_probs", VALUE, outputs.k),
            *bucket,
            Column("indices", index, outputs.k),
        ]
    elif outputs.kind == "top-p":
        found = [
            Column("counts", index, 0),
            *bucket,
            Column("log_probs", VALUE, None),
            Column("indices", index, None),
        ]
    else:
        found = [
            Column("indices", index, outputs.samples),
            Column("counts", _unsigned(_weight_bytes(outputs)), outputs.samples),
        ]
    return tuple(sorted(found, key=lambda column: -np.dtype(column.dtype).itemsize))


def theory(
    outputs: TeacherOutputs, n_vocab: int, d_model: int | None, kept: float = 1.0
) -> Storage:
    """Bytes that the columns take, by `capgap.storage`, and 2 more for a tail's log-mass.

    Parameters
    ----------
    outputs : TeacherOutputs
        Form of the outputs.
    n_vocab : int
        Tokens in the vocabulary.
    d_model : int or None
        The teacher's width; read for "hidden" only.
    kept : float
        Mean number of tokens kept; read for "top-p" only.

    Examples
    --------
    12 values of 2 bytes with indices of 1, and the tail:

    >>> theory(TeacherOutputs.parse("top-k:12"), 256, None).per_token
    38.0
    """
    width = np.dtype(VALUE).itemsize
    tail = float(width) if outputs.tail == "bucket" else 0.0
    if outputs.kind == "full":
        return full_distribution(n_vocab, width)
    if outputs.kind == "hidden":
        return hidden_state(n_vocab, d_model or 0, 4)
    if outputs.kind == "top-k":
        return Storage(top_k(n_vocab, outputs.k or 0, width).per_token + tail)
    if outputs.kind == "top-p":
        return Storage(top_p(n_vocab, kept, width).per_token + tail)
    return sampled(n_vocab, outputs.samples or 0, _weight_bytes(outputs))


def shard_windows(outputs: TeacherOutputs, n_vocab: int, d_model: int | None, length: int) -> int:
    """Windows of `length` tokens that make a shard of about 64 MiB, and at most 1 GiB.

    How many tokens top-p will keep is not known before: 64 are assumed, and the limit is that
    of all tokens kept.

    >>> shard_windows(TeacherOutputs.parse("full"), 256, None, 256)
    512
    """
    likely = n_vocab if outputs.p == 1 else min(NOMINAL_KEPT, n_vocab)
    sizes = (theory(outputs, n_vocab, d_model, k).per_token * length for k in (likely, n_vocab))
    return max(1, int(min(b / size for b, size in zip(SHARD_BYTES, sizes, strict=True))))


def pack(arrays: Mapping[str, NDArray[Any]], layout: tuple[Column, ...]) -> bytes:
    """The columns as the bytes of a shard."""
    return b"".join(
        np.ascontiguousarray(arrays[column.name], dtype=column.dtype).tobytes() for column in layout
    )


def unpack(data: NDArray[np.uint8], layout: tuple[Column, ...], tokens: int, kept: int) -> Columns:
    """Views of the columns of a shard of `tokens` positions; the bytes are not copied.

    Raises
    ------
    InputError
        The number of bytes is not that of the columns.
    """
    found: Columns = {}
    start = 0
    for column in layout:
        shape = column.shape(tokens, kept)
        end = start + int(np.prod(shape)) * np.dtype(column.dtype).itemsize
        found[column.name] = (
            data[start:end].view(column.dtype).reshape(shape) if (end <= data.size) else data[:0]
        )
        start = end
    if start != data.size:
        raise InputError(f"cache: a shard has {data.size} bytes, must have {start}")
    return found


def _weight_bytes(outputs: TeacherOutputs) -> int:
    """Width of a count of draws, which can reach their number."""
    return index_bytes((outputs.samples or 0) + 1)


def _unsigned(width: int) -> str:
    return f"<u{width}" if width > 1 else "|u1"
