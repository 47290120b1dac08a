"""ECE_Dist: how far the confidence of one model lies from another's, bin by bin."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import bin_index, check_edges, equal_width_edges
from capgap.measurement.calibration.estimators import ece
from capgap.measurement.calibration.predictions import (
    FloatArray,
    check_probabilities,
    row_chunks,
    same_length,
)
from capgap.measurement.calibration.table import ReliabilityTable

__all__ = ["Order", "Reading", "distribution_table", "ece_dist", "paired_confidence"]

Reading = Literal["own", "matched"]
Order = Literal["A", "B"]


def ece_dist(
    A: Any,
    B: Any,
    *,
    reading: Reading = "matched",
    bins_by: Order = "B",
    edges: npt.ArrayLike | None = None,
    tolerance: float | None = None,
) -> float:
    """ECE_Dist(A, B) = sum_m (|B_m| / N) |conf(B_m; A) - conf(B_m; B)| (arXiv 2502.08606, E.8).

    The bins B_m hold the rows by the top probability of the model `bins_by`, B in the paper's
    formula. "conf(.; A)" can be read in two ways, and they differ:

    - ``"matched"``: A's probability of the class that B puts first. Then ECE_Dist is the limit
      of B's ECE against labels drawn from A, from below: E[ECE] >= ECE_Dist (Jensen).
    - ``"own"``: A's own top probability, whatever its class.

    With ``bins_by="A"`` the two models change places: bins by A's top probability, and (matched)
    B's probability of the class that A puts first. Either way, with KL in nats,
    ECE_Dist <= E max_k |p_k - q_k| <= E TV(p, q) <= sqrt(E KL / 2), either KL: the distillation
    loss bounds it. 0 for identical models.

    Parameters
    ----------
    A, B : arrays or tensors of probabilities, shape (n, classes): row i is the same token
    edges : 21 bins of equal width if not given

    Raises
    ------
    InputError
        Different shapes; rows that are no distributions, with the row.

    Examples
    --------
    >>> A, B = [[0.625, 0.375]], [[0.25, 0.75]]
    >>> ece_dist(A, B), ece_dist(A, B, reading="own")  # |3/8 - 3/4|, |5/8 - 3/4|
    (0.375, 0.125)
    """
    table = distribution_table(
        A, B, reading=reading, bins_by=bins_by, edges=edges, tolerance=tolerance
    )
    return float(ece(table))


def distribution_table(
    A: Any,
    B: Any,
    *,
    reading: Reading = "matched",
    bins_by: Order = "B",
    edges: npt.ArrayLike | None = None,
    tolerance: float | None = None,
) -> ReliabilityTable:
    """The table behind `ece_dist`: confidence of the binning model, outcome from the other one.

    Tables of batches add up to the table of a corpus.
    """
    checked = equal_width_edges() if edges is None else check_edges(edges)
    same_length("ece_dist", A=A, B=B)

    def part(rows: slice) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
        p = check_probabilities(A, "ece_dist", rows, tolerance=tolerance, name="A")
        q = check_probabilities(B, "ece_dist", rows, tolerance=tolerance, name="B")
        confidence, other = paired_confidence(p, q, reading=reading, bins_by=bins_by)
        return bin_index(confidence, checked), confidence, other

    return ReliabilityTable.from_parts(checked, (checked.size - 1,), map(part, row_chunks(A)))


def paired_confidence(
    A: FloatArray, B: FloatArray, *, reading: Reading = "matched", bins_by: Order = "B"
) -> tuple[FloatArray, FloatArray]:
    """Top probability of the binning model, and what the other model is compared by; (n,) each.

    Takes checked probabilities: for a stream that reduces each batch before it is stored.
    """
    if A.shape != B.shape:
        raise InputError(f"ece_dist: A of shape {A.shape} must have the shape {B.shape} of B")
    if bins_by not in ("A", "B"):
        raise InputError(f"ece_dist: bins_by = {bins_by!r} must be 'A' or 'B'")
    binning, other = (B, A) if bins_by == "B" else (A, B)
    top, row = binning.argmax(axis=1), np.arange(len(binning))
    if reading == "matched":
        return binning[row, top], other[row, top]
    if reading == "own":
        return binning[row, top], other.max(axis=1)
    raise InputError(f"ece_dist: reading = {reading!r} must be 'own' or 'matched'")
