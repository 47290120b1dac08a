"""Sparse targets: the partition of kept tokens and one bucket, against plain sums."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
mpmath = pytest.importorskip("mpmath", reason="needs the extra 'test'")

from lm.losses import reference  # noqa: E402

from capgap.errors import InputError  # noqa: E402
from capgap.lm.losses import (  # noqa: E402
    SampledTarget,
    SparseTarget,
    keep_top_k,
    keep_top_p,
    token_loss,
)
from capgap.lm.objective import DIVERGENCES, Objective  # noqa: E402

seeds = st.integers(0, 10**6)
few = settings(max_examples=15)
FINITE_WITHOUT_TAIL = [d for d in DIVERGENCES if d != "reverse-kl"]


def objective(divergence: str, **named: float) -> Objective:
    return Objective(distillation_weight=1.0, divergence=divergence, jsd_beta=0.3, **named)


def loss_and_gradient(
    student: torch.Tensor, targets: torch.Tensor, target: object, of: Objective
) -> tuple[torch.Tensor, torch.Tensor]:
    loss = token_loss(student, targets, target, of)
    return loss.total.detach(), reference.gradient(loss.total, student)[0]


def partition(probs: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Probabilities with those that are not kept summed into one more event; plain sums."""
    rows = torch.where(kept, probs, 0.0)
    return torch.cat([rows, torch.where(kept, 0.0, probs).sum(-1, keepdim=True)], dim=-1)


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("rule", ["top-k", "top-p"])
@given(seeds)
@few
def test_bucket_is_the_divergence_of_the_partition(divergence: str, rule: str, seed: int) -> None:
    """Events of probability 0 in both (the other tokens) are left out of the reference."""
    student, teacher, targets = reference.case(seed, 6, 9)
    student.requires_grad_()
    target = keep_top_k(teacher, 3) if rule == "top-k" else keep_top_p(teacher, 0.8)
    kept = torch.zeros(6, 9, dtype=torch.bool).scatter(-1, target.indices, True)
    p, q = (partition(reference.softmax(z), kept) for z in (teacher, student))
    choice = p[:, :-1].argmax(-1)
    rows = []
    for i in range(6):
        some = torch.cat([kept[i], torch.tensor([True])])
        pi, qi = p[i][some][None], q[i][some][None]
        if divergence == "top-1":
            rows.append(-q[i, choice[i]].log()[None])
        else:
            rows.append(reference.divergence(divergence, pi, qi, 0.3))
    written = torch.cat(rows).mean()
    (expected,) = reference.gradient(written, student)
    value, gradient = loss_and_gradient(student, targets, target, objective(divergence))
    torch.testing.assert_close(value, written.detach(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("divergence", FINITE_WITHOUT_TAIL)
@given(seeds, st.sampled_from([0.6, 1.0, 2.5]))
@few
def test_a_dropped_tail_is_a_dense_teacher_of_probability_0_there(
    divergence: str, seed: int, tau: float
) -> None:
    student, teacher, targets = reference.case(seed, 6, 9)
    student.requires_grad_()
    of = objective(divergence, temperature=1.0 if divergence == "top-1" else tau)
    target = keep_top_p(teacher, 0.7, "drop")
    kept = torch.zeros(6, 9, dtype=torch.bool).scatter(-1, target.indices, True)
    dense = teacher.masked_fill(~kept, -torch.inf)
    value, gradient = loss_and_gradient(student, targets, target, of)
    expected, slope = loss_and_gradient(student, targets, dense, of)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient, slope, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("tail", ["bucket", "drop"])
def test_all_tokens_kept_is_the_dense_loss(divergence: str, tail: str) -> None:
    if (divergence, tail) == ("reverse-kl", "drop"):
        return  # refused; see below
    student, teacher, targets = reference.case(7, 6, 9)
    student.requires_grad_()
    of = objective(divergence)
    value, gradient = loss_and_gradient(student, targets, keep_top_k(teacher, 9, tail), of)
    expected, slope = loss_and_gradient(student, targets, teacher, of)
    torch.testing.assert_close(value, expected, rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "jsd", "total-variation"])
@given(seeds)
@few
def test_joining_tokens_never_raises_a_divergence(divergence: str, seed: int) -> None:
    """Data processing: coarser partitions have smaller divergences, up to the full one."""
    student, teacher, targets = reference.case(seed, 6, 9)
    of = objective(divergence)
    values = []
    for k in range(1, 10):
        target = keep_top_k(teacher, k)
        log_p = torch.cat([target.log_probs, target.log_tail[:, None]], dim=-1)
        entropy = -torch.where(log_p > -torch.inf, log_p.exp() * log_p, 0.0).sum(-1).mean()
        value = token_loss(student, targets, target, of).total
        values.append(float(value - entropy if divergence == "forward-kl" else value))
    assert all(a <= b + 1e-12 for a, b in pairwise(values))


@pytest.mark.parametrize("divergence", ["forward-kl", "reverse-kl", "jsd", "total-variation"])
@given(seeds)
@few
def test_gradient_vanishes_at_the_teacher(divergence: str, seed: int) -> None:
    _, teacher, targets = reference.case(seed, 6, 9)
    if divergence == "total-variation":
        return  # not differentiable where two masses are equal up to rounding
    gradient = loss_and_gradient(
        teacher.clone().requires_grad_(), targets, keep_top_k(teacher, 3), objective(divergence)
    )[1]
    assert float(gradient.abs().max()) < 1e-14


@pytest.mark.parametrize("size", [21.0, 90.0])
def test_students_small_tails_have_their_digits(size: float) -> None:
    """float32 with tails of mass 1e-9 and 1e-38 against 60 digits of mpmath.

    The bucket's target is half, so that its log counts; 1 - sum would be log 0.
    """
    g = torch.Generator().manual_seed(3)
    student = torch.randn(4, 12, generator=g)
    student[:, :2] += size
    student.requires_grad_()
    half = torch.full((4,), 0.5).log()
    target = SparseTarget(
        torch.tensor([[0, 1]] * 4),
        (half[:, None] - torch.log(torch.tensor(2.0))).expand(4, 2),
        half,
    )
    loss = token_loss(student, torch.zeros(4).long(), target, objective("forward-kl"), count=1)
    (gradient,) = reference.gradient(loss.total, student)
    value, slopes = mpmath.mpf(0), []
    with mpmath.workdps(60):
        for row in student.tolist():
            terms = [mpmath.exp(mpmath.mpf(x)) for x in row]
            z, rest = mpmath.fsum(terms), mpmath.fsum(terms[2:])
            value -= (mpmath.log(terms[0] / z) + mpmath.log(terms[1] / z)) / 4
            value -= mpmath.log(rest / z) / 2
            slopes.append([float(x / z - 0.25) for x in terms[:2]])
            slopes[-1] += [float(x / z - x / rest / 2) for x in terms[2:]]
        # Logits of this size carry 6e-8 of relative rounding each.
        assert float(loss.total.detach()) == pytest.approx(float(value), rel=3e-7)
    # Gradients are differences of shares of size 1.
    torch.testing.assert_close(gradient, torch.tensor(slopes), rtol=0, atol=1e-5)
    assert float(1 - student.detach().softmax(-1)[:, :2].sum(-1).max()) < 1e-6


@given(seeds)
@few
def test_rounded_numbers_are_renormalized_and_padding_is_not_read(seed: int) -> None:
    student, teacher, targets = reference.case(seed, 6, 9)
    student.requires_grad_()
    target = keep_top_k(teacher, 3)
    off = SparseTarget(target.indices, target.log_probs + 0.01, target.log_tail + 0.01)
    hole = torch.full((6, 1), -torch.inf, dtype=torch.float64)
    padded = SparseTarget(
        torch.cat([target.indices, torch.full((6, 1), seed % 9)], dim=-1),
        torch.cat([target.log_probs, hole], dim=-1),
        target.log_tail,
    )
    for divergence in DIVERGENCES:
        of = objective(divergence)
        expected, slope = loss_and_gradient(student, targets, target, of)
        for other in (off, padded):
            value, gradient = loss_and_gradient(student, targets, other, of)
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(gradient, slope, rtol=1e-11, atol=1e-13)


@given(seeds)
@few
def test_masks_splits_and_mixed_teachers_hold_for_sparse_targets(seed: int) -> None:
    student, teacher, targets = reference.case(seed, 9, 8)
    student.requires_grad_()
    kinds = (keep_top_k(teacher, 3), keep_top_p(teacher, 0.9), teacher)
    pairs = tuple((kind, share) for kind, share in zip(kinds, (0.5, 0.2, 0.3), strict=True))
    of = Objective(distillation_weight=0.7, z_weight=0.01)
    mask = torch.tensor([True, False, True] * 3)
    whole = token_loss(student, targets, pairs, of, mask=mask)
    (slope,) = reference.gradient(whole.total, student)
    added = 0.0
    for a, b in ((0, 2), (2, 9)):
        part = tuple(
            (k[a:b] if isinstance(k, torch.Tensor) else k.at(slice(a, b)), w) for k, w in pairs
        )
        added = (
            added + token_loss(student[a:b], targets[a:b], part, of, mask=mask[a:b], count=6).total
        )
    torch.testing.assert_close(added, whole.total, rtol=1e-12, atol=0)
    torch.testing.assert_close(reference.gradient(added, student)[0], slope, rtol=1e-12, atol=1e-15)
    assert not slope[~mask].any()


def test_gradient_agrees_with_finite_differences() -> None:
    """gradcheck in float64, as for dense targets; sampled weights that do not sum to 1."""
    student, teacher, targets = reference.case(2)
    student.requires_grad_()
    sampled = SampledTarget(
        torch.tensor([[0, 3, 3]] * 5), torch.tensor([[0.2, 0.5, 0.6]] * 5, dtype=torch.float64)
    )
    of = Objective(distillation_weight=0.6, z_weight=0.01)
    for target in (keep_top_k(teacher, 3), keep_top_k(teacher, 3, "drop"), sampled):
        assert torch.autograd.gradcheck(
            lambda z, t=target: token_loss(z, targets, t, of).total, student, atol=1e-7
        )


def test_what_a_sparse_target_cannot_say_is_refused() -> None:
    student, teacher, targets = reference.case(1)
    bucket, dropped = keep_top_k(teacher, 3), keep_top_k(teacher, 3, "drop")
    for target, of, match in (
        (bucket, objective("forward-kl", temperature=2.0), "must be 1 with a tail"),
        (dropped, objective("reverse-kl"), "reverse-kl is infinite"),
        (dropped.at(slice(3)), objective("forward-kl"), r"indices \(3, 3\)"),
    ):
        with pytest.raises(InputError, match=match):
            token_loss(student, targets, target, of)
    larger = keep_top_k(torch.arange(60.0).reshape(5, 12), 2)
    with pytest.raises(InputError, match="token 11 must be in the student's vocabulary of 7"):
        token_loss(student, targets, larger, objective("forward-kl"))
