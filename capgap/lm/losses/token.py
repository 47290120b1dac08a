"""The loss of a batch of positions, from logits."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from capgap.errors import CapgapError, InputError
from capgap.lm.losses.arguments import Teacher, rows_that_count, target_at, weighted_teachers
from capgap.lm.losses.rows import Weighted, rows_loss
from capgap.lm.objective import Objective

__all__ = ["TokenLoss", "refuse_second_derivative", "token_loss"]


@dataclass(frozen=True)
class TokenLoss:
    """The loss that is minimized, and its terms (detached), in nats per token."""

    total: Tensor
    next_token: Tensor
    distillation: Tensor | None


def token_loss(
    student: Tensor,
    targets: Tensor,
    teacher: Teacher = None,
    objective: Objective = Objective(),  # noqa: B008  (frozen)
    *,
    mask: Tensor | None = None,
    count: float | None = None,
) -> TokenLoss:
    r"""(1 - lambda) NTP + lambda KD + lambda_Z Z, summed over positions, divided by `count`.

    NTP is :math:`-\log \mathrm{softmax}(z)_y`, Z is :math:`(\log \sum_a e^{z_a})^2`, both at
    temperature 1. KD is, with :math:`p, q` the softmax of the teacher's and the student's
    logits divided by tau:

    ============================  =====================================================
    forward-kl (the paper's)      :math:`\tau^2 (KL(p \| q) + H(p))`, the cross-entropy
    reverse-kl                    :math:`\tau^2 KL(q \| p)`
    jsd                           :math:`\tau^2 D_\beta` (`divergences.generalized_jsd`)
    total-variation               :math:`\tau \frac{1}{2} \sum_a |p_a - q_a|`
    top-1                         :math:`-\log q_{\arg\max p}`; tau must be 1
    ============================  =====================================================

    With several teachers KD is the weighted sum of theirs; for forward-kl at one
    temperature that is KD against the mixture of their distributions.

    With a `SparseTarget` p and q are over its kept tokens and one bucket for the rest
    (a lower bound of the divergence of the full distributions); a dropped tail has p = 0.
    A `SampledTarget` gives an unbiased estimate of forward-kl at tau = 1.

    Value and gradient are computed together, so that calling it costs both; a second
    derivative is refused. The teacher is a constant. Computed in float32
    unless `student` is float64. The student's logits must be finite; the teacher's may be
    -inf. A row with a NaN gives NaN.

    Parameters
    ----------
    student : Tensor, shape (tokens, vocab_size)
        Logits.
    targets : Tensor of int64, shape (tokens,)
        Next tokens.
    teacher : Tensor, SparseTarget, SampledTarget, HiddenTarget, tuple or None
        Dense logits of the student's shape, another form of target, or pairs of a target
        and its weight (weights sum to 1). Not read when `distillation_weight` is 0.
    objective : Objective
        lambda, tau, lambda_Z and the divergence.
    mask : Tensor of bool, shape (tokens,), or None
        Positions that count, in every term; what stands at the others is not read.
    count : float or None
        What sums are divided by; None is the number of positions that count. Parts of a
        batch that are given the whole batch's count add up to the whole batch's loss.

    Returns
    -------
    TokenLoss
        `distillation` is None when `distillation_weight` is 0.

    Raises
    ------
    InputError
        Shapes or vocabularies that differ, a weight above 0 without teacher, a form of
        target that does not determine what the objective asks, no position that counts.
    CapgapError
        In the backward pass, with ``create_graph=True``.

    Examples
    --------
    A model that gives the next token probability 3/4 loses log(4/3) nats:

    >>> logits = torch.tensor([[1.0, 3.0]]).log()
    >>> print(f"{float(token_loss(logits, torch.tensor([1])).total.exp()):.4f}")
    1.3333
    """
    if student.ndim != 2 or targets.shape != student.shape[:1]:
        raise InputError(
            f"token_loss: student logits {tuple(student.shape)} and targets"
            f" {tuple(targets.shape)} must be (tokens, vocab_size) and (tokens,)"
        )
    tokens, vocabulary = student.shape
    teachers = weighted_teachers("token_loss", teacher, (tokens, vocabulary), objective)
    rows, divisor = rows_that_count("token_loss", targets, vocabulary, mask, count)
    wanted = torch.is_grad_enabled() and student.requires_grad
    total, data_term, kd_term = _Loss.apply(  # type: ignore[no-untyped-call]
        student, targets, teachers, objective, rows, divisor, wanted
    )
    return TokenLoss(total, data_term, kd_term)


class _Loss(torch.autograd.Function):
    """Computes the gradient with the value; backward multiplies it by what comes in."""

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        targets: Tensor,
        teachers: Weighted,
        objective: Objective,
        rows: Tensor | None,
        divisor: float,
        wanted: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        logits = student if student.dtype == torch.float64 else student.float()
        if rows is not None:
            logits, targets = logits[rows], targets[rows]
            teachers = tuple((target_at(t, rows), w) for t, w in teachers)
        sums = rows_loss(logits, targets, teachers, objective, 1 / divisor)
        if wanted:
            ctx.save_for_backward(_at_rows(sums.gradient, rows, student))
        # `total` may be one of its terms; an output must be a tensor of its own.
        outputs = (sums.total.clone(), sums.next_token, sums.distillation)
        ctx.mark_non_differentiable(*[x for x in outputs[1:] if x is not None])
        return outputs

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("token_loss")
        (gradient,) = ctx.saved_tensors
        return (gradient * upstream, None, None, None, None, None, None)


def refuse_second_derivative(operation: str) -> None:
    """Raise where a graph of the gradient is asked for: it would be silently constant."""
    if torch.is_grad_enabled():
        raise CapgapError(
            f"{operation}: the gradient has no derivative; create_graph must be False"
        )


def _at_rows(gradient: Tensor, rows: Tensor | None, like: Tensor) -> Tensor:
    """The gradient in the shape and type of the logits; 0 at positions that do not count."""
    gradient = gradient.to(like.dtype)
    return gradient if rows is None else torch.zeros_like(like).index_copy_(0, rows, gradient)
