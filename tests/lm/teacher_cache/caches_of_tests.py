"""Small teachers, texts and caches for the tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capgap.lm.batches import Batches
from capgap.lm.losses.targets import HiddenTarget, SampledTarget, SparseTarget
from capgap.lm.teacher_cache import CacheSpec, Manifest, build_cache
from capgap.lm.teacher_cache.codec import Target, decode, encode
from capgap.lm.teacher_cache.layout import columns, pack, unpack
from capgap.lm.teacher_outputs import TeacherOutputs

CPU = torch.device("cpu")
WINDOWS, LENGTH, VOCABULARY, WIDTH = 8, 5, 7, 3
# One of every form.
FORMS = (
    "full", "hidden", "top-k:3", "top-k:3,tail=drop", "top-k:7", "top-p:0.8", "top-p:0.8,tail=drop",
    "top-p:1", "sampled:4", "sampled:300,seed=2",
)  # fmt: skip


class TableTeacher(nn.Module):
    """Logits are a row of a table, by the current token: the head of a random state."""

    def __init__(
        self, vocabulary: int = VOCABULARY, width: int = WIDTH, scale: float = 2.0
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(11)
        self.table = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        with torch.no_grad():
            self.table.weight.normal_(0.0, 1.0, generator=generator)
            self.head.weight.normal_(0.0, scale, generator=generator)

    def hidden(self, tokens: Tensor) -> Tensor:
        return self.table(tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(tokens))


def batches(seed: int = 0, batch_size: int = 1, length: int = LENGTH) -> Batches:
    """A random text that 8 windows pass twice."""
    rng = np.random.default_rng(3)
    return Batches(rng.integers(VOCABULARY, size=33, dtype=np.uint8), batch_size, length, seed)


def spec_of(form: str, **changes: Any) -> CacheSpec:
    values: dict[str, Any] = {
        "teacher": "t" * 16, "teacher_sha256": "a" * 64, "corpus": "text-1", "half": "student",
        "sequence_length": LENGTH, "order_seed": 0, "vocab_size": VOCABULARY, "windows": WINDOWS,
        "outputs": TeacherOutputs.parse(form), **changes,
    }  # fmt: skip
    return CacheSpec(**values)


def build(folder: Path, form: str, **changes: Any) -> Manifest:
    """A cache of 3 shards: 3, 3 and 2 windows."""
    return build_cache(
        folder, spec_of(form, **changes), TableTeacher(), batches(), device=CPU, windows_per_shard=3
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """All files but the lock, which is empty."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".build.lock"}


def round_trip(form: str, logits: Tensor, length: int | None = None) -> Target:
    """Through the bytes of a shard and back."""
    outputs = TeacherOutputs.parse(form)
    layout = columns(outputs, logits.shape[1], None)
    arrays, sums = encode(outputs, logits, None, 0, length or len(logits))
    narrow = {column.name: arrays[column.name].astype(column.dtype) for column in layout}
    data = np.frombuffer(pack(narrow, layout), dtype=np.uint8)
    return decode(outputs, unpack(data, layout, len(logits), sums.kept), CPU)


def dense(target: Target, vocabulary: int) -> NDArray[np.float64]:
    """Probabilities of the tokens that a target names; others 0 (their mass is the bucket)."""
    if isinstance(target, HiddenTarget):
        target = target.logits()
    if isinstance(target, Tensor):
        return target.double().softmax(-1).numpy()
    values = target.weights if isinstance(target, SampledTarget) else target.log_probs.exp()
    found = np.zeros((len(target.indices), vocabulary))
    rows = np.arange(len(found))[:, None]
    np.add.at(found, (rows, target.indices.numpy()), values.double().numpy())
    return found


def same_target(one: Target, two: Target) -> bool:
    """Bit for bit; of sparse targets, what is kept, whatever the padding."""
    if isinstance(one, HiddenTarget) and isinstance(two, HiddenTarget):
        return torch.equal(one.states, two.states) and torch.equal(one.head, two.head)
    if isinstance(one, SparseTarget) and isinstance(two, SparseTarget):
        tails = (one.log_tail, two.log_tail)
        if tails[0] is not None and (tails[1] is None or not torch.equal(tails[0], tails[1])):
            return False
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return torch.equal(one, two)
    return type(one) is type(two) and np.array_equal(dense(one, VOCABULARY), dense(two, VOCABULARY))


def soft64(logits: Tensor) -> NDArray[np.float64]:
    """Log-probabilities in float64 by the definition: the oracle."""
    z = logits.double().numpy()
    top = z.max(axis=-1, keepdims=True)
    return z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))
