"""Validation cross-entropy against data, with its standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from capgap.lm.corpus import Document
from capgap.lm.text import Text

__all__ = [
    "Evaluation",
    "document_windows",
    "evaluate",
    "summarize",
    "summarize_losses",
    "token_losses",
]


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


def evaluate(
    model: nn.Module,
    corpus: Text,
    *,
    device: torch.device,
    length: int,
    precision: str = "float32",
    batch_size: int = 16,
) -> Evaluation:
    """Mean cross-entropy over every token of every validation document.

    Each document starts with a separator and is read in windows of `length` tokens that do
    not overlap; every token is predicted exactly once, from what precedes it in its window.
    Batches are filled across documents, so that short documents cost no more than long ones.

    Parameters
    ----------
    model : nn.Module
        Maps tokens (batch, time) to logits (batch, time, vocab_size).
    corpus : Text
        Its validation documents are the fixed set on which all losses are measured.
    device : torch.device
        Where the model is.
    length : int
        Tokens per window.
    precision : str
        As in `capgap.lm.config.RunConfig`.
    batch_size : int
        Windows at a time.
    """
    losses = token_losses(
        model, corpus, device=device, length=length, precision=precision, batch_size=batch_size
    )
    return summarize_losses(losses, corpus)


def summarize_losses(losses: NDArray[np.float32], corpus: Text) -> Evaluation:
    """Evaluation from the losses of all validation tokens, as `token_losses` gives them."""
    counts = [len(corpus.encode(document)) for document in corpus.validation]
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    nats = np.add.reduceat(losses.astype(np.float64), starts)
    return summarize(
        [float(x) for x in nats],
        counts,
        sum(len(document.text) for document in corpus.validation),
    )


@torch.no_grad()
def token_losses(
    model: nn.Module,
    corpus: Text,
    *,
    device: torch.device,
    length: int,
    precision: str = "float32",
    batch_size: int = 16,
) -> NDArray[np.float32]:
    """Nats of every validation token, documents one after another; see `evaluate`."""
    model.eval()
    parts = [document_windows(corpus, document, length) for document in corpus.validation]
    inputs, targets, mask = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    found = []
    for start in range(0, len(inputs), batch_size):
        rows = slice(start, start + batch_size)
        x, y, keep = (torch.from_numpy(a[rows]).to(device) for a in (inputs, targets, mask))
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x)
        losses = F.cross_entropy(logits.flatten(0, 1).float(), y.flatten(), reduction="none")
        found.append(losses[keep.flatten()].cpu().numpy())
    return np.concatenate(found)


def document_windows(
    corpus: Text, document: Document, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Inputs, targets and mask of shape (windows, length); the last window is padded."""
    text = corpus.encode(document).astype(np.int64)
    count = len(text)
    windows = -(-count // length)
    inputs, targets = (np.zeros(windows * length, dtype=np.int64) for _ in range(2))
    inputs[1:count], inputs[0], targets[:count] = text[:-1], corpus.separator, text
    mask = np.arange(windows * length) < count
    shape = (windows, length)
    return inputs.reshape(shape), targets.reshape(shape), mask.reshape(shape)
