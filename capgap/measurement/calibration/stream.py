"""Calibration of language models over a corpus: one pass, a table per document, constant memory.

Each batch of `corpus_predictions` is reduced to a confidence and an outcome per token and
counted; memory does not grow with the corpus.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.bins import (
    BINS,
    MassHistogram,
    bin_index,
    check_edges,
    equal_width_edges,
)
from capgap.measurement.calibration.predictions import FloatArray
from capgap.measurement.calibration.table import ReliabilityTable
from capgap.measurement.calibration.tokens import (
    AGAINST,
    Against,
    TokenBatch,
    corpus_predictions,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from capgap.lm.text import Text

__all__ = ["GROUPS", "Grouping", "corpus_edges", "corpus_tables", "group_count"]

Grouping = Literal["document", "window"]

GROUPS = 1024
"""Most groups kept apart; further documents join them in turn, whole, so groups stay independent
and memory constant."""


def corpus_tables(
    models: "Mapping[str, nn.Module]",
    corpus: "Text",
    *,
    device: "torch.device",
    length: int,
    reference: str | None = None,
    grouping: Grouping = "document",
    edges: FloatArray | Mapping[str, FloatArray] | None = None,
    precision: str = "float32",
    batch_size: int = 16,
) -> dict[tuple[str, Against], ReliabilityTable]:
    r"""Reliability tables of models over the validation documents, one table for each group.

    With confidence :math:`c_i = \max_k p_{ik}` of a model p and first choice
    :math:`k_i = \arg\max_k p_{ik}` (of equal probabilities the first), and a reference model q
    with first choice :math:`r_i`, the outcome of token i is

    .. math:: [k_i = y_i], \quad q_{i k_i}, \quad q_{i r_i}, \quad [k_i = r_i]

    against data, matched, own and top-1. `capgap.measurement.calibration.ece` of the pooled
    tables is ECE against data, ECE_Dist(q, p) in its two readings with bins by p, and ECE
    against the reference's first choice (Busbridge et al. 2025, arXiv 2502.08606, E.8). For
    ECE_Dist with bins by q, let p and q change places.

    **Groups.** Tokens of one document depend on one another: on subject, spelling and style,
    beyond one context window. So the groups drawn by the bootstrap are whole documents by
    default. Few documents (19 speeches in the shipped text) make this honest but rough: a
    variance from G groups has a relative error of about sqrt(2 / (G - 1)), a third for 19, so that
    intervals that say 95% cover about 90% (a test shows it), and rare kinds of document may be
    missing. ``grouping="window"`` takes context windows as
    independent: many groups and a narrow interval, which speaks of other text of these very
    documents, not of other documents.

    Parameters
    ----------
    models : names and modules that map tokens (batch, time) to logits (batch, time, vocab_size)
    corpus : its validation documents are read
    device : where the models are
    length : tokens per window
    reference : name of the model among `models` that the others are held against
    edges : of the bins, for all models or for each by name; 21 of equal width if not given
    precision : "float32" or "bfloat16", of matrix products; softmax is taken in float64
    batch_size : windows at a time

    Returns
    -------
    dict
        For each model against data, and for each but the reference against the reference:
        tables of shape (groups, bins), groups in the order of the text.

    Raises
    ------
    InputError
        No such reference, unknown grouping, missing edges, logits that are no numbers.
    """
    if grouping not in get_args(Grouping):
        raise InputError(f"calibrate: grouping = {grouping!r} must be document or window")
    names = list(models)
    by_name = _edges_by_name(names, edges)
    wanted = [
        (name, against)
        for name in names
        for against in AGAINST
        if against == "data" or (reference is not None and name != reference)
    ]
    groups = group_count(corpus, length, grouping)
    found: dict[tuple[str, Against], ReliabilityTable] = {}
    for batch in corpus_predictions(
        models, corpus, device=device, length=length, reference=reference, precision=precision,
        batch_size=batch_size,
    ):  # fmt: skip
        group = (batch.document if grouping == "document" else batch.window) % groups
        for key in wanted:
            table = _counted(batch, names.index(key[0]), key[1], by_name[key[0]], group, groups)
            found[key] = found[key] + table if key in found else table
    return found


def corpus_edges(
    models: "Mapping[str, nn.Module]",
    corpus: "Text",
    *,
    device: "torch.device",
    length: int,
    bins: int = BINS,
    precision: str = "float32",
    batch_size: int = 16,
) -> dict[str, FloatArray]:
    """Equal-mass edges of each model's confidences, by a first pass over the corpus.

    Edges are multiples of 2^-20 (`MassHistogram`): memory is constant, equal confidences stay
    together. The second pass is `corpus_tables` with these edges.
    """
    found: dict[str, MassHistogram] = {}
    for batch in corpus_predictions(
        models, corpus, device=device, length=length, precision=precision, batch_size=batch_size
    ):
        for name, confidence in zip(models, batch.confidence, strict=True):
            part = MassHistogram.of(confidence)
            found[name] = found[name] + part if name in found else part
    return {name: histogram.edges(bins) for name, histogram in found.items()}


def group_count(corpus: "Text", length: int, grouping: Grouping) -> int:
    """Number of groups: documents or windows, at most `GROUPS`."""
    if grouping == "document":
        return min(GROUPS, len(corpus.validation))
    windows = (-(-len(corpus.encode(document)) // length) for document in corpus.validation)
    return min(GROUPS, sum(windows))


def _edges_by_name(
    names: Sequence[str], edges: FloatArray | Mapping[str, FloatArray] | None
) -> dict[str, FloatArray]:
    if not isinstance(edges, Mapping):
        common = equal_width_edges() if edges is None else check_edges(edges)
        return dict.fromkeys(names, common)
    missing = [name for name in names if name not in edges]
    if missing:
        raise InputError(f"calibrate: edges must be given for {missing[0]}")
    return {name: check_edges(edges[name]) for name in names}


def _counted(
    batch: TokenBatch,
    model: int,
    against: Against,
    edges: FloatArray,
    group: npt.NDArray[np.intp],
    groups: int,
) -> ReliabilityTable:
    bins, confidence = edges.size - 1, batch.confidence[model]
    cell = bin_index(confidence, edges) + bins * group
    part = (cell, confidence, batch.outcome(model, against))
    return ReliabilityTable.from_parts(edges, (groups, bins), [part])
