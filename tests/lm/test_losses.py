"""Losses: identities, gradients against finite differences, a brute-force loop."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import InputError  # noqa: E402
from capgap.lm.losses import (  # noqa: E402
    distillation_cross_entropy,
    next_token,
    token_loss,
    z_loss,
)

seeds = st.integers(0, 10**6)
taus = st.floats(0.3, 5.0)


def case(seed: int, tokens: int = 5, vocabulary: int = 7) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    student, teacher = torch.randn(2, tokens, vocabulary, generator=g, dtype=torch.float64) * 2
    return student, teacher, torch.randint(vocabulary, (tokens,), generator=g)


def entropy(logits: torch.Tensor) -> float:
    p = logits.softmax(-1)
    return float(-(p * p.log()).sum(-1).mean())


@given(seeds, taus)
@settings(max_examples=50)
def test_distillation_loss_is_its_definition(seed: int, tau: float) -> None:
    """A plain Python loop over -tau^2 sum_a p_a log q_a, in double precision."""
    student, teacher, _ = case(seed)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        zs, zt = (sum(math.exp(v / tau) for v in row) for row in (s, t))
        for a, b in zip(s, t, strict=True):
            total -= tau**2 * (math.exp(b / tau) / zt) * (a / tau - math.log(zs)) / len(student)
    loss = float(distillation_cross_entropy(student, teacher, tau))
    assert loss == pytest.approx(total, rel=1e-12)


@given(seeds)
@settings(max_examples=50)
def test_distilling_a_model_from_itself_has_no_divergence(seed: int) -> None:
    student, teacher, _ = case(seed)
    own = float(distillation_cross_entropy(student, student, 1.0))
    assert own - entropy(student) == pytest.approx(0.0, abs=1e-12)
    other = float(distillation_cross_entropy(student, teacher, 1.0))
    assert other - entropy(teacher) > 1e-6  # Gibbs: KL of different distributions


@given(seeds, taus)
@settings(max_examples=50)
def test_distilling_a_model_from_itself_has_no_gradient(seed: int, tau: float) -> None:
    student = case(seed)[0].requires_grad_()
    distillation_cross_entropy(student, student.detach(), tau).backward()
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-14


@given(seeds)
@settings(max_examples=30)
def test_weight_zero_is_next_token_prediction(seed: int) -> None:
    student, teacher, targets = case(seed)
    loss = token_loss(student, targets, teacher, distillation_weight=0.0)
    assert float(loss.total) == float(next_token(student, targets))
    assert loss.distillation is None


@given(seeds, st.floats(0.05, 1.0), taus, st.floats(0.0, 0.1))
@settings(max_examples=50)
def test_total_is_the_weighted_sum(seed: int, weight: float, tau: float, z: float) -> None:
    student, teacher, targets = case(seed)
    loss = token_loss(
        student, targets, teacher, distillation_weight=weight, temperature=tau, z_weight=z
    )
    kd = distillation_cross_entropy(student, teacher, tau)
    expected = (1 - weight) * next_token(student, targets) + weight * kd + z * z_loss(student)
    assert float(loss.total) == pytest.approx(float(expected), rel=1e-12)


def test_one_hot_teacher_is_next_token_prediction() -> None:
    student, _, targets = case(3)
    teacher = torch.full_like(student, -1e9)
    teacher[torch.arange(len(targets)), targets] = 0.0
    kd = float(distillation_cross_entropy(student, teacher, 1.0))
    assert kd == pytest.approx(float(next_token(student, targets)), rel=1e-12)


@pytest.mark.parametrize("tau", [0.7, 1.0, 3.0])
def test_gradient_agrees_with_finite_differences(tau: float) -> None:
    student, teacher, targets = case(11)

    def loss(z: torch.Tensor) -> torch.Tensor:
        return token_loss(
            z, targets, teacher, distillation_weight=0.6, temperature=tau, z_weight=0.01
        ).total

    # Central differences at 1e-6 in float64: error about 1e-10, gradcheck's tolerance 1e-7.
    assert torch.autograd.gradcheck(loss, student.requires_grad_(), eps=1e-6, atol=1e-7)


def test_logits_of_half_precision_are_summed_in_float32() -> None:
    student, teacher, targets = case(5, 64, 256)
    exact = token_loss(student, targets, teacher, distillation_weight=1.0)
    rounded = token_loss(student.bfloat16(), targets, teacher.bfloat16(), distillation_weight=1.0)
    assert rounded.total.dtype == torch.float32
    # bfloat16 keeps 8 bits of the logits: relative error 2^-8 of values of size 2, averaged.
    assert float(rounded.total) == pytest.approx(float(exact.total), abs=0.02)


def test_different_vocabularies_are_refused() -> None:
    student, teacher, targets = case(1)
    with pytest.raises(InputError, match="same shape and vocabulary"):
        token_loss(student, targets, teacher[:, :5], distillation_weight=1.0)
    with pytest.raises(InputError, match="needs teacher logits"):
        token_loss(student, targets, distillation_weight=0.5)
