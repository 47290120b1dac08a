"""Bytes per token are those of theory, exactly, and columns are aligned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.teacher_cache.codec import encode  # noqa: E402
from capgap.lm.teacher_cache.layout import Column, columns, pack, theory, unpack  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402
from capgap.storage import full_distribution, hidden_state, sampled, top_k, top_p  # noqa: E402

FORMS = (
    "full", "hidden", "top-k:2", "top-k:2,tail=drop", "top-p:0.9", "top-p:0.9,tail=drop",
    "sampled:12", "sampled:300",
)  # fmt: skip


@pytest.mark.parametrize("vocabulary", [2, 256, 257, 65536, 65537])
@pytest.mark.parametrize("form", FORMS)
def test_bytes_are_those_of_theory(form: str, vocabulary: int) -> None:
    outputs = TeacherOutputs.parse(form)
    z = torch.randn(3, vocabulary, generator=torch.Generator().manual_seed(0))
    states = torch.zeros(3, 5)
    layout = columns(outputs, vocabulary, 5)
    arrays, sums = encode(outputs, z, states, 0, 3)
    data = pack(arrays, layout)
    expected = theory(outputs, vocabulary, 5, sums.kept / 3).per_token
    assert len(data) == pytest.approx(3 * expected, abs=1e-6)
    start = 0
    for column, array in unpack(np.frombuffer(data, np.uint8), layout, 3, sums.kept).items():
        assert start % array.itemsize == 0, column
        assert np.array_equal(array, arrays[column].astype(array.dtype))
        start += array.nbytes


def test_theory_is_that_of_the_storage_room() -> None:
    """By hand: 12 x (2 + 2) and 2 for the tail; 2 bytes per value elsewhere."""
    vocabulary = 32168
    cases = {
        "full": full_distribution(vocabulary, 2).per_token,
        "hidden": hidden_state(vocabulary, 512).per_token,
        "top-k:12,tail=drop": top_k(vocabulary, 12, 2).per_token,
        "top-k:12": 50.0,
        "top-p:0.9,tail=drop": top_p(vocabulary, 3.5, 2).per_token,
        "top-p:0.9": top_p(vocabulary, 3.5, 2).per_token + 2,
        "sampled:12": sampled(vocabulary, 12).per_token,
        "sampled:255": sampled(vocabulary, 255, 1).per_token,
        "sampled:256": sampled(vocabulary, 256, 2).per_token,
    }
    for form, per_token in cases.items():
        found = theory(TeacherOutputs.parse(form), vocabulary, 512, 3.5)
        assert found.per_token == per_token, form
    # What the paper's 129 kB per token become: by 2, 63, 2573 and 3574 times less.
    dense = full_distribution(vocabulary).per_token
    assert dense == 128_672.0
    assert dense / cases["full"] == 2
    assert round(dense / cases["hidden"]) == 63
    assert round(dense / cases["top-k:12"]) == 2573
    assert round(dense / cases["sampled:12"]) == 3574


def test_a_shard_of_other_size_is_refused() -> None:
    layout = (Column("values", "<f2", 3), Column("indices", "|u1", 3))
    with pytest.raises(ValueError, match="a shard has 17 bytes, must have 18"):
        unpack(np.zeros(17, np.uint8), layout, 2, 0)
    with pytest.raises(ValueError, match="a shard has 19 bytes, must have 18"):
        unpack(np.zeros(19, np.uint8), layout, 2, 0)
