"""Stored outputs to read while steps are timed: real caches, on disk."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from capgap.lm.batches import Batches
from capgap.lm.losses.arguments import Teacher
from capgap.lm.model import Transformer
from capgap.lm.shape import ModelShape
from capgap.lm.speed.steps import Setting
from capgap.lm.teacher_cache import CacheSpec, TeacherCache, build_cache
from capgap.lm.teacher_outputs import TeacherOutputs

__all__ = ["FORMS", "cache_reader"]

FORMS = ("full", "hidden", "top-k:12", "top-p:0.98", "sampled:12")
BATCHES = 16


def cache_reader(
    form: str, teacher: ModelShape, setting: Setting, folder: Path
) -> Callable[[], Teacher]:
    """Build a cache of a teacher's outputs in `folder`; a call reads the next batch from it.

    The head of the teacher is random, so that its distribution is neither uniform nor sharp.
    """
    size, length = setting.batch_size, teacher.sequence_length
    model = Transformer(teacher)
    with torch.no_grad():
        model.head.weight.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(0))
    text = np.random.default_rng(0).integers(
        teacher.vocab_size, size=(size * BATCHES + 2) * length, dtype=np.uint8
    )
    spec = CacheSpec(
        teacher="bench", teacher_sha256=None, corpus="bench", half="student",
        sequence_length=length, order_seed=0, vocab_size=teacher.vocab_size,
        windows=size * BATCHES, outputs=TeacherOutputs.parse(form),
    )  # fmt: skip
    batches = Batches(text, size, length, 0)
    build_cache(folder, spec, model, batches, device=setting.device)
    cache, places = TeacherCache.open(folder), cycle(range(BATCHES))
    return lambda: cache.targets(size * next(places), size, setting.device)
