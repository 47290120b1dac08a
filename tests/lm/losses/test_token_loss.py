"""The loss of a batch from dense logits: identities, gradients, masks, splits, refusals."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.losses import reference  # noqa: E402

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.losses import (  # noqa: E402
    HiddenTarget,
    distillation_cross_entropy,
    next_token,
    token_loss,
    z_loss,
)
from capgap.lm.objective import DIVERGENCES, Objective  # noqa: E402

seeds = st.integers(0, 10**6)
taus = st.floats(0.3, 5.0)
weights = st.floats(0.0, 1.0)
few = settings(max_examples=20)
KD = Objective(distillation_weight=1.0)


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    divergence = draw(st.sampled_from(DIVERGENCES))
    return Objective(
        distillation_weight=draw(st.sampled_from([0.0, 0.3, 1.0]) | weights),
        temperature=1.0 if divergence == "top-1" else draw(st.just(1.0) | taus),
        z_weight=draw(st.sampled_from([0.0, 1e-4, 0.1])),
        divergence=divergence,
        jsd_beta=draw(st.floats(0.05, 0.95)),
    )


@given(seeds, taus)
@few
def test_distillation_loss_is_its_definition(seed: int, tau: float) -> None:
    """A plain Python loop over -tau^2 sum_a p_a log q_a, in double precision."""
    student, teacher, targets = reference.case(seed)
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        zs, zt = (sum(math.exp(v / tau) for v in row) for row in (s, t))
        for a, b in zip(s, t, strict=True):
            total -= tau**2 * (math.exp(b / tau) / zt) * (a / tau - math.log(zs)) / len(student)
    alone = float(distillation_cross_entropy(student, teacher, tau))
    objective = Objective(distillation_weight=1.0, temperature=tau)
    term = token_loss(student, targets, teacher, objective).distillation
    assert alone == pytest.approx(total, rel=1e-12)
    assert float(term) == pytest.approx(total, rel=1e-12)


@given(seeds, objectives())
@settings(max_examples=100)
def test_value_and_gradient_are_those_of_the_written_out_formula(
    seed: int, objective: Objective
) -> None:
    """Automatic differentiation of `reference.total` in float64."""
    student, teacher, targets = reference.case(seed)
    student.requires_grad_()
    kd = reference.distillation(student, teacher, objective)
    written = reference.total(student, targets, kd, objective).mean()
    (expected,) = reference.gradient(written, student)
    loss = token_loss(student, targets, teacher, objective)
    (gradient,) = reference.gradient(loss.total, student)
    torch.testing.assert_close(loss.total, written, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-13)
    if objective.distillation_weight:
        assert float(loss.distillation) == pytest.approx(
            float(kd.detach().mean()), rel=1e-12, abs=1e-14
        )
    else:
        assert loss.distillation is None


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("tau", [0.7, 1.0, 3.0])
def test_gradient_agrees_with_finite_differences(divergence: str, tau: float) -> None:
    student, teacher, targets = reference.case(11)
    objective = Objective(
        distillation_weight=0.6,
        temperature=1.0 if divergence == "top-1" else tau,
        z_weight=0.01,
        divergence=divergence,
    )
    mask = torch.tensor([True, True, False, True, True])
    # Central differences at 1e-6 in float64: error about 1e-10, gradcheck's tolerance 1e-7.
    assert torch.autograd.gradcheck(
        lambda z: token_loss(z, targets, teacher, objective, mask=mask).total,
        student.requires_grad_(),
        eps=1e-6,
        atol=1e-7,
    )


@given(seeds)
@few
def test_weight_zero_is_next_token_prediction_and_one_hot_teacher_too(seed: int) -> None:
    student, _, targets = reference.case(seed)
    loss = token_loss(student, targets)
    assert float(loss.total) == pytest.approx(float(next_token(student, targets)), rel=1e-14)
    hot = torch.full_like(student, -torch.inf)
    hot[torch.arange(len(targets)), targets] = 0.0
    for divergence in ("forward-kl", "top-1"):
        objective = Objective(distillation_weight=1.0, divergence=divergence)
        kd = float(token_loss(student, targets, hot, objective).total)
        assert kd == pytest.approx(float(loss.total), rel=1e-12)


@given(seeds, st.floats(0.05, 1.0), taus, st.floats(0.0, 0.1))
@few
def test_total_is_the_weighted_sum(seed: int, weight: float, tau: float, z: float) -> None:
    student, teacher, targets = reference.case(seed)
    objective = Objective(distillation_weight=weight, temperature=tau, z_weight=z)
    loss = token_loss(student, targets, teacher, objective)
    kd = distillation_cross_entropy(student, teacher, tau)
    expected = (1 - weight) * next_token(student, targets) + weight * kd + z * z_loss(student)
    assert float(loss.total) == pytest.approx(float(expected), rel=1e-12)


@given(seeds, objectives())
@few
def test_adding_a_constant_to_the_logits_moves_only_the_z_loss(
    seed: int, objective: Objective
) -> None:
    student, teacher, targets = reference.case(seed)
    shifted = student + torch.linspace(-30, 30, len(student), dtype=torch.float64)[:, None]
    before = token_loss(student, targets, teacher, objective)
    after = token_loss(shifted, targets, teacher - 17.0, objective)
    moved = objective.z_weight * float(z_loss(shifted) - z_loss(student))
    assert float(after.total - before.total) == pytest.approx(moved, abs=1e-10)


@given(seeds, objectives())
@settings(max_examples=40)
def test_loss_does_not_depend_on_how_a_batch_is_split(seed: int, objective: Objective) -> None:
    """Uneven parts, some without any position that counts, with the whole batch's count."""
    student, teacher, targets = reference.case(seed, tokens=23)
    g = torch.Generator().manual_seed(seed + 1)
    mask = torch.rand(23, generator=g) < 0.6
    mask[:4] = False
    mask[4] = True
    count = int(mask.sum())
    whole = token_loss(student.requires_grad_(), targets, teacher, objective, mask=mask)
    (gradient,) = reference.gradient(whole.total, student)
    cuts = torch.randint(5, 23, (3,), generator=g).tolist()
    edges = [0, 4, *sorted(cuts), 23]
    parts = [
        token_loss(student[a:b], targets[a:b], teacher[a:b], objective, mask=mask[a:b], count=count)
        for a, b in pairwise(edges)
    ]
    added = torch.stack([part.total for part in parts]).sum()
    (by_parts,) = reference.gradient(added, student)
    torch.testing.assert_close(added, whole.total, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(by_parts, gradient, rtol=1e-12, atol=1e-15)
    data = float(sum(part.next_token for part in parts))
    assert data == pytest.approx(float(whole.next_token), rel=1e-12)


def test_means_of_unequal_parts_are_not_the_mean_of_the_whole() -> None:
    """Negative control of the test above: the mistake of parts that count for themselves."""
    student, _, targets = reference.case(5)
    parts = [token_loss(student[a:b], targets[a:b]).total for a, b in ((0, 1), (1, 5))]
    whole = token_loss(student, targets).total
    assert abs(float(sum(parts) / 2 - whole)) > 0.05


@given(seeds, objectives())
@few
def test_masked_positions_are_not_read_in_any_term(seed: int, objective: Objective) -> None:
    student, teacher, targets = reference.case(seed)
    mask = torch.tensor([True, False, True, True, False])
    expected = token_loss(student[mask], targets[mask], teacher[mask], objective)
    student[~mask] = torch.nan
    teacher[~mask] = torch.nan
    targets[~mask] = -100
    loss = token_loss(student.requires_grad_(), targets, teacher, objective, mask=mask)
    (gradient,) = reference.gradient(loss.total, student)
    assert float(loss.total.detach()) == float(expected.total)
    assert float(loss.next_token) == float(expected.next_token)
    assert not gradient[~mask].any()
    assert gradient[mask].any()


@given(seeds, weights, st.floats(0.0, 1.0))
@few
def test_several_teachers_are_the_weighted_sum_and_forward_kl_is_the_mixture(
    seed: int, share: float, weight: float
) -> None:
    student, first, targets = reference.case(seed)
    second = reference.case(seed + 1)[1]
    pairs = ((first, share), (second, 1 - share))
    objective = Objective(distillation_weight=weight, z_weight=0.01)
    loss = token_loss(student.requires_grad_(), targets, pairs, objective)
    mixture = (share * first.softmax(-1) + (1 - share) * second.softmax(-1)).log()
    against_mixture = token_loss(student, targets, mixture, objective)
    torch.testing.assert_close(loss.total, against_mixture.total, rtol=1e-12, atol=0)
    ours, theirs = (reference.gradient(x.total, student)[0] for x in (loss, against_mixture))
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-14)


def test_other_divergences_of_several_teachers_are_sums_and_not_the_mixture() -> None:
    student, first, targets = reference.case(8)
    second = reference.case(9)[1]
    mixture = (0.3 * first.softmax(-1) + 0.7 * second.softmax(-1)).log()
    for divergence in ("reverse-kl", "jsd", "total-variation"):
        objective = Objective(distillation_weight=1.0, divergence=divergence)
        total, one, two, mixed = (
            float(token_loss(student, targets, t, objective).total)
            for t in (((first, 0.3), (second, 0.7)), first, second, mixture)
        )
        assert total == pytest.approx(0.3 * one + 0.7 * two, rel=1e-12)
        assert total > mixed + 1e-3  # they are convex in the teacher


def test_hidden_states_and_head_are_their_logits() -> None:
    student, _, targets = reference.case(2)
    states, head = torch.randn(2, 7, 3, dtype=torch.float64, generator=torch.Generator())
    target = HiddenTarget(states[:5], head)
    by_logits = token_loss(student, targets, states[:5] @ head.T, KD)
    assert float(token_loss(student, targets, target, KD).total) == float(by_logits.total)


def test_gradient_is_scaled_by_what_comes_in_and_never_differentiated_twice() -> None:
    student, teacher, targets = reference.case(3)
    student.requires_grad_()
    one = reference.gradient(token_loss(student, targets, teacher, KD).total, student)[0]
    three = reference.gradient(3 * token_loss(student, targets, teacher, KD).total, student)[0]
    torch.testing.assert_close(three, 3 * one, rtol=1e-15, atol=0)
    loss = token_loss(student, targets, teacher, KD)
    with pytest.raises(CapgapError, match="token_loss: the gradient has no derivative"):
        torch.autograd.grad(loss.total, student, create_graph=True)
    assert not loss.next_token.requires_grad
    assert not loss.distillation.requires_grad
    assert not token_loss(student.detach(), targets, teacher, KD).total.requires_grad


def test_inputs_stay_as_they_were_and_results_repeat() -> None:
    student, teacher, targets = reference.case(4)
    copies = student.clone(), teacher.clone()
    objective = Objective(distillation_weight=0.4, z_weight=0.1, temperature=2.0)
    values = {float(token_loss(student, targets, teacher, objective).total) for _ in range(3)}
    assert len(values) == 1
    assert torch.equal(student, copies[0])
    assert torch.equal(teacher, copies[1])


def test_logits_of_half_precision_are_summed_in_float32() -> None:
    student, teacher, targets = reference.case(5, 64, 256)
    exact = token_loss(student, targets, teacher, KD)
    low = student.bfloat16().requires_grad_()
    rounded = token_loss(low, targets, teacher.bfloat16(), KD)
    rounded.total.backward()
    assert rounded.total.dtype == torch.float32
    assert low.grad.dtype == torch.bfloat16
    # bfloat16 keeps 8 bits of the logits: relative error 2^-8 of values of size 2, averaged.
    assert float(rounded.total.detach()) == pytest.approx(float(exact.total), abs=0.02)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_extreme_logits_give_finite_gradients_and_teachers_may_exclude_tokens(
    divergence: str,
) -> None:
    g = torch.Generator().manual_seed(6)
    student, teacher = 1e4 * (2 * torch.rand(2, 8, 9, generator=g) - 1)
    objective = Objective(distillation_weight=0.5, z_weight=1e-4, divergence=divergence)
    targets = torch.randint(9, (8,), generator=g)
    loss = token_loss(student.requires_grad_(), targets, teacher, objective)
    (gradient,) = reference.gradient(loss.total, student)
    assert bool(torch.isfinite(loss.total))
    assert bool(torch.isfinite(gradient).all())
    teacher[:, 3] = -torch.inf
    limited = token_loss(student, targets, teacher, objective)
    # Reverse KL is infinite exactly where the student puts mass that the teacher excludes.
    excluded = bool((student.softmax(-1)[:, 3] > 0).any())
    assert math.isinf(float(limited.total.detach())) == (divergence == "reverse-kl" and excluded)


def test_a_nan_is_not_hidden() -> None:
    student, teacher, targets = reference.case(1)
    teacher[2, 2] = torch.nan
    assert math.isnan(float(token_loss(student, targets, teacher, KD).total))


def refused(match: str, *arguments: object, **named: object) -> None:
    with pytest.raises(InputError, match=match):
        token_loss(*arguments, **named)


def test_different_vocabularies_and_missing_teachers_are_refused() -> None:
    student, teacher, targets = reference.case(1)
    match = r"token_loss: .*\(5, 7\).*\(5, 5\) must have the same shape and vocabulary"
    refused(match, student, targets, teacher[:, :5], KD)
    hidden = HiddenTarget(torch.zeros(5, 2), torch.zeros(6, 2))
    refused(r"\(5, 6\) must have the same shape", student, targets, hidden, KD)
    refused("needs a teacher", student, targets, None, KD)
    refused("needs a teacher", student, targets, (), KD)
    refused("sum to 1", student, targets, ((teacher, 0.5), (teacher, 0.4)), KD)
    refused("sum to 1", student, targets, ((teacher, 1.5), (teacher, -0.5)), KD)
    refused(
        "no meaning for top-1",
        student,
        targets,
        teacher,
        Objective(distillation_weight=1.0, divergence="top-1", temperature=2.0),
    )


def test_bad_positions_are_refused() -> None:
    student, teacher, targets = reference.case(1)
    refused(r"targets \(4,\)", student, targets[:4])
    refused("next token 7 must be in the vocabulary of 7", student, targets.fill_(7))
    targets.fill_(0)
    refused("torch.bool", student, targets, mask=torch.ones(5))
    refused("torch.bool", student, targets, mask=torch.ones(4, dtype=torch.bool))
    refused("count = 0", student, targets, mask=torch.zeros(5, dtype=torch.bool))
    refused("count = nan", student, targets, count=math.nan)
    nothing = torch.zeros(5, dtype=torch.bool)
    loss = token_loss(student.requires_grad_(), targets, teacher, KD, mask=nothing, count=9)
    assert float(loss.total.detach()) == 0.0
    assert not reference.gradient(loss.total, student)[0].any()
