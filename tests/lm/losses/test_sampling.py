"""Sampled targets: unbiased, against a truncation that is not."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import InputError  # noqa: E402
from capgap.lm.losses import SampledTarget, draw_sampled, keep_top_k, token_loss  # noqa: E402
from capgap.lm.objective import Objective  # noqa: E402

KD = Objective(distillation_weight=1.0)
REPEATS = 20_000


def one_position() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(12)
    student, teacher = torch.randn(2, 1, 10, generator=g, dtype=torch.float64) * 1.5
    return student, teacher


def generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [0.8, 1.0, 1.7])
def test_weights_average_to_the_teachers_probabilities(temperature: float) -> None:
    """z = (mean of sum_j w_j 1{i_j = a} - p_a) / standard error, for each of 10 tokens."""
    _, teacher = one_position()
    p = teacher.softmax(-1)[0]
    drawn = draw_sampled(teacher.expand(REPEATS, -1), 4, generator(), temperature)
    mass = torch.zeros(REPEATS, 10, dtype=torch.float64)
    mass.scatter_add_(-1, drawn.indices, drawn.weights)
    error = mass.std(0) / REPEATS**0.5
    # 10 tokens x 3 temperatures: |z| > 4 by chance once in 500 sets of draws.
    assert float(((mass.mean(0) - p) / error).abs().max()) < 4
    if temperature == 1:
        torch.testing.assert_close(drawn.weights, torch.full_like(drawn.weights, 0.25))
    else:
        # Negative control: weights divided by their sum are biased, and the test sees it.
        ratio = mass / mass.sum(-1, keepdim=True)
        off = (ratio.mean(0) - p) / (ratio.std(0) / REPEATS**0.5)
        assert float(off.abs().max()) > 4


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_loss_and_gradient_are_unbiased_and_those_of_top_k_are_not(temperature: float) -> None:
    """z of the loss and of each of 10 gradient entries over repeated draws."""
    student, teacher = one_position()
    targets = torch.zeros(1, dtype=torch.int64)

    def loss_and_gradient(target: object, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        z = student.expand(rows, -1).clone().requires_grad_()
        loss = token_loss(z, targets.expand(rows), target, KD, count=1)
        return loss.total.detach(), torch.autograd.grad(loss.total, z)[0]

    exact, slope = loss_and_gradient(teacher, 1)
    drawn = draw_sampled(teacher.expand(REPEATS, -1), 6, generator(), temperature)
    summed, slopes = loss_and_gradient(drawn, REPEATS)
    values = -(drawn.weights * student.log_softmax(-1)[0][drawn.indices]).sum(-1)
    assert float(summed) == pytest.approx(float(values.sum()), rel=1e-12)
    assert abs(float((values.mean() - exact) / (values.std() / REPEATS**0.5))) < 4
    error = slopes.std(0) / REPEATS**0.5
    assert float(((slopes.mean(0) - slope[0]) / error).abs().max()) < 4
    # Negative control: top-6 is far outside the same errors (it has no error of its own).
    for tail in ("drop", "bucket"):
        biased, biased_slope = loss_and_gradient(keep_top_k(teacher, 6, tail), 1)
        assert abs(float((biased - exact) / (values.std() / REPEATS**0.5))) > 4
        assert float(((biased_slope - slope)[0] / error).abs().max()) > 4


def test_draws_are_a_function_of_the_generator() -> None:
    _, teacher = one_position()
    first, again, other = (draw_sampled(teacher, 8, generator(s)) for s in (1, 1, 2))
    assert torch.equal(first.indices, again.indices)
    assert not torch.equal(first.indices, other.indices)


def test_excluded_tokens_are_not_drawn_and_types_follow_the_logits() -> None:
    _, teacher = one_position()
    teacher[:, 2] = -torch.inf
    drawn = draw_sampled(teacher.float().expand(500, -1), 8, generator(), 2.0)
    assert drawn.weights.dtype == torch.float32
    assert not (drawn.indices == 2).any()


def test_what_sampling_cannot_say_is_refused() -> None:
    student, teacher = one_position()
    drawn = draw_sampled(teacher, 3, generator())
    targets = torch.zeros(1, dtype=torch.int64)
    objectives = [
        Objective(distillation_weight=1.0, divergence=d)
        for d in ("reverse-kl", "jsd", "total-variation", "top-1")
    ]
    for objective in [*objectives, Objective(distillation_weight=1.0, temperature=2.0)]:
        with pytest.raises(InputError, match="would be biased"):
            token_loss(student, targets, drawn, objective)
    for call, match in (
        (lambda: draw_sampled(teacher, 0, generator()), "samples = 0"),
        (lambda: draw_sampled(teacher, 1, generator(), 0.0), "temperature = 0"),
        (lambda: draw_sampled(teacher[0], 1, generator()), "shape"),
        (lambda: SampledTarget(torch.zeros(2, 0).long(), torch.zeros(2, 0)), "k >= 1"),
    ):
        with pytest.raises(InputError, match=match):
            call()
