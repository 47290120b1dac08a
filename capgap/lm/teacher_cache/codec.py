"""From a teacher's outputs to columns of numbers, and from columns to targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capgap.lm.losses.sampling import draw_sampled
from capgap.lm.losses.targets import HiddenTarget, SampledTarget, SparseTarget
from capgap.lm.losses.truncation import keep_top_k, keep_top_p
from capgap.lm.teacher_cache.layout import Columns
from capgap.lm.teacher_outputs import TeacherOutputs

__all__ = ["Sums", "Target", "decode", "encode"]

Target = Tensor | SparseTarget | SampledTarget | HiddenTarget


@dataclass(frozen=True)
class Sums:
    """Sums over positions: tokens kept (distinct ones), mass left out (nothing of "sampled",
    which leaves nothing out in expectation), the teacher's entropy in nats."""

    kept: int = 0
    tail: float = 0.0
    entropy: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.kept + other.kept, self.tail + other.tail, self.entropy + other.entropy)


def encode(
    outputs: TeacherOutputs, logits: Tensor, states: Tensor | None, first: int, length: int
) -> tuple[Columns, Sums]:
    """Columns for some windows.

    Parameters
    ----------
    outputs : TeacherOutputs
        What to keep.
    logits : Tensor, shape (tokens, vocab_size)
        Teacher's logits of windows `first`, `first` + 1, ..., of `length` tokens each.
    states : Tensor or None, shape (tokens, d_model)
        What the head reads; needed for "hidden" only.
    first, length : int
        Number of the first window, which seeds its draws; tokens per window.
    """
    log_probs = logits.float().log_softmax(-1)
    entropy = _entropy(log_probs)
    everything = Sums(kept=log_probs.numel(), entropy=entropy)
    if outputs.kind == "full":
        return {"log_probs": _array(log_probs.half())}, everything
    if outputs.kind == "hidden":
        assert states is not None
        return {"states": _array(states.float())}, everything
    if outputs.kind == "sampled":
        return _encode_sampled(outputs, logits, first, length, entropy)
    # The tail's mass is wanted for the statistics also where it is dropped.
    if outputs.kind == "top-k":
        sparse = keep_top_k(logits, outputs.k or 0)
    else:
        sparse = keep_top_p(logits, outputs.p or 0.0)
    return _encode_sparse(outputs, sparse, entropy)


def decode(outputs: TeacherOutputs, arrays: Columns, device: torch.device) -> Target:
    """Targets from columns; "hidden" gives the states alone.

    "full" gives float32 log-probabilities, whose softmax the loss takes, as of logits; what is
    kept of the sparse forms is renormalized, so that kept tokens and bucket sum to 1.
    """
    if outputs.kind == "hidden":
        return _tensor(arrays["states"], device)
    if outputs.kind == "full":
        return _tensor(arrays["log_probs"], device).float()
    if outputs.kind == "sampled":
        return _decode_sampled(outputs, arrays, device)
    indices, values = arrays["indices"], arrays["log_probs"]
    if outputs.kind == "top-p":
        indices, values = _padded(indices, values, arrays["counts"].astype(np.int64) + 1)
    log_probs = _tensor(values, device).float()
    places = _tensor(indices.astype(np.int64), device)
    if outputs.tail == "drop":
        return SparseTarget(places, log_probs.log_softmax(-1))
    tail = _tensor(arrays["log_tail"], device).float()
    both = torch.cat([log_probs, tail[:, None]], dim=-1).log_softmax(-1)
    return SparseTarget(places, both[:, :-1], both[:, -1])


def _encode_sparse(
    outputs: TeacherOutputs, sparse: SparseTarget, entropy: float
) -> tuple[Columns, Sums]:
    assert sparse.log_tail is not None
    log_probs, tail = sparse.log_probs, sparse.log_tail
    left_out = float(tail.double().exp().sum())
    if outputs.tail == "drop":
        log_probs = log_probs - log_probs.logsumexp(-1, keepdim=True)
    found = {"log_probs": _array(log_probs.half()), "indices": _array(sparse.indices)}
    if outputs.tail == "bucket":
        found["log_tail"] = _array(tail.half())
    if outputs.kind == "top-k":
        return found, Sums(sparse.indices.numel(), left_out, entropy)
    kept = _array(sparse.log_probs > -torch.inf)
    found["counts"] = kept.sum(-1) - 1
    found["log_probs"], found["indices"] = found["log_probs"][kept], found["indices"][kept]
    return found, Sums(int(kept.sum()), left_out, entropy)


def _encode_sampled(
    outputs: TeacherOutputs, logits: Tensor, first: int, length: int, entropy: float
) -> tuple[Columns, Sums]:
    """Draws of each window come from its own generator, so that any window can be made anew."""
    samples = outputs.samples or 0
    drawn = []
    # On the CPU, whatever the teacher's device: a seed means the same draws everywhere.
    for place, rows in enumerate(torch.split(logits.float().cpu(), length)):
        generator = torch.Generator().manual_seed(_window_seed(outputs.seed, first + place))
        drawn.append(draw_sampled(rows, samples, generator).indices)
    indices, counts = _merged(_array(torch.cat(drawn)))
    return (
        {"indices": indices, "counts": counts},
        Sums(kept=int((counts > 0).sum()), entropy=entropy),
    )


def _window_seed(seed: int, window: int) -> int:
    # 63 bits: torch refuses what does not fit in a signed integer.
    state = np.random.SeedSequence((seed, window)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _merged(drawn: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distinct tokens first, with how often each was drawn; slots left over have count 0."""
    drawn = np.sort(drawn, axis=1)
    rows, samples = drawn.shape
    new = np.ones(drawn.shape, dtype=bool)
    new[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
    place = new.cumsum(axis=1) - 1
    counts = np.zeros((rows, samples), dtype=np.int64)
    np.add.at(counts, (np.arange(rows)[:, None], place), 1)
    indices = np.zeros((rows, samples), dtype=np.int64)
    np.put_along_axis(indices, place, drawn, axis=1)
    return indices, counts


def _decode_sampled(
    outputs: TeacherOutputs, arrays: Columns, device: torch.device
) -> SampledTarget:
    """Weights count / n; columns that no row uses are cut off."""
    counts = arrays["counts"]
    width = max(1, int((counts > 0).sum(axis=1).max(initial=0)))
    indices = arrays["indices"][:, :width].astype(np.int64)
    weights = _tensor(counts[:, :width].astype(np.float32), device) / (outputs.samples or 1)
    return SampledTarget(_tensor(indices, device), weights)


def _padded(
    indices: NDArray[Any], values: NDArray[Any], counts: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Joined rows side by side; filled up with the row's first token at -inf."""
    kept = np.arange(counts.max(initial=1)) < counts[:, None]
    first = np.cumsum(counts) - counts
    places = np.repeat(indices[first][:, None], kept.shape[1], axis=1)
    places[kept] = indices
    padded = np.full(kept.shape, -np.inf, dtype=values.dtype)
    padded[kept] = values
    return places, padded


def _entropy(log_probs: Tensor) -> float:
    terms = log_probs.exp() * log_probs.clamp(min=torch.finfo(torch.float32).min)
    return -float(terms.double().sum())


def _array(tensor: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return found


def _tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """On the device in the narrow type it has on disk; a copy, since the map is read-only."""
    return torch.from_numpy(np.array(array, order="C")).to(device)
