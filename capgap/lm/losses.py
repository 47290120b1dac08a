"""The paper's token losses: next token, distillation with temperature, z-loss.

Source: Busbridge et al. 2025, arXiv 2502.08606, appendix I. All are means over tokens,
in nats per token; logits have shape (tokens, vocab_size) and are used in at least float32.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from capgap.errors import InputError

__all__ = ["TokenLoss", "distillation_cross_entropy", "next_token", "token_loss", "z_loss"]


def next_token(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Cross-entropy against the data, :math:`-\log \mathrm{softmax}(z)_{y}`."""
    return F.cross_entropy(logits, targets)


def distillation_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""Cross-entropy against the teacher.

    .. math:: KD = -\tau^2 \sum_a \mathrm{softmax}(z_T/\tau)_a \log \mathrm{softmax}(z_S/\tau)_a

    tau^2 keeps the gradient's size as tau grows. It is tau^2 times (KL + the teacher's
    entropy), so its gradient is that of KL and its minimum is not 0.
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


@dataclass(frozen=True)
class TokenLoss:
    """The loss that is minimized, and its terms (detached), in nats per token."""

    total: Tensor
    next_token: Tensor
    distillation: Tensor | None


def token_loss(
    student: Tensor,
    targets: Tensor,
    teacher: Tensor | None = None,
    *,
    distillation_weight: float = 0.0,
    temperature: float = 1.0,
    z_weight: float = 0.0,
) -> TokenLoss:
    r"""(1 - lambda) NTP + lambda KD + lambda_Z Z.

    Parameters
    ----------
    student, teacher : Tensor, shape (tokens, vocab_size)
        Logits; `teacher` may be None when `distillation_weight` is 0.
    targets : Tensor of integers, shape (tokens,)
        Next tokens.
    distillation_weight, temperature, z_weight : float
        lambda in [0, 1], tau > 0, lambda_Z >= 0.

    Raises
    ------
    InputError
        A weight above 0 without teacher; shapes that differ.
    """
    student = _at_least_float32(student)
    data_term = next_token(student, targets)
    total, kd_term = data_term, None
    if distillation_weight > 0:
        if teacher is None:
            raise InputError(
                f"token_loss: distillation_weight = {distillation_weight} needs teacher logits"
            )
        kd_term = distillation_cross_entropy(student, _at_least_float32(teacher), temperature)
        total = (1 - distillation_weight) * data_term + distillation_weight * kd_term
    if z_weight > 0:
        total = total + z_weight * z_loss(student)
    return TokenLoss(total, data_term.detach(), None if kd_term is None else kd_term.detach())


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
