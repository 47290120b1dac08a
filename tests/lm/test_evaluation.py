"""Evaluation: every byte once, a loop as oracle, the standard error by simulation."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.config import ModelShape  # noqa: E402
from capgap.lm.corpus import Corpus, Document  # noqa: E402
from capgap.lm.evaluation import evaluate, summarize, token_losses  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402

CPU = torch.device("cpu")


def documents(lengths: list[int]) -> Corpus:
    """Random letters as validation documents; nothing to train on."""
    rng = np.random.default_rng(0)
    draw = [bytes(rng.integers(97, 123, size=n, dtype=np.uint8)) for n in lengths]
    return Corpus("t", tuple(Document(str(i), text) for i, text in enumerate(draw)), (), (), "f")


def model() -> Transformer:
    m = Transformer(ModelShape(depth=1, aspect_ratio=8, sequence_length=8), 0)
    with torch.no_grad():
        m.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    return m.eval()


def test_loss_is_that_of_a_plain_loop_over_bytes() -> None:
    """Oracle: one byte at a time, context cut at the window, no batches."""
    m, texts = model(), documents([1, 7, 8, 9, 30])
    total, count = 0.0, 0
    for document in texts.validation:
        tokens = [0, *document.text]
        for place in range(1, len(tokens)):
            start = (place - 1) // 8 * 8
            with torch.no_grad():
                logits = m(torch.tensor([tokens[start:place]]))[0, -1].double()
            total -= float(logits.log_softmax(-1)[tokens[place]])
            count += 1
    result = evaluate(m, texts, device=CPU, length=8, batch_size=2)
    assert sum(result.document_tokens) == count == 55
    # Float32 logits of order 1, 55 terms: relative error below 1e-6.
    assert result.loss == pytest.approx(total / count, rel=1e-6)
    assert result.bits_per_byte == pytest.approx(result.loss / math.log(2), rel=1e-12)


def test_loss_does_not_depend_on_how_windows_are_batched() -> None:
    m, texts = model(), documents([50, 61])
    losses = [evaluate(m, texts, device=CPU, length=8, batch_size=b).loss for b in (1, 3, 64)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_untrained_model_costs_one_byte_per_byte() -> None:
    m = Transformer(ModelShape(depth=1, aspect_ratio=8, sequence_length=8))
    result = evaluate(m, documents([20, 20]), device=CPU, length=8)
    assert result.bits_per_byte == pytest.approx(8.0, rel=1e-6)
    assert result.standard_error == pytest.approx(0.0, abs=1e-6)


def clustered(rng: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Documents of unequal length, each with a level of its own."""
    tokens = rng.integers(200, 1000, size=k)
    means = 1.5 + 0.1 * rng.standard_normal(k)
    return means * tokens + np.sqrt(tokens) * rng.standard_normal(k), tokens


def test_standard_error_is_the_spread_over_samples_of_documents() -> None:
    """Monte Carlo: statistic = root mean squared SE over the standard deviation of L.

    2000 samples: the deviation has relative error 1/sqrt(4000) = 1.6%; the linearized
    variance is biased by O(1/k) = 2.5% at k = 40. Tolerance 8%.
    """
    rng = np.random.default_rng(1)
    results = [summarize(*(list(a) for a in clustered(rng, 40)), 1) for _ in range(2000)]
    spread = np.std([r.loss for r in results])
    stated = math.sqrt(np.mean([r.standard_error**2 for r in results]))
    assert stated / spread == pytest.approx(1.0, abs=0.08)


def test_error_of_independent_tokens_would_be_too_small() -> None:
    """Negative control: ignoring documents understates the spread several times."""
    rng = np.random.default_rng(2)
    samples = [clustered(rng, 40) for _ in range(500)]
    spread = np.std([nats.sum() / tokens.sum() for nats, tokens in samples])
    independent = 1 / math.sqrt(np.mean([tokens.sum() for _, tokens in samples]))
    assert independent / spread < 0.5


def test_losses_of_all_tokens_are_those_that_were_averaged() -> None:
    m, texts = model(), documents([1, 7, 30])
    losses = token_losses(m, texts, device=CPU, length=8, batch_size=3)
    result = evaluate(m, texts, device=CPU, length=8, batch_size=2)
    assert losses.shape == (38,)
    assert losses.dtype == np.float32
    parts = np.split(losses.astype(np.float64), [1, 8])
    assert result.document_losses == pytest.approx([part.mean() for part in parts], rel=1e-6)


def test_one_document_has_no_standard_error() -> None:
    assert math.isnan(summarize([3.0], [2], 2).standard_error)
