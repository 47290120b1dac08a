"""One dial, depth; the rest of a model is derived from it. Free of torch."""

from dataclasses import dataclass

from capgap.compute import ffn_width, flops_per_token, non_embedding_parameters
from capgap.errors import InputError
from capgap.lm.checks import require_integer

__all__ = ["ModelShape"]

# The largest model that this code will even describe: a guard against a slip of the
# keyboard (depth 4000), far above anything one device trains.
MAX_PARAMETERS = 100e9


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """A decoder-only transformer, derived from its depth in four steps.

    1. width: d_model = aspect_ratio * depth (arXiv 2502.08606, appendix H: 128 in the
       paper; 16 suits models of 10^4 to 10^6 parameters);
    2. head width: d_head = aspect_ratio, so that n_heads = depth (multi-head attention,
       appendix I). It does not change with size, so muP needs no correction of the
       attention scale;
    3. feed-forward width: d_ff = 8/3 d_model rounded up to a multiple of d_head
       (`capgap.compute.ffn_width`; reproduces Table 13);
    4. N and FLOPs: `capgap.compute`.

    Parameters
    ----------
    depth : int
        Number of layers, at least 1.
    aspect_ratio : int
        d_model / depth; even, because rotary embeddings turn pairs of coordinates.
    vocab_size : int
        Size of the vocabulary; 256 for bytes.
    sequence_length : int
        Context in tokens.

    Examples
    --------
    >>> shape = ModelShape(depth=4)
    >>> shape.d_model, shape.n_heads, shape.d_ff, shape.N
    (64, 4, 176, 201408)
    """

    depth: int
    aspect_ratio: int = 16
    vocab_size: int = 256
    sequence_length: int = 256

    def __post_init__(self) -> None:
        for name in ("depth", "aspect_ratio", "vocab_size", "sequence_length"):
            require_integer("model", name, getattr(self, name), 1)
        if self.aspect_ratio % 2:
            raise InputError(
                f"model: aspect_ratio = {self.aspect_ratio} must be even (rotary embedding)"
            )
        if self.N > MAX_PARAMETERS:
            raise InputError(
                f"model: depth {self.depth} at aspect ratio {self.aspect_ratio} has {self.N:.3g}"
                f" parameters, more than the {MAX_PARAMETERS:.0e} this program accepts"
            )

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.aspect_ratio * self.depth

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.aspect_ratio

    @property
    def n_heads(self) -> int:
        """Number of attention heads."""
        return self.depth

    @property
    def d_ff(self) -> int:
        """Hidden width of the gated feed-forward layer."""
        return ffn_width(self.d_model, self.d_head)

    @property
    def N(self) -> int:
        """Non-embedding parameters."""
        return non_embedding_parameters(self.depth, self.d_model, self.d_head, self.d_ff)

    @property
    def forward_flops(self) -> float:
        """Forward FLOPs per token."""
        return flops_per_token(
            self.N, self.depth, self.d_model, self.sequence_length, self.vocab_size
        )
