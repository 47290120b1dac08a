"""Losses of language models: next token, distillation, z-loss; dense, sparse and chunked.

`token_loss` takes logits; `chunked_token_loss` takes the states and the head that make
them, for vocabularies whose logits do not fit. What a teacher says is a tensor of logits, a
`SparseTarget` (`keep_top_k`, `keep_top_p`), a `SampledTarget` (`draw_sampled`) or a
`HiddenTarget`. The divergences and their conventions stand in `token_loss`.

Which constant each contains: forward-kl is :math:`\\tau^2 (KL + H(p))`, the cross-entropy
of the paper, whose minimum is :math:`\\tau^2 H(p)`; top-1 is a cross-entropy against one
token, minimum 0; reverse-kl, jsd and total-variation contain nothing else, minimum 0.
"""

from capgap.lm.losses.arguments import Teacher
from capgap.lm.losses.chunked import chunked_token_loss
from capgap.lm.losses.distillation import Target
from capgap.lm.losses.sampling import draw_sampled
from capgap.lm.losses.targets import HiddenTarget, SampledTarget, SparseTarget
from capgap.lm.losses.terms import distillation_cross_entropy, next_token, z_loss
from capgap.lm.losses.token import TokenLoss, token_loss
from capgap.lm.losses.truncation import keep_top_k, keep_top_p

__all__ = [
    "HiddenTarget",
    "SampledTarget",
    "SparseTarget",
    "Target",
    "Teacher",
    "TokenLoss",
    "chunked_token_loss",
    "distillation_cross_entropy",
    "draw_sampled",
    "keep_top_k",
    "keep_top_p",
    "next_token",
    "token_loss",
    "z_loss",
]
