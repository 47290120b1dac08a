"""The paper's transformer, compact: pre-norm RMSNorm, QK-norm, RoPE, gated FFN, no biases.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix I. Embedding and output head
are untied. Initialization is ours (the paper gives none): matrices N(0, 1/fan_in), the
two that write into the residual stream divided by sqrt(2 n_layers), embedding N(0, 1),
gains 1, head 0, so that an untrained model predicts exactly the uniform distribution.

The modules say what is computed, and compute it on a GPU. On the CPU the same parameters
go through `capgap.lm.fused`, which gives the same results up to rounding, faster.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capgap.lm.fused.attention import AttentionLayer
from capgap.lm.fused.feed_forward import FeedForwardLayer
from capgap.lm.fused.norm import NormalizedTokens
from capgap.lm.shape import ModelShape

__all__ = ["Transformer"]

ROPE_BASE = 500_000.0
NORM_EPSILON = 1e-6

# The fused attention keeps T / 2 probabilities per head and token for the backward pass;
# the rest of a block keeps about 24 d_head numbers. Beyond this length the first outweighs
# the second, and attention that keeps none is used.
LONGEST_FUSED = 512


class Attention(nn.Module):
    """Causal multi-head attention with RMS-normalized queries and keys."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.n_heads, self.d_head = shape.n_heads, shape.d_head
        self.qkv = nn.Linear(shape.d_model, 3 * shape.d_model, bias=False)
        self.out = nn.Linear(shape.d_model, shape.d_model, bias=False)
        self.q_norm = nn.RMSNorm(shape.d_head, eps=NORM_EPSILON)
        self.k_norm = nn.RMSNorm(shape.d_head, eps=NORM_EPSILON)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (batch, time, d_model) to the same shape."""
        batch, time, width = x.shape
        q, k, v = self.qkv(x).view(batch, time, 3, self.n_heads, self.d_head).unbind(2)
        # Under autocast q and k come in half precision; they are normalized in full.
        full = self.q_norm.weight.dtype
        q = rotate(self.q_norm(q.to(full)), cos, sin).transpose(1, 2)
        k = rotate(self.k_norm(k.to(full)), cos, sin).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v.transpose(1, 2), is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, time, width))  # type: ignore[no-any-return]


class GatedFeedForward(nn.Module):
    """SwiGLU: down(silu(gate x) * up x)."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_up = nn.Linear(shape.d_model, 2 * shape.d_ff, bias=False)
        self.down = nn.Linear(shape.d_ff, shape.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, time, d_model) to the same shape."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention, then feed-forward; each reads a normalized copy of the residual stream."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.ffn = GatedFeedForward(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Map (batch, time, d_model) to the same shape."""
        x = x + self.attention(self.attention_norm(x), cos, sin)
        return x + self.ffn(self.ffn_norm(x))  # type: ignore[no-any-return]

    def fused(self, x: Tensor, cos: Tensor, sin: Tensor, kind: torch.dtype) -> Tensor:
        """The same map of (d_model, batch x time), by the layers of `capgap.lm.fused`.

        `cos` and `sin` have shape (d_head / 2, 1, time); `kind` is the dtype of products.
        """
        a, f = self.attention, self.ffn
        x = AttentionLayer.apply(  # type: ignore[no-untyped-call]
            *(x, self.attention_norm.weight, a.qkv.weight, a.out.weight),
            *(a.q_norm.weight, a.k_norm.weight, cos, sin, NORM_EPSILON, kind),
        )
        return FeedForwardLayer.apply(  # type: ignore[no-any-return, no-untyped-call]
            x, self.ffn_norm.weight, f.gate_up.weight, f.down.weight, NORM_EPSILON, kind
        )


class Transformer(nn.Module):
    """Decoder-only language model.

    Parameters
    ----------
    shape : ModelShape
        Its dimensions.
    seed : int
        Seeds the initialization, drawn on the CPU so that it is the same for every device.
    """

    def __init__(self, shape: ModelShape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.RMSNorm(shape.d_model, eps=NORM_EPSILON)
        self.head = nn.Linear(shape.d_model, shape.vocab_size, bias=False)
        cos, sin = rope_tables(shape.sequence_length, shape.d_head)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialize(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialize(self, generator: torch.Generator) -> None:
        residual_scale = 1 / math.sqrt(2 * self.shape.depth)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            elif name == "head.weight":
                parameter.zero_()
            else:
                fan_in = 1 if name == "embedding.weight" else parameter.shape[1]
                writes_residual = name.endswith(("attention.out.weight", "ffn.down.weight"))
                scale = residual_scale if writes_residual else 1.0
                parameter.normal_(0.0, scale / math.sqrt(fan_in), generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token.

        Parameters
        ----------
        tokens : Tensor
            Integers, shape (batch, time), time at most `shape.sequence_length`.

        Returns
        -------
        Tensor
            Shape (batch, time, vocab_size); position t depends on tokens up to t only.
        """
        return self.head(self.hidden(tokens))  # type: ignore[no-any-return]

    def hidden(self, tokens: Tensor) -> Tensor:
        """Normalized states that the head reads.

        Parameters
        ----------
        tokens : Tensor
            Integers, shape (batch, time).

        Returns
        -------
        Tensor
            Shape (batch, time, d_model).
        """
        time = tokens.shape[1]
        cos, sin = self.cos[:time], self.sin[:time]  # type: ignore[index]
        x = self.embedding(tokens)
        if fused_layers_apply(x):
            return self._hidden_fused(x, cos, sin)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)  # type: ignore[no-any-return]

    def _hidden_fused(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        kind = product_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            columns = x.flatten(0, 1).T.contiguous()
            cos, sin = (table.permute(2, 1, 0).contiguous() for table in (cos, sin))
            for block in self.blocks:
                columns = block.fused(columns, cos, sin, kind)  # type: ignore[operator]
            rows = NormalizedTokens.apply(  # type: ignore[no-untyped-call]
                columns, self.norm.weight, NORM_EPSILON
            )
        return rows.view_as(x)  # type: ignore[no-any-return]

    def count_non_embedding(self) -> int:
        """Parameters outside embedding and head, counted in the module itself."""
        outside = ("embedding.", "head.")
        return sum(p.numel() for n, p in self.named_parameters() if not n.startswith(outside))


def product_dtype(x: Tensor) -> torch.dtype:
    """Of matrix products: that of `x`, or autocast's for float32, as torch's layers do."""
    lowered = torch.is_autocast_enabled(x.device.type) and x.dtype == torch.float32
    return torch.get_autocast_dtype(x.device.type) if lowered else x.dtype


def fused_layers_apply(x: Tensor) -> bool:
    """Whether activations (batch, time, d_model) take the layers of `capgap.lm.fused`.

    On the CPU, up to `LONGEST_FUSED` tokens. torch.compile gets the plain layers in float32
    and the fused ones in half precision: measured, each is what it makes faster code of.
    """
    if x.device.type != "cpu" or x.shape[1] > LONGEST_FUSED:
        return False
    return not torch.compiler.is_compiling() or product_dtype(x) != x.dtype


def rope_tables(length: int, d_head: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, shape (length, 1, d_head / 2), float32.

    Angle of pair j at position t: t / 500000^(2 j / d_head) (Su et al. 2021,
    arXiv 2104.09864, with the base of arXiv 2502.08606), computed in float64.
    """
    frequency = ROPE_BASE ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)[:, None, :]
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate coordinate pairs (j, j + d_head/2) of (batch, time, heads, d_head)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1).to(x.dtype)
