"""A corpus in tokens: the documents of the text, each encoded once, every id an output."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.lm.corpus import Corpus, Document, make_corpus
from capgap.lm.tokenized import TokenizedCorpus, tokenizer_of


@dataclass
class Pairs:
    """Two characters to a token, by arithmetic a reader can do: 10 (first) + second + 1."""

    fingerprint: str = "0123456789ab"
    separator: int = 0
    unknown: int | None = None
    seen: list[str] = field(default_factory=list)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        self.seen += texts
        return [[1 + int(t[i : i + 2]) for i in range(0, len(t), 2)] for t in texts]


def digits(count: int = 30) -> Corpus:
    rng = np.random.default_rng(2)
    contents = [
        rng.integers(48, 58, size=2 * int(rng.integers(1, 9)), dtype=np.uint8).tobytes()
        for _ in range(count)
    ]
    return make_corpus("t", [Document(f"{i:03d}", c) for i, c in enumerate(contents)])


def expected(document: Document) -> list[int]:
    text = document.text.decode()
    return [10 * int(a) + int(b) + 1 for a, b in zip(text[::2], text[1::2], strict=True)]


def test_parts_are_those_of_the_text() -> None:
    text = digits()
    corpus = TokenizedCorpus(text, Pairs(), 101)
    for part in ("validation", "teacher", "student"):
        assert getattr(corpus, part) == getattr(text, part)
        assert corpus.bytes_of(part) == text.bytes_of(part)
    assert (corpus.name, corpus.vocab_size, corpus.separator) == ("t", 101, 0)


def test_fingerprint_is_that_of_the_text_and_the_tokenizer() -> None:
    text = digits()
    corpus = TokenizedCorpus(text, Pairs(), 101)
    assert corpus.fingerprint == f"{text.fingerprint}-tokens-0123456789ab"
    assert tokenizer_of(corpus.fingerprint) == "0123456789ab"
    assert tokenizer_of(text.fingerprint) is None


def test_stream_and_documents_by_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capgap.lm.tokenized.BYTES_AT_A_TIME", 40)
    corpus = TokenizedCorpus(digits(), Pairs(separator=100), 101)
    for half in ("teacher", "student"):
        joined = [t for d in getattr(corpus, half) for t in (100, *expected(d))]
        stream = corpus.stream(half)
        assert stream.dtype == np.int32
        assert stream.tolist() == joined
    for document in corpus.validation:
        assert corpus.encode(document).tolist() == expected(document)
    with pytest.raises(InputError, match="half = 'left'"):
        corpus.stream("left")


def test_each_document_is_encoded_once() -> None:
    tokenizer = Pairs()
    corpus = TokenizedCorpus(digits(), tokenizer, 101)
    assert tokenizer.seen == []
    for _ in range(2):
        corpus.stream("student")
        for document in corpus.validation:
            corpus.encode(document)
    assert len(tokenizer.seen) == len(corpus.student) + len(corpus.validation)


@pytest.mark.parametrize("content", [b"9998", b"0199"])
def test_ids_beyond_the_outputs_are_refused(content: bytes) -> None:
    """Tokens 100 of a model with 100 outputs; with 101 they pass."""
    document = Document("odd", content)
    assert TokenizedCorpus(digits(), Pairs(), 101).encode(document).max() == 100
    with pytest.raises(InputError, match="odd has token 100, but the model has 100 outputs"):
        TokenizedCorpus(digits(), Pairs(), 100).encode(document)


def test_separator_beyond_the_outputs_is_refused() -> None:
    with pytest.raises(InputError, match="separator 101"):
        TokenizedCorpus(digits(), Pairs(separator=101), 101)


def test_inexpressible_text_is_refused() -> None:
    corpus = TokenizedCorpus(digits(), Pairs(unknown=8), 101)
    assert corpus.encode(Document("fine", b"0608")).tolist() == [7, 9]
    with pytest.raises(InputError, match=r"odd .* \(unknown token 8, 2 times\)"):
        corpus.encode(Document("odd", b"070807"))
    with pytest.raises(InputError, match="odd has no tokens"):
        corpus.encode(Document("odd", b""))
    with pytest.raises(InputError, match="odd is not UTF-8"):
        corpus.encode(Document("odd", b"\xff"))


def test_bytes_have_the_same_interface() -> None:
    text = digits()
    assert (text.vocab_size, text.separator) == (256, 0)
    joined = [t for d in text.student for t in (text.separator, *text.encode(d).tolist())]
    assert text.stream("student").tolist() == joined
    assert text.encode(text.student[0]).tobytes() == text.student[0].text
