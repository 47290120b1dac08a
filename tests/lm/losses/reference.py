"""The losses written out in probabilities, in float64, for automatic differentiation.

Independent of `capgap.lm.losses`: explicit softmax, plain sums, no log-space tricks.
"""

import torch
from torch import Tensor

from capgap.lm.objective import Objective

FACTOR_IS_TAU = "total-variation"


def softmax(z: Tensor) -> Tensor:
    e = (z - z.detach().amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def divergence(name: str, p: Tensor, q: Tensor, beta: float = 0.5) -> Tensor:
    """One value per row; forward-kl is the cross-entropy."""
    if name == "forward-kl":
        return -(p * q.log()).sum(-1)
    if name == "reverse-kl":
        return (q * (q / p).log()).sum(-1)
    if name == "total-variation":
        return 0.5 * (p - q).abs().sum(-1)
    if name == "top-1":
        return -q[torch.arange(len(q)), p.argmax(-1)].log()
    m = beta * p + (1 - beta) * q
    of_p = torch.where(p > 0, p * (p.clamp(min=1e-300) / m).log(), 0.0).sum(-1)
    return beta * of_p + (1 - beta) * (q * (q / m).log()).sum(-1)


def distillation(student: Tensor, teacher: Tensor, objective: Objective) -> Tensor:
    """One value per row, with tau's factor, against dense teacher logits."""
    tau, name = objective.temperature, objective.divergence
    factor = tau if name == FACTOR_IS_TAU else tau**2
    p, q = softmax(teacher / tau), softmax(student / tau)
    return factor * divergence(name, p, q, objective.jsd_beta)


def total(student: Tensor, targets: Tensor, kd: Tensor | float, objective: Objective) -> Tensor:
    """(1 - lambda) NTP + lambda KD + lambda_Z Z of each row."""
    ntp = -softmax(student)[torch.arange(len(targets)), targets].log()
    z = student.exp().sum(-1).log() ** 2
    weight = objective.distillation_weight
    return (1 - weight) * ntp + weight * kd + objective.z_weight * z


def gradient(value: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, inputs)


def case(seed: int, tokens: int = 5, vocabulary: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Student logits, teacher logits, next tokens."""
    g = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, tokens, vocabulary, generator=g, dtype=torch.float64) * 2
    return student, teacher, torch.randint(vocabulary, (tokens,), generator=g)
