"""The baseline: the same transformer and loop as one would write them first in PyTorch.

Separate projections, torch's own modules and losses, float32, one batch after the other,
torch.optim.AdamW as it comes. Same mathematics and parameter count as
`capgap.lm.model.Transformer`; `copy_weights` makes it the same function.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capgap.lm.model import NORM_EPSILON, Block, Transformer, rope_tables
from capgap.lm.shape import ModelShape

__all__ = ["PlainTransformer", "copy_weights", "plain_loss"]


class PlainAttention(nn.Module):
    """Multi-head attention with QK-norm and rotary positions."""

    def __init__(self, d_model: int, n_heads: int, d_head: int) -> None:
        super().__init__()
        self.n_heads, self.d_head = n_heads, d_head
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, d_model, bias=False)
        self.o_proj = nn.Linear(d_model, d_model, bias=False)
        self.q_norm = nn.RMSNorm(d_head, eps=NORM_EPSILON)
        self.k_norm = nn.RMSNorm(d_head, eps=NORM_EPSILON)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (batch, time, d_model) to the same shape."""
        batch, time, width = x.shape
        shape = (batch, time, self.n_heads, self.d_head)
        q = self.q_norm(self.q_proj(x).view(shape)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(shape)).transpose(1, 2)
        v = self.v_proj(x).view(shape).transpose(1, 2)
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]


class PlainBlock(nn.Module):
    """Attention and SwiGLU with pre-norms."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.attention = PlainAttention(shape.d_model, shape.n_heads, shape.d_head)
        self.ffn_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.gate_proj = nn.Linear(shape.d_model, shape.d_ff, bias=False)
        self.up_proj = nn.Linear(shape.d_model, shape.d_ff, bias=False)
        self.down_proj = nn.Linear(shape.d_ff, shape.d_model, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (batch, time, d_model) to the same shape."""
        x = x + self.attention(self.attention_norm(x), cos, sin)
        h = self.ffn_norm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))  # type: ignore[no-any-return]


class PlainTransformer(nn.Module):
    """Decoder-only language model: (batch, time) integers to (batch, time, vocab_size)."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.blocks = nn.ModuleList(PlainBlock(shape) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.head = nn.Linear(shape.d_model, shape.vocab_size, bias=False)
        tables = rope_tables(shape.sequence_length, shape.d_head)
        cos, sin = (torch.cat((t[:, 0], t[:, 0]), -1) for t in tables)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token."""
        time = tokens.shape[1]
        cos, sin = self.cos[:time], self.sin[:time]  # type: ignore[index]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.head(self.norm(x))  # type: ignore[no-any-return]


def rotate_half(x: Tensor) -> Tensor:
    """(a, b) to (-b, a), halves of the last dimension."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


def plain_loss(logits: Tensor, targets: Tensor, z_weight: float) -> Tensor:
    """Cross-entropy and z-loss of logits (batch, time, vocab_size)."""
    flat = logits.flatten(0, 1)
    z = flat.logsumexp(-1).square().mean()
    return F.cross_entropy(flat, targets.flatten()) + z_weight * z


@torch.no_grad()
def copy_weights(source: Transformer, plain: PlainTransformer) -> None:
    """Give the baseline the weights of a model, so that both are the same function."""
    state = {
        "embedding.weight": source.embedding.weight,
        "norm.weight": source.norm.weight,
        "head.weight": source.head.weight,
    }
    for i, block in enumerate(source.blocks):
        assert isinstance(block, Block)
        a, f, p = block.attention, block.ffn, f"blocks.{i}."
        q, k, v = a.qkv.weight.chunk(3)
        gate, up = f.gate_up.weight.chunk(2)
        state |= {
            f"{p}attention.q_proj.weight": q,
            f"{p}attention.k_proj.weight": k,
            f"{p}attention.v_proj.weight": v,
            f"{p}attention.o_proj.weight": a.out.weight,
            f"{p}attention.q_norm.weight": a.q_norm.weight,
            f"{p}attention.k_norm.weight": a.k_norm.weight,
            f"{p}attention_norm.weight": block.attention_norm.weight,
            f"{p}ffn_norm.weight": block.ffn_norm.weight,
            f"{p}gate_proj.weight": gate,
            f"{p}up_proj.weight": up,
            f"{p}down_proj.weight": f.down.weight,
        }
    plain.load_state_dict(state)
