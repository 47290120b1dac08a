"""Runs from configuration to record: kills, failures, teachers, runs made together."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.checkpoint import load_model  # noqa: E402
from capgap.lm.config import RunConfig, TeacherShare  # noqa: E402
from capgap.lm.corpus import Corpus, load_text  # noqa: E402
from capgap.lm.teacher_outputs import TeacherOutputs  # noqa: E402
from capgap.lm.training import Execution  # noqa: E402
from capgap.lm.training import student as student_module  # noqa: E402
from capgap.measurement.records import RunRecord, RunStore  # noqa: E402
from capgap.measurement.runs import execute, execute_many  # noqa: E402

ALWAYS = Execution(checkpoint_seconds=0.0)
COMMITTED = Path(__file__).parents[2] / "simulations" / "runs"


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return load_text([text_folder])


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def small(corpus: Corpus, **changes: Any) -> RunConfig:
    """10 steps of 4 x 32 tokens of a one-layer model of width 8."""
    values: dict[str, Any] = {
        "depth": 1, "aspect_ratio": 8, "tokens": 1280, "corpus": corpus.fingerprint,
        "sequence_length": 32, "batch_size": 4, **changes,
    }  # fmt: skip
    return RunConfig(**values)


def states_left(store: RunStore) -> list[str]:
    """Ids of the runs of which states are kept."""
    return [path.name for path in store.folder.glob(".states/*")]


def read_back(record: RunRecord) -> RunRecord:
    return RunRecord.from_dict(json.loads(json.dumps(record.to_dict(), allow_nan=False)))


class Watched:
    """The steps that are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[int] = []
        update = student_module.Student.update

        def watched(student: Any) -> None:
            self.steps.append(student.step)
            update(student)

        monkeypatch.setattr(student_module.Student, "update", watched)


MAKE = """
import json, sys
from pathlib import Path
from capgap.lm.config import RunConfig
from capgap.lm.corpus import load_text
from capgap.lm.training import Execution
from capgap.measurement.records import RunStore
from capgap.measurement.runs import execute
texts, folder, config = sys.argv[1:]
execute(RunConfig.from_dict(json.loads(config)), load_text([Path(texts)]), RunStore(Path(folder)),
        execution=Execution(checkpoint_seconds=0.0))
"""


def test_a_killed_run_goes_on_to_the_record_of_an_undisturbed_one(
    corpus: Corpus, text_folder: Path, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL from outside, at any moment after the third of 100 steps."""
    teacher = small(corpus, half="teacher")
    execute(teacher, corpus, store)
    long: dict[str, Any] = {"tokens": 12_800}
    configs = [
        small(corpus, **long),
        small(corpus, **long, teacher=teacher, distillation_weight=1.0),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(text_folder), str(store.folder),
             json.dumps(config.to_dict())],
            env=environment,
        )
        for config in configs
    ]  # fmt: skip
    running = dict(zip(configs, workers, strict=True))
    while running:
        for config, worker in tuple(running.items()):
            if kept_step(store, config) >= 3:
                worker.send_signal(signal.SIGKILL)
                assert worker.wait() == -signal.SIGKILL
                del running[config]
            else:
                assert worker.poll() is None
        time.sleep(0.01)
    for config in configs:
        assert not store.has(config.id)
        left = kept_step(store, config)
        watched = Watched(monkeypatch)
        resumed = execute(config, corpus, store)
        assert watched.steps == list(range(left, 100))
        assert config.id not in states_left(store)
        monkeypatch.undo()
        again = RunStore(store.folder.with_name(f"undisturbed-{config.id}"))
        undisturbed = execute(config, corpus, again, teachers=[store])
        assert resumed.status == "ok"
        assert resumed.outcome() == undisturbed.outcome()


def kept_step(store: RunStore, config: RunConfig) -> int:
    """The step with which an unfinished run would go on."""
    note = store.folder / ".states" / config.id / "state.json"
    return int(json.loads(note.read_text())["step"]) if note.is_file() else 0


def test_a_failed_run_is_recorded_and_its_states_are_removed(
    corpus: Corpus, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    config = small(corpus, tokens=6400, z_weight=1e30, clip=1e9, peak_learning_rate=10.0)
    record = execute(config, corpus, store, execution=ALWAYS)
    assert record.status == "failed"
    assert "not finite" in str(record.failure)
    assert (record.loss, record.weights_sha256, record.document_losses) == (None, None, ())
    assert {kind for _, kind, _ in record.events} >= {"not finite"}
    assert record.D == len(watched.steps) * 128 < config.D
    assert store.read(config.id) == read_back(record) == record
    assert not store.weights_path(config.id).exists()
    assert not states_left(store)
    watched.steps.clear()
    assert execute(config, corpus, store) == record  # a failure is a result: not tried again
    assert watched.steps == []


def test_a_skipped_step_is_an_event_of_the_record(
    corpus: Corpus, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it decides nothing: status ok, and NaN is null in JSON."""
    learn = student_module.Student.learn

    def poisoned(self: Any, *arguments: Any, **more: Any) -> None:
        learn(self, *arguments, **more)
        if self.step == 4:
            self.model.head.weight.grad[0, 0] = math.nan

    monkeypatch.setattr(student_module.Student, "learn", poisoned)
    record = execute(small(corpus), corpus, store)
    assert (record.status, record.events) == ("ok", ((5, "not finite", None),))
    assert store.read(record.id) == read_back(record) == record


def test_token_losses_are_those_of_the_documents(corpus: Corpus, store: RunStore) -> None:
    record = execute(small(corpus), corpus, store, keep_token_losses=True)
    losses = np.load(store.losses_path(record.id), allow_pickle=False)
    assert (losses.dtype, losses.shape) == (np.float32, (sum(record.document_tokens),))
    parts = np.split(losses.astype(np.float64), np.cumsum(record.document_tokens)[:-1])
    # The same sums, in another order of float64.
    assert [part.mean() for part in parts] == pytest.approx(record.document_losses, rel=1e-12)
    assert losses.astype(np.float64).mean() == pytest.approx(record.loss, rel=1e-12)
    other = execute(small(corpus, seed=1), corpus, store)
    assert not store.losses_path(other.id).exists()


def mixture_loss(corpus: Corpus, models: list[Any], weights: list[float], length: int) -> float:
    """Brute force in float64: every token of every document, from what precedes it."""
    nats, count = 0.0, 0
    for document in corpus.validation:
        text = [0, *document.text]
        for start in range(0, len(text) - 1, length):
            window = torch.tensor(text[start : start + length + 1])
            with torch.no_grad():
                logits = [model(window[None, :-1])[0].double() for model in models]
            p = sum(w * z.softmax(-1) for w, z in zip(weights, logits, strict=True))
            nats -= float(p[torch.arange(len(window) - 1), window[1:]].log().sum())
            count += len(window) - 1
    return nats / count


def test_the_loss_of_several_teachers_is_that_of_their_mixture(
    corpus: Corpus, store: RunStore
) -> None:
    """L_T, to 1e-6: the float32 rounding of log-probabilities of the order of 5."""
    teachers = [
        small(corpus, half="teacher", tokens=tokens, seed=seed, peak_learning_rate=0.1)
        for seed, tokens in enumerate((1280, 6400))
    ]
    made = [execute(config, corpus, store) for config in teachers]
    models = [
        load_model(config.shape, store.weights_path(config.id)).eval() for config in teachers
    ]  # fmt: skip
    share = TeacherShare(teacher=teachers[1], weight=0.3)
    both = small(
        corpus, teacher=teachers[0], further_teachers=(share,), distillation_weight=1.0
    )  # fmt: skip
    record = execute(both, corpus, store)
    expected = mixture_loss(corpus, models, [0.7, 0.3], 32)
    assert record.L_T is not None
    assert abs(record.L_T - expected) < 1e-6
    # Negative control: neither the mean of their losses nor one of them.
    losses = [float(r.loss or 0) for r in made]
    assert abs(losses[0] - losses[1]) > 0.01
    assert abs(0.7 * losses[0] + 0.3 * losses[1] - record.L_T) > 1e-4
    forward = 3 * both.forward_flops + sum(config.forward_flops for config in teachers)
    assert record.flops == forward * both.D
    alone = execute(
        small(corpus, teacher=teachers[0], distillation_weight=1.0), corpus, store
    )  # fmt: skip
    assert losses[0] == alone.L_T


def test_stored_outputs_are_not_paid_for_again(corpus: Corpus, store: RunStore) -> None:
    """FLOPs; and exact stored outputs teach what the teacher itself does."""
    teacher = small(corpus, half="teacher")
    execute(teacher, corpus, store)
    taught: dict[str, Any] = {"teacher": teacher, "distillation_weight": 1.0}
    online = execute(small(corpus, **taught), corpus, store)
    outputs = TeacherOutputs.parse("hidden")
    stored = execute(small(corpus, **taught, teacher_outputs=outputs), corpus, store)
    assert online.flops == (3 * online.config.forward_flops + teacher.forward_flops) * online.D
    assert stored.flops == 3 * online.config.forward_flops * online.D
    assert stored.L_T == online.L_T
    # float32 rounding over 10 steps.
    assert stored.loss == pytest.approx(online.loss, abs=1e-5)


def test_runs_made_together_are_those_made_one_by_one(
    corpus: Corpus, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = small(corpus, half="teacher")
    execute(teacher, corpus, store)
    taught: dict[str, Any] = {"teacher": teacher, "distillation_weight": 0.5, "data_seed": 0}
    configs = [
        small(corpus, **taught),
        small(corpus, **taught, seed=1, depth=2),
        small(corpus, **{**taught, "distillation_weight": 1.0}, tokens=640),
    ]
    one = RunStore(tmp_path / "one by one")
    apart = [execute(config, corpus, one, teachers=[store]) for config in configs]
    first = execute_many(configs[:1], corpus, store)
    before = store.record_path(configs[0].id).stat()
    watched = Watched(monkeypatch)
    together = execute_many([*configs, configs[1]], corpus, store)
    assert len(watched.steps) == 10 + 5  # of the two that were missing, each once
    assert [r.outcome() for r in together[:3]] == [r.outcome() for r in apart]
    assert (together[0], together[3]) == (first[0], together[1])
    after = store.record_path(configs[0].id).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert not states_left(store)


def test_committed_records_are_written_as_they_were() -> None:
    """Settings and notes that came later leave no trace in records that lack them."""
    paths = sorted(COMMITTED.glob("*.json"))
    assert len(paths) >= 93
    for path in paths:
        text = path.read_text(encoding="utf-8")
        record = RunRecord.from_dict(json.loads(text))
        assert json.dumps(record.to_dict(), indent=1) + "\n" == text, path.name
