"""Compilation: the same numbers, one translation, a clear refusal."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import InputError  # noqa: E402
from capgap.lm.compilation import compiled_forward, steps_to_repay  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.shape import ModelShape  # noqa: E402

SHAPE = ModelShape(depth=1, aspect_ratio=4, vocab_size=8, sequence_length=8)


def test_translated_once_for_batches_of_one_shape() -> None:
    """Graphs are counted by torch itself; weights change between the steps. No code is
    generated here (backend "eager"): that takes a compiler and tens of seconds."""
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    model = Transformer(SHAPE)
    forward = compiled_forward(model.forward, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(8, (2, 8), generator=generator)
        logits = forward(tokens)
        # Rounding of float32; the compiled layers are the plain ones.
        assert torch.allclose(logits, model(tokens), atol=1e-5)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert counters["stats"]["unique_graphs"] == 1
    # Negative control: another shape is another translation.
    forward(torch.zeros(3, 8, dtype=torch.int64))
    assert counters["stats"]["unique_graphs"] == 2


def test_no_compiler_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler"):
        compiled_forward(Transformer(SHAPE))


def test_repayment_in_steps() -> None:
    # By hand: 30 s over a saving of 10 ms x (1 - 1/1.25) = 2 ms.
    assert steps_to_repay(0.01, speedup=1.25, compile_seconds=30.0) == pytest.approx(15_000)
    with pytest.raises(InputError, match=r"speedup = 1\.0"):
        steps_to_repay(0.01, speedup=1.0)
