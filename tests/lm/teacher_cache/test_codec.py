"""Every form against the dense float64 distribution, through the bytes of a shard.

Oracle: log-softmax in float64 and Python's sorted, brute force.
"""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import (  # noqa: E402
    CPU,
    dense,
    round_trip,
    same_target,
    soft64,
)

from capgap.lm.losses.targets import SampledTarget, SparseTarget  # noqa: E402
from capgap.lm.teacher_cache.codec import decode, encode  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402

# Relative rounding error of float16, and half its smallest step.
HALF, TINY = 2.0**-11, 2.0**-25
# Of float32's log-softmax at logits up to 40.
SINGLE = 2e-5


@st.composite
def some_logits(draw: st.DrawFn) -> torch.Tensor:
    """Multiples of 1/8 (so that equal ones are frequent and others far apart), some -inf."""
    vocabulary = draw(st.sampled_from([2, 3, 16, 256, 257]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.0, 0.5, 3.0, 10.0]))
    z = np.round(8 * rng.normal(0, scale, size=(4, vocabulary)).clip(-40, 40)) / 8
    if draw(st.booleans()):
        z[:, 1:][rng.random((4, vocabulary - 1)) < 0.3] = -np.inf
    return torch.from_numpy(z).float()


def falling(z: torch.Tensor) -> list[list[int]]:
    """Tokens of each row by falling logit, equals by number."""
    return [sorted(range(len(row)), key=lambda a: (-float(row[a]), a)) for row in z]


def tolerance(log_p: np.ndarray) -> np.ndarray:
    """Error of a stored and renormalized log-probability.

    Rounding, 2^-11 |log p|, and the constant of renormalization, at most 2^-11 times the
    entropy, itself at most log V (first order; second order and float32 in SINGLE).
    """
    return HALF * (np.abs(log_p) + math.log(log_p.shape[-1])) + TINY + SINGLE


@given(some_logits())
def test_full_is_kept_to_half_precision_of_the_log_probability(z: torch.Tensor) -> None:
    exact, found = soft64(z), soft64(round_trip("full", z))
    possible = np.isfinite(exact)
    assert (np.isneginf(found) == ~possible).all()
    bound = tolerance(np.where(possible, exact, 0.0))
    assert (np.abs(found[possible] - exact[possible]) <= bound[possible]).all()


@given(some_logits(), st.sampled_from([1, 2, 5]), st.sampled_from(["", ",tail=drop"]))
def test_top_k_keeps_the_largest_and_sums_to_one(z: torch.Tensor, k: int, tail: str) -> None:
    assume(k <= z.shape[1])
    check_sparse(z, round_trip(f"top-k:{k}{tail}", z), [row[:k] for row in falling(z)])


@given(some_logits(), st.sampled_from([0.37, 0.9, 0.999]), st.sampled_from(["", ",tail=drop"]))
def test_top_p_keeps_the_smallest_set_and_sums_to_one(z: torch.Tensor, p: float, tail: str) -> None:
    kept = []
    for row, order in zip(np.exp(soft64(z)), falling(z), strict=True):
        mass = np.cumsum(row[order])
        assume(np.abs(mass - p).min() > 1e-5)  # else rounding decides which set is the smallest
        kept.append(order[: int((mass < p).sum()) + 1])
    check_sparse(z, round_trip(f"top-p:{p}{tail}", z), kept)


def check_sparse(z: torch.Tensor, target: object, kept: list[list[int]]) -> None:
    assert isinstance(target, SparseTarget)
    exact = soft64(z)
    for place, tokens in enumerate(kept):
        pairs = zip(target.indices[place].tolist(), target.log_probs[place].tolist(), strict=True)
        # An entry of probability 0 is padding.
        found = [(a, value) for a, value in pairs if value > -math.inf]
        possible = [a for a in tokens if np.isfinite(exact[place, a])]
        assert [a for a, _ in found] == possible
        rest = [a for a in range(z.shape[1]) if a not in tokens]
        total, mass = logsumexp(exact[place, possible]), sum(math.exp(v) for _, v in found)
        tail = logsumexp(exact[place, rest])
        if target.log_tail is not None:
            stored, total = float(target.log_tail[place]), 0.0
            mass += math.exp(stored)
            assert (
                stored == tail
                or abs(stored - tail) <= tolerance(np.full((1, z.shape[1]), tail)).max()
            )
        for a, value in found:
            bound = tolerance(np.full((1, z.shape[1]), exact[place, a])).max()
            assert abs(value - (exact[place, a] - total)) <= bound
        assert mass == pytest.approx(1.0, abs=2e-6)  # float32


def logsumexp(values: np.ndarray) -> float:
    top = max(values, default=-math.inf)
    return top + math.log(np.exp(values - top).sum()) if math.isfinite(top) else -math.inf


@given(some_logits(), st.sampled_from([1, 4, 300]), st.integers(0, 5))
def test_sampled_counts_draws_of_possible_tokens(z: torch.Tensor, n: int, seed: int) -> None:
    target = round_trip(f"sampled:{n},seed={seed}", z)
    assert isinstance(target, SampledTarget)
    counts = dense(target, z.shape[1]) * n
    assert np.allclose(counts, counts.round(), atol=1e-4)  # float32 of count / n, times n
    assert (counts.sum(-1).round() == n).all()
    assert (counts[~np.isfinite(z.numpy())] == 0).all()


def test_draws_belong_to_a_window_and_a_seed() -> None:
    z = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    outputs = TeacherOutputs.parse("sampled:8")
    together = encode(outputs, z, None, 4, 2)[0]
    for window in range(3):
        alone = encode(outputs, z[2 * window : 2 * window + 2], None, 4 + window, 2)[0]
        rows = slice(2 * window, 2 * window + 2)
        assert all(np.array_equal(together[name][rows], alone[name]) for name in alone)
    other = encode(outputs.with_seed(1), z, None, 4, 2)[0]
    assert not np.array_equal(together["indices"], other["indices"])
    elsewhere = encode(outputs, z, None, 5, 2)[0]
    assert not np.array_equal(together["indices"], elsewhere["indices"])


def test_hidden_states_come_back_bit_for_bit() -> None:
    states = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    outputs = TeacherOutputs.parse("hidden")
    arrays, _ = encode(outputs, states @ states.T, states, 0, 6)
    found = decode(outputs, arrays, CPU)
    assert isinstance(found, torch.Tensor)
    assert torch.equal(found, states)


@pytest.mark.parametrize("vocabulary", [65536, 65537])
@pytest.mark.parametrize("form", ["top-k:3", "top-p:0.999", "sampled:5"])
def test_the_last_token_of_a_large_vocabulary_is_numbered(form: str, vocabulary: int) -> None:
    z = torch.zeros(2, vocabulary)
    z[0, vocabulary - 1] = 30.0
    z[1, 255], z[1, 256] = 30.0, 30.5
    found = dense(round_trip(form, z), vocabulary)
    # 65536 e^-30 of mass is elsewhere: 6e-9.
    assert found[0, vocabulary - 1] == pytest.approx(1.0, abs=1e-3)
    assert found[1, 255:257].sum() == pytest.approx(1.0, abs=1e-3)


def test_a_tiny_tail_keeps_its_digits() -> None:
    """One minus the kept mass has none left in float32."""
    z = torch.tensor([[0.0, -30.0, -31.0, -33.0]])
    target = round_trip("top-k:1", z)
    assert isinstance(target, SparseTarget)
    assert target.log_tail is not None
    exact = logsumexp(soft64(z)[0, 1:])
    assert abs(float(target.log_tail[0]) - exact) <= HALF * abs(exact) + SINGLE
    by_subtraction = 1 - z.softmax(-1)[0, 0]
    assert float(by_subtraction) == 0.0
    assert math.exp(exact) == pytest.approx(1.33e-13, rel=0.01)


def test_the_bias_of_half_precision_is_of_second_order() -> None:
    """KL(p || kept) <= 2^-23 E_p[log^2 p], to second order, with 2% for the third."""
    z = 3 * torch.randn(64, 1000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = soft64(z)
    kept = soft64(torch.from_numpy(exact).half())
    p = np.exp(exact)
    divergence = (p * (exact - kept)).sum(-1)
    bound = 2.0**-23 * (p * exact**2).sum(-1)
    assert (divergence <= 1.02 * bound).all()
    assert (divergence > 0).all()
    # Logits with a common constant, kept in float16, lose what log-probabilities keep.
    shifted = soft64((z + 100).half())
    worse = (p * (exact - shifted)).sum(-1)
    assert worse.mean() > 30 * divergence.mean()


def test_padding_of_joined_rows_is_not_read() -> None:
    z = torch.tensor([[9.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    target = round_trip("top-p:0.9", z)
    assert isinstance(target, SparseTarget)
    assert target.indices.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert (target.log_probs[0, 1:] == -math.inf).all()
    assert same_target(target, target)
