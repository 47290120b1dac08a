r"""RMS normalization of columns, and its gradient."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["NormalizedTokens", "add_norm_gradient", "normalize", "scale_gradient"]


def normalize(x: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    r"""Columns of root mean square 1, and what they were multiplied by.

    .. math:: \hat x_{it} = r_t x_{it}, \quad r_t = (\tfrac1d \sum_i x_{it}^2 + \epsilon)^{-1/2}

    Parameters
    ----------
    x : Tensor, shape (d, tokens)
    epsilon : float

    Returns
    -------
    (Tensor, Tensor)
        The columns, shape (d, tokens), and r, shape (1, tokens).
    """
    r = x.square().mean(0, keepdim=True).add_(epsilon).rsqrt_()
    return x * r, r


def add_norm_gradient(above: Tensor, gradient: Tensor, normalized: Tensor, r: Tensor) -> Tensor:
    r"""Gradient of x in "x + f(normalize(x))".

    .. math:: \partial x_{it} = a_{it}
              + r_t (g_{it} - \hat x_{it} \tfrac1d \sum_j g_{jt} \hat x_{jt})

    with a the gradient of the sum and g that of the normalized columns. `gradient` is
    overwritten.
    """
    along = (gradient * normalized).mean(0, keepdim=True)
    return torch.addcmul(above, gradient.addcmul_(normalized, along, value=-1), r)


def scale_gradient(scaled: Tensor, weight: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    r"""Gradients of W and g from that of W diag(g), into which the norm's gain is folded.

    Multiplying the columns of a weight by the gain costs less than multiplying every token.
    """
    return scaled * gain, (scaled * weight).sum(0)


class NormalizedTokens(torch.autograd.Function):
    """Columns (d, tokens) to normalized rows times the gain (tokens, d): what the head reads."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
        normalized, r = normalize(x, epsilon)
        ctx.save_for_backward(normalized, r, gain)
        return torch.mul(normalized.T, gain).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast("cpu", enabled=False):  # dtypes are chosen here
            return _backward(ctx, above)


def _backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
    normalized, r, gain = ctx.saved_tensors
    columns = above.T.contiguous()
    gain_gradient = (columns * normalized).sum(1)
    columns.mul_(gain[:, None])
    along = (columns * normalized).mean(0, keepdim=True)
    return columns.addcmul_(normalized, along, value=-1).mul_(r), gain_gradient, None
