"""Grouped reliability tables of predictions in files, as `stream` makes them from models."""

from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import BINS, equal_mass_edges, equal_width_edges
from capgap.measurement.calibration.distribution import paired_confidence
from capgap.measurement.calibration.files import PredictionFile
from capgap.measurement.calibration.judgment import fold_groups
from capgap.measurement.calibration.predictions import (
    FloatArray,
    check_probabilities,
    row_chunks,
)
from capgap.measurement.calibration.table import ReliabilityTable
from capgap.measurement.calibration.tokens import Against

__all__ = ["stored_tables"]


def stored_tables(
    file: PredictionFile,
    reference: PredictionFile | None = None,
    *,
    bins: int = BINS,
    equal_mass: bool = False,
) -> dict[Against, ReliabilityTable]:
    """Tables (groups, bins) of a file's rows against its labels and against a reference's rows.

    The same numbers as `corpus_tables` for a model that makes these rows, its documents being
    the groups. Rows without groups are taken as independent.

    Returns
    -------
    dict
        "data" if the file holds labels or outcomes; "matched", "own" and "top-1" if there is a
        reference.

    Raises
    ------
    InputError
        Neither labels nor a reference; a reference without probabilities, or of another shape;
        rows that are no distributions.
    """
    columns: dict[Against, tuple[Any, Any]] = {}
    if file.outcome is not None or file.labels is not None or reference is None:
        columns["data"] = file.top()
    if reference is not None:
        confidence, matched, own, same = _paired(_rows(file), _rows(reference))
        columns |= {
            "matched": (confidence, matched),
            "own": (confidence, own),
            "top-1": (confidence, same),
        }
    confidence, _ = next(iter(columns.values()))
    groups = fold_groups(np.shape(confidence)[0], file.groups)
    edges = equal_mass_edges(confidence, bins) if equal_mass else equal_width_edges(bins)
    return {
        against: ReliabilityTable.of(c, o, edges, groups=groups)
        for against, (c, o) in columns.items()
    }


def _rows(file: PredictionFile) -> npt.NDArray[Any]:
    if file.probabilities is None:
        raise InputError(f"calibrate: {file.path} must hold probabilities to be compared")
    return file.probabilities


def _paired(
    rows: npt.NDArray[Any], reference: npt.NDArray[Any]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Confidence; the reference's probability of that class; its own top; whether they agree."""
    if rows.shape != reference.shape:
        shapes = f"{reference.shape} must have the shape {rows.shape} of the predictions"
        raise InputError(f"calibrate: reference of shape {shapes}")
    found = np.empty((4, len(rows)))
    for part in row_chunks(rows):
        p = check_probabilities(rows, "calibrate", part)
        q = check_probabilities(reference, "calibrate", part, name="reference")
        found[0, part], found[1, part] = paired_confidence(q, p, reading="matched")
        found[2, part] = q.max(axis=1)
        found[3, part] = p.argmax(axis=1) == q.argmax(axis=1)
    return found[0], found[1], found[2], found[3]
