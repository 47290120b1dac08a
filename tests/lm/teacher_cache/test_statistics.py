"""What a cache reports of itself, counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.teacher_cache.caches_of_tests import (  # noqa: E402
    LENGTH,
    VOCABULARY,
    WIDTH,
    WINDOWS,
    TableTeacher,
    batches,
    build,
    files_of,
    soft64,
)

from capgap.lm.teacher_cache import cache_stats, verify_cache  # noqa: E402


def teacher_probabilities() -> np.ndarray:
    tokens = torch.from_numpy(batches().rows(0, WINDOWS)[:, :-1])
    with torch.no_grad():
        return np.exp(soft64(TableTeacher()(tokens).flatten(0, 1)))


@pytest.mark.parametrize("form", ["top-p:0.8", "top-p:0.8,tail=drop"])
def test_means_of_top_p(form: str, tmp_path: Path) -> None:
    """Oracle: a loop over positions in float64."""
    build(tmp_path, form)
    stats = cache_stats(tmp_path)
    kept, tail = [], []
    for row in -np.sort(-teacher_probabilities()):
        number = int((np.cumsum(row) < 0.8).sum()) + 1
        kept.append(number)
        tail.append(row[number:].sum())
    assert stats.mean_kept == np.mean(kept)
    assert stats.mean_tail == pytest.approx(np.mean(tail), abs=1e-6)
    size = 1 + 3 * np.mean(kept) + (2 if "drop" not in form else 0)
    assert stats.bytes_per_token == pytest.approx(size, rel=1e-12)
    assert stats.theory_per_token == pytest.approx(size, rel=1e-12)


@pytest.mark.parametrize(
    ("form", "size", "kept", "once"),
    [
        ("full", 2 * VOCABULARY, VOCABULARY, 0),
        ("hidden", 4 * WIDTH, VOCABULARY, 4 * WIDTH * VOCABULARY),
        ("top-k:3", 3 * 3 + 2, 3, 0),
        ("top-k:3,tail=drop", 3 * 3, 3, 0),
        ("sampled:4", 4 * 2, None, 0),
    ],
)
def test_fixed_sizes_are_exact(
    form: str, size: int, kept: float | None, once: int, tmp_path: Path
) -> None:
    build(tmp_path, form)
    stats = cache_stats(tmp_path)
    assert stats.bytes_per_token == stats.theory_per_token == size
    assert stats.dense_per_token == 4 * VOCABULARY
    assert stats.tokens == WINDOWS * LENGTH
    assert stats.complete
    if kept is not None:
        assert stats.mean_kept == kept
    else:
        assert 1 < stats.mean_kept < 4  # distinct draws
    p = teacher_probabilities()
    entropy = -(p * np.log(p)).sum(-1).mean()
    assert stats.mean_entropy == pytest.approx(entropy, abs=1e-5)
    # The head's file has a header of safetensors beside its numbers.
    assert once <= stats.bytes_once <= once + (200 if once else 0)
    on_disk = sum(len(data) for name, data in files_of(tmp_path).items() if "shard" in name)
    assert on_disk == size * stats.tokens
    assert json.loads(json.dumps(stats.to_dict(), allow_nan=False))["outputs"] == form


def test_a_check_counts_files_and_tells_progress(tmp_path: Path) -> None:
    build(tmp_path, "hidden")
    seen = []
    check = verify_cache(tmp_path, lambda done, total: seen.append((done, total)))
    assert check.sound
    assert (check.files, check.shards, check.planned, check.problems) == (4, 3, 3, ())
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]
    for name in ("shard-000000.bin", "head.safetensors"):
        (tmp_path / name).unlink()
    problems = verify_cache(tmp_path).problems
    assert len(problems) == 2
    assert "head.safetensors" in problems[0]
    assert "shard-000000.bin" in problems[1]
