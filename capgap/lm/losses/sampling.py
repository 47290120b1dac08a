"""Unbiased sparse targets: draws from a teacher, weighted by importance."""

import torch
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.checks import require_integer, require_number
from capgap.lm.losses.targets import SampledTarget

__all__ = ["draw_sampled"]


def draw_sampled(
    logits: Tensor, samples: int, generator: torch.Generator, temperature: float = 1.0
) -> SampledTarget:
    r"""Independent draws from a proposal, with weights that undo the proposal.

    .. math:: i_j \sim r = \mathrm{softmax}(z / T), \qquad w_j = \frac{p_{i_j}}{n\, r_{i_j}},
              \qquad p = \mathrm{softmax}(z)

    Each position draws n tokens with replacement. :math:`E \sum_j w_j 1\{i_j = a\} = p_a`
    for any T. At T = 1 all weights are 1/n. The weights are not divided by their sum: that
    would bias them.

    Source: Anshumann et al. 2025, arXiv 2503.16870 (random sampling knowledge
    distillation). They write the proposal as p^t; here t = 1/T.

    Parameters
    ----------
    logits : Tensor, shape (tokens, vocab_size)
        Teacher's logits. -inf is allowed.
    samples : int
        n, at least 1.
    generator : torch.Generator
        On the device of `logits`.
    temperature : float
        T > 0. Above 1 draws more of the tail; below 1 the weights of rare tokens are huge.

    Raises
    ------
    InputError
        An argument breaks its rule.
    """
    require_integer("draw_sampled", "samples", samples, 1)
    require_number("draw_sampled", "temperature", temperature, 0.0, float("inf"))
    if temperature == 0:
        raise InputError("draw_sampled: temperature = 0 must be positive")
    if logits.ndim != 2 or 0 in logits.shape:
        raise InputError(
            f"draw_sampled: logits of shape {tuple(logits.shape)} must be (tokens, vocab_size)"
        )
    exact = logits.detach().double()
    proposal = (exact / temperature).softmax(-1)
    indices = proposal.multinomial(samples, replacement=True, generator=generator)
    log_ratio = exact.log_softmax(-1) - (exact / temperature).log_softmax(-1)
    weights = log_ratio.gather(-1, indices).exp() / samples
    return SampledTarget(indices, weights if logits.dtype == torch.float64 else weights.float())
