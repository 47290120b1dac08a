"""Several teachers, schedules and divergences in the training loop."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import CPU, corpus_in, random_teacher, same, small  # noqa: E402

from capgap.errors import InputError  # noqa: E402
from capgap.lm.config import TeacherShare  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.mixture import Mixture  # noqa: E402
from capgap.lm.objective import TemperatureSchedule, WeightSchedule  # noqa: E402
from capgap.lm.training import train  # noqa: E402


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def test_two_teachers_teach_their_mixture(corpus: Corpus) -> None:
    """Forward KL is linear in the teacher: a student of both is one of the mixture."""
    a, b = small(corpus, half="teacher"), small(corpus, half="teacher", seed=1)
    models = [random_teacher(a, 5), random_teacher(b, 6)]
    share = TeacherShare(teacher=b, weight=0.3)
    both = small(corpus, teacher=a, further_teachers=(share,), distillation_weight=1.0)
    one = small(corpus, teacher=a, distillation_weight=1.0)

    class Shaped(Mixture):
        shape = a.shape

    of_both = train(both, corpus, teacher=models, device=CPU)
    of_mixture = train(one, corpus, teacher=Shaped(models, (0.7, 0.3)), device=CPU)
    of_first = train(one, corpus, teacher=models[0], device=CPU)
    for x, y in zip(of_both.curve, of_mixture.curve, strict=True):
        assert x[1:] == pytest.approx(y[1:], rel=1e-5)  # rounding over 50 steps of Adam
    assert of_first.curve[-1][2] != pytest.approx(of_both.curve[-1][2], rel=1e-3)
    with pytest.raises(InputError, match="2 teachers, 1 given"):
        train(both, corpus, teacher=models[0], device=CPU)


def test_constant_schedules_are_the_plain_settings(corpus: Corpus) -> None:
    teacher = small(corpus, half="teacher")
    model = random_teacher(teacher)
    taught: dict[str, Any] = {"teacher": teacher, "distillation_weight": 0.5}
    plain = train(small(corpus, **taught, temperature=2.0), corpus, teacher=model, device=CPU)
    scheduled = small(
        corpus,
        **taught,
        temperature_schedule=TemperatureSchedule(start=0.0, rate=1.0, final=2.0),
        weight_schedule=WeightSchedule(start=0.5, end=0.5),
    )
    assert same(plain, train(scheduled, corpus, teacher=model, device=CPU))
    falling = small(
        corpus,
        **taught,
        temperature_schedule=TemperatureSchedule(start=2.0, rate=3.0, final=1.0),
        weight_schedule=WeightSchedule(start=0.5, end=0.0, shape="cosine"),
    )
    assert not same(plain, train(falling, corpus, teacher=model, device=CPU))


def test_a_weight_that_starts_at_nothing_has_a_whole_curve(corpus: Corpus) -> None:
    teacher = small(corpus, half="teacher")
    config = small(
        corpus, teacher=teacher, distillation_weight=1.0,
        weight_schedule=WeightSchedule(start=0.0, end=1.0),
    )  # fmt: skip
    result = train(config, corpus, teacher=random_teacher(teacher), device=CPU)
    assert result.failure is None
    assert result.curve[0][2] is None  # the first batch has no term of the teacher
    assert all(point[2] is not None for point in result.curve[1:])
