"""Top-k and top-p: a plain loop, ties, tails that cancel, and the known mistakes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
mpmath = pytest.importorskip("mpmath", reason="needs the extra 'test'")

from lm.losses import reference  # noqa: E402

from capgap.errors import InputError  # noqa: E402
from capgap.lm.losses import SparseTarget, keep_top_k, keep_top_p  # noqa: E402

seeds = st.integers(0, 10**6)
few = settings(max_examples=40)


def rough(seed: int, vocabulary: int) -> torch.Tensor:
    """Logits of few different values, so that many are equal; some -inf."""
    g = torch.Generator().manual_seed(seed)
    logits = torch.randint(-3, 3, (6, vocabulary), generator=g).double()
    logits[:, 1:] = logits[:, 1:].masked_fill(logits[:, 1:] == -3, -torch.inf)
    return logits


def ranking(row: np.ndarray) -> list[int]:
    return sorted(range(len(row)), key=lambda a: (-row[a], a))


def check_row(kept: SparseTarget, row: int, expected: list[int], probs: np.ndarray) -> None:
    real = kept.log_probs[row] > -torch.inf
    positive = [a for a in expected if probs[a] > 0]
    assert kept.indices[row][real].tolist() == positive
    np.testing.assert_allclose(kept.log_probs[row][real].exp(), probs[positive], rtol=1e-12)
    rest = sum(probs[a] for a in range(len(probs)) if a not in expected)
    assert float(kept.log_tail[row].exp()) == pytest.approx(rest, rel=1e-12, abs=1e-300)


@given(seeds, st.integers(1, 9))
@few
def test_top_k_is_a_sorted_prefix_with_equals_by_number(seed: int, k: int) -> None:
    logits = rough(seed, 9)
    kept = keep_top_k(logits, k)
    for row, probs in enumerate(reference.softmax(logits).numpy()):
        check_row(kept, row, ranking(probs)[:k], probs)


@given(seeds, st.floats(0.01, 0.999))
@few
def test_top_p_is_the_smallest_prefix_that_holds_p(seed: int, p: float) -> None:
    logits = rough(seed, 9)
    kept = keep_top_p(logits, p)
    for row, probs in enumerate(reference.softmax(logits).numpy()):
        order, mass, expected = ranking(probs), 0.0, []
        for a in order:
            if mass >= p:
                break
            expected.append(a)
            mass += probs[a]
        check_row(kept, row, expected, probs)


def test_top_p_keeps_the_token_that_crosses_p() -> None:
    """The source document prints a formula that keeps only prefixes with mass <= p: for p =
    0.6 of (.5, .3, .2) that is one token with mass .5, less than p."""
    logits = torch.tensor([[0.3, 0.5, 0.2]]).double().log()
    kept = keep_top_p(logits, 0.6)
    assert kept.indices.tolist() == [[1, 0]]
    assert float(kept.log_probs.exp().sum()) >= 0.6
    assert keep_top_p(logits, 1e-9).indices.tolist() == [[1]]
    exactly = torch.tensor([[0.5, 0.25, 0.25]]).double().log()
    assert keep_top_p(exactly, 0.5).indices.tolist() == [[0]]


def test_top_p_of_one_keeps_all_that_is_possible() -> None:
    logits = torch.tensor([[0.0, -torch.inf, -80.0], [0.0, 0.0, 0.0]])
    kept = keep_top_p(logits, 1.0)
    assert kept.log_probs.gt(-torch.inf).tolist() == [[True, True, False], [True, True, True]]
    assert kept.log_tail.tolist() == [-torch.inf, -torch.inf]
    assert kept.indices[0].tolist() == [0, 2, 0]  # padding repeats the first token


def test_dropped_tails_leave_probabilities_that_sum_to_one_and_nothing_elsewhere() -> None:
    """The source's code fills with logit 0 instead of -inf: mass stays on dropped tokens."""
    logits = reference.case(3, 4, 11)[1]
    for kept in (keep_top_k(logits, 3, "drop"), keep_top_p(logits, 0.8, "drop")):
        assert kept.log_tail is None
        np.testing.assert_allclose(kept.log_probs.exp().sum(-1), 1.0, rtol=1e-14)
    bucket = keep_top_k(logits, 3)
    ratio = keep_top_k(logits, 3, "drop").log_probs - bucket.log_probs
    np.testing.assert_allclose(ratio, ratio[:, :1].expand(-1, 3), rtol=1e-12)
    filled_with_zero = logits.softmax(-1).new_zeros(4, 11).scatter(-1, bucket.indices, 5.0)
    outside = filled_with_zero.softmax(-1).scatter(-1, bucket.indices, 0.0).sum(-1)
    assert bool((outside > 0.01).all())  # the mistake, which the test above would catch


@pytest.mark.parametrize("size", [18.0, 40.0, 200.0])
def test_small_tails_have_their_digits(size: float) -> None:
    """Tail masses of 1e-7 to 1e-86 in float32, against mpmath; 1 - sum would say 0."""
    g = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 20, generator=g)
    logits[:, :2] += size
    kept = keep_top_k(logits, 2)
    with mpmath.workdps(60):
        for row, tail in zip(logits.tolist(), kept.log_tail.tolist(), strict=True):
            terms = [mpmath.exp(mpmath.mpf(x)) for x in row]
            exact = mpmath.log(mpmath.fsum(terms[2:]) / mpmath.fsum(terms))
            assert tail == pytest.approx(float(exact), rel=3e-7)
    naive = 1 - kept.log_probs.exp().sum(-1)
    assert size < 30 or bool((naive.abs() < 1e-6).all())


def test_long_rows_agree_with_a_full_sort() -> None:
    """Wider than the first look of 64 tokens; flat rows need many tokens."""
    g = torch.Generator().manual_seed(2)
    logits = torch.cat([torch.randn(3, 700, generator=g) * s for s in (0.0, 0.5, 6.0)]).double()
    kept = keep_top_p(logits, 0.9)
    for row, probs in enumerate(reference.softmax(logits).numpy()):
        order = ranking(np.round(probs, 15))
        width = int((np.cumsum(probs[order]) - probs[order] < 0.9 - 1e-12).sum())
        real = kept.log_probs[row] > -torch.inf
        assert abs(int(real.sum()) - width) <= (1 if row < 3 else 0)  # equal masses round
    assert keep_top_k(logits[:1], 5).indices.tolist() == [[0, 1, 2, 3, 4]]


def test_bad_arguments_are_refused() -> None:
    logits = torch.zeros(2, 4)
    for call, match in (
        (lambda: keep_top_k(logits, 0), "keep_top_k: k = 0"),
        (lambda: keep_top_k(logits, 5), "k = 5 must be at most 4"),
        (lambda: keep_top_k(logits, 2, "fold"), "tail"),
        (lambda: keep_top_k(logits[None], 2), r"logits of shape \(1, 2, 4\)"),
        (lambda: keep_top_p(logits, 0.0), "keep_top_p: p = 0"),
        (lambda: keep_top_p(logits, 1.1), "keep_top_p: p = 1.1"),
        (lambda: keep_top_p(logits[0], 0.5), r"logits of shape \(4,\)"),
        (lambda: SparseTarget(torch.zeros(2, 3), torch.zeros(2, 3)), "int64"),
        (lambda: SparseTarget(torch.zeros(2, 3).long(), torch.zeros(2, 2)), "same shape"),
        (
            lambda: SparseTarget(torch.zeros(2, 3).long(), torch.zeros(2, 3), torch.zeros(3)),
            "log_tail",
        ),
    ):
        with pytest.raises(InputError, match=match):
            call()
