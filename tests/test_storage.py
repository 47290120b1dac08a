"""Bytes of stored teacher outputs, against the arrays themselves.

Oracle: numpy's own `nbytes` of arrays built as the docstrings say; equality is exact because
sizes are whole numbers far below 2^53.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.storage import (
    Storage,
    full_distribution,
    hidden_state,
    index_bytes,
    sampled,
    top_k,
    top_p,
)

FLOATS = {2: np.float16, 4: np.float32, 8: np.float64}
TOKENS = 7
vocabularies = st.integers(1, 70_000)
widths = st.sampled_from(sorted(FLOATS))


def smallest_index_type(n_vocab: int) -> np.dtype[np.unsignedinteger]:
    return np.min_scalar_type(n_vocab - 1)


@given(st.integers(1, 2**64))
def test_index_is_as_narrow_as_numpy_allows(n_vocab: int) -> None:
    assert index_bytes(n_vocab) == smallest_index_type(n_vocab).itemsize


def test_sixteen_bits_number_up_to_65536_tokens() -> None:
    assert [index_bytes(n) for n in (32168, 32768, 65536, 65537)] == [2, 2, 2, 4]


@given(vocabularies, widths)
def test_full_distribution_is_one_value_per_token_of_the_vocabulary(n: int, width: int) -> None:
    stored = np.empty((TOKENS, n), dtype=FLOATS[width])
    assert full_distribution(n, width).corpus_bytes(TOKENS) == stored.nbytes


@given(vocabularies, widths, st.data())
def test_top_k_is_k_pairs(n: int, width: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, min(n, 200)))
    pair = np.dtype([("index", smallest_index_type(n)), ("value", FLOATS[width])])
    assert top_k(n, k, width).corpus_bytes(TOKENS) == np.empty((TOKENS, k), pair).nbytes


@given(vocabularies, widths, st.data())
def test_top_p_is_ragged_pairs_and_their_numbers(n: int, width: int, data: st.DataObject) -> None:
    """kept = mean of the counts; 1e-12 is the rounding of that mean."""
    most = min(n, 200)
    counts = data.draw(st.lists(st.integers(1, most), min_size=1, max_size=9))
    index = smallest_index_type(n)
    pairs = np.empty(sum(counts), np.dtype([("index", index), ("value", FLOATS[width])]))
    lengths = np.array([count - 1 for count in counts], dtype=index)
    size = top_p(n, sum(counts) / len(counts), width).corpus_bytes(len(counts))
    assert size == pytest.approx(pairs.nbytes + lengths.nbytes, rel=1e-12)


@pytest.mark.parametrize(("samples", "weight"), [(1, np.uint8), (50, np.uint8), (300, np.uint16)])
def test_sampled_targets_fit_in_their_slots(samples: int, weight: type[np.unsignedinteger]) -> None:
    """Real draws, from one certain token to many different ones, survive the round trip."""
    rng = np.random.default_rng(0)
    n = 1000
    slot = np.dtype([("index", smallest_index_type(n)), ("count", weight)])
    stored = np.zeros((2, samples), slot)
    draws = np.stack([np.full(samples, n - 1), rng.integers(0, n, samples)])
    for row, drawn in zip(stored, draws, strict=True):
        index, count = np.unique(drawn, return_counts=True)
        row["index"][: len(index)], row["count"][: len(index)] = index, count
    size = sampled(n, samples, np.dtype(weight).itemsize)
    assert size.corpus_bytes(2) == stored.nbytes
    for row, drawn in zip(stored, draws, strict=True):
        np.testing.assert_array_equal(np.repeat(row["index"], row["count"]), np.sort(drawn))


@given(st.integers(1, 5000), st.integers(1, 300), widths)
def test_hidden_state_needs_the_head_once(n: int, d_model: int, width: int) -> None:
    states = np.empty((TOKENS, d_model), FLOATS[width])
    head = np.empty((n, d_model), FLOATS[width])
    assert hidden_state(n, d_model, width) == Storage(states.nbytes / TOKENS, head.nbytes)
    assert hidden_state(n, d_model, width).corpus_bytes(TOKENS) == states.nbytes + head.nbytes


def test_the_papers_129_kilobytes_are_of_the_vocabulary_in_its_text() -> None:
    """Busbridge et al., arXiv 2502.08606, state 129 KB per token in fp32. 32168 entries give
    it (128.67 kB); the 32768 of Table 13 would be 131.07 kB."""
    assert full_distribution(32168).per_token == 128_672
    assert round(full_distribution(32168).per_token / 1e3) == 129
    assert round(full_distribution(32768).per_token / 1e3) == 131


def test_what_the_papers_corpus_would_take() -> None:
    """A student's half of 180 billion tokens, 32168 entries, teacher of 34 layers (d = 4352).
    Petabytes in full, by hand: 128672 x 9e10 = 11.58e15; 4352 x 4 x 9e10 = 1.567e15 and a
    head of 0.56e9; 128 x 6 x 9e10 = 69.1e12; 50 x 3 x 9e10 = 13.5e12."""
    D = 90e9
    assert full_distribution(32168).corpus_bytes(D) == pytest.approx(11.58e15, rel=1e-3)
    assert hidden_state(32168, 4352).corpus_bytes(D) == pytest.approx(1.567e15, rel=1e-3)
    assert top_k(32168, 128).corpus_bytes(D) == pytest.approx(69.1e12, rel=1e-3)
    assert sampled(32168, 50).corpus_bytes(D) == pytest.approx(13.5e12, rel=1e-12)


@given(vocabularies, widths)
def test_indices_make_a_sparse_copy_of_everything_larger_than_the_dense_one(
    n: int, width: int
) -> None:
    everything = top_k(n, n, width).per_token
    assert everything == full_distribution(n, width).per_token + n * index_bytes(n)
    assert top_p(n, float(n), width).per_token == everything + index_bytes(n)


@pytest.mark.parametrize(
    "call",
    [
        lambda: full_distribution(0),
        lambda: full_distribution(10, 3),
        lambda: full_distribution(True),
        lambda: full_distribution(10.5),  # type: ignore[arg-type]
        lambda: top_k(10, 11),
        lambda: top_k(10, 0),
        lambda: top_p(10, 0.5),
        lambda: top_p(10, 10.5),
        lambda: top_p(10, float("nan")),
        lambda: sampled(10, 0),
        lambda: sampled(10, 256),
        lambda: sampled(10, 5, 3),
        lambda: hidden_state(10, 0),
        lambda: index_bytes(2**64 + 1),
        lambda: Storage(1.0).corpus_bytes(-1),
        lambda: Storage(1.0).corpus_bytes(float("inf")),
        lambda: Storage(1.0).corpus_bytes(float("nan")),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"^\w+: \w+ = .* must be [^\n]+$"):
        call()
