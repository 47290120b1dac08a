"""Predictions from .npz and .npy files, by the names of their arrays; nothing is unpickled."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import CapgapError, InputError
from capgap.measurement.calibration.predictions import (
    FloatArray,
    confidence_and_accuracy,
    row_chunks,
    same_length,
)

__all__ = ["NAMES", "PredictionFile", "read_predictions"]

# What numpy and the zip archive raise on contents that are not theirs.
_SPOILED = (
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    AttributeError,
    SyntaxError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)

NAMES = ("probabilities", "logits", "labels", "confidence", "outcome", "groups")


@dataclass(frozen=True, eq=False)
class PredictionFile:
    """What a file holds: rows of probabilities, or confidences with outcomes; None if absent.

    Values are checked where they are used, row by row.
    """

    path: Path
    probabilities: npt.NDArray[Any] | None = None
    labels: npt.NDArray[Any] | None = None
    confidence: npt.NDArray[Any] | None = None
    outcome: npt.NDArray[Any] | None = None
    groups: npt.NDArray[Any] | None = None

    def top(self) -> tuple[Any, Any]:
        """Confidence and outcome of each row, (n,) each.

        Raises
        ------
        InputError
            Neither confidence with outcome nor probabilities with labels; bad rows.
        """
        if self.confidence is not None and self.outcome is not None:
            return self.confidence, self.outcome
        if self.probabilities is None or self.labels is None:
            raise InputError(f"read: {self.path} must hold labels with its probabilities")
        return confidence_and_accuracy(self.probabilities, self.labels)


def read_predictions(path: Path | str) -> PredictionFile:
    """Read predictions from an .npz or an .npy file.

    An .npz file holds arrays under these names, and no others:

    - ``probabilities`` (n, classes), or ``logits`` (n, classes), of which the softmax is taken in
      float64: not both. With ``labels`` (n,), integers; a reference may leave them out;
    - or ``confidence`` (n,) and ``outcome`` (n,): 0 and 1, or reference probabilities;
    - with either, ``groups`` (n,): the sequence of each row.

    An .npy file holds one matrix (n, classes) of probabilities; it is mapped, not loaded. Objects
    that would have to be unpickled are refused.

    Raises
    ------
    InputError
        Another suffix, unknown or missing names, shapes that disagree, a file that is no such file.
    CapgapError
        The file cannot be opened.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".npy"):
        raise InputError(f"read: {path} must end in .npz or .npy")
    try:
        arrays = _mapped(path) if path.suffix == ".npy" else _unpacked(path)
    except InputError:
        raise
    except OSError as error:
        raise CapgapError(f"read: cannot read {path}: {error.strerror or error}") from None
    except _SPOILED as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"read: {path} must be an {path.suffix} file of numbers: {told}") from None
    _check_shapes(path, arrays)
    if "logits" in arrays:
        arrays["probabilities"] = _softmax(path, arrays.pop("logits"))
    return PredictionFile(path, **arrays)


def _mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    return {"probabilities": np.lib.format.open_memmap(path, mode="r")}


def _unpacked(path: Path) -> dict[str, npt.NDArray[Any]]:
    # numpy leaves a file that it opened itself open if it is spoiled.
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("not a zip archive")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            _check_names(path, set(archive.files))
            return {name: archive[name] for name in archive.files}


def _check_names(path: Path, names: set[str]) -> None:
    unknown = sorted(names - set(NAMES))
    if unknown:
        raise InputError(f"read: {path} holds {', '.join(unknown)}, must hold {', '.join(NAMES)}")
    given = [kind for kind in ("probabilities", "logits", "confidence") if kind in names]
    if len(given) != 1:
        told = " and ".join(given) or "none"
        rule = "must hold one of probabilities, logits, confidence"
        raise InputError(f"read: {path} holds {told}, {rule}")
    partner = "outcome" if given == ["confidence"] else None
    if partner and partner not in names:
        raise InputError(f"read: {path} must hold outcome with its confidence")
    misplaced = names & ({"labels"} if partner else {"outcome"})
    if misplaced:
        raise InputError(f"read: {path} must not hold {misplaced.pop()} with {given[0]}")


def _check_shapes(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    for name, values in arrays.items():
        expected = 2 if name in ("probabilities", "logits") else 1
        if values.ndim != expected:
            shape = "(rows, classes)" if expected == 2 else "(rows,)"
            raise InputError(f"read: {path}: {name} of shape {values.shape} must be {shape}")
        numeric = values.dtype.kind in "fiub" or (name == "groups" and values.dtype.kind in "US")
        if not numeric:
            raise InputError(f"read: {path}: {name} of type {values.dtype} must be numbers")
    same_length(f"read: {path}", **arrays)


def _softmax(path: Path, logits: npt.NDArray[Any]) -> FloatArray:
    """Probabilities of rows of logits; -inf is allowed (a class ruled out), nan and inf are not."""
    probabilities = np.empty(logits.shape)
    for rows in row_chunks(logits):
        z = logits[rows].astype(np.float64)
        top = z.max(axis=1)
        if not np.isfinite(top).all():
            row = int(np.argmin(np.isfinite(top))) + rows.start
            raise InputError(f"read: {path}: logits in row {row} must be numbers below infinity")
        z = np.exp(z - top[:, None])
        probabilities[rows] = z / z.sum(axis=1, keepdims=True)
    return probabilities
