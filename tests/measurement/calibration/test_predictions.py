"""What is refused at the door, with the row; and tensors as well as arrays."""

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    confidence_and_accuracy,
    ece,
    ece_dist,
    multiclass_brier,
)
from capgap.measurement.calibration.predictions import check_probabilities, row_chunks


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_logits_are_refused_with_their_row() -> None:
    p = np.full((5, 2), 0.5)
    p[3] = [2.5, -1.0]
    with pytest.raises(InputError, match=r"probabilities in row 3 hold 2.5, .*are they logits"):
        confidence_and_accuracy(p, np.zeros(5, dtype=int))


def test_log_probabilities_are_refused() -> None:
    with pytest.raises(InputError, match=r"row 0 hold -0.693147, .*logits"):
        check_probabilities(np.log(np.full((1, 2), 0.5)), "table")


@pytest.mark.parametrize(
    ("dtype", "off", "fine"),
    [
        (np.float64, 2e-8, 5e-9),
        (np.float32, 2e-5, 5e-6),
        (np.float16, 2e-2, 1e-3),
    ],
)
def test_rows_that_do_not_sum_to_one(dtype: type, off: float, fine: float) -> None:
    """The tolerance goes by the type: 1e-8, 1e-5, 4e-3."""
    p = np.full((4, 2), 0.5)
    p[2, 0] += off
    with pytest.raises(InputError, match=r"probabilities in row 2 sum to 1\.\d+, must be 1 within"):
        check_probabilities(p.astype(dtype), "table")
    p[2, 0] += fine - off
    assert check_probabilities(p.astype(dtype), "table").shape == (4, 2)


def test_tolerance_can_be_given() -> None:
    p = np.array([[0.5, 0.51]])
    assert multiclass_brier(p, [0], tolerance=0.02) == pytest.approx(0.5**2 + 0.51**2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_bad_confidences_and_outcomes_are_refused_with_their_row(bad: float) -> None:
    values = np.full(100_000, 0.5)
    values[70_001] = bad
    good = np.full(100_000, 0.5)
    with pytest.raises(InputError, match=r"table: confidence = .* in row 70001 must be in"):
        ReliabilityTable.of(values, good)
    with pytest.raises(InputError, match=r"table: outcome = .* in row 70001 must be in"):
        ReliabilityTable.of(good, values)
    p = np.full((100, 2), 0.5)
    p[99, 1] = bad
    with pytest.raises(InputError, match="in row 99 "):
        confidence_and_accuracy(p, np.zeros(100, dtype=int))


def test_rounding_above_one_is_one() -> None:
    above = np.nextafter(np.float32(1), np.float32(2))
    assert ReliabilityTable.of(np.array([above]), [1]).sum_confidence[-1] == 1


def test_shapes_and_lengths_are_refused() -> None:
    with pytest.raises(InputError, match=r"rows \(confidence 2, outcome 1\)"):
        ReliabilityTable.of([0.5, 0.5], [1])
    with pytest.raises(InputError, match=r"confidence of shape \(\) must have rows"):
        ReliabilityTable.of(0.5, 1)
    with pytest.raises(InputError, match="one number per row"):
        ReliabilityTable.of([[0.5]], [1])
    with pytest.raises(InputError, match="one number per row"):
        ReliabilityTable.of(["a"], [1])
    with pytest.raises(InputError, match=r"\(rows, classes\)"):
        check_probabilities([0.5], "table")
    with pytest.raises(InputError, match="one integer per row"):
        confidence_and_accuracy([[0.5, 0.5]], [0.0])
    with pytest.raises(InputError, match="label = -1 in row 0"):
        confidence_and_accuracy([[0.5, 0.5]], [-1])


def test_ties_of_probability_go_to_the_first_class() -> None:
    _, outcome = confidence_and_accuracy([[0.5, 0.5], [0.5, 0.5]], [0, 1])
    assert outcome.tolist() == [True, False]


def test_chunks_cover_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    p = softmax(np.random.default_rng(0).standard_normal((10, 4)))
    covered = [i for rows in row_chunks(p, 12) for i in range(10)[rows]]
    assert covered == list(range(10))


def test_tensors_give_what_arrays_give() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    rng = np.random.default_rng(1)
    p = softmax(rng.standard_normal((50, 4)))
    y = rng.integers(0, 4, 50)
    tensor = torch.from_numpy(p).requires_grad_()
    c, o = confidence_and_accuracy(p, y)
    tc, to = confidence_and_accuracy(tensor, torch.from_numpy(y))
    assert np.array_equal(c, tc)
    assert np.array_equal(o, to)
    table = ReliabilityTable.of(torch.from_numpy(c), torch.from_numpy(o))
    assert table == ReliabilityTable.of(c, o)
    assert ece_dist(tensor, torch.from_numpy(p)) == 0


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_tensors_of_low_precision_keep_their_values(name: str) -> None:
    """A softmax in that type passes its tolerance, and its numbers are not changed."""
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    z = torch.from_numpy(np.random.default_rng(2).standard_normal((64, 5000)))
    p = torch.softmax(z, dim=1).to(getattr(torch, name))
    y = torch.zeros(64, dtype=torch.int64)
    c, _ = confidence_and_accuracy(p, y)
    assert np.array_equal(c, p.double().numpy().max(axis=1))
    assert 0 <= float(ece(ReliabilityTable.of(p.max(dim=1).values, y))) <= 1
