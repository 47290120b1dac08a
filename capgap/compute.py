"""Parameters and floating-point operations of the paper's transformer.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix H. Units: FLOPs per token
(one multiply-add counts as two), tokens, non-embedding parameters.
"""

from capgap.errors import InputError

__all__ = ["ffn_width", "flops_per_token", "non_embedding_parameters", "run_flops"]


def ffn_width(d_model: int, multiple_of: int) -> int:
    """Hidden width of the gated feed-forward layer: 8/3 d_model, rounded up.

    Rounding up to a multiple of the head width (128 in the paper) is what makes the
    parameter counts of the paper's Table 13 come out; the paper does not state it.

    >>> ffn_width(1024, 128)
    2816
    """
    if d_model < 1 or multiple_of < 1:
        raise InputError(
            f"ffn_width: d_model = {d_model} and multiple_of = {multiple_of} must be positive"
        )
    exact_numerator = 8 * d_model
    blocks = -(-exact_numerator // (3 * multiple_of))
    return blocks * multiple_of


def non_embedding_parameters(n_layers: int, d_model: int, d_head: int, d_ff: int) -> int:
    r"""Parameters outside the embedding and the output head.

    .. math:: N = n_{layers} (4 d^2 + 3 d\, d_{ff} + 2 d + 2 d_{head}) + d

    Attention has four d x d matrices, the gated feed-forward layer three d x d_ff ones;
    the gains of the RMSNorms are two of width d and two of width d_head per layer
    (before attention, before the feed-forward layer, on queries, on keys) and one of
    width d before the head. The paper's N = 12 n_layers d^2 is the leading term.

    Table 13, 24 layers of width 128 x 24 (2.72B):

    >>> non_embedding_parameters(24, 3072, 128, 8192)
    2718065664
    """
    per_layer = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model + 2 * d_head
    return n_layers * per_layer + d_model


def flops_per_token(N: float, n_layers: int, d_model: int, n_ctx: int, n_vocab: int) -> float:
    r"""Forward FLOPs per token.

    .. math:: C_{fwd} = 2 N + 2 n_{layers} n_{ctx} d_{model} + 2 n_{vocab} d_{model}

    Source: arXiv 2502.08606, appendix H. The backward pass costs twice as much.

    Table 13, 10 layers (198M): 0.5853 GFLOPs.

    >>> round(flops_per_token(198_180_864, 10, 1280, 4096, 32768) / 1e9, 3)
    0.585
    """
    return 2.0 * N + 2.0 * n_layers * n_ctx * d_model + 2.0 * n_vocab * d_model


def run_flops(forward: float, tokens: float, teacher_forward: float = 0.0) -> float:
    """FLOPs of a run: 3 F(N) D for training (forward and backward), plus F(N_T) D for the
    teacher's forward pass over the same tokens when there is a teacher.

    Source: arXiv 2502.08606, section 5 (d_Lgt = 1, d_Pre = 0).

    >>> run_flops(100.0, 10, 50.0)
    3500.0
    """
    return (3.0 * forward + teacher_forward) * tokens
