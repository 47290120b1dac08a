"""Files of predictions: what is read, what is refused; nothing is unpickled."""

from pathlib import Path

import numpy as np
import pytest

from capgap.errors import CapgapError, InputError
from capgap.measurement.calibration import confidence_and_accuracy, read_predictions

P = np.array([[0.25, 0.75], [0.5, 0.5]])
Y = np.array([1, 1])


def test_probabilities_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    np.savez_compressed(path, probabilities=P, labels=Y, groups=np.array(["a", "b"]))
    found = read_predictions(path)
    c, o = found.top()
    assert (c.tolist(), o.tolist()) == ([0.75, 0.5], [True, False])
    assert found.groups is not None
    assert found.groups.tolist() == ["a", "b"]


def test_logits_become_probabilities(tmp_path: Path) -> None:
    """Large and ruled-out logits too: softmax of (1000, 1000 + log 3) is (1/4, 3/4)."""
    path = tmp_path / "z.npz"
    z = np.array([[1000, 1000 + np.log(3)], [0, -np.inf]])
    np.savez(path, logits=z, labels=Y)
    found = read_predictions(str(path))
    assert found.probabilities == pytest.approx(np.array([[0.25, 0.75], [1, 0]]), abs=1e-12)
    np.savez(path, logits=np.array([[0.0, 1], [0, np.nan]]), labels=Y)
    with pytest.raises(InputError, match="logits in row 1 must be numbers"):
        read_predictions(path)


def test_confidence_with_outcome(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    np.savez(path, confidence=P[:, 0], outcome=Y)
    c, o = read_predictions(path).top()
    assert (c.tolist(), o.tolist()) == ([0.25, 0.5], [1, 1])


def test_matrix_is_mapped_and_lacks_labels(tmp_path: Path) -> None:
    path = tmp_path / "p.npy"
    np.save(path, P)
    found = read_predictions(path)
    assert isinstance(found.probabilities, np.memmap)
    assert confidence_and_accuracy(found.probabilities, Y)[0].tolist() == [0.75, 0.5]
    with pytest.raises(InputError, match="must hold labels"):
        found.top()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"probs": P}, "holds probs, must hold probabilities"),
        ({"labels": Y}, "holds none, must hold one of"),
        ({"probabilities": P, "logits": P}, "holds probabilities and logits"),
        ({"confidence": Y}, "must hold outcome"),
        ({"confidence": Y, "outcome": Y, "labels": Y}, "must not hold labels"),
        ({"probabilities": P, "outcome": Y}, "must not hold outcome"),
        ({"probabilities": P, "labels": Y[:1]}, r"rows \(probabilities 2, labels 1\)"),
        ({"probabilities": P[0]}, r"probabilities of shape \(2,\) must be \(rows, classes\)"),
        ({"confidence": P, "outcome": Y}, r"confidence of shape \(2, 2\) must be \(rows,\)"),
        ({"probabilities": P.astype(str)}, "must be numbers"),
    ],
)
def test_wrong_names_and_shapes_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        read_predictions(path)


class Trap:
    """Raises when unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    objects = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "o.npz", allow_pickle=True, probabilities=objects)
    np.save(tmp_path / "o.npy", objects, allow_pickle=True)
    for name in ("o.npz", "o.npy"):
        with pytest.raises(InputError, match=r"must be an .np[zy] file of numbers"):
            read_predictions(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04spoiled", b"\x93NUMPY\x01\x00"])
def test_spoiled_files_are_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CapgapError) as told:
        read_predictions(path)
    assert "\n" not in str(told.value)


def test_missing_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(CapgapError, match=r"cannot read .*No such file"):
        read_predictions(tmp_path / "none.npz")
    with pytest.raises(InputError, match=r"must end in \.npz or \.npy"):
        read_predictions(tmp_path / "p.csv")
