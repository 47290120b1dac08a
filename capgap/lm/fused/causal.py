r"""Causal attention in blocks of queries, which skip the keys that come after them.

.. math:: P_{ts} = \frac{e^{q_t \cdot k_s}}{\sum_{s' \le t} e^{q_t \cdot k_{s'}}}, \quad
          o_t = \sum_{s \le t} P_{ts} v_s

For blocks of w queries over T positions the products and exponentials are (1 + w/T) / 2 of
the full square. All tensors have shape (batch x heads, h, time): time runs along memory.
"""

import torch
from torch import Tensor

__all__ = ["attend", "attend_gradient"]

BLOCK = 64


def attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Outputs, and the attention probabilities of each block of queries.

    `q` already carries the factor 1/sqrt(h). The probabilities of the block of queries
    first..last have shape (batch x heads, last - first, last).
    """
    output, kept = torch.empty_like(v), []
    future = torch.full((BLOCK, BLOCK), -torch.inf, dtype=q.dtype).triu_(1)
    for first, last in _blocks(q.shape[2]):
        scores = torch.bmm(q[:, :, first:last].transpose(1, 2), k[:, :, :last])
        scores[:, :, first:].add_(future[: last - first, : last - first])
        probabilities = torch.softmax(scores, -1)
        output[:, :, first:last] = torch.bmm(v[:, :, :last], probabilities.transpose(1, 2))
        kept.append(probabilities)
    return output, kept


def attend_gradient(
    above: Tensor, q: Tensor, k: Tensor, v: Tensor, kept: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Gradients of q, k and v.

    .. math:: \partial S_{ts} = P_{ts} (\partial o_t \cdot v_s
              - \sum_{s'} P_{ts'} \partial o_t \cdot v_{s'}), \quad
              \partial q = \partial S k, \quad \partial k = \partial S^\top q, \quad
              \partial v = P^\top \partial o
    """
    q_gradient = torch.empty_like(q)
    k_gradient, v_gradient = torch.empty_like(k), torch.empty_like(v)
    blocks = list(zip(_blocks(q.shape[2]), kept, strict=True))
    for (first, last), probabilities in reversed(blocks):
        here = above[:, :, first:last]
        scores = torch.bmm(here.transpose(1, 2), v[:, :, :last])
        torch._softmax_backward_data(scores, probabilities, -1, scores.dtype, grad_input=scores)
        q_gradient[:, :, first:last] = torch.bmm(k[:, :, :last], scores.transpose(1, 2))
        k_part = torch.bmm(q[:, :, first:last], scores)
        v_part = torch.bmm(here, probabilities)
        if last == q.shape[2]:  # the last block comes first, and sees every key
            k_gradient, v_gradient = k_part, v_part
        else:
            k_gradient[:, :, :last] += k_part
            v_gradient[:, :, :last] += v_part
    return q_gradient, k_gradient, v_gradient


def _blocks(time: int) -> list[tuple[int, int]]:
    return [(first, min(first + BLOCK, time)) for first in range(0, time, BLOCK)]
