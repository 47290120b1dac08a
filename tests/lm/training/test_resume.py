"""A run that is interrupted at any moment ends with the bits of an undisturbed one."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'lm'")

from lm.training.runs_of_tests import (  # noqa: E402
    CPU,
    Killed,
    corpus_in,
    random_teacher,
    same,
    small,
)

from capgap.errors import InputError  # noqa: E402
from capgap.lm.config import RunConfig  # noqa: E402
from capgap.lm.corpus import Corpus  # noqa: E402
from capgap.lm.training import Execution, Training, train, train_many  # noqa: E402
from capgap.lm.training import student as student_module  # noqa: E402


@pytest.fixture
def corpus(text_folder: Path) -> Corpus:
    return corpus_in(text_folder)


def interrupted(
    config: RunConfig,
    corpus: Corpus,
    folder: Path,
    kills: list[int],
    monkeypatch: Any,
    **extra: Any,
) -> Training:
    """Trained with a state after every step, and killed before the update of these steps."""
    execution = Execution(checkpoints=folder, checkpoint_seconds=0.0)
    update = student_module.Student.update
    left = list(kills)

    def dying(self: Any) -> None:
        if left and self.step == left[0]:
            left.pop(0)
            raise Killed
        update(self)

    monkeypatch.setattr(student_module.Student, "update", dying)
    for _ in kills:
        with pytest.raises(Killed):
            train(config, corpus, device=CPU, execution=execution, **extra)
    result = train(config, corpus, device=CPU, execution=execution, **extra)
    monkeypatch.undo()
    assert not left
    return result


@pytest.mark.parametrize("kills", [[0], [1], [7, 8, 30], [49]])
def test_supervised_run_ends_bit_identical(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: list[int]
) -> None:
    config = small(corpus)
    whole = train(config, corpus, device=CPU)
    resumed = interrupted(config, corpus, tmp_path, kills, monkeypatch)
    assert same(whole, resumed)


def test_distilled_run_in_parts_and_half_precision_ends_bit_identical(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher_config = small(corpus, half="teacher")
    config = small(corpus, teacher=teacher_config, distillation_weight=0.5, precision="bfloat16")
    teacher = random_teacher(teacher_config)
    whole = train(config, corpus, teacher=teacher, device=CPU)
    resumed = interrupted(config, corpus, tmp_path, [3, 20], monkeypatch, teacher=teacher)
    assert same(whole, resumed)
    assert all(point[2] is not None for point in resumed.curve)


def test_wrong_moments_would_be_noticed(corpus: Corpus, tmp_path: Path) -> None:
    """Negative control: a run that goes on with the weights alone ends elsewhere."""
    config = small(corpus)
    execution = Execution(checkpoints=tmp_path, checkpoint_seconds=0.0)
    whole = train(config, corpus, device=CPU, execution=execution)
    places = student_module.Student(config, CPU, execution, _alone(), None)
    state = _state_at(config, corpus, 20)
    state.tensors.update(
        {n: torch.zeros_like(t) for n, t in state.tensors.items() if n.startswith("exp_avg")}
    )
    places.restore(state)
    from capgap.lm.training.checkpoints import Checkpoints

    Checkpoints(tmp_path, config.id).write(places.state())
    again = train(config, corpus, device=CPU, execution=execution)
    assert not same(whole, again)


def _alone() -> Any:
    from capgap.lm.training import ALONE

    return ALONE


def _state_at(config: RunConfig, corpus: Corpus, step: int) -> Any:
    """State of an undisturbed run before a step."""
    from capgap.lm.batches import Batches

    batches = Batches(
        corpus.stream(config.half), config.batch_size, config.sequence_length, config.order_seed
    )
    student = student_module.Student(config, CPU, Execution(), _alone(), None)
    for place in range(step):
        student.learn(torch.from_numpy(batches.batch(place)), None, last=True)
        student.update()
    return student.state()


def test_students_of_one_pass_resume_where_each_was(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the states of two students: the one that was further waits."""
    configs = [small(corpus, seed=s, data_seed=0, tokens=t) for s, t in ((0, 6400), (1, 5120))]
    whole = train_many(configs, corpus, device=CPU)
    execution = Execution(checkpoints=tmp_path, checkpoint_seconds=0.0)
    from capgap.lm.training.checkpoints import Checkpoints

    write, calls = Checkpoints.write, []

    def dying(self: Checkpoints, state: Any) -> None:
        calls.append(state.step)
        if len(calls) == 24:  # after the first student's twelfth state, before the second's
            raise Killed
        write(self, state)

    monkeypatch.setattr(Checkpoints, "write", dying)
    with pytest.raises(Killed):
        train_many(configs, corpus, device=CPU, execution=execution)
    monkeypatch.undo()
    again = train_many(configs, corpus, device=CPU, execution=execution)
    assert all(same(a, b) for a, b in zip(whole, again, strict=True))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "not json", "other run"])
def test_damaged_state_is_refused_with_its_name(
    corpus: Corpus, tmp_path: Path, damage: str
) -> None:
    config = small(corpus, tokens=1280)
    execution = Execution(checkpoints=tmp_path, checkpoint_seconds=0.0)
    train(config, corpus, device=CPU, execution=execution)
    (tensors,) = tmp_path.rglob("*.safetensors")
    note = tensors.with_name("state.json")
    data = tensors.read_bytes()
    if damage == "truncated":
        tensors.write_bytes(data[:-8])
    elif damage == "flipped":
        tensors.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    elif damage == "missing":
        tensors.unlink()
    elif damage == "not json":
        note.write_text("{")
    else:
        note.write_text(json.dumps({**json.loads(note.read_text()), "id": "other"}))
    with pytest.raises(InputError, match=r"state\.json is damaged"):
        train(config, corpus, device=CPU, execution=execution)


def test_interrupted_run_keeps_the_step_it_had_reached(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, with the next state not due for an hour: nothing is lost but the open step."""
    from capgap.lm.training.checkpoints import Checkpoints

    config = small(corpus)
    execution = Execution(checkpoints=tmp_path, checkpoint_seconds=3600.0)
    learn = student_module.Student.learn

    def interrupted(self: Any, *arguments: Any, **more: Any) -> None:
        learn(self, *arguments, **more)
        if self.step == 17:
            raise KeyboardInterrupt

    monkeypatch.setattr(student_module.Student, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(config, corpus, device=CPU, execution=execution)
    monkeypatch.undo()
    state = Checkpoints(tmp_path, config.id).read()
    assert state is not None
    assert state.step == 17
    again = train(config, corpus, device=CPU, execution=execution)
    assert same(again, train(config, corpus, device=CPU))
