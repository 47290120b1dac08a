"""The transformer: causality, parameter count, initialization, positions."""

import functools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.checkpoint import load_model  # noqa: E402
from capgap.lm.config import ModelShape  # noqa: E402
from capgap.lm.model import Transformer, rope_tables, rotate  # noqa: E402

FOLDER = Path(__file__).parents[2] / "simulations" / "runs"

shapes = st.builds(
    ModelShape,
    depth=st.integers(1, 4),
    aspect_ratio=st.sampled_from([2, 8, 16]),
    vocab_size=st.sampled_from([3, 256]),
    sequence_length=st.just(16),
)


def randomized(shape: ModelShape, seed: int) -> "Transformer":
    """A float64 model whose head is not 0, so that its logits say something."""
    model = Transformer(shape, seed).double()
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


@given(shapes)
@settings(max_examples=30)
def test_closed_form_equals_the_modules_own_count(shape: ModelShape) -> None:
    model = Transformer(shape)
    assert model.count_non_embedding() == shape.N
    tables = 2 * shape.vocab_size * shape.d_model
    assert sum(p.numel() for p in model.parameters()) == shape.N + tables


@given(shapes, st.integers(0, 15), st.integers(0, 10**6))
@settings(max_examples=30)
def test_no_position_sees_what_follows_it(shape: ModelShape, place: int, seed: int) -> None:
    model = randomized(shape, seed)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(shape.vocab_size, (2, 16), generator=generator)
    changed = tokens.clone()
    changed[:, place] = (changed[:, place] + 1) % shape.vocab_size
    with torch.no_grad():
        change = (model(tokens) - model(changed)).abs().amax(-1)
    assert change[:, :place].eq(0).all()
    assert change[:, place].gt(0).all()


def test_every_position_sees_what_precedes_it() -> None:
    """The counterpart of causality: the last logits depend on every earlier token."""
    model = randomized(ModelShape(depth=2, sequence_length=16), 1)
    tokens = torch.arange(16)[None]
    with torch.no_grad():
        before = model(tokens)[0, -1]
        for place in range(16):
            changed = tokens.clone()
            changed[0, place] = 99
            assert (model(changed)[0, -1] - before).abs().max() > 1e-6


def test_untrained_model_predicts_the_uniform_distribution() -> None:
    model = Transformer(ModelShape(depth=2))
    with torch.no_grad():
        logits = model(torch.arange(256)[None])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.arange(256))
    assert float(loss) == pytest.approx(math.log(256), abs=1e-6)


def test_matrices_start_at_one_over_root_fan_in() -> None:
    shape = ModelShape(depth=8, aspect_ratio=16)
    for name, p in Transformer(shape, 3).named_parameters():
        if p.ndim == 1:
            assert p.eq(1).all()
        elif name == "head.weight":
            assert p.eq(0).all()
        else:
            fan_in = 1 if name == "embedding.weight" else p.shape[1]
            writes = name.endswith(("attention.out.weight", "ffn.down.weight"))
            expected = (1 / math.sqrt(16) if writes else 1.0) / math.sqrt(fan_in)
            # A sample deviation of n normal draws errs by 1/sqrt(2 n); 5 of these.
            tolerance = 5 * expected / math.sqrt(2 * p.numel())
            assert float(p.detach().std()) == pytest.approx(expected, abs=tolerance)


def test_seed_decides_the_initialization() -> None:
    shape = ModelShape(depth=1)
    one, same, other = (Transformer(shape, s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["embedding.weight"], other["embedding.weight"])


def test_rotary_scores_depend_on_the_distance_only() -> None:
    """<R_s q, R_t k> is a function of s - t, and rotation keeps norms (Su et al. 2021)."""
    cos, sin = (table.double() for table in rope_tables(32, 16))
    q, k = torch.randn(2, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned_q, turned_k = (rotate(v.expand(1, 32, 1, 16), cos, sin)[0, :, 0] for v in (q, k))
    scores = turned_q @ turned_k.T
    for distance in range(-5, 6):
        diagonal = scores.diagonal(distance)
        # The tables are float32: six digits.
        assert torch.allclose(diagonal, diagonal[0].expand_as(diagonal), atol=1e-5)
    assert torch.allclose(turned_q.norm(dim=-1), q.norm().expand(32), atol=1e-5)


def test_rotary_angles_are_those_of_base_500k() -> None:
    cos, _ = rope_tables(10, 16)
    for j in range(8):
        angle = 7 / 500_000 ** (2 * j / 16)
        assert float(cos[7, 0, j]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_queries_and_keys_are_normalized() -> None:
    """Scaling the query and key projections changes nothing (up to the norm's epsilon)."""
    model = randomized(ModelShape(depth=1, sequence_length=16), 0)
    tokens = torch.arange(16)[None]
    with torch.no_grad():
        before = model(tokens)
        width = model.shape.d_model
        model.blocks[0].attention.qkv.weight[: 2 * width] *= 100
        after = model(tokens)
    # epsilon 1e-6 against mean squares of order 1
    assert torch.allclose(before, after, atol=1e-4)


@given(shapes, st.integers(0, 10**6))
@settings(max_examples=20)
def test_gradient_agrees_with_finite_differences(shape: ModelShape, seed: int) -> None:
    """Directional derivative of the loss along a random direction of all parameters.

    Central differences with h = 1e-5 in float64: truncation and rounding below 1e-8 of a
    derivative of order 1; tolerance 1e-6.
    """
    model = randomized(shape, seed)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(shape.vocab_size, (2, 17), generator=generator)
    parameters = list(model.parameters())
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    length = math.sqrt(sum(float(d.square().sum()) for d in direction))

    def loss() -> torch.Tensor:
        logits = model(tokens[:, :-1]).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())

    slopes = torch.autograd.grad(loss(), parameters)
    slope = sum(float((g * d).sum()) for g, d in zip(slopes, direction, strict=True)) / length

    def moved(step: float) -> float:
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step / length * d
            value = float(loss())
            for p, d in zip(parameters, direction, strict=True):
                p -= step / length * d
        return value

    h = 1e-5
    assert (moved(h) - moved(-h)) / (2 * h) == pytest.approx(slope, rel=1e-5, abs=1e-6)


def by_modules(model: "Transformer", tokens: "torch.Tensor") -> "torch.Tensor":
    """Logits through the plain modules, whatever the device."""
    x = model.embedding(tokens)
    for block in model.blocks:
        x = block(x, model.cos[: tokens.shape[1]], model.sin[: tokens.shape[1]])
    return model.head(model.norm(x))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)], ids=["float64", "float32"]
)
@pytest.mark.parametrize("depth", [1, 3])
def test_fused_layers_compute_what_the_modules_say(
    depth: int, dtype: str, tolerance: float
) -> None:
    """Logits and every gradient, relative to the largest entry; rounding of the dtype."""
    shape = ModelShape(depth=depth, sequence_length=100)
    model = randomized(shape, depth).to(getattr(torch, dtype))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator).to(p.dtype)
    tokens = torch.randint(256, (3, 100), generator=generator)
    found, expected = model(tokens), by_modules(model, tokens)
    assert torch.allclose(
        found, expected, rtol=0, atol=tolerance * float(expected.detach().abs().max())
    )
    above = torch.randn(found.shape, generator=generator).to(found.dtype)
    parameters = list(model.parameters())
    for one, other in zip(
        torch.autograd.grad(found, parameters, above),
        torch.autograd.grad(expected, parameters, above),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


def test_head_reads_hidden_states() -> None:
    model = randomized(ModelShape(depth=2, sequence_length=16), 0)
    tokens = torch.arange(32).view(2, 16)
    states = model.hidden(tokens)
    assert states.shape == (2, 16, model.shape.d_model)
    assert torch.equal(torch.nn.functional.linear(states, model.head.weight), model(tokens))


def test_names_of_weights_are_those_of_committed_files() -> None:
    names = set(Transformer(ModelShape(depth=1)).state_dict())
    block = ("attention_norm", "attention.qkv", "attention.out", "attention.q_norm",
             "attention.k_norm", "ffn_norm", "ffn.gate_up", "ffn.down")  # fmt: skip
    expected = {"embedding.weight", "norm.weight", "head.weight"}
    assert names == expected | {f"blocks.0.{name}.weight" for name in block}


def test_committed_weights_lose_what_they_lost() -> None:
    """A trained model, logits up to 30: the loss of text through fused layers and modules."""
    file = FOLDER / "bb019c9a39058c9d.safetensors"
    model = load_model(ModelShape(depth=3), file)
    text = b" ".join([b"The state of the union is what its laws and its people make of it."] * 8)
    tokens = torch.tensor(list(text[:513]))
    with torch.no_grad():
        found, expected = (
            float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[1:]))
            for logits in (
                run(tokens[:-1].view(2, 256))
                for run in (model, functools.partial(by_modules, model))
            )
        )
    assert 0.5 < expected < 5
    assert found == pytest.approx(expected, abs=1e-5)


def test_half_precision_products_keep_float32_weights_and_gradients() -> None:
    """bfloat16 rounds to 2^-9; over 2 layers logits agree to a few per cent of their size."""
    model = randomized(ModelShape(depth=2, sequence_length=64), 3).float()
    tokens = torch.randint(256, (2, 64), generator=torch.Generator().manual_seed(0))
    exact = model(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(tokens)
    rough.float().square().mean().backward()
    assert rough.dtype == torch.bfloat16
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters())
    error = float((rough.float() - exact).detach().norm() / exact.detach().norm())
    assert 1e-4 < error < 0.03  # not float32 in disguise, and no worse than its rounding


def test_same_bits_each_time() -> None:
    model = randomized(ModelShape(depth=2, sequence_length=100), 3).float()
    tokens = torch.randint(256, (2, 100), generator=torch.Generator().manual_seed(0))

    def gradients() -> "list[torch.Tensor]":
        return list(torch.autograd.grad(model(tokens).square().mean(), list(model.parameters())))

    assert all(torch.equal(a, b) for a, b in zip(gradients(), gradients(), strict=True))


def test_long_sequences_take_attention_that_keeps_no_probabilities() -> None:
    model = randomized(ModelShape(depth=1, aspect_ratio=2, vocab_size=3, sequence_length=520), 0)
    tokens = torch.randint(3, (1, 520), generator=torch.Generator().manual_seed(0))
    states = model.hidden(tokens)
    assert "NormalizedTokens" not in str(_first_function(states))
    short = model.hidden(tokens[:, :512])
    assert "NormalizedTokens" in str(_first_function(short))
    assert torch.allclose(short, states[:, :512], atol=1e-10)


def _first_function(x: "torch.Tensor") -> object:
    node = x.grad_fn
    while type(node).__name__.startswith(("View", "UnsafeView")):
        node = node.next_functions[0][0]
    return node
