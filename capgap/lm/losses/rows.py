r"""The whole loss of some positions and its gradient with respect to their logits, at once.

.. math:: \ell = (1 - \lambda)\, NTP + \lambda \sum_k w_k KD_k + \lambda_Z Z

.. math:: \partial \ell / \partial z = (1 - \lambda)(q - e_y)
          + \lambda\, \frac{c}{\tau} \sum_k w_k \frac{\partial D_k}{\partial u}
          + 2 \lambda_Z \log Z_0\, q, \qquad q = \mathrm{softmax}(z), \quad u = z / \tau

with c from `capgap.lm.losses.distillation.scale`. Automatic differentiation would keep and
revisit several arrays of the size of the logits for each term; here one is written.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from capgap.lm.losses.distillation import Target, distill, scale
from capgap.lm.objective import Objective

__all__ = ["RowSums", "Weighted", "rows_loss"]

Weighted = tuple[tuple[Target, float], ...]


@dataclass(frozen=True)
class RowSums:
    """Sums over positions (scalars), and the gradient of `total`."""

    total: Tensor
    next_token: Tensor
    distillation: Tensor | None
    gradient: Tensor


def rows_loss(
    logits: Tensor, targets: Tensor, teachers: Weighted, objective: Objective, unit: float
) -> RowSums:
    """Loss of all rows, each term and the gradient multiplied by `unit`.

    `logits` (rows, vocab_size) in float32 or float64; `teachers` is read when
    `distillation_weight` is above 0.
    """
    weight, z_weight = objective.distillation_weight, objective.z_weight
    log_q = logits.log_softmax(-1)
    data_sum = log_q.gather(-1, targets[:, None]).sum() * -unit
    total, kd_sum, gradient = data_sum, None, None
    if weight > 0:
        values, gradient = _distill_all(logits, log_q, teachers, objective)
        kd_sum = values.sum() * (unit * scale(objective))
        total = (1 - weight) * data_sum + weight * kd_sum
        gradient.mul_(weight * unit * scale(objective) / objective.temperature)
    q_factor: float | Tensor = (1 - weight) * unit
    if z_weight > 0:
        # The largest log q is -log sum exp(z - max z): no cancellation.
        log_partition = logits.amax(-1, keepdim=True) - log_q.amax(-1, keepdim=True)
        total = total + log_partition.square().sum() * (unit * z_weight)
        q_factor = log_partition.mul_(2 * z_weight * unit).add_(q_factor)
    if weight < 1 or z_weight > 0:
        gradient = _add_data(log_q.exp_(), targets, q_factor, (1 - weight) * unit, gradient)
    assert gradient is not None
    return RowSums(total, data_sum, kd_sum, gradient)


def _distill_all(
    logits: Tensor, log_q: Tensor, teachers: Weighted, objective: Objective
) -> tuple[Tensor, Tensor]:
    """Weighted sum over the teachers of values and gradients."""
    tau = objective.temperature
    softened = log_q if tau == 1 else (logits / tau).log_softmax(-1)
    (first, share), *others = teachers
    values, gradient = distill(softened, first, objective)
    if share != 1:
        values, gradient = values * share, gradient.mul_(share)
    for target, share in others:
        more, slope = distill(softened, target, objective)
        values.add_(more, alpha=share)
        gradient.add_(slope, alpha=share)
    return values, gradient


def _add_data(
    q: Tensor, targets: Tensor, q_factor: float | Tensor, at_target: float, gradient: Tensor | None
) -> Tensor:
    """gradient + q_factor q - at_target e_y, into `gradient` or, if None, into `q`."""
    if gradient is None:
        gradient = q.mul_(q_factor)
    elif isinstance(q_factor, Tensor):
        gradient.addcmul_(q, q_factor)
    else:
        gradient.add_(q, alpha=q_factor)
    return gradient.scatter_add_(-1, targets[:, None], _full(q, -at_target))


def _full(q: Tensor, value: float) -> Tensor:
    return torch.full((len(q), 1), value, dtype=q.dtype, device=q.device)
