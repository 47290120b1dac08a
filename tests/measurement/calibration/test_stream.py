"""Streaming over a corpus against a loop over tokens, and against a file of the same rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.errors import InputError  # noqa: E402
from capgap.lm.corpus import Corpus, Document, make_corpus  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.shape import ModelShape  # noqa: E402
from capgap.measurement.calibration import stream  # noqa: E402
from capgap.measurement.calibration.distribution import ece_dist  # noqa: E402
from capgap.measurement.calibration.estimators import ece  # noqa: E402
from capgap.measurement.calibration.files import read_predictions  # noqa: E402
from capgap.measurement.calibration.stored import stored_tables  # noqa: E402
from capgap.measurement.calibration.stream import corpus_edges, corpus_tables  # noqa: E402
from capgap.measurement.calibration.table import ReliabilityTable  # noqa: E402
from capgap.measurement.calibration.tokens import AGAINST, Against, corpus_predictions  # noqa: E402

Array = npt.NDArray[Any]

LENGTH = 16
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """60 documents of 20 to 60 bytes, 5 of them for validation; none a multiple of a window."""
    rng = np.random.default_rng(3)
    letters = np.frombuffer(b"etaoin shrdlu", dtype=np.uint8)
    return make_corpus(
        "made-up",
        [
            Document(f"{i:02d}", bytes(rng.choice(letters, size=rng.integers(20, 60))))
            for i in range(60)
        ],
    )


def untrained(seed: int, sharpness: float) -> Transformer:
    """A small model whose head is not 0, so that it is sure of something."""
    model = Transformer(ModelShape(depth=1, aspect_ratio=16, sequence_length=LENGTH), seed)
    with torch.no_grad():
        draws = torch.randn(model.head.weight.shape, generator=torch.Generator().manual_seed(seed))
        model.head.weight.copy_(sharpness * draws)
    return model.eval()


@pytest.fixture(scope="module")
def models() -> dict[str, Transformer]:
    return {"B": untrained(1, 1.0), "A": untrained(2, 1.5)}


def rows_one_by_one(model: Transformer, corpus: Corpus) -> Iterator[tuple[int, int, Array]]:
    """Document, token and its logits, each from its own call with what precedes it."""
    for number, document in enumerate(corpus.validation):
        text = list(document.text)
        before = [corpus.separator, *text[:-1]]
        for place, token in enumerate(text):
            start = place // LENGTH * LENGTH
            context = torch.tensor([before[start : place + 1]])
            with torch.no_grad():
                yield number, token, model(context)[0, -1].double().numpy()


@pytest.fixture(scope="module")
def loop(models: dict[str, Transformer], corpus: Corpus) -> dict[str, Array]:
    """Rows of both models by brute force: document, token, probabilities."""
    found: dict[str, Array] = {}
    for name, model in models.items():
        rows = list(rows_one_by_one(model, corpus))
        logits = np.array([row for _, _, row in rows])
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        found[name] = weights / weights.sum(axis=1, keepdims=True)
        found["document"] = np.array([document for document, _, _ in rows])
        found["label"] = np.array([token for _, token, _ in rows])
    return found


def by_hand(loop: dict[str, Array], against: str) -> list[list[list[float]]]:
    """For each document and bin of width 1/21: count, sum of confidence, sum of outcome."""
    documents = int(loop["document"].max()) + 1
    table = [[[0.0, 0.0, 0.0] for _ in range(21)] for _ in range(documents)]
    for document, label, p, q in zip(
        loop["document"], loop["label"], loop["B"], loop["A"], strict=True
    ):
        first, judge = int(np.argmax(p)), int(np.argmax(q))
        outcome = {
            "data": float(first == label),
            "matched": q[first],
            "own": q[judge],
            "top-1": float(first == judge),
        }[against]
        cell = table[document][min(int(21 * p[first]), 20)]
        cell[0] += 1
        cell[1] += p[first]
        cell[2] += outcome
    return table


@pytest.mark.parametrize("against", AGAINST)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_stream_is_the_loop_over_tokens(
    models: dict[str, Transformer],
    corpus: Corpus,
    loop: dict[str, Array],
    against: Against,
    batch_size: int,
) -> None:
    """Tolerance 1e-4 on sums of up to 60 probabilities: logits are float32 (1e-6 each)."""
    found = corpus_tables(
        models, corpus, device=CPU, length=LENGTH, reference="A", batch_size=batch_size
    )
    table = found["B", against]
    expected = np.array(by_hand(loop, against))
    np.testing.assert_array_equal(table.count, expected[..., 0])
    np.testing.assert_allclose(table.sum_confidence, expected[..., 1], atol=1e-4)
    np.testing.assert_allclose(table.sum_outcome, expected[..., 2], atol=1e-4)
    assert ("A", "matched") not in found
    assert table.count.sum() == sum(len(d.text) for d in corpus.validation)


def test_bins_of_the_reference_are_had_by_changing_places(
    models: dict[str, Transformer], corpus: Corpus, loop: dict[str, Array]
) -> None:
    found = corpus_tables(models, corpus, device=CPU, length=LENGTH, reference="B")
    swapped = float(ece(found["A", "matched"].pooled()))
    assert swapped == pytest.approx(ece_dist(loop["A"], loop["B"], bins_by="A"), abs=1e-5)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_model_and_file_give_equal_numbers(
    models: dict[str, Transformer],
    corpus: Corpus,
    loop: dict[str, Array],
    tmp_path: Path,
    equal_mass: bool,
) -> None:
    """Equal-mass edges of a stream are cut at multiples of 2^-20: one token may change bins."""
    for name in models:
        np.savez(
            tmp_path / f"{name}.npz",
            probabilities=loop[name], labels=loop["label"], groups=loop["document"],
        )  # fmt: skip
    stored = stored_tables(
        read_predictions(tmp_path / "B.npz"), read_predictions(tmp_path / "A.npz"),
        bins=5, equal_mass=equal_mass,
    )  # fmt: skip
    edges = np.linspace(0, 1, 6)
    by_name = dict.fromkeys(models, edges)
    if equal_mass:
        by_name = corpus_edges(models, corpus, device=CPU, length=LENGTH, bins=5)
        assert np.ptp(stored["data"].pooled().count) <= 2
    streamed = corpus_tables(
        models, corpus, device=CPU, length=LENGTH, reference="A", edges=by_name
    )
    for against in AGAINST:
        mine, other = streamed["B", against], stored[against]
        np.testing.assert_allclose(mine.edges, other.edges, atol=2e-5)
        moved = int(np.abs(mine.pooled().count - other.pooled().count).sum())
        assert moved <= (4 if equal_mass else 0)
        assert float(ece(mine.pooled())) == pytest.approx(
            float(ece(other.pooled())), abs=0.02 if moved else 1e-6
        )


def test_windows_are_groups_and_add_up_to_the_same_table(
    models: dict[str, Transformer], corpus: Corpus
) -> None:
    read: dict[str, Any] = {"device": CPU, "length": LENGTH}
    by_document = corpus_tables(models, corpus, **read)["B", "data"]
    by_window = corpus_tables(models, corpus, grouping="window", **read)["B", "data"]
    windows = [-(-len(d.text) // LENGTH) for d in corpus.validation]
    assert by_document.count.shape[0] == len(windows) == 5
    assert by_window.count.shape[0] == sum(windows)
    assert by_window.count.sum(axis=1).max() == LENGTH
    assert by_window.pooled() == by_document.pooled()


def test_more_groups_than_are_kept_join_whole(
    models: dict[str, Transformer], corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = corpus_tables(models, corpus, device=CPU, length=LENGTH)["B", "data"]
    monkeypatch.setattr(stream, "GROUPS", 3)
    joined = corpus_tables(models, corpus, device=CPU, length=LENGTH)["B", "data"]
    expected = every.count[:3].copy()
    expected[:2] += every.count[3:]
    np.testing.assert_array_equal(joined.count, expected)


def test_memory_is_that_of_tables(models: dict[str, Transformer], corpus: Corpus) -> None:
    """Batches come one at a time and hold no row of probabilities."""
    batches = corpus_predictions(models, corpus, device=CPU, length=LENGTH, batch_size=2)
    sizes = [
        max(np.asarray(v).size for v in vars(batch).values() if v is not None) for batch in batches
    ]
    assert len(sizes) > 3
    assert max(sizes) <= 2 * LENGTH * len(models)


def test_refusals(models: dict[str, Transformer], corpus: Corpus) -> None:
    read: dict[str, Any] = {"device": CPU, "length": LENGTH}
    with pytest.raises(InputError, match="reference = 'C' must be one of"):
        corpus_tables(models, corpus, reference="C", **read)
    with pytest.raises(InputError, match="grouping = 'token' must be document or window"):
        corpus_tables(models, corpus, grouping="token", **read)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="edges must be given for A"):
        corpus_tables(models, corpus, edges={"B": np.array([0.0, 1.0])}, **read)
    broken = untrained(1, float("nan"))
    with pytest.raises(InputError, match="B: logits must be numbers"):
        corpus_tables({"B": broken}, corpus, **read)
    batch = next(corpus_predictions(models, corpus, **read))
    with pytest.raises(InputError, match="there must be a reference model"):
        batch.outcome(0, "own")


def test_stored_refusals(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", confidence=[0.5, 0.5], outcome=[0, 1])
    np.save(tmp_path / "p.npy", np.full((2, 2), 0.5))
    np.save(tmp_path / "q.npy", np.full((3, 2), 0.5))
    c, p, q = (read_predictions(tmp_path / name) for name in ("c.npz", "p.npy", "q.npy"))
    with pytest.raises(InputError, match="must hold labels"):
        stored_tables(p)
    with pytest.raises(InputError, match="must hold probabilities"):
        stored_tables(c, p)
    with pytest.raises(InputError, match=r"\(3, 2\) must have the shape \(2, 2\)"):
        stored_tables(p, q)
    assert set(stored_tables(p, p)) == {"matched", "own", "top-1"}
    assert isinstance(stored_tables(c)["data"], ReliabilityTable)
