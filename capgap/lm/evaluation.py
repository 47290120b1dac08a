"""Validation cross-entropy against data, with its standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from capgap.lm.corpus import SEPARATOR, Document
from capgap.lm.model import Transformer

__all__ = ["Evaluation", "evaluate", "summarize"]


@dataclass(frozen=True)
class Evaluation:
    """Cross-entropy of a model on whole documents.

    Attributes
    ----------
    loss : float
        Nats per token: summed loss over summed tokens.
    standard_error : float
        Of `loss` over documents (see `summarize`). It says how far the loss on other
        documents of the same kind may lie; two models compared on the same documents
        share most of it.
    bits_per_byte : float
        loss / log 2 times tokens per byte.
    document_losses : tuple of float
        Nats per token of each document, in the order of the corpus.
    document_tokens : tuple of int
        Tokens of each document.
    """

    loss: float
    standard_error: float
    bits_per_byte: float
    document_losses: tuple[float, ...]
    document_tokens: tuple[int, ...]


def summarize(nats: Sequence[float], tokens: Sequence[int], n_bytes: int) -> Evaluation:
    r"""Loss and standard error from summed nats and tokens of each document.

    .. math:: L = \sum_i l_i / \sum_i n_i, \quad
              SE^2 = \frac{k}{k-1} \sum_i (l_i - L n_i)^2 / (\sum_i n_i)^2

    the linearized variance of a ratio under cluster sampling (Cochran 1977, Sampling
    Techniques, eq. 6.13 without the finite-population factor). Tokens of one document
    depend on each other; documents are taken as independent.

    >>> summarize([2.0, 6.0], [2, 4], 6).loss
    1.3333333333333333
    """
    summed, n = np.asarray(nats, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    loss = float(summed.sum() / n.sum())
    k = len(summed)
    residual = summed - loss * n
    variance = k / (k - 1) * float(residual @ residual) / float(n.sum()) ** 2 if k > 1 else math.nan
    return Evaluation(
        loss=loss,
        standard_error=math.sqrt(variance),
        bits_per_byte=loss / math.log(2) * float(n.sum()) / n_bytes,
        document_losses=tuple(float(x) for x in summed / n),
        document_tokens=tuple(int(x) for x in tokens),
    )


@torch.no_grad()
def evaluate(
    model: Transformer,
    documents: Sequence[Document],
    *,
    device: torch.device,
    precision: str = "float32",
    batch_size: int = 16,
) -> Evaluation:
    """Mean cross-entropy over every byte of every document.

    Each document starts with a separator and is read in windows of the model's sequence
    length that do not overlap; every byte is predicted exactly once, from what precedes
    it in its window.
    """
    length = model.shape.sequence_length
    model.eval()
    nats, counts = [], []
    for document in documents:
        inputs, targets, mask = _windows(document.text, length)
        total = 0.0
        for start in range(0, len(inputs), batch_size):
            rows = slice(start, start + batch_size)
            x, y, keep = (torch.from_numpy(a[rows]).to(device) for a in (inputs, targets, mask))
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                logits = model(x)
            losses = F.cross_entropy(logits.flatten(0, 1).float(), y.flatten(), reduction="none")
            # Summed in float64 on the CPU: some devices have none.
            total += float(losses[keep.flatten()].cpu().double().sum())
        nats.append(total)
        counts.append(len(document.text))
    return summarize(nats, counts, sum(len(document.text) for document in documents))


def _windows(
    text: bytes, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Inputs, targets and mask of shape (windows, length); the last window is padded."""
    tokens = np.frombuffer(bytes([SEPARATOR]) + text, dtype=np.uint8).astype(np.int64)
    count = len(text)
    windows = -(-count // length)
    inputs, targets = (np.zeros(windows * length, dtype=np.int64) for _ in range(2))
    inputs[:count], targets[:count] = tokens[:-1], tokens[1:]
    mask = np.arange(windows * length) < count
    shape = (windows, length)
    return inputs.reshape(shape), targets.reshape(shape), mask.reshape(shape)
