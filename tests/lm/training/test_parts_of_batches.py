"""Gradient accumulation and the chunked loss: the same run, up to rounding."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import (  # noqa: E402
    CPU,
    corpus_in,
    random_teacher,
    small,
)

from capgap.errors import InputError  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.training import Execution, train  # noqa: E402
from capgap.lm.training import student as student_module  # noqa: E402
from capgap.lm.training.meter import CurvePoint  # noqa: E402


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def numbers(point: CurvePoint) -> list[float]:
    """Losses of a point of the curve; without a teacher there is one."""
    return [value for value in point[1:] if value is not None]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("taught", [False, True])
def test_parts_add_up_to_the_batch(corpus: Corpus, size: int, taught: bool) -> None:
    """3 does not divide 4: the last part is smaller and must weigh less.

    One step, so that only the gradient's rounding differs: 1e-6 relative in float32. Adam's
    first step is the sign of the gradient, hence weights are compared where it is not tiny:
    the curve and the norm decide.
    """
    settings = {}
    teacher = None
    if taught:
        config = small(corpus, half="teacher")
        settings = {"teacher": config, "distillation_weight": 0.7, "temperature": 2.0}
        teacher = random_teacher(config)
    run = small(corpus, tokens=25 * 128, **settings)
    whole = train(run, corpus, teacher=teacher, device=CPU)
    parts = train(
        run, corpus, teacher=teacher, device=CPU, execution=Execution(micro_batch_size=size)
    )
    for one, two in zip(whole.curve, parts.curve, strict=True):
        assert one[0] == two[0]
        # 25 steps of Adam let rounding errors grow; 1e-5 is 100 times float32's.
        assert numbers(one) == pytest.approx(numbers(two), rel=1e-5)


def test_uneven_parts_weighed_alike_would_be_noticed(corpus: Corpus) -> None:
    """Negative control: averaging the parts' means is another loss."""
    run = small(corpus)
    from capgap.lm.batches import Batches
    from capgap.lm.losses import token_loss
    from capgap.lm.model import Transformer

    batch = torch.from_numpy(Batches(corpus.stream("student"), 4, 32, 0).batch(0))
    model = Transformer(run.shape, 0)
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(0))
        logits = [model(rows[:, :-1]).flatten(0, 1) for rows in (batch, batch[:3], batch[3:])]
        targets = [rows[:, 1:].flatten() for rows in (batch, batch[:3], batch[3:])]
        whole, first, last = (
            float(token_loss(z, y).total) for z, y in zip(logits, targets, strict=True)
        )
    assert whole == pytest.approx((3 * first + last) / 4, rel=1e-6)
    assert whole != pytest.approx((first + last) / 2, rel=1e-4)


@pytest.mark.parametrize("taught", [False, True])
def test_chunked_loss_trains_the_same_run(
    corpus: Corpus, taught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {}
    teacher = None
    if taught:
        config = small(corpus, half="teacher")
        settings = {"teacher": config, "distillation_weight": 1.0}
        teacher = random_teacher(config)
    run = small(corpus, tokens=25 * 128, **settings)
    dense = train(run, corpus, teacher=teacher, device=CPU, execution=Execution(chunked=False))
    monkeypatch.setattr(student_module, "token_loss", None)  # nobody may call it now
    chunked = train(run, corpus, teacher=teacher, device=CPU, execution=Execution(chunked=True))
    for one, two in zip(dense.curve, chunked.curve, strict=True):
        assert numbers(one) == pytest.approx(numbers(two), rel=1e-5)


def test_bad_parts_are_refused() -> None:
    with pytest.raises(InputError, match="micro_batch_size = 0"):
        Execution(micro_batch_size=0)
    with pytest.raises(InputError, match="checkpoint_seconds"):
        Execution(checkpoint_seconds=float("nan"))
