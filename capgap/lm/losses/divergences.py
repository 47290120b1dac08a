r"""Divergences of two distributions over events, with their gradients in closed form.

Events are the tokens of a vocabulary, or a few kept tokens and one bucket for all others.
Each function takes log-probabilities of teacher p and student q, shape (rows, events), and
returns the value of each row, in nats, and its gradient with respect to u, where
:math:`q = \mathrm{softmax}(u)`. With :math:`g_a = \partial D / \partial q_a`,

.. math:: \partial D / \partial u_a = q_a \left(g_a - \sum_b q_b g_b\right)

An event that p and q both give probability 0 adds nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "Divergence",
    "forward_kl",
    "generalized_jsd",
    "one_hot",
    "reverse_kl",
    "total_variation",
]

Divergence = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def forward_kl(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    r"""Cross-entropy :math:`-\sum_a p_a \log q_a`: KL(p || q) plus the entropy of p.

    Its gradient is that of KL(p || q), :math:`q - p`. Infinite where q is 0 and p is not.
    """
    p = log_p.exp()
    value = -_weighted(p, log_q).sum(-1)
    return value, log_q.exp() - p


def reverse_kl(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    r"""KL(q || p) :math:`= \sum_a q_a (\log q_a - \log p_a)`, nothing added.

    Gradient :math:`q_a (\log q_a - \log p_a - KL)`. Infinite where p is 0 and q is not.
    """
    q = log_q.exp()
    return _from_slope(q, log_q - log_p)


def generalized_jsd(log_p: Tensor, log_q: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    r"""Generalized Jensen-Shannon divergence; `beta` is the teacher's weight.

    .. math:: D_\beta = \beta\, KL(p \| m) + (1 - \beta)\, KL(q \| m), \quad
              m = \beta p + (1 - \beta) q

    Convention of Agarwal et al. 2024, arXiv 2306.13649, eq. 1 (GKD; the same as in TRL).
    beta = 1/2 is the Jensen-Shannon divergence, at most log 2; D is at most the entropy of
    (beta, 1 - beta). :math:`D_\beta / \beta \to KL(p \| q)` as beta goes to 0 and
    :math:`D_\beta / (1 - \beta) \to KL(q \| p)` as beta goes to 1; D itself goes to 0 at
    both ends. Gradient from :math:`g_a = (1 - \beta) \log(q_a / m_a)`.
    """
    p, q = log_p.exp(), log_q.exp()
    # -inf only where p and q are both 0, which adds nothing; faster than logaddexp.
    log_m = (beta * p + (1 - beta) * q).log_()
    of_teacher = _weighted(p, log_p - log_m).sum(-1)
    of_student, gradient = _from_slope(q, log_q - log_m)
    return beta * of_teacher + (1 - beta) * of_student, (1 - beta) * gradient


def total_variation(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    r"""Total variation :math:`\frac{1}{2} \sum_a |p_a - q_a|`, in [0, 1].

    Gradient from :math:`g_a = \frac{1}{2} \mathrm{sign}(q_a - p_a)`, with sign(0) = 0: the
    derivative where no two probabilities are equal, a subgradient elsewhere.
    """
    q = log_q.exp()
    difference = q - log_p.exp()
    _, gradient = _from_slope(q, 0.5 * difference.sign())
    return 0.5 * difference.abs().sum(-1), gradient


def one_hot(log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    r"""Cross-entropy against the teacher's first choice, :math:`-\log q_{\arg\max p}`.

    Among equals the first event is the choice. Gradient :math:`q - 1\{a = \arg\max p\}`.
    """
    choice = log_p.argmax(-1, keepdim=True)
    gradient = log_q.exp()
    gradient.scatter_add_(-1, choice, torch.full_like(gradient[:, :1], -1.0))
    return -log_q.gather(-1, choice)[:, 0], gradient


def _weighted(p: Tensor, x: Tensor) -> Tensor:
    """p x, with 0 where p is 0, whatever x is."""
    return torch.where(p > 0, p * x, 0.0)


def _from_slope(q: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Mean slope under q, and q (slope - mean)."""
    parts = _weighted(q, slope)
    mean = parts.sum(-1)
    return mean, torch.addcmul(parts, q, mean[:, None], value=-1)
