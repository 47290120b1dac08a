"""ECE_Dist against loops, and the inequalities that bound it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    confidence_and_accuracy,
    distribution_table,
    ece,
    ece_dist,
    equal_mass_edges,
    equal_width_edges,
)

WAYS = [(reading, order) for reading in ("own", "matched") for order in ("A", "B")]


def models(seed: int, n: int, classes: int, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = 2 * rng.standard_normal((n, classes))
    w = z + apart * rng.standard_normal((n, classes))
    return tuple(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (z, w))  # type: ignore[return-value]


def brute(A: np.ndarray, B: np.ndarray, reading: str, order: str, bins: int) -> float:
    """Oracle: the definition as a loop over rows and bins."""
    binning, other = (B, A) if order == "B" else (A, B)
    total = 0.0
    for k in range(bins):
        gap = 0.0
        for p, q in zip(binning, other, strict=True):
            c = max(p)
            if k / bins <= c < (k + 1) / bins or (c == 1 and k == bins - 1):
                gap += (max(q) if reading == "own" else q[list(p).index(c)]) - c
        total += abs(gap)
    return total / len(A)


@pytest.mark.parametrize(("reading", "order"), WAYS)
def test_both_readings_and_orders_follow_the_definition(reading: str, order: str) -> None:
    A, B = models(0, 60, 4)
    found = ece_dist(A, B, reading=reading, bins_by=order)  # type: ignore[arg-type]
    assert found == pytest.approx(brute(A, B, reading, order, 21), abs=1e-14)


def test_the_four_differ() -> None:
    A, B = models(0, 60, 4)
    values = {round(brute(A, B, *way, 21), 6) for way in WAYS}
    assert len(values) == 4


@pytest.mark.parametrize(("reading", "order"), WAYS)
@given(seed=st.integers(0, 2**32 - 1), apart=st.floats(0, 3), classes=st.integers(2, 9))
def test_the_distillation_loss_bounds_it(
    reading: str, order: str, seed: int, apart: float, classes: int
) -> None:
    """ECE_Dist <= E max |p - q| <= E TV <= sqrt(E KL / 2), both KL, with the bins refined too."""
    A, B = models(seed, 20, classes, apart)
    found = ece_dist(A, B, reading=reading, bins_by=order)  # type: ignore[arg-type]
    each = ece_dist(A, B, reading=reading, bins_by=order, edges=equal_width_edges(5000))  # type: ignore[arg-type]
    largest = np.abs(A - B).max(axis=1).mean()
    variation = np.abs(A - B).sum(axis=1).mean() / 2
    forward, reverse = ((p * np.log(p / q)).sum(axis=1).mean() for p, q in ((A, B), (B, A)))
    assert found <= largest + 1e-14
    assert each <= largest + 1e-14
    assert largest <= variation + 1e-14
    # Squared, since the terms of the divergence cancel down to 1e-16 for near models.
    assert 2 * variation**2 <= min(forward, reverse) + 1e-15


@pytest.mark.parametrize(("reading", "order"), WAYS)
def test_identical_models_are_at_zero_exactly(reading: str, order: str) -> None:
    A, _ = models(1, 200, 5)
    for edges in (None, equal_mass_edges(A.max(axis=1), 7)):
        assert ece_dist(A, A, reading=reading, bins_by=order, edges=edges) == 0  # type: ignore[arg-type]


def test_sampled_labels_give_more_and_tend_to_it() -> None:
    """E[ECE on labels drawn from A] >= ECE_Dist (Jensen), the difference falling with N.

    Statistic: mean ECE over 200 draws of all labels, with its standard error, for 1, 8 and 64
    copies of the same tokens (ECE_Dist is the same for each).
    """
    A, B = models(2, 150, 5, apart=0.7)
    target = ece_dist(A, B)
    rng = np.random.default_rng(3)
    cumulative = A.cumsum(axis=1)
    c = B.max(axis=1)
    top = B.argmax(axis=1)
    excess, error = [], []
    for copies in (1, 8, 64):
        drawn = []
        for _ in range(200):
            u = rng.random((copies, 150, 1))
            y = np.minimum((u > cumulative).sum(axis=2), 4)
            table = ReliabilityTable.of(np.tile(c, copies), (y == top).ravel())
            drawn.append(float(ece(table)))
        excess.append(np.mean(drawn) - target)
        error.append(np.std(drawn) / np.sqrt(len(drawn)))
    assert min(e + 4 * s for e, s in zip(excess, error, strict=True)) >= 0
    assert excess[0] > 4 * error[0]  # few labels: clearly more
    assert excess[1] < excess[0] / 1.5
    assert excess[2] < excess[1] / 1.5  # many: it tends to ECE_Dist


def test_the_own_reading_is_not_the_limit_of_sampled_labels() -> None:
    """Negative control: against A's own top probability the limit is another number."""
    A, B = models(2, 150, 5, apart=3.0)
    assert ece_dist(A, B) - ece_dist(A, B, reading="own") > 0.1


def test_tables_of_batches_add_up() -> None:
    A, B = models(4, 90, 3)
    parts = [distribution_table(A[i : i + 30], B[i : i + 30]) for i in (0, 30, 60)]
    assert parts[2] + parts[0] + parts[1] == distribution_table(A, B)


def test_one_hot_reference_is_plain_ece() -> None:
    _, B = models(5, 80, 3)
    y = np.random.default_rng(6).integers(0, 3, 80)
    c, o = confidence_and_accuracy(B, y)
    assert ece_dist(np.eye(3)[y], B) == float(ece(ReliabilityTable.of(c, o)))


def test_bad_pairs_are_refused() -> None:
    A, B = models(7, 5, 3)
    with pytest.raises(InputError, match=r"rows \(A 5, B 4\)"):
        ece_dist(A, B[:4])
    with pytest.raises(InputError, match="must have the shape"):
        ece_dist(A, np.full((5, 2), 0.5))
    with pytest.raises(InputError, match=r"A in row 0 hold .* logits"):
        ece_dist(np.log(A), B)
    with pytest.raises(InputError, match="reading = 'mine'"):
        ece_dist(A, B, reading="mine")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="bins_by = 'C'"):
        ece_dist(A, B, bins_by="C")  # type: ignore[arg-type]
