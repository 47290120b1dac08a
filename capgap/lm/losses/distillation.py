r"""The distillation term of each position against one target, with its gradient.

All functions take the student's log-probabilities at temperature tau, shape (rows,
vocab_size), and return the value of each row (nats) and its gradient with respect to
u = z / tau, shape (rows, vocab_size), before the factor of `scale`.
"""

from functools import partial

import torch
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.losses import divergences
from capgap.lm.losses.targets import HiddenTarget, SampledTarget, SparseTarget
from capgap.lm.objective import Objective

__all__ = ["Target", "check_target", "distill", "scale"]

Target = Tensor | SparseTarget | SampledTarget | HiddenTarget

_BY_NAME = {
    "forward-kl": divergences.forward_kl,
    "reverse-kl": divergences.reverse_kl,
    "total-variation": divergences.total_variation,
    "top-1": divergences.one_hot,
}


def scale(objective: Objective) -> float:
    r"""Factor that keeps the gradient's size as tau grows.

    :math:`\tau^2` for the KL divergences and the JSD, which are quadratic in a small
    difference of logits; :math:`\tau` for the total variation, which is linear in it.
    """
    linear = objective.divergence == "total-variation"
    return objective.temperature if linear else objective.temperature**2


def distill(log_q: Tensor, target: Target, objective: Objective) -> tuple[Tensor, Tensor]:
    """Value and gradient of the divergence that `objective` names."""
    if isinstance(target, HiddenTarget):
        target = target.logits()
    if isinstance(target, SampledTarget):
        return _linear(log_q, target.indices, target.weights.to(log_q.dtype))
    if isinstance(target, SparseTarget):
        return _sparse(log_q, target, objective)
    logits = target.detach().to(log_q.dtype)
    softened = logits if objective.temperature == 1 else logits / objective.temperature
    if objective.divergence == "forward-kl":
        return _dense_forward_kl(log_q, softened)
    return _divergence(objective)(softened.log_softmax(-1), log_q)


def _dense_forward_kl(log_q: Tensor, softened: Tensor) -> tuple[Tensor, Tensor]:
    """`divergences.forward_kl` without the care for log_q = -inf, and fewer passes."""
    p = softened.softmax(-1)
    value = (p * log_q).sum(-1).neg_()
    return value, torch.sub(log_q.exp(), p, out=p)


def _linear(log_q: Tensor, indices: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    r""":math:`-\sum_j w_j \log q_{i_j}`; its gradient is q times the sum of w, minus w at i."""
    value = -(weights * log_q.gather(-1, indices)).sum(-1)
    gradient = log_q.exp().mul_(weights.sum(-1, keepdim=True))
    return value, gradient.scatter_add_(-1, indices, -weights)


def _sparse(log_q: Tensor, target: SparseTarget, objective: Objective) -> tuple[Tensor, Tensor]:
    r"""The divergence between teacher and student over the kept tokens and the rest.

    A tail that was dropped has probability 0 under the teacher. The student's tail is
    summed over the other tokens in log space, :math:`\log \sum_{a \notin K} q_a`; its
    gradient is shared out by :math:`q_a / \sum_{b \notin K} q_b`.
    """
    log_p, kept, indices = _events(target, log_q.dtype, objective.temperature)
    if target.log_tail is None and objective.divergence == "forward-kl":
        return _linear(log_q, indices, log_p[:, :-1].exp())
    if objective.divergence == "top-1":
        # Never the bucket, though it may hold more than any one token.
        choice = indices.gather(-1, log_p[:, :-1].argmax(-1, keepdim=True))
        return _linear(log_q, choice, torch.ones_like(log_q[:, :1]))
    log_tail, shares = _student_tail(log_q, indices)
    of_kept = log_q.gather(-1, indices).masked_fill(~kept, -torch.inf)
    value, slope = _divergence(objective)(log_p, torch.cat([of_kept, log_tail], dim=-1))
    gradient = shares.mul_(slope[:, -1:])
    return value, gradient.scatter_add_(-1, indices, slope[:, :-1])


def _student_tail(log_q: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Log of the mass outside `indices`, and each token's share of it (0 at `indices`).

    The largest share is 1 / sum exp(x - max x), at least 1 / vocab_size, so its logarithm
    is exact to rounding and 1 minus the kept mass is never formed.
    """
    rest = log_q.scatter(-1, indices, -torch.inf)
    highest = rest.amax(-1, keepdim=True)
    shares = rest.softmax(-1)
    if indices.shape[1] >= log_q.shape[1]:  # else no row can be without tail
        shares = shares.nan_to_num_(nan=0.0)
    largest = shares.amax(-1, keepdim=True).clamp(min=torch.finfo(shares.dtype).tiny)
    return highest - largest.log(), shares


def _events(
    target: SparseTarget, dtype: torch.dtype, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Teacher's log-probabilities of kept tokens and tail, which are kept, their indices."""
    log_probs = target.log_probs.to(dtype) / temperature
    kept = log_probs > -torch.inf
    tail = torch.full_like(log_probs[:, 0], -torch.inf)
    if target.log_tail is not None:
        tail = target.log_tail.to(dtype)
    log_p = torch.cat([log_probs, tail[:, None]], dim=-1).log_softmax(-1)
    return log_p, kept, torch.where(kept, target.indices, target.indices[:, :1])


def _divergence(objective: Objective) -> divergences.Divergence:
    if objective.divergence == "jsd":
        return partial(divergences.generalized_jsd, beta=objective.jsd_beta)
    return _BY_NAME[objective.divergence]


def check_target(
    operation: str, target: Target, tokens: int, vocabulary: int, objective: Objective
) -> None:
    """Refuse a target of other shape or vocabulary, or one that cannot say what is asked."""
    if objective.divergence == "top-1" and objective.temperature != 1:
        raise InputError(
            f"{operation}: temperature = {objective.temperature} has no meaning for top-1"
            " targets; it must be 1"
        )
    if isinstance(target, Tensor | HiddenTarget):
        _check_dense(operation, target, tokens, vocabulary)
        return
    _check_indices(operation, target.indices, tokens, vocabulary)
    if isinstance(target, SampledTarget):
        _check_sampled(operation, objective)
    else:
        _check_sparse(operation, target, objective)


def _check_dense(
    operation: str, target: Tensor | HiddenTarget, tokens: int, vocabulary: int
) -> None:
    shape = tuple(target.shape) if isinstance(target, Tensor) else _shape(target)
    if shape != (tokens, vocabulary):
        raise InputError(
            f"{operation}: student logits {(tokens, vocabulary)} and teacher logits {shape}"
            " must have the same shape and vocabulary"
        )


def _shape(target: HiddenTarget) -> tuple[int, int]:
    return len(target.states), len(target.head)


def _check_indices(operation: str, indices: Tensor, tokens: int, vocabulary: int) -> None:
    if len(indices) != tokens:
        raise InputError(
            f"{operation}: student logits {(tokens, vocabulary)} and teacher's indices"
            f" {tuple(indices.shape)} must have the same number of tokens"
        )
    # On a GPU the check would wait for the device; there, gather itself refuses.
    if indices.is_cuda or not len(indices):
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= vocabulary:
        raise InputError(
            f"{operation}: teacher's token {low if low < 0 else high} must be in the"
            f" student's vocabulary of {vocabulary}"
        )


def _check_sampled(operation: str, objective: Objective) -> None:
    if objective.divergence != "forward-kl" or objective.temperature != 1:
        raise InputError(
            f"{operation}: {objective.divergence} at temperature {objective.temperature} is not"
            " linear in the teacher's probabilities, so sampled targets would be biased; use"
            " forward-kl at temperature 1"
        )


def _check_sparse(operation: str, target: SparseTarget, objective: Objective) -> None:
    if target.log_tail is not None and objective.temperature != 1:
        raise InputError(
            f"{operation}: temperature = {objective.temperature} must be 1 with a tail kept as"
            " one bucket, whose mass at another temperature is not known"
        )
    if target.log_tail is None and objective.divergence == "reverse-kl":
        raise InputError(
            f"{operation}: reverse-kl is infinite where the teacher's tail was dropped; keep"
            " the tail as a bucket"
        )
