"""A student taught from a cache against one whose teacher runs along."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import CPU, corpus_in, random_teacher, small, weights  # noqa: E402

from capgap.lm.batches import Batches  # noqa: E402
from capgap.lm.config import RunConfig  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.teacher_cache import TeacherCache, build_cache, cache_spec, read_manifest  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402
from capgap.lm.training import Training, train  # noqa: E402


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def student(corpus: Corpus, form: str | None, **changes: Any) -> RunConfig:
    teacher = small(corpus, half="teacher", tokens=128)
    outputs = None if form is None else TeacherOutputs.parse(form)
    return small(
        corpus, tokens=2560, teacher=teacher, distillation_weight=1.0, seed=1, data_seed=0,
        teacher_outputs=outputs, **changes,
    )  # fmt: skip


def taught(config: RunConfig, corpus: Corpus, folder: Path) -> Training:
    assert isinstance(config.teacher, RunConfig)
    teacher: Any = random_teacher(config.teacher)
    if config.teacher_outputs is not None:
        spec = cache_spec(config, None)
        text = Batches(corpus.stream(config.half), 1, config.sequence_length, config.order_seed)
        build_cache(
            folder, spec, teacher, text, device=CPU, windows_per_shard=7,
            about={"teacher": config.teacher.to_dict()},
        )  # fmt: skip
        teacher = TeacherCache.open(folder, spec)
    return train(config, corpus, teacher=teacher, device=CPU)


def distance(one: Training, two: Training) -> float:
    pairs = zip(weights(one.model), weights(two.model), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def test_students_of_exact_forms_are_those_of_the_teacher(corpus: Corpus, tmp_path: Path) -> None:
    """20 steps. Hidden states and all tokens in a top-k differ by rounding alone: float32's
    (amplified by training), and float16's; half the tokens without their tail do not."""
    online = taught(student(corpus, None), corpus, tmp_path)
    moved = {
        form: distance(online, taught(student(corpus, form), corpus, tmp_path / form))
        for form in ("hidden", "full", "top-k:256", "top-k:8,tail=drop")
    }
    assert moved["hidden"] < 1e-4
    assert moved["full"] < 5e-3
    assert moved["top-k:256"] < 5e-3
    assert moved["top-k:8,tail=drop"] > 0.02


def test_one_cache_serves_students_of_other_sizes_and_batches(
    corpus: Corpus, tmp_path: Path
) -> None:
    config = student(corpus, "top-k:8")
    taught(config, corpus, tmp_path)
    for changes in ({"batch_size": 2}, {"depth": 2}, {"batch_size": 8, "peak_learning_rate": 0.02}):
        other = student(corpus, "top-k:8", **changes)
        cache = TeacherCache.open(tmp_path, cache_spec(other))
        assert train(other, corpus, teacher=cache, device=CPU).failure is None


def test_a_cache_says_how_its_students_are_configured(corpus: Corpus, tmp_path: Path) -> None:
    config = student(corpus, "top-k:8")
    taught(config, corpus, tmp_path)
    settings = read_manifest(tmp_path).run_settings()
    again = RunConfig(
        depth=1, aspect_ratio=8, tokens=2560, seed=1, distillation_weight=1.0, **settings
    )
    assert again == config
