"""What a teacher says about each position: sparse, sampled, or hidden states with a head.

Dense logits need no record: a plain tensor of shape (tokens, vocab_size) stands for itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from capgap.errors import InputError

__all__ = ["HiddenTarget", "SampledTarget", "SparseTarget"]

Rows = Tensor | slice


@dataclass(frozen=True)
class SparseTarget:
    r"""Log-probabilities of a few tokens, and of all others together or not at all.

    The kept tokens of a position are the entries with a log-probability above -inf; every
    other token of the vocabulary belongs to the tail. An entry of -inf is padding (rows of
    `keep_top_p` differ in length) and its index is not read. Sums need not be exactly 1
    (stored numbers are rounded): losses renormalize over the kept tokens and the bucket.

    Parameters
    ----------
    indices : Tensor of int64, shape (tokens, k)
        Kept tokens, without repetition within a row. Entry 0 is never padding.
    log_probs : Tensor, shape (tokens, k)
        Their log-probabilities, in nats.
    log_tail : Tensor, shape (tokens,), or None
        Log of the mass of all other tokens, kept as one bucket. None: the tail was dropped
        and the kept part renormalized, as if the teacher gave the others probability 0.

    Raises
    ------
    InputError
        Shapes that do not fit, or indices that are not int64.
    """

    indices: Tensor
    log_probs: Tensor
    log_tail: Tensor | None = None

    def __post_init__(self) -> None:
        _check_pairs("SparseTarget", "log_probs", self.indices, self.log_probs)
        if self.log_tail is not None and self.log_tail.shape != self.indices.shape[:1]:
            raise InputError(
                f"SparseTarget: log_tail of shape {tuple(self.log_tail.shape)} must have one"
                f" entry for each of the {len(self.indices)} tokens"
            )

    def at(self, rows: Rows) -> "SparseTarget":
        """The same target at some positions."""
        tail = None if self.log_tail is None else self.log_tail[rows]
        return SparseTarget(self.indices[rows], self.log_probs[rows], tail)


@dataclass(frozen=True)
class SampledTarget:
    r"""Weighted draws whose expectation is the teacher's distribution.

    .. math:: E\left[\sum_j w_j 1\{i_j = a\}\right] = p_a

    so the cross-entropy :math:`-\sum_j w_j \log q_{i_j}` is an unbiased estimate of the
    teacher's. Only what is linear in p is unbiased: the cross-entropy at temperature 1.

    Source: Anshumann et al. 2025, arXiv 2503.16870.

    Parameters
    ----------
    indices : Tensor of int64, shape (tokens, k)
        Drawn tokens; one token may appear several times.
    weights : Tensor, shape (tokens, k)
        Their weights, at least 0. They need not sum to 1.

    Raises
    ------
    InputError
        Shapes that do not fit, or indices that are not int64.
    """

    indices: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        _check_pairs("SampledTarget", "weights", self.indices, self.weights)

    def at(self, rows: Rows) -> "SampledTarget":
        """The same target at some positions."""
        return SampledTarget(self.indices[rows], self.weights[rows])


@dataclass(frozen=True)
class HiddenTarget:
    """States that the teacher's head reads, and the head: exact, d_T numbers per token.

    Parameters
    ----------
    states : Tensor, shape (tokens, d_T)
        Normalized last states.
    head : Tensor, shape (vocab_size, d_T)
        Weights of the output layer; logits are ``states @ head.T``.

    Raises
    ------
    InputError
        Shapes that do not fit.
    """

    states: Tensor
    head: Tensor

    def __post_init__(self) -> None:
        shapes = tuple(self.states.shape), tuple(self.head.shape)
        if self.states.ndim != 2 or self.head.ndim != 2 or shapes[0][1] != shapes[1][1]:
            raise InputError(
                f"HiddenTarget: states {shapes[0]} and head {shapes[1]} must be"
                " (tokens, d) and (vocab_size, d)"
            )

    def at(self, rows: Rows) -> "HiddenTarget":
        """The same target at some positions."""
        return HiddenTarget(self.states[rows], self.head)

    def logits(self) -> Tensor:
        """Teacher's logits, shape (tokens, vocab_size), without a graph."""
        with torch.no_grad():
            return self.states.to(self.head.dtype) @ self.head.T


def _check_pairs(operation: str, name: str, indices: Tensor, values: Tensor) -> None:
    if indices.ndim != 2 or indices.shape != values.shape or indices.shape[1] == 0:
        raise InputError(
            f"{operation}: indices {tuple(indices.shape)} and {name} {tuple(values.shape)}"
            " must have the same shape (tokens, k), k >= 1"
        )
    if indices.dtype != torch.int64:
        raise InputError(f"{operation}: indices of type {indices.dtype} must be torch.int64")
