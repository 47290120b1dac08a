"""Speed of training, on demand: ``pytest tests/benchmarks --benchmark-enable``.

Goals on a CPU, checked and printed by ``capgap bench``: at least 1.5x a plain PyTorch loop
below 1M parameters; at least 50% of the float32 matmul peak from 600k parameters on (bfloat16
and compilation count); a distilled step at most 1.10x teacher forward + supervised step with
an online teacher, 1.15x a supervised step with a cached one; 8 students from one teacher pass
at least 1.5x faster than one by one.
"""

from typing import Any

import pytest


@pytest.mark.parametrize("depth", [2, 6])
@pytest.mark.parametrize("form", ["plain", "float32", "bfloat16"])
def test_step(benchmark: Any, form: str, depth: int) -> None:
    """A supervised step, 4 x 256 tokens."""
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    from capgap.lm.shape import ModelShape
    from capgap.lm.speed.steps import Setting, our_step, plain_step

    make = plain_step if form == "plain" else our_step
    setting = Setting(device=torch.device("cpu"), half=form == "bfloat16")
    benchmark(make(ModelShape(depth=depth), setting).step)
