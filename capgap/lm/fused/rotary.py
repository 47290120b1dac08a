r"""Normalization of queries and keys, their gains and their rotation, in one go.

For one head of width h and position t, with angles :math:`\theta_{jt}`, j < h/2:

.. math:: \hat x = x\, (\tfrac1h \sum_i x_i^2 + \epsilon)^{-1/2}, \quad u = g \hat x, \quad
          o_j = u_j \cos\theta_{jt} - u_{j + h/2} \sin\theta_{jt}, \quad
          o_{j + h/2} = u_j \sin\theta_{jt} + u_{j + h/2} \cos\theta_{jt}

Source: QK-norm and RoPE as in Busbridge et al. 2025, arXiv 2502.08606, appendix I; Su et
al. 2021, arXiv 2104.09864. Queries also take the factor 1/sqrt(h) of attention, so that
no score has to be multiplied by it.
"""

import torch
from torch import Tensor

__all__ = ["turn", "turn_gradient"]


def turn(
    x: Tensor, gains: Tensor, cos: Tensor, sin: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized, scaled and rotated queries and keys.

    Parameters
    ----------
    x : Tensor, shape (2, heads, h, batch, time)
        Queries and keys.
    gains : Tensor, shape (2, h)
    cos, sin : Tensor, shape (h/2, 1, time)
    epsilon : float

    Returns
    -------
    (Tensor, Tensor, Tensor)
        o of shape (2, batch, heads, h, time); x_hat of the shape of x; the factor that x
        was multiplied by, (2, heads, 1, batch, time).
    """
    r = x.square().mean(2, keepdim=True).add_(epsilon).rsqrt_()
    normalized = x * r
    two, heads, width, batch, time = x.shape
    turned = x.new_empty(two, batch, heads, width, time)
    low, high = turned.permute(0, 2, 3, 1, 4).chunk(2, dim=2)
    first, second = normalized.chunk(2, dim=2)
    g_first, g_second = gains.view(2, 1, width, 1, 1).chunk(2, dim=2)
    torch.mul(first, g_first * cos, out=low).addcmul_(second, g_second * sin, value=-1)
    torch.mul(first, g_first * sin, out=high).addcmul_(second, g_second * cos)
    return turned, normalized, r


def turn_gradient(
    above: Tensor, normalized: Tensor, r: Tensor, gains: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Gradients of x and the gains.

    .. math:: \partial u = R^\top \partial o, \quad \partial g = \sum \partial u\, \hat x, \quad
              \partial x = r (g \partial u - \hat x \tfrac1h \sum_i g_i \partial u_i \hat x_i)

    `above` has shape (2, batch, heads, h, time), the gradient of x that of `normalized`.
    """
    width = normalized.shape[2]
    low, high = above.permute(0, 2, 3, 1, 4).chunk(2, dim=2)
    gradient = torch.empty_like(normalized)
    first, second = gradient.chunk(2, dim=2)
    torch.mul(low, cos, out=first).addcmul_(high, sin)
    torch.mul(high, cos, out=second).addcmul_(low, sin, value=-1)
    gain = gains.view(2, 1, width, 1, 1)
    product = gradient * normalized
    gains_gradient = product.sum((1, 3, 4))
    along = product.mul_(gain).mean(2, keepdim=True)
    gradient.mul_(gain).addcmul_(normalized, along, value=-1).mul_(r)
    return gradient, gains_gradient
