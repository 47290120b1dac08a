"""Several teachers as one: the mixture of their distributions."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Mixture"]


class Mixture(nn.Module):
    r"""Log-probabilities :math:`\log \sum_k w_k \mathrm{softmax}(z_k)_a` of several models.

    By linearity, forward KL from several teachers at temperature 1 is that from their
    mixture, so that its cross-entropy is the L_T of a student of several teachers.

    Parameters
    ----------
    models : sequence of nn.Module
        Each maps tokens (batch, time) to logits (batch, time, vocab_size).
    weights : sequence of float
        Positive, with sum 1.
    """

    def __init__(self, models: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.models, self.weights = nn.ModuleList(models), tuple(weights)

    def forward(self, tokens: Tensor) -> Tensor:
        """Log-probabilities, shape (batch, time, vocab_size)."""
        parts = [
            model(tokens).float().log_softmax(-1) + math.log(weight)
            for model, weight in zip(self.models, self.weights, strict=True)
        ]
        return torch.stack(parts).logsumexp(0)
