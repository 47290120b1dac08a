"""The loss of a batch of positions from hidden states and a head, some positions at a time.

The logits of all positions never exist: a chunk's logits give its loss and its gradients with
respect to states and head, and are forgotten. Memory beyond the gradients is that of one
chunk, and the matrix products are those of the dense form, none twice.
"""

import math
from typing import Any

import torch
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.checks import require_integer
from capgap.lm.losses.arguments import Teacher, rows_that_count, target_at, weighted_teachers
from capgap.lm.losses.rows import Weighted, rows_loss
from capgap.lm.losses.token import TokenLoss, refuse_second_derivative
from capgap.lm.objective import Objective

__all__ = ["MEMORY", "chunk_size", "chunked_token_loss"]

# Bytes for the arrays of one chunk. Larger chunks help the matrix products little, and
# smaller ones stay closer to the caches.
MEMORY = 96 * 2**20

# Arrays of chunk x vocab_size alive at once: logits, log q, q, teacher's logits, p, gradient.
_ARRAYS = 6


def chunk_size(tokens: int, vocabulary: int, bytes_per_number: int, memory: int = MEMORY) -> int:
    """Positions per chunk, of nearly equal chunks, for a budget of `memory` bytes.

    >>> chunk_size(1024, 32768, 4, memory=64 * 2**20)
    79
    """
    most = max(1, memory // (_ARRAYS * vocabulary * bytes_per_number))
    return max(1, math.ceil(tokens / math.ceil(max(tokens, 1) / most)))


def chunked_token_loss(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    teacher: Teacher = None,
    objective: Objective = Objective(),  # noqa: B008  (frozen)
    *,
    mask: Tensor | None = None,
    count: float | None = None,
    chunk: int | None = None,
) -> TokenLoss:
    r"""`token_loss` of the logits ``hidden @ head.T``, which are never all formed.

    Equal to the dense form up to rounding: the same arithmetic for each position, and sums
    over positions in another order. The gradients with respect to `hidden` and `head` are
    computed with the value, so a call costs both; a second derivative is refused. A
    `HiddenTarget` keeps the teacher's logits unformed too. Under autocast the products are
    in its type, sums and divergences in float32.

    Parameters
    ----------
    hidden : Tensor, shape (tokens, d)
        States that the head reads.
    head : Tensor, shape (vocab_size, d)
        Weights of the output layer.
    targets, teacher, objective, mask, count
        As in `token_loss`.
    chunk : int or None
        Positions at a time; None chooses them for `MEMORY` bytes (`chunk_size`).

    Raises
    ------
    InputError
        As in `token_loss`; states and head of different width; a chunk below 1.
    CapgapError
        In the backward pass, with ``create_graph=True``.
    """
    shapes = tuple(hidden.shape), tuple(head.shape)
    if hidden.ndim != 2 or head.ndim != 2 or shapes[0][1] != shapes[1][1]:
        raise InputError(
            f"chunked_token_loss: hidden {shapes[0]} and head {shapes[1]} must be (tokens, d)"
            " and (vocab_size, d)"
        )
    if targets.shape != hidden.shape[:1]:
        raise InputError(
            f"chunked_token_loss: targets {tuple(targets.shape)} must be one for each of the"
            f" {len(hidden)} positions"
        )
    operation, vocabulary = "chunked_token_loss", len(head)
    teachers = weighted_teachers(operation, teacher, (len(hidden), vocabulary), objective)
    rows, divisor = rows_that_count(operation, targets, vocabulary, mask, count)
    if chunk is None:
        numbers = max(4, hidden.element_size())
        chunk = chunk_size(len(hidden) if rows is None else len(rows), vocabulary, numbers)
    require_integer(operation, "chunk", chunk, 1)
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        lower = torch.get_autocast_dtype(device)
        hidden, head = hidden.to(lower), head.to(lower)
    with torch.autocast(device, enabled=False):
        total, data_term, kd_term = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
            hidden,
            head,
            (targets, teachers, objective, rows, divisor, chunk),
            torch.is_grad_enabled(),
        )
    return TokenLoss(total, data_term, kd_term)


Problem = tuple[Tensor, Weighted, Objective, Tensor | None, float, int]


class _ChunkedLoss(torch.autograd.Function):
    """Gradients are computed with the value; backward multiplies them by what comes in."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, problem: Problem, graph: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        wanted = [graph and x.requires_grad for x in (hidden, head)]
        sums, gradients = _all_chunks(hidden, head, problem, wanted)
        ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(*[x for x in sums[1:] if x is not None])
        return sums

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("chunked_token_loss")
        products = [None if g is None else g * upstream.to(g.dtype) for g in ctx.saved_tensors]
        return (*products, None, None)


def _all_chunks(
    hidden: Tensor, head: Tensor, problem: Problem, wanted: list[bool]
) -> tuple[tuple[Tensor, Tensor, Tensor | None], list[Tensor | None]]:
    """Sums over chunks of the loss and its terms; gradients of states and head."""
    targets, teachers, objective, rows, divisor, chunk = problem
    # The head's gradient is a sum over chunks: in float32 even when the head is not.
    of_hidden = torch.zeros_like(hidden) if wanted[0] else None
    of_head = torch.zeros_like(head, dtype=_wide(head)) if wanted[1] else None
    terms: list[list[Tensor]] = []
    for part in _parts(len(hidden), rows, chunk):
        states = hidden[part]
        logits = (states @ head.T).to(_wide(head))
        at_part = tuple((target_at(t, part), w) for t, w in teachers)
        sums = rows_loss(logits, targets[part], at_part, objective, 1 / divisor)
        slope = sums.gradient.to(head.dtype)
        if of_hidden is not None:
            of_hidden[part] = slope @ head
        if of_head is not None:
            _add_product(of_head, slope, states)
        terms.append([x for x in (sums.total, sums.next_token, sums.distillation) if x is not None])
    added = [torch.stack(column).sum() for column in zip(*terms, strict=True)]
    kd_term = added[2] if len(added) == 3 else None
    gradients = [of_hidden, None if of_head is None else of_head.to(head.dtype)]
    return (added[0], added[1], kd_term), gradients


def _parts(tokens: int, rows: Tensor | None, chunk: int) -> list[Tensor | slice]:
    """Positions of each chunk; one empty chunk when none counts."""
    if rows is not None:
        return list(torch.split(rows, chunk))
    return [slice(start, start + chunk) for start in range(0, max(tokens, 1), chunk)]


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _add_product(total: Tensor, slope: Tensor, states: Tensor) -> None:
    if total.dtype == slope.dtype:
        total.addmm_(slope.T, states)
    else:
        total += slope.T @ states
