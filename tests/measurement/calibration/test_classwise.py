"""Class by class, against one table per class."""

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    classwise_ece,
    classwise_table,
    confidence_and_accuracy,
    ece,
    equal_width_edges,
    stack,
    top_label_ece,
    top_label_table,
)


@pytest.fixture
def predictions() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 200)
    return p, rng.integers(0, 3, 200)


def test_classwise_is_a_table_per_class(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = predictions
    edges = equal_width_edges(7)
    parts = [ReliabilityTable.of(p[:, k], y == k, edges) for k in range(3)]
    table = classwise_table(p, y, edges)
    assert table == stack(parts)
    assert classwise_ece(table) == pytest.approx(np.mean([float(ece(t)) for t in parts]), abs=1e-15)


def test_top_label_is_a_table_per_predicted_class(
    predictions: tuple[np.ndarray, np.ndarray],
) -> None:
    p, y = predictions
    c, o = confidence_and_accuracy(p, y)
    top = p.argmax(axis=1)
    table = top_label_table(p, y)
    assert table == stack([ReliabilityTable.of(c[top == k], o[top == k]) for k in range(3)])
    assert table.pooled() == ReliabilityTable.of(c, o)
    assert top_label_ece(table) >= float(ece(table.pooled()))


def test_batches_add_up(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = predictions
    for made in (classwise_table, top_label_table):
        assert made(p[:50], y[:50]) + made(p[50:], y[50:]) == made(p, y)


def test_a_class_that_never_occurs_counts(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    """All of one class: the absent ones are over-confident by their mean probability."""
    p, _ = predictions
    errors = ece(classwise_table(p, np.zeros(200, dtype=int), equal_width_edges(1)))
    assert errors == pytest.approx([1 - p[:, 0].mean(), p[:, 1].mean(), p[:, 2].mean()], abs=1e-14)


def test_bad_tables_and_rows_are_refused(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    p, y = predictions
    plain = ReliabilityTable.of([0.5], [1])
    with pytest.raises(InputError, match=r"must be \(classes, bins\)"):
        classwise_ece(plain)
    with pytest.raises(InputError, match=r"must be \(classes, bins\)"):
        top_label_ece(plain)
    with pytest.raises(InputError, match=r"label = 3 in row 5 must be in 0 .. 2"):
        classwise_table(p, np.where(np.arange(200) == 5, 3, y))
    with pytest.raises(InputError, match=r"must be \(rows, classes\)"):
        classwise_table(p[:, 0], y)
