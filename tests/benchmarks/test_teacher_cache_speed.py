"""Time to read a batch of stored outputs, on demand:
``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_teacher_cache_speed.py --benchmark-enable -s``.

1024 tokens of a vocabulary of 256, from a cache in the system's file memory. In an ordinary
run each body is executed once, on a few windows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.batches import Batches  # noqa: E402
from capgap.lm.config import ModelShape  # noqa: E402
from capgap.lm.model import Transformer  # noqa: E402
from capgap.lm.teacher_cache import CacheSpec, TeacherCache, build_cache  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402

FORMS = ("full", "hidden", "top-k:12", "top-k:12,tail=drop", "top-p:0.98", "sampled:12")


@pytest.mark.parametrize("form", FORMS)
def test_reading_a_batch(form: str, tmp_path: Path, benchmark: Any) -> None:
    windows = 64 if benchmark.enabled else 8
    teacher = Transformer(ModelShape(depth=2, sequence_length=256))
    with torch.no_grad():
        teacher.head.weight.normal_(0.0, 0.5, generator=torch.Generator().manual_seed(0))
    spec = CacheSpec(
        teacher="t", teacher_sha256=None, corpus="text", half="student", sequence_length=256,
        order_seed=0, vocab_size=256, windows=windows, outputs=TeacherOutputs.parse(form),
    )  # fmt: skip
    text = np.random.default_rng(0).integers(256, size=100_000, dtype=np.uint8)
    build_cache(tmp_path, spec, teacher, Batches(text, 4, 256, 0), device=torch.device("cpu"))
    cache = TeacherCache.open(tmp_path)
    place = iter(range(10**9))
    benchmark(lambda: cache.targets(4 * (next(place) % (windows // 4)), 4))
