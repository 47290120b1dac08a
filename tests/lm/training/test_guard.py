"""Numbers that are not finite are skipped and recorded; spikes are recorded."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import CPU, corpus_in, small, weights  # noqa: E402

from capgap.lm.training import student as student_module  # noqa: E402
from capgap.lm.training import train  # noqa: E402
from capgap.lm.training.guard import PATIENCE, Guard  # noqa: E402


def test_a_step_that_is_not_finite_is_skipped_and_told(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad batch: weights stay as they were, the run goes on and ends."""
    corpus = corpus_in(text_folder)
    learn, before = student_module.Student.learn, {}

    def poisoned(self: student_module.Student, *arguments: object, **more: object) -> None:
        learn(self, *arguments, **more)  # type: ignore[arg-type]
        if self.step == 10:
            self.model.head.weight.grad[0, 0] = math.nan  # type: ignore[index]
            before["at 10"] = [w.clone() for w in weights(self.model)]
        if self.step == 11:
            before["at 11"] = [w.clone() for w in weights(self.model)]

    monkeypatch.setattr(student_module.Student, "learn", poisoned)
    result = train(small(corpus), corpus, device=CPU)
    assert result.failure is None
    assert [(step, kind) for step, kind, _ in result.events] == [(11, "not finite")]
    assert math.isnan(result.events[0][2])
    pairs = zip(before["at 10"], before["at 11"], strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert all(bool(w.isfinite().all()) for w in weights(result.model))


def test_too_many_in_a_row_end_the_run() -> None:
    guard = Guard()
    for step in range(PATIENCE - 1):
        assert not guard.admits(step, math.inf, 1.0)
    assert guard.admits(9, 1.0, 1.0)  # one good step resets the count
    for step in range(PATIENCE):
        assert not guard.failed
        assert not guard.admits(10 + step, 1.0, math.nan)
    assert guard.failed


def noisy(steps: int, seed: int) -> list[float]:
    """A falling loss with the noise of small batches."""
    rng = np.random.default_rng(seed)
    fall = 1.5 + 3.0 * np.exp(-np.arange(steps) / 100)
    return [float(x) for x in fall + 0.05 * rng.standard_normal(steps)]


def test_a_spike_is_told_and_noise_is_not() -> None:
    """Statistic: reported steps. 20 runs of 1000 steps of noise: none; one spike of 1 nat
    each: exactly that."""
    for seed in range(20):
        calm, spiked = Guard(), Guard()
        losses = noisy(1000, seed)
        for step, loss in enumerate(losses):
            calm.admits(step, loss, 1.0)
            spiked.admits(step, loss + (1.0 if step == 700 else 0.0), 1.0)
        assert calm.events == []
        assert [(step, kind) for step, kind, _ in spiked.events] == [(701, "spike")]


def test_state_survives_json() -> None:
    one, two = Guard(), Guard()
    losses = [*noisy(200, 3), math.nan, 9.0, *noisy(100, 4)]
    for step, loss in enumerate(losses[:202]):
        one.admits(step, loss, 1.0)
    two.restore(json.loads(json.dumps(one.state())))
    for step, loss in enumerate(losses[202:]):
        one.admits(step, loss, 1.0)
        two.admits(step, loss, 1.0)
    assert repr(one.events) == repr(two.events)
    assert one.state() == two.state()
