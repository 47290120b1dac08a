"""The chunked form equals the dense form: values, gradients, and what is alive at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.losses import reference  # noqa: E402

from capgap.errors import CapgapError, InputError  # noqa: E402
from capgap.lm.losses import (  # noqa: E402
    HiddenTarget,
    chunked_token_loss,
    draw_sampled,
    keep_top_k,
    keep_top_p,
    token_loss,
)
from capgap.lm.losses.chunked import chunk_size  # noqa: E402
from capgap.lm.objective import DIVERGENCES, Objective  # noqa: E402

TOKENS, VOCABULARY, WIDTH = 37, 101, 12
KINDS = ("hidden", "dense", "top-k", "top-p drop", "sampled", "several")


def states(seed: int, dtype: torch.dtype, width: int = WIDTH) -> tuple[torch.Tensor, ...]:
    """Hidden states, head, next tokens."""
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(TOKENS, width, generator=g, dtype=torch.float64)
    head = torch.randn(VOCABULARY, width, generator=g, dtype=torch.float64) / width**0.5
    targets = torch.randint(VOCABULARY, (TOKENS,), generator=g)
    return hidden.to(dtype).requires_grad_(), head.to(dtype).requires_grad_(), targets


def teacher_of(kind: str, dtype: torch.dtype) -> object:
    hidden, head, _ = states(99, dtype, 7)
    target = HiddenTarget(hidden.detach() * 2, head.detach())
    logits = target.logits()
    return {
        "hidden": target,
        "dense": logits,
        "top-k": keep_top_k(logits, 9),
        "top-p drop": keep_top_p(logits, 0.8, "drop"),
        "sampled": draw_sampled(logits, 9, torch.Generator().manual_seed(0)),
        "several": ((target, 0.25), (keep_top_k(logits, 5), 0.75)),
    }[kind]


def defined(kind: str, divergence: str) -> bool:
    if kind == "sampled":
        return divergence == "forward-kl"
    return (kind, divergence) != ("top-p drop", "reverse-kl")


CASES = [(k, d) for k in KINDS for d in DIVERGENCES if defined(k, d)]


def both(
    kind: str | None, objective: Objective, dtype: torch.dtype, chunk: int, mask: bool
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Total, terms and both gradients of the dense and of the chunked form."""
    hidden, head, targets = states(1, dtype)
    teacher = None if kind is None else teacher_of(kind, dtype)
    some = torch.rand(TOKENS, generator=torch.Generator().manual_seed(4)) < 0.7 if mask else None
    dense = token_loss(hidden @ head.T, targets, teacher, objective, mask=some)
    parts = chunked_token_loss(hidden, head, targets, teacher, objective, mask=some, chunk=chunk)
    results = []
    for loss in (dense, parts):
        slopes = torch.autograd.grad(loss.total, (hidden, head))
        terms = [loss.total.detach(), loss.next_token]
        terms += [] if loss.distillation is None else [loss.distillation]
        results.append([*terms, *slopes])
    return results[0], results[1]


def assert_equal_to(tolerance: float, pair: tuple[list[torch.Tensor], list[torch.Tensor]]) -> None:
    """Largest difference of each array within `tolerance` of its largest entry."""
    assert len(pair[0]) == len(pair[1])
    for dense, chunked in zip(*pair, strict=True):
        assert dense.dtype == chunked.dtype
        scale = float(dense.abs().max())
        assert float((dense - chunked).abs().max()) <= tolerance * max(scale, 1e-12)


@pytest.mark.parametrize(("kind", "divergence"), CASES)
def test_equal_to_dense_in_float32_to_1e_6(kind: str, divergence: str) -> None:
    """1e-6 of the largest entry of each array: value, terms, both gradients."""
    objective = Objective(
        distillation_weight=0.6, z_weight=1e-3, divergence=divergence, jsd_beta=0.3
    )
    for mask in (False, True):
        assert_equal_to(1e-6, both(kind, objective, torch.float32, 10, mask))


@pytest.mark.parametrize("chunk", [1, 7, 37, 1000])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_equal_to_dense_in_float64_for_any_chunk(chunk: int, weight: float) -> None:
    """float64 rounding of sums of 37 positions; temperature in dense and hidden targets."""
    objective = Objective(distillation_weight=weight, z_weight=0.01, temperature=1.7)
    for kind in (None, "dense", "hidden") if weight == 0 else ("dense", "hidden"):
        assert_equal_to(1e-13, both(kind, objective, torch.float64, chunk, True))


@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from(DIVERGENCES))
@settings(max_examples=25)
def test_loss_does_not_depend_on_how_a_batch_is_split(
    seed: int, chunk: int, divergence: str
) -> None:
    hidden, head, targets = states(seed, torch.float64)
    teacher = teacher_of("hidden", torch.float64)
    objective = Objective(distillation_weight=0.5, z_weight=0.01, divergence=divergence)
    g = torch.Generator().manual_seed(seed)
    mask = torch.rand(TOKENS, generator=g) < 0.5
    mask[0] = True
    cut = int(torch.randint(1, TOKENS, (1,), generator=g))
    count = int(mask.sum())
    whole = token_loss(hidden @ head.T, targets, teacher, objective, mask=mask).total
    parts = [
        chunked_token_loss(
            hidden[s],
            head,
            targets[s],
            teacher.at(s),
            objective,
            mask=mask[s],
            count=count,
            chunk=chunk,
        ).total
        for s in (slice(0, cut), slice(cut, None))
    ]
    torch.testing.assert_close(parts[0] + parts[1], whole, rtol=1e-12, atol=0)
    for ours, theirs in zip(
        torch.autograd.grad(parts[0] + parts[1], (hidden, head)),
        torch.autograd.grad(whole, (hidden, head)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-14)


def test_gradient_agrees_with_finite_differences() -> None:
    hidden, head, targets = states(3, torch.float64)
    hidden, targets = hidden[:4].detach().requires_grad_(), targets[:4] % 6
    head = head[:6].detach().requires_grad_()
    teacher = reference.case(1, 4, 6)[1]
    objective = Objective(distillation_weight=0.4, z_weight=0.01, divergence="jsd")
    assert torch.autograd.gradcheck(
        lambda h, w: chunked_token_loss(h, w, targets, teacher, objective, chunk=3).total,
        (hidden, head),
        atol=1e-7,
    )


def test_only_wanted_gradients_are_made_and_none_twice() -> None:
    hidden, head, targets = states(5, torch.float64)
    for wanted in (hidden, head):
        inputs = (x if x is wanted else x.detach() for x in (hidden, head))
        loss = chunked_token_loss(*inputs, targets, chunk=8)
        full = token_loss(hidden @ head.T, targets)
        ours, theirs = (torch.autograd.grad(x.total, wanted)[0] for x in (loss, full))
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-15)
    with torch.no_grad():
        assert not chunked_token_loss(hidden, head, targets).total.requires_grad
    loss = chunked_token_loss(hidden, head, targets)
    assert not loss.next_token.requires_grad
    with pytest.raises(CapgapError, match="chunked_token_loss: the gradient has no derivative"):
        torch.autograd.grad(loss.total, hidden, create_graph=True)


def test_arrays_alive_are_those_of_one_chunk() -> None:
    """Largest array made while the loss and its gradients are computed, in numbers."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            for x in result if isinstance(result, tuple | list) else (result,):
                if isinstance(x, torch.Tensor):
                    self.numbers = max(self.numbers, x.numel())
            return result

    hidden, head, targets = states(6, torch.float32)
    teacher = teacher_of("hidden", torch.float32)
    objective = Objective(distillation_weight=0.5, z_weight=0.01)
    with Largest() as chunked:
        chunked_token_loss(hidden, head, targets, teacher, objective, chunk=5).total.backward()
    assert chunked.numbers == VOCABULARY * WIDTH  # the head's gradient; chunks have 5 x 101
    with Largest() as dense:  # the counter sees the logits of the dense form
        token_loss(hidden @ head.T, targets, teacher, objective).total.backward()
    assert dense.numbers == VOCABULARY * TOKENS


def test_lower_precision_keeps_sums_in_float32() -> None:
    hidden, head, targets = states(7, torch.float32)
    exact = token_loss(hidden @ head.T, targets).total
    wanted = torch.autograd.grad(exact, (hidden, head))
    with torch.autocast("cpu", torch.bfloat16):
        loss = chunked_token_loss(hidden, head, targets, chunk=9)
    assert loss.total.dtype == torch.float32
    # bfloat16 keeps 8 bits: 2^-8 of logits of size 1 to 3 and of gradients.
    assert float(loss.total.detach()) == pytest.approx(float(exact.detach()), abs=0.02)
    for ours, theirs in zip(torch.autograd.grad(loss.total, (hidden, head)), wanted, strict=True):
        assert ours.dtype == torch.float32
        assert float((ours - theirs).norm() / theirs.norm()) < 0.02


def test_chunk_size_keeps_to_its_budget_in_nearly_equal_chunks() -> None:
    for tokens, vocabulary in ((1024, 256), (1024, 8192), (8192, 32768), (3, 10**7), (0, 8)):
        size = chunk_size(tokens, vocabulary, 4, memory=2**26)
        assert size >= 1
        assert size == 1 or 6 * 4 * size * vocabulary <= 2**26
        assert size <= max(1, tokens)
        if size > 1:
            assert -(-tokens // size) * size - tokens < size


def test_bad_input_is_refused() -> None:
    hidden, head, targets = states(8, torch.float32)
    dense = teacher_of("dense", torch.float32)
    kd = Objective(distillation_weight=1.0)
    for arguments, named, match in (
        ((hidden[:, :5], head, targets), {}, r"hidden \(37, 5\) and head \(101, 12\)"),
        ((hidden, head, targets[:5]), {}, r"targets \(5,\)"),
        ((hidden, head, targets), {"chunk": 0}, "chunk = 0"),
        ((hidden, head, targets, dense[:, :50], kd), {}, r"\(37, 101\).*\(37, 50\)"),
        ((hidden, head, targets, None, kd), {}, "needs a teacher"),
    ):
        with pytest.raises(InputError, match=f"chunked_token_loss: .*{match}"):
            chunked_token_loss(*arguments, **named)
    none = torch.zeros(TOKENS, dtype=torch.bool)
    loss = chunked_token_loss(hidden, head, targets, dense, kd, mask=none, count=4)
    assert float(loss.total.detach()) == 0.0
    assert not torch.autograd.grad(loss.total, head)[0].any()
