"""Small runs for the tests of training."""

from pathlib import Path
from typing import Any

import torch

from capgap.lm.config import RunConfig
from capgap.lm.corpus import Corpus, load_text
from capgap.lm.model import Transformer
from capgap.lm.training import Training

CPU = torch.device("cpu")


def corpus_in(folder: Path) -> Corpus:
    return load_text([folder])


def small(corpus: Corpus, **changes: Any) -> RunConfig:
    """50 steps of 4 x 32 tokens of a one-layer model of width 8."""
    values: dict[str, Any] = {
        "depth": 1, "aspect_ratio": 8, "tokens": 6400, "corpus": corpus.fingerprint,
        "sequence_length": 32, "batch_size": 4, **changes,
    }  # fmt: skip
    return RunConfig(**values)


def random_teacher(config: RunConfig, seed: int = 5) -> Transformer:
    """A teacher whose predictions are noise, far from uniform."""
    teacher = Transformer(config.shape, seed)
    with torch.no_grad():
        teacher.head.weight.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(seed))
    return teacher


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def same(one: Training, two: Training) -> bool:
    """Everything that is reproduced, bit for bit: weights, curve, events."""
    pairs = zip(weights(one.model), weights(two.model), strict=True)
    return (
        all(torch.equal(a, b) for a, b in pairs)
        and one.curve == two.curve
        and one.events == two.events
        and one.D == two.D
    )


class Killed(Exception):
    """Stands for the end of the process."""
