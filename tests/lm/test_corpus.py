"""Texts and their split: disjoint, complete, reproducible, refused when unusable."""

import itertools
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.lm.corpus import (
    SEPARATOR,
    VALIDATION_EVERY,
    Corpus,
    Document,
    load_shipped,
    load_text,
    make_corpus,
)
from capgap.lm.corpus_builder.manifest import SourceEntry, write_corpus
from capgap.lm.corpus_builder.text import DeduplicationCounts

texts = st.lists(st.binary(min_size=1, max_size=50), min_size=2 * VALIDATION_EVERY, max_size=90)


def documents_of(corpus: Corpus) -> list[Document]:
    return [*corpus.validation, *corpus.teacher, *corpus.student]


def named(contents: list[bytes]) -> list[Document]:
    return [Document(f"{i:03d}", text) for i, text in enumerate(contents)]


@given(texts, st.randoms(use_true_random=False))
def test_split_is_disjoint_complete_and_independent_of_order(contents, random) -> None:
    documents = named(contents)
    corpus = make_corpus("t", documents)
    assert sorted(d.name for d in documents_of(corpus)) == [d.name for d in documents]
    random.shuffle(documents)
    assert make_corpus("t", documents) == corpus


@given(texts)
def test_validation_is_spread_over_the_order_and_never_its_tail(contents) -> None:
    corpus = make_corpus("t", named(contents))
    places = [int(d.name) for d in corpus.validation]
    assert {b - a for a, b in itertools.pairwise(places)} <= {VALIDATION_EVERY}
    assert places[0] == VALIDATION_EVERY // 2


def test_validation_of_a_large_corpus_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capgap.lm.corpus.VALIDATION_BYTES", 1000)
    corpus = make_corpus("t", named([b"x" * 100] * 1000))
    assert corpus.bytes_of("validation") == pytest.approx(24 * 100, rel=0.05)  # 24 documents
    corpus = make_corpus("t", named([b"x" * 50] * 1000))
    assert corpus.bytes_of("validation") == pytest.approx(24 * 50, rel=0.05)
    corpus = make_corpus("t", named([b"x"] * 20_000))
    assert corpus.bytes_of("validation") == pytest.approx(1000, rel=0.05)  # 1000 bytes


@given(texts)
def test_halves_are_nearly_equal(contents) -> None:
    """Each pair changes the difference of sizes by at most its longer member."""
    corpus = make_corpus("t", named(contents))
    longest = max(len(text) for text in contents)
    assert abs(corpus.bytes_of("teacher") - corpus.bytes_of("student")) <= longest


@given(texts, st.data())
def test_fingerprint_sees_every_byte(contents, data) -> None:
    place = data.draw(st.integers(0, len(contents) - 1))
    changed = list(contents)
    changed[place] = bytes([changed[place][0] ^ 1]) + changed[place][1:]
    one, other = make_corpus("t", named(contents)), make_corpus("t", named(changed))
    assert one.fingerprint != other.fingerprint


def test_shipped_corpus_is_the_233_speeches() -> None:
    corpus = load_shipped()
    documents = documents_of(corpus)
    assert len(documents) == 233
    # Size of the package's text files, stated in the project's source note.
    assert sum(len(d.text) for d in documents) == 10_761_413
    years = [int(d.name[:4]) for d in documents]
    assert (min(years), max(years)) == (1790, 2021)
    assert corpus.fingerprint == "sotu-5638fc954340"


def test_shipped_validation_spans_all_years() -> None:
    years = [int(d.name[:4]) for d in load_shipped().validation]
    assert len(years) == 19
    assert years[0] < 1800
    assert years[-1] > 2005
    assert max(b - a for a, b in itertools.pairwise(years)) <= 13


def test_stream_holds_each_document_once_behind_a_separator() -> None:
    corpus = make_corpus("t", named([b"a%d" % i for i in range(30)]))
    stream = corpus.stream("teacher").tobytes()
    assert stream[0] == SEPARATOR
    assert stream.split(bytes([SEPARATOR]))[1:] == [d.text for d in corpus.teacher]
    with pytest.raises(InputError, match="half = 'left'"):
        corpus.stream("left")


def test_folder_of_texts(text_folder: Path) -> None:
    corpus = load_text([text_folder])
    assert corpus.name == "text"
    # Files of 3% of the text are each cut, since none may hold more than a hundredth.
    joined: dict[str, bytes] = {}
    for d in sorted(documents_of(corpus), key=lambda d: d.name):
        file = d.name.split("#")[0]
        joined[file] = joined.get(file, b"") + d.text
    assert joined == {p.name: p.read_bytes() for p in text_folder.glob("*.txt")}


def test_same_text_elsewhere_has_the_same_fingerprint(text_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "moved" / "other"
    shutil.copytree(text_folder, other)
    assert load_text([other]).fingerprint == load_text([text_folder]).fingerprint
    both = load_text([other, text_folder])
    assert len({d.name for d in documents_of(both)}) == len(documents_of(both))


def test_two_folders_of_one_name_are_refused(text_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "moved" / text_folder.name
    shutil.copytree(text_folder, other)
    with pytest.raises(InputError, match="same name"):
        load_text([other, text_folder])


@given(st.text(alphabet="aé \n", min_size=400, max_size=3000).filter(lambda t: t.strip()))
def test_one_long_file_is_cut_without_loss_between_characters(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.txt"
        path.write_bytes(text.encode())
        corpus = load_text([path])
    pieces = sorted(documents_of(corpus), key=lambda d: d.name)
    assert b"".join(d.text for d in pieces) == text.encode()
    for piece in pieces:
        piece.text.decode()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b" \n\n", "is empty"),
        ("latin.txt", "café".encode("latin-1"), "is not UTF-8"),
        ("binary.txt", b"ab\0cd", "NUL"),
        ("short.txt", b"ab", "documents; a split"),
    ],
)
def test_unusable_files_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        load_text([path])
    assert "\n" not in str(caught.value)


def test_missing_paths_and_folders_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_text([tmp_path / "nothing"])
    with pytest.raises(InputError, match=r"no text \(\.txt"):
        load_text([tmp_path])
    with pytest.raises(InputError, match="no text file"):
        load_text([])


def test_damaged_shipped_archive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capgap.lm.corpus.SHIPPED_SHA256", "0" * 64)
    with pytest.raises(InputError, match="damaged"):
        load_shipped()


def test_built_corpus_is_read_and_checked(tmp_path: Path) -> None:
    """A folder as ``capgap corpus build`` writes it: read whole, refused once tampered with."""
    texts = [(f"s/{i}", f"text é {i}\n") for i in range(400)]
    size = sum(len(text.encode()) for _, text in texts)
    entry = SourceEntry(
        name="s", kind="pypi", package="s", version="1", license="MIT", license_file="LICENSE",
        license_file_sha256="0", archive="s.whl", archive_sha256="0", documents=400, bytes=size,
        not_prose=0,
    )  # fmt: skip
    write_corpus(tmp_path, texts, 0, DeduplicationCounts(0, 0, 0), (entry,))
    documents = documents_of(load_text([tmp_path]))
    assert sorted((d.name, d.text.decode()) for d in documents) == sorted(texts)
    path = tmp_path / "documents.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("text", "test", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"documents\.jsonl"):
        load_text([tmp_path])
