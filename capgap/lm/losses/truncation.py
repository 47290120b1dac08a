r"""Fewer numbers per token of a teacher: the k largest, or the smallest set that holds a mass.

Truncation is biased: what is dropped is lost, and what is kept as one bucket says nothing of
how the bucket is divided. `capgap.lm.losses.sampling` draws without bias.
"""

import torch
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_member, require_number
from capgap.lm.losses.targets import SparseTarget

__all__ = ["TAILS", "keep_top_k", "keep_top_p"]

TAILS = ("bucket", "drop")


def keep_top_k(logits: Tensor, k: int, tail: str = "bucket") -> SparseTarget:
    r"""The `k` most probable tokens of each position, the most probable first.

    .. math:: \log p = \log \mathrm{softmax}(z), \qquad
              \log t = \log \sum_{a \notin K} p_a

    The tail's mass t is summed over the tokens that are not kept, in log space: 1 minus
    the kept mass would cancel (in float32 it has no correct digit below 1e-7). Among equal
    probabilities the smaller token number comes first.

    Parameters
    ----------
    logits : Tensor, shape (tokens, vocab_size)
        Teacher's logits; computed in float32 unless they are float64. -inf is allowed.
    k : int
        Tokens kept, in [1, vocab_size].
    tail : {"bucket", "drop"}
        Keep log t, or renormalize the kept tokens as if the rest had probability 0.

    Raises
    ------
    InputError
        `k`, `tail` or the shape breaks its rule.

    Examples
    --------
    >>> kept = keep_top_k(torch.tensor([[0.5, 0.125, 0.25, 0.125]]).log(), 2)
    >>> kept.indices.tolist(), kept.log_probs.exp().tolist(), kept.log_tail.exp().tolist()
    ([[0, 2]], [[0.5, 0.25]], [0.25])
    """
    log_probs = _log_probs("keep_top_k", logits)
    require_integer("keep_top_k", "k", k, 1)
    require_member("keep_top_k", "tail", tail, TAILS)
    if k > log_probs.shape[1]:
        raise InputError(f"keep_top_k: k = {k} must be at most {log_probs.shape[1]} tokens")
    indices, values = _largest(log_probs, k)
    return _sparse(log_probs, indices, values, tail)


def keep_top_p(logits: Tensor, p: float, tail: str = "bucket") -> SparseTarget:
    r"""The smallest set of most probable tokens that holds a mass of at least `p`.

    With probabilities in falling order, token j is kept when the mass before it is below p:

    .. math:: \sum_{i < j} p_{(i)} < p

    so the token that crosses p is kept, and at least one token always is. Rows are padded
    to the widest one with log-probability -inf (see `SparseTarget`). p = 1 keeps every
    token of positive probability. Among equals the smaller token number comes first.

    Parameters
    ----------
    logits : Tensor, shape (tokens, vocab_size)
        Teacher's logits; computed in float32 unless they are float64. -inf is allowed.
    p : float
        Mass to hold, in (0, 1].
    tail : {"bucket", "drop"}
        As in `keep_top_k`.

    Raises
    ------
    InputError
        `p`, `tail` or the shape breaks its rule.

    Examples
    --------
    0.5 alone is below 0.6, so the token that crosses it is kept:

    >>> kept = keep_top_p(torch.tensor([[0.5, 0.125, 0.25, 0.125]]).log(), 0.6)
    >>> kept.indices.tolist(), kept.log_probs.exp().tolist(), kept.log_tail.exp().tolist()
    ([[0, 2]], [[0.5, 0.25]], [0.25])
    """
    log_probs = _log_probs("keep_top_p", logits)
    require_number("keep_top_p", "p", p, 0.0, 1.0)
    require_member("keep_top_p", "tail", tail, TAILS)
    if p == 0:
        raise InputError("keep_top_p: p = 0 must be in (0, 1]")
    indices, values, kept = _prefix(log_probs, p)
    width = int(kept.sum(-1).max())
    indices, values, kept = indices[:, :width], values[:, :width], kept[:, :width]
    # Padding repeats the row's first token, so that it marks nothing new as kept.
    indices = torch.where(kept, indices, indices[:, :1])
    return _sparse(log_probs, indices, values.masked_fill(~kept, -torch.inf), tail)


def _prefix(log_probs: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens in falling order and which are kept; looks no further than needed."""
    vocabulary = log_probs.shape[1]
    k = vocabulary if p == 1 else min(64, vocabulary)
    while True:
        indices, values = _largest(log_probs, k)
        if p == 1:
            return indices, values, values > -torch.inf
        mass = values.double().exp().cumsum(-1)
        if k == vocabulary or bool((mass[:, -1] >= p).all()):
            before = torch.cat([torch.zeros_like(mass[:, :1]), mass[:, :-1]], dim=-1)
            return indices, values, before < p
        k = min(4 * k, vocabulary)


def _largest(log_probs: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Indices and values of the k largest in falling order, equals by token number.

    `torch.topk` picks any of the equals at the border; rows where that matters are sorted.
    """
    indices = log_probs.topk(k, dim=-1, sorted=False).indices.sort(-1).values
    border = log_probs.gather(-1, indices).amin(-1, keepdim=True)
    chosen = (log_probs.gather(-1, indices) == border).sum(-1)
    split = ((log_probs == border).sum(-1) > chosen).nonzero()[:, 0]
    if len(split):
        order = log_probs[split].sort(dim=-1, descending=True, stable=True).indices
        indices[split] = order[:, :k].sort(-1).values
    values, order = log_probs.gather(-1, indices).sort(dim=-1, descending=True, stable=True)
    return indices.gather(-1, order), values


def _sparse(log_probs: Tensor, indices: Tensor, values: Tensor, tail: str) -> SparseTarget:
    if tail == "drop":
        return SparseTarget(indices, values - values.logsumexp(-1, keepdim=True))
    return SparseTarget(indices, values, log_probs.scatter(-1, indices, -torch.inf).logsumexp(-1))


def _log_probs(operation: str, logits: Tensor) -> Tensor:
    if logits.ndim != 2 or 0 in logits.shape:
        raise InputError(
            f"{operation}: logits of shape {tuple(logits.shape)} must be (tokens, vocab_size)"
        )
    logits = logits.detach()
    return (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)
