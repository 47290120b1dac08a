"""Divergences: laws over all of them, and values against scipy and mpmath."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
mpmath = pytest.importorskip("mpmath", reason="needs the extra 'test'")

from lm.losses import reference  # noqa: E402

from capgap.lm.losses.divergences import (  # noqa: E402
    Divergence,
    forward_kl,
    generalized_jsd,
    one_hot,
    reverse_kl,
    total_variation,
)

ALL: dict[str, Divergence] = {
    "forward-kl": forward_kl,
    "reverse-kl": reverse_kl,
    "total-variation": total_variation,
    "top-1": one_hot,
    "jsd": partial(generalized_jsd, beta=0.5),
    "jsd .1": partial(generalized_jsd, beta=0.1),
    "jsd .9": partial(generalized_jsd, beta=0.9),
}
# Those that vanish at p = q, after the teacher's entropy is taken from the cross-entropy.
TRUE = [name for name in ALL if name != "top-1"]

seeds = st.integers(0, 10**6)
few = settings(max_examples=15)


def logs(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    student, teacher, _ = reference.case(seed)
    return teacher.log_softmax(-1), student.log_softmax(-1)


def excess(name: str, log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """The divergence proper: without the entropy that forward_kl contains."""
    value = ALL[name](log_p, log_q)[0]
    return value + (log_p.exp() * log_p).sum(-1) if name == "forward-kl" else value


@pytest.mark.parametrize("name", ALL)
@given(seeds)
@few
def test_gradient_is_that_of_the_written_out_formula(name: str, seed: int) -> None:
    """Automatic differentiation of `reference.divergence` in float64."""
    student, teacher, _ = reference.case(seed)
    student.requires_grad_()
    beta = float(name[4:]) if len(name) > 4 and name[:3] == "jsd" else 0.5
    written = reference.divergence(
        name.split()[0], reference.softmax(teacher), reference.softmax(student), beta
    )
    (expected,) = reference.gradient(written.sum(), student)
    value, gradient = ALL[name](teacher.log_softmax(-1), student.detach().log_softmax(-1))
    # Two float64 evaluations of the same sums of seven terms of size 1.
    torch.testing.assert_close(value, written.detach(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", TRUE)
@given(seeds)
@few
def test_it_is_not_negative_and_vanishes_with_its_gradient_at_the_teacher(
    name: str, seed: int
) -> None:
    log_p, log_q = logs(seed)
    assert float(excess(name, log_p, log_q).min()) > 1e-6
    assert float(excess(name, log_p, log_p).abs().max()) < 1e-14
    assert float(ALL[name](log_p, log_p)[1].abs().max()) < 1e-14


@pytest.mark.parametrize("name", ALL)
@given(seeds)
@few
def test_gradient_sums_to_zero_because_adding_a_constant_to_logits_changes_nothing(
    name: str, seed: int
) -> None:
    assert float(ALL[name](*logs(seed))[1].sum(-1).abs().max()) < 1e-14


@pytest.mark.parametrize("name", ALL)
@given(seeds)
@few
def test_renaming_tokens_and_reordering_positions_changes_nothing(name: str, seed: int) -> None:
    log_p, log_q = logs(seed)
    g = torch.Generator().manual_seed(seed)
    rows, columns = (torch.randperm(n, generator=g) for n in log_p.shape)
    value, gradient = ALL[name](log_p, log_q)
    moved, moved_gradient = ALL[name](log_p[rows][:, columns], log_q[rows][:, columns])
    torch.testing.assert_close(moved, value[rows], rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(moved_gradient, gradient[rows][:, columns], rtol=1e-12, atol=1e-14)


@given(seeds)
@few
def test_values_agree_with_scipy(seed: int) -> None:
    """rel_entr and jensenshannon of scipy; the latter is a square root."""
    log_p, log_q = logs(seed)
    p, q = log_p.exp().numpy(), log_q.exp().numpy()
    kl = excess("forward-kl", log_p, log_q).numpy()
    np.testing.assert_allclose(kl, rel_entr(p, q).sum(-1), rtol=1e-10)
    back = ALL["reverse-kl"](log_p, log_q)[0].numpy()
    np.testing.assert_allclose(back, rel_entr(q, p).sum(-1), rtol=1e-12)
    jsd = ALL["jsd"](log_p, log_q)[0].numpy()
    np.testing.assert_allclose(jsd, jensenshannon(p, q, axis=-1) ** 2, rtol=1e-10)


@given(seeds, st.floats(0.02, 0.98))
@few
def test_jsd_is_bounded_and_swaps_its_arguments_with_its_weights(seed: int, beta: float) -> None:
    log_p, log_q = logs(seed)
    value = generalized_jsd(log_p, log_q, beta)[0]
    swapped = generalized_jsd(log_q, log_p, 1 - beta)[0]
    torch.testing.assert_close(value, swapped, rtol=1e-12, atol=1e-14)
    entropy = -(beta * math.log(beta) + (1 - beta) * math.log1p(-beta))
    assert float(value.max()) <= entropy
    assert float(ALL["jsd"](log_p, log_q)[0].max()) <= math.log(2)


def test_jsd_of_distributions_apart_is_log_2_and_their_total_variation_1() -> None:
    inf = torch.inf
    p = torch.tensor([[0.0, -inf]], dtype=torch.float64)
    q = torch.tensor([[-inf, 0.0]], dtype=torch.float64)
    assert float(ALL["jsd"](p, q)[0]) == pytest.approx(math.log(2), rel=1e-15)
    assert float(total_variation(p, q)[0]) == 1.0
    assert float(ALL["jsd"](p, q)[1].abs().max()) == 0.0
    assert float(reverse_kl(p, q)[0]) == inf
    assert float(forward_kl(p, q)[0]) == inf


@given(seeds)
@few
def test_jsd_tends_to_the_two_kl_divergences(seed: int) -> None:
    """D / beta -> KL(p || q), D / (1 - beta) -> KL(q || p); the error is linear in beta."""
    log_p, log_q = logs(seed)
    beta = 1e-7
    low = generalized_jsd(log_p, log_q, beta)[0] / beta
    high = generalized_jsd(log_p, log_q, 1 - beta)[0] / beta
    # Size of the next term: beta times the chi-square distance, at most a few hundred here;
    # cancellation of terms of size beta leaves about 1e-16 / 1e-7.
    chi = ((log_p - log_q).exp() + (log_q - log_p).exp()).amax(-1) ** 2
    assert bool(((low - excess("forward-kl", log_p, log_q)).abs() < beta * chi + 1e-7).all())
    assert bool(((high - reverse_kl(log_p, log_q)[0]).abs() < beta * chi + 1e-7).all())


@given(seeds)
@few
def test_total_variation_lies_between_0_and_1_and_obeys_pinsker(seed: int) -> None:
    """Pinsker: TV <= sqrt(KL / 2)."""
    log_p, log_q = logs(seed)
    value = total_variation(log_p, log_q)[0]
    assert bool(((value >= 0) & (value <= 1)).all())
    assert bool((value <= (excess("forward-kl", log_p, log_q) / 2).sqrt()).all())


@pytest.mark.parametrize("name", ["forward-kl", "reverse-kl", "jsd", "total-variation"])
@pytest.mark.parametrize("size", [50.0, 1e4])
def test_extreme_logits_agree_with_mpmath(name: str, size: float) -> None:
    """50 digits against float32 inputs; float32 keeps 6e-8 of values of the logits' size."""
    g = torch.Generator().manual_seed(4)
    student, teacher = size * (2 * torch.rand(2, 6, 5, generator=g) - 1)
    value, gradient = ALL[name](teacher.log_softmax(-1), student.log_softmax(-1))
    assert bool(torch.isfinite(gradient).all())
    with mpmath.workdps(50):
        for row, s, t in zip(value.tolist(), student.tolist(), teacher.tolist(), strict=True):
            p, q = (exact_softmax(x) for x in (t, s))
            assert row == pytest.approx(float(exact(name, p, q)), rel=1e-6, abs=1e-6)


def exact_softmax(logits: list[float]) -> list["mpmath.mpf"]:
    terms = [mpmath.exp(mpmath.mpf(x)) for x in logits]
    return [x / mpmath.fsum(terms) for x in terms]


def exact(name: str, p: list["mpmath.mpf"], q: list["mpmath.mpf"]) -> "mpmath.mpf":
    pairs = list(zip(p, q, strict=True))
    if name == "forward-kl":
        return -mpmath.fsum(a * mpmath.log(b) for a, b in pairs)
    if name == "reverse-kl":
        return mpmath.fsum(b * mpmath.log(b / a) for a, b in pairs)
    if name == "total-variation":
        return mpmath.fsum(abs(a - b) for a, b in pairs) / 2
    return (
        mpmath.fsum(
            a * mpmath.log(2 * a / (a + b)) + b * mpmath.log(2 * b / (a + b)) for a, b in pairs
        )
        / 2
    )
