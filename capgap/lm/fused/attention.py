"""The attention layer with its norm and residual, forward and backward."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from capgap.lm.fused.causal import attend, attend_gradient
from capgap.lm.fused.norm import add_norm_gradient, normalize, scale_gradient
from capgap.lm.fused.rotary import turn, turn_gradient

__all__ = ["AttentionLayer"]


class AttentionLayer(torch.autograd.Function):
    """x + O attention(turn(Q n), turn(K n), V n) with n = gain * normalize(x).

    Columns of x are the tokens of all sequences, one sequence after the other; `turn` is
    `capgap.lm.fused.rotary.turn`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        qkv: Tensor,
        out: Tensor,
        q_gain: Tensor,
        k_gain: Tensor,
        cos: Tensor,
        sin: Tensor,
        epsilon: float,
        kind: torch.dtype,
    ) -> Tensor:
        width, h, time = x.shape[0], q_gain.shape[0], cos.shape[-1]
        normalized, r = normalize(x, epsilon)
        scaled, source = (qkv * gain).to(kind), normalized.to(kind)
        heads = (scaled @ source).view(3, width // h, h, -1, time)
        gains = torch.stack((q_gain * h**-0.5, k_gain))
        turned, hats, rates = turn(heads[:2].to(x.dtype), gains, cos, sin, epsilon)
        q, k = turned.to(kind).flatten(1, 2)
        v = _by_sequence(heads[2])
        mixed, kept = attend(q, k, v)
        columns, narrow = _by_feature(mixed, heads[2]), out.to(kind)
        ctx.save_for_backward(
            *(normalized, r, gain, qkv, scaled, source, gains, hats, rates, cos, sin),
            *(q, k, v, columns, narrow, *kept),
        )
        if kind == x.dtype:
            return torch.addmm(x, narrow, columns)
        return x + narrow @ columns

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):  # dtypes are chosen here
            return _backward(ctx, above)


def _backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
    normalized, r, gain, qkv, scaled, source, *rest = ctx.saved_tensors
    gains, hats, rates, cos, sin, q, k, v, columns, narrow, *kept = rest
    full, kind = above.dtype, source.dtype
    narrow_above = above.to(kind)
    out_gradient = (narrow_above @ columns.T).to(full)
    gradients = torch.empty(3, *hats.shape[1:], dtype=kind)
    mixed = _by_sequence((narrow.T @ narrow_above).view_as(gradients[2]))
    dq, dk, dv = attend_gradient(mixed, q, k, v, kept)
    heads, h, batch, time = hats.shape[1:]
    turned = torch.stack((dq, dk)).to(full).view(2, batch, heads, h, time)
    gradients[:2], gains_gradient = turn_gradient(turned, hats, rates, gains, cos, sin)
    gradients[2] = dv.view(batch, heads, h, time).permute(1, 2, 0, 3)
    flat = gradients.view(-1, normalized.shape[1])
    qkv_gradient, gain_gradient = scale_gradient((flat @ source.T).to(full), qkv, gain)
    x_gradient = add_norm_gradient(above, (scaled.T @ flat).to(full), normalized, r)
    return (
        *(x_gradient, gain_gradient, qkv_gradient, out_gradient),
        *(gains_gradient[0] * h**-0.5, gains_gradient[1]),
        *(None, None, None, None),
    )


def _by_sequence(x: Tensor) -> Tensor:
    """(heads, h, batch, time) to (batch x heads, h, time)."""
    return x.permute(2, 0, 1, 3).contiguous().flatten(0, 1)


def _by_feature(x: Tensor, like: Tensor) -> Tensor:
    """(batch x heads, h, time) to (heads x h, batch x time)."""
    heads, h, batch, time = like.shape
    return x.view(batch, heads, h, time).permute(1, 2, 0, 3).reshape(heads * h, batch * time)
