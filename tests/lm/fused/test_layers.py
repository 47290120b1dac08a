"""Layers with hand-written gradients, against finite differences and slow references."""

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.fused import causal  # noqa: E402
from capgap.lm.fused.attention import AttentionLayer  # noqa: E402
from capgap.lm.fused.causal import attend, attend_gradient  # noqa: E402
from capgap.lm.fused.feed_forward import FeedForwardLayer  # noqa: E402
from capgap.lm.fused.norm import NormalizedTokens, normalize  # noqa: E402
from capgap.lm.fused.rotary import turn, turn_gradient  # noqa: E402

EPSILON = 1e-6
HEADS, H, BATCH, TIME = 2, 4, 2, 5


def numbers(*shape: int, seed: int = 0) -> "torch.Tensor":
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def inputs(*shapes: tuple[int, ...]) -> "list[torch.Tensor]":
    return [numbers(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]


def tables() -> "tuple[torch.Tensor, torch.Tensor]":
    angle = numbers(H // 2, 1, TIME, seed=9)
    return angle.cos(), angle.sin()


def test_gradients_of_the_feed_forward_layer() -> None:
    """Finite differences in float64 (torch.autograd.gradcheck, its own tolerances)."""
    tensors = inputs((6, 7), (6,), (10, 6), (6, 5))
    assert torch.autograd.gradcheck(
        lambda *t: FeedForwardLayer.apply(*t, EPSILON, torch.float64), tensors
    )


def test_gradients_of_the_attention_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 2 over 5 positions: full blocks, a last one that is shorter, a first one."""
    monkeypatch.setattr(causal, "BLOCK", 2)
    d, (cos, sin) = HEADS * H, tables()
    tensors = inputs((d, BATCH * TIME), (d,), (3 * d, d), (d, d), (H,), (H,))
    assert torch.autograd.gradcheck(
        lambda *t: AttentionLayer.apply(*t, cos, sin, EPSILON, torch.float64), tensors
    )


def test_gradients_of_the_last_norm() -> None:
    tensors = inputs((6, 7), (6,))
    assert torch.autograd.gradcheck(lambda x, g: NormalizedTokens.apply(x, g, EPSILON), tensors)


def test_gradcheck_notices_a_wrong_gradient() -> None:
    """Negative control: the norm's gradient without its projection term."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            y, r = normalize(x, EPSILON)
            ctx.save_for_backward(r)
            return y

        @staticmethod
        def backward(ctx, above):  # type: ignore[no-untyped-def]
            return above * ctx.saved_tensors[0]

    assert not torch.autograd.gradcheck(Wrong.apply, inputs((6, 7)), raise_exception=False)


def test_a_layer_refuses_second_derivatives() -> None:
    x, gain = inputs((6, 7), (6,))
    out = NormalizedTokens.apply(x, gain, EPSILON)
    (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


@pytest.mark.parametrize("time", [1, 63, 64, 65, 150])
def test_attention_in_blocks_equals_the_dense_definition(time: int) -> None:
    """Reference: softmax over a full masked square and automatic differentiation, float64."""
    q, k, v = inputs(*[(3, H, time)] * 3)
    above = numbers(3, H, time, seed=5)
    scores = torch.einsum("bht,bhs->bts", q, k)
    later = torch.ones(time, time, dtype=torch.bool).triu(1)
    dense = torch.softmax(scores.masked_fill(later, -math.inf), -1)
    expected = torch.einsum("bts,bhs->bht", dense, v)
    slopes = torch.autograd.grad(expected, (q, k, v), above)
    with torch.no_grad():
        output, kept = attend(q, k, v)
        found = attend_gradient(above, q, k, v, kept)
    # Sums of at most 150 numbers of order 1 in float64.
    assert torch.allclose(output, expected, atol=1e-12)
    for one, other in zip(found, slopes, strict=True):
        assert torch.allclose(one, other, atol=1e-11)


def test_turning_is_a_complex_rotation_of_normalized_coordinates() -> None:
    """Oracle: pairs (j, j + h/2) as complex numbers times e^{i angle}; float64."""
    x, gains = numbers(2, HEADS, H, BATCH, TIME), numbers(2, H, seed=1)
    angle = numbers(H // 2, 1, TIME, seed=2)
    found, _, _ = turn(x, gains, angle.cos(), angle.sin(), EPSILON)
    normal = x / (x.square().mean(2, keepdim=True) + EPSILON).sqrt()
    scaled = normal * gains.view(2, 1, H, 1, 1)
    pairs = torch.complex(*scaled.chunk(2, dim=2)) * torch.exp(1j * angle)
    expected = torch.cat((pairs.real, pairs.imag), 2).permute(0, 3, 1, 2, 4)
    assert torch.allclose(found, expected, atol=1e-13)


def test_a_gain_of_zero_keeps_its_gradient() -> None:
    """Gradients are not divided by gains: that of a gain at 0 is as automatic ones are."""
    x, angle = numbers(2, HEADS, H, BATCH, TIME), numbers(H // 2, 1, TIME, seed=2)
    gains = numbers(2, H, seed=1)
    gains[0, 1] = 0.0
    gains.requires_grad_()
    with torch.no_grad():
        out, hats, rates = turn(x, gains, angle.cos(), angle.sin(), EPSILON)
        above = numbers(*out.shape, seed=3)
        _, found = turn_gradient(above, hats, rates, gains, angle.cos(), angle.sin())
    scaled = hats * gains.view(2, 1, H, 1, 1)
    first, second = scaled.chunk(2, dim=2)
    rotated = torch.cat(
        (first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()), 2
    )
    (expected,) = torch.autograd.grad(rotated, gains, above.permute(0, 2, 3, 1, 4))
    assert torch.allclose(found, expected, atol=1e-12)
