"""Batches: every token once per pass, in a seeded order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.lm.batches import Batches

sizes = st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(100, 600))


def stream(size: int) -> np.ndarray:
    """Tokens that tell their own position modulo 251, a prime."""
    return (np.arange(size) % 251).astype(np.uint8)


@given(sizes, st.integers(0, 2**31))
def test_windows_are_pieces_of_the_stream(size, seed) -> None:
    batch_size, length, tokens = size
    batches = Batches(stream(tokens), batch_size, length, seed)
    for step in (0, 1, 7, 100):
        batch = batches.batch(step)
        assert batch.shape == (batch_size, length + 1)
        assert ((batch[:, 1:] - batch[:, :-1]) % 251 == 1).all()


@given(st.integers(1, 20), st.integers(100, 251), st.integers(0, 2**31))
def test_one_pass_visits_every_target_at_most_once(length: int, tokens: int, seed: int) -> None:
    """With a stream of distinct tokens, the targets of a pass are distinct."""
    batches = Batches(stream(tokens), 1, length, seed)
    targets = [t for step in range(batches.windows) for t in batches.batch(step)[0, 1:]]
    assert len(set(targets)) == len(targets) == batches.unique_tokens
    # What a pass leaves out is less than two windows.
    assert tokens - len(targets) < 2 * length + 1


def test_passes_differ_and_seeds_differ_and_a_batch_is_a_function_of_the_step() -> None:
    batches = Batches(stream(600), 2, 10, 5)
    steps = batches.windows // 2
    first = np.stack([batches.batch(s) for s in range(steps)])
    assert np.array_equal(first, np.stack([batches.batch(s) for s in range(steps)]))
    assert not np.array_equal(first, np.stack([batches.batch(s + steps) for s in range(steps)]))
    assert not np.array_equal(first[0], Batches(stream(600), 2, 10, 6).batch(0))


def test_text_shorter_than_one_batch_is_refused() -> None:
    with pytest.raises(InputError, match="less than one batch of 4 x 256"):
        Batches(stream(1000), 4, 256, 0)
