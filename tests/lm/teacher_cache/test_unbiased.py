"""Targets that were sampled and stored average to the teacher; truncated ones do not."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import CPU, dense, spec_of  # noqa: E402

from capgap.lm.batches import Batches  # noqa: E402
from capgap.lm.losses.targets import SampledTarget  # noqa: E402
from capgap.lm.teacher_cache import TeacherCache, build_cache  # noqa: E402

VOCABULARY, LENGTH, WINDOWS, DRAWS = 12, 32, 128, 4
LOGITS = torch.linspace(0.0, -4.0, VOCABULARY)
P = LOGITS.double().softmax(-1).numpy()


class SaysTheSame(torch.nn.Module):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return LOGITS.expand(*tokens.shape, VOCABULARY)


def cached(folder: Path, form: str) -> TeacherCache:
    spec = spec_of(form, vocab_size=VOCABULARY, sequence_length=LENGTH, windows=WINDOWS)
    text = Batches(np.zeros(LENGTH * 10, np.uint8), 1, LENGTH, 0)
    build_cache(folder, spec, SaysTheSame(), text, device=CPU)
    return TeacherCache.open(folder, spec)


def largest_z(mean: NDArray[np.float64]) -> float:
    """Of 4096 x 4 independent draws: (mean - p) / sqrt(p (1 - p) / 16384), the largest of 12.

    Were the mean p, it would exceed 4.5 once in 12,000 seeds.
    """
    error = np.sqrt(P * (1 - P) / (LENGTH * WINDOWS * DRAWS))
    return float(np.abs((mean - P) / error).max())


def test_sampled_targets_average_to_the_teacher(tmp_path: Path) -> None:
    target = cached(tmp_path, f"sampled:{DRAWS}").targets(0, WINDOWS)
    assert isinstance(target, SampledTarget)
    mean = dense(target, VOCABULARY).mean(axis=0)
    assert largest_z(mean) < 4.5
    # Negative control: the distinct tokens drawn, equally weighted.
    distinct = (target.weights > 0).double()
    biased = SampledTarget(target.indices, distinct / distinct.sum(-1, keepdim=True))
    assert largest_z(dense(biased, VOCABULARY).mean(axis=0)) > 4.5


@pytest.mark.parametrize("form", ["top-k:8,tail=drop", "top-p:0.95,tail=drop"])
def test_truncated_targets_do_not(form: str, tmp_path: Path) -> None:
    """The same statistic tells them apart: their tail, about 0.04, is missing."""
    mean = dense(cached(tmp_path, form).targets(0, WINDOWS), VOCABULARY).mean(axis=0)
    assert largest_z(mean) > 4.5


def test_full_targets_are_the_teacher_itself(tmp_path: Path) -> None:
    """Only rounding: 2^-11 |log p| of at most 5, relative."""
    found = dense(cached(tmp_path, "full").targets(0, WINDOWS), VOCABULARY)
    assert np.abs(found / P - 1).max() < 5 * 2.0**-11
