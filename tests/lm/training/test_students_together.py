"""Several students of one pass: each as it would be alone; the teacher runs once."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import (  # noqa: E402
    CPU,
    corpus_in,
    random_teacher,
    same,
    small,
)

from capgap.errors import InputError  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.training import train, train_many  # noqa: E402


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def students(corpus: Corpus) -> tuple[Any, list[Any]]:
    teacher = small(corpus, half="teacher")
    taught = {"teacher": teacher, "distillation_weight": 1.0, "data_seed": 3}
    return teacher, [
        small(corpus, **taught),
        small(corpus, **{**taught, "seed": 1, "distillation_weight": 0.5}),
        small(corpus, **taught, depth=2, tokens=3200, peak_learning_rate=0.02),
        small(corpus, **taught, divergence="reverse-kl", temperature=2.0),
    ]


def test_each_ends_as_it_would_alone_and_the_teacher_runs_once(corpus: Corpus) -> None:
    teacher_config, configs = students(corpus)
    teacher = random_teacher(teacher_config)
    calls = []
    handle = teacher.register_forward_hook(lambda *_: calls.append(1))
    together = train_many(configs, corpus, teacher=teacher, device=CPU)
    handle.remove()
    assert len(calls) == 50  # steps of the longest
    for config, result in zip(configs, together, strict=True):
        assert same(result, train(config, corpus, teacher=teacher, device=CPU))
        assert result.D == config.D


def test_a_diverging_student_takes_nobody_with_it(corpus: Corpus) -> None:
    good = small(corpus, data_seed=0)
    bad = small(corpus, data_seed=0, z_weight=1e30, clip=1e9, peak_learning_rate=10.0)
    one, two = train_many([bad, good], corpus, device=CPU)
    assert one.failure is not None
    assert two.failure is None
    assert same(two, train(good, corpus, device=CPU))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"half": "teacher"}, "half"),
        ({"batch_size": 2}, "batch_size"),
        ({"seed": 1}, "order_seed"),
        ({"sequence_length": 16}, "sequence_length"),
        ({"precision": "bfloat16"}, "precision"),
    ],
)
def test_students_that_cannot_share_batches_are_refused(
    corpus: Corpus, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(InputError, match=f"must share {name}"):
        train_many([small(corpus), small(corpus, **changes)], corpus, device=CPU)
    with pytest.raises(InputError, match="no configuration"):
        train_many([], corpus, device=CPU)
