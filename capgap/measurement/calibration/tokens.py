"""Tokens of a corpus as language models predict them: batch by batch, nothing kept.

Every token of every validation document is predicted once, from what precedes it in its
window, as `capgap.lm.evaluation` measures losses. torch is loaded on use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.measurement.calibration.predictions import FloatArray

if TYPE_CHECKING:
    import torch
    from torch import nn

    from capgap.lm.text import Text

__all__ = ["AGAINST", "Against", "TokenBatch", "corpus_predictions"]

Against = Literal["data", "matched", "own", "top-1"]
"""What the confidence of a model is held against.

- ``"data"``: whether its first choice is the next token;
- ``"matched"``: the probability that the reference model gives to its first choice;
- ``"own"``: the reference model's own top probability, whatever its token;
- ``"top-1"``: whether its first choice is the reference model's first choice.
"""

AGAINST: tuple[Against, ...] = get_args(Against)


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Some tokens as several models predict them; rows of all arrays are the same tokens.

    Attributes
    ----------
    document, window : (n,)
        Number of the document, and of the context window among all windows.
    labels : (n,)
        The tokens that came.
    choice, confidence : (models, n)
        First choice of each model, and its probability.
    matched : (models, n)
        The reference model's probability of each model's first choice; nan without a reference.
    reference : int or None
        Which of the models is the reference.
    """

    document: npt.NDArray[np.intp]
    window: npt.NDArray[np.intp]
    labels: npt.NDArray[np.intp]
    choice: npt.NDArray[np.intp]
    confidence: FloatArray
    matched: FloatArray
    reference: int | None

    def outcome(self, model: int, against: Against) -> FloatArray:
        """What the confidence of a model should match, shape (n,)."""
        if against == "data":
            return np.asarray(self.choice[model] == self.labels, dtype=np.float64)
        if self.reference is None:
            raise InputError(f"calibrate: against {against!r} there must be a reference model")
        if against == "matched":
            return np.asarray(self.matched[model])
        if against == "own":
            return np.asarray(self.confidence[self.reference])
        return np.asarray(self.choice[model] == self.choice[self.reference], dtype=np.float64)


def corpus_predictions(
    models: "Mapping[str, nn.Module]",
    corpus: "Text",
    *,
    device: "torch.device",
    length: int,
    reference: str | None = None,
    precision: str = "float32",
    batch_size: int = 16,
) -> Iterator[TokenBatch]:
    """All validation tokens as the models predict them, batch by batch; see `TokenBatch`."""
    if not models or (reference is not None and reference not in models):
        raise InputError(f"calibrate: reference = {reference!r} must be one of {list(models)}")
    names = list(models)
    place = None if reference is None else names.index(reference)
    for model in models.values():
        model.eval()
    for rows in _batches(_numbered_windows(corpus, length), batch_size):
        inputs, targets, keep, document, window = (
            np.stack(column) for column in zip(*rows, strict=True)
        )
        choice, confidence, matched = _reduced(
            list(models.values()), place, inputs, keep, device, precision
        )
        for name, row in zip(names, confidence, strict=True):
            if not np.isfinite(row).all():
                raise InputError(f"calibrate: {name}: logits must be numbers below infinity")
        repeats = keep.sum(axis=1)
        yield TokenBatch(
            document=np.repeat(document, repeats).astype(np.intp),
            window=np.repeat(window, repeats).astype(np.intp),
            labels=targets[keep].astype(np.intp),
            choice=choice,
            confidence=confidence,
            matched=matched,
            reference=place,
        )


Window = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_], int, int]


def _numbered_windows(corpus: "Text", length: int) -> Iterator[Window]:
    """Inputs, targets and mask of each window, (length,), with the numbers of document, window."""
    from capgap.lm.evaluation import document_windows

    count = 0
    for number, document in enumerate(corpus.validation):
        for inputs, targets, mask in zip(*document_windows(corpus, document, length), strict=True):
            yield inputs, targets, mask, number, count
            count += 1


def _batches(windows: Iterator[Window], size: int) -> Iterator[list[Window]]:
    rows: list[Window] = []
    for window in windows:
        rows.append(window)
        if len(rows) == size:
            yield rows
            rows = []
    if rows:
        yield rows


def _reduced(
    models: "Sequence[nn.Module]",
    reference: int | None,
    inputs: npt.NDArray[np.int64],
    keep: npt.NDArray[np.bool_],
    device: "torch.device",
    precision: str,
) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """First choices, confidences, and the reference's probabilities of the choices."""
    import torch

    x, mask = torch.from_numpy(inputs).to(device), torch.from_numpy(keep).to(device)

    def log_probabilities(model: "nn.Module") -> "torch.Tensor":
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x)
        # float64 where there is one: a confidence is compared with edges, and summed.
        wide = torch.float32 if device.type == "mps" else torch.float64
        return logits[mask].to(wide).log_softmax(dim=-1)  # type: ignore[no-any-return]

    with torch.no_grad():
        judge = None if reference is None else log_probabilities(models[reference])
        choices, tops, matches = [], [], []
        for number, model in enumerate(models):
            q = judge if judge is not None and number == reference else log_probabilities(model)
            choice = q.argmax(dim=-1, keepdim=True)
            choices.append(choice[:, 0].cpu().numpy())
            tops.append(_exp(q.gather(1, choice)))
            unknown = np.full(len(q), np.nan)
            matches.append(unknown if judge is None else _exp(judge.gather(1, choice)))
    return np.stack(choices).astype(np.intp), np.stack(tops), np.stack(matches)


def _exp(log_probability: "torch.Tensor") -> FloatArray:
    """Probabilities of one column, at most 1 in spite of rounding."""
    values = log_probability[:, 0].exp().cpu().numpy().astype(np.float64)
    return np.minimum(values, 1.0)
