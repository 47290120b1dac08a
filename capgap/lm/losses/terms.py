"""The paper's terms, each on its own, differentiable as often as wanted.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix I. All are means over tokens,
in nats per token; logits have shape (tokens, vocab_size).
"""

import torch.nn.functional as F
from torch import Tensor

from capgap.errors import InputError

__all__ = ["distillation_cross_entropy", "next_token", "z_loss"]


def next_token(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Cross-entropy against the data, :math:`-\log \mathrm{softmax}(z)_{y}`."""
    return F.cross_entropy(logits, targets)


def distillation_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""Cross-entropy against the teacher.

    .. math:: KD = -\tau^2 \sum_a \mathrm{softmax}(z_T/\tau)_a \log \mathrm{softmax}(z_S/\tau)_a

    tau^2 keeps the gradient's size as tau grows. It is tau^2 times (KL + the teacher's
    entropy), so its gradient is that of KL and its minimum is not 0.

    Raises
    ------
    InputError
        Shapes that differ.
    """
    if student.shape != teacher.shape:
        raise InputError(
            f"distillation loss: student logits {tuple(student.shape)} and teacher logits"
            f" {tuple(teacher.shape)} must have the same shape and vocabulary"
        )
    target = F.softmax(teacher / temperature, dim=-1)
    # cross_entropy with probabilities as targets is -sum_a p_a log softmax(z)_a, averaged.
    return temperature**2 * F.cross_entropy(student / temperature, target)


def z_loss(logits: Tensor) -> Tensor:
    r"""Squared log-partition, :math:`(\log \sum_a e^{z_a})^2`; keeps logits from drifting."""
    return logits.logsumexp(-1).square().mean()
