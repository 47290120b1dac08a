"""The gated feed-forward layer with its norm and residual, forward and backward."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from capgap.lm.fused.norm import add_norm_gradient, normalize, scale_gradient

__all__ = ["FeedForwardLayer"]


class FeedForwardLayer(torch.autograd.Function):
    r"""x + D (silu(G n) * (U n)) with n = gain * normalize(x); columns are tokens.

    G and U are the halves of one matrix, so that one product serves both. silu(z) =
    z / (1 + exp(-z)) (Shazeer 2020, arXiv 2002.05202, SwiGLU).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        gate_up: Tensor,
        down: Tensor,
        epsilon: float,
        kind: torch.dtype,
    ) -> Tensor:
        normalized, r = normalize(x, epsilon)
        scaled, source = (gate_up * gain).to(kind), normalized.to(kind)
        both = scaled @ source
        gate, up = both.chunk(2)
        opened = F.silu(gate)
        inner, narrow = opened * up, down.to(kind)
        ctx.save_for_backward(
            normalized, r, gain, gate_up, scaled, source, both, opened, inner, narrow
        )
        if kind == x.dtype:
            return torch.addmm(x, narrow, inner)
        return x + narrow @ inner

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):  # dtypes are chosen here
            return _backward(ctx, above)


def _backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    normalized, r, gain, gate_up, scaled, source, both, opened, inner, narrow = saved
    full, kind = above.dtype, source.dtype
    narrow_above = above.to(kind)
    down_gradient = (narrow_above @ inner.T).to(full)
    inner_gradient = narrow.T @ narrow_above
    gate, up = both.chunk(2)
    both_gradient = torch.empty_like(both)
    gate_gradient, up_gradient = both_gradient.chunk(2)
    torch.mul(inner_gradient, opened, out=up_gradient)
    torch.ops.aten.silu_backward.grad_input(inner_gradient.mul_(up), gate, grad_input=gate_gradient)
    weight_gradients = scale_gradient((both_gradient @ source.T).to(full), gate_up, gain)
    gradient = (scaled.T @ both_gradient).to(full)
    x_gradient = add_norm_gradient(above, gradient, normalized, r)
    return x_gradient, weight_gradients[1], weight_gradients[0], down_gradient, None, None
