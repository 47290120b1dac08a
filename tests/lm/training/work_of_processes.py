"""Runs made by each process of the tests of torchrun: ``work_of_processes.py TEXTS FOLDER``.

Records go to a store per case under FOLDER, where the tests read them. FOLDER/teacher has the
teacher already.
"""

import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from capgap.lm.config import RunConfig
from capgap.lm.corpus import Corpus, load_text
from capgap.lm.teacher_outputs import TeacherOutputs
from capgap.lm.training import Execution
from capgap.lm.training import student as student_module
from capgap.lm.training.processes import Processes
from capgap.measurement.records import RunStore
from capgap.measurement.runs import execute, execute_many

KILLED_AT = POISONED_AT = 10


def small(corpus: Corpus, **changes: Any) -> RunConfig:
    """25 steps of 4 x 32 tokens of a one-layer model of width 8."""
    values: dict[str, Any] = {
        "depth": 1, "aspect_ratio": 8, "tokens": 3200, "corpus": corpus.fingerprint,
        "sequence_length": 32, "batch_size": 4, **changes,
    }  # fmt: skip
    return RunConfig(**values)


def teacher_of(corpus: Corpus) -> RunConfig:
    """The teacher of all taught runs."""
    return small(corpus, half="teacher")


def cases(corpus: Corpus) -> dict[str, tuple[tuple[RunConfig, ...], Execution]]:
    """Runs made together, and how, for each case."""
    taught: dict[str, Any] = {"teacher": teacher_of(corpus), "distillation_weight": 0.7}
    stored = TeacherOutputs.parse("top-k:12")
    parts = Execution(micro_batch_size=1, chunked=True)
    return {
        "supervised": ((small(corpus),), Execution()),
        # 3 rows of two processes: one has one row, one has two.
        "uneven, in parts": ((small(corpus, batch_size=3, **taught),), parts),
        "stored outputs": ((small(corpus, teacher_outputs=stored, **taught),), Execution()),
        "together": (
            tuple(small(corpus, data_seed=0, seed=k, depth=1 + k, **taught) for k in range(2)),
            Execution(),
        ),
    }


def make_all(corpus: Corpus, folder: Path) -> None:
    """Every case, in as many processes as there are."""
    teachers = RunStore(folder / "teacher")
    for name, (configs, execution) in cases(corpus).items():
        execute_many(
            configs, corpus, RunStore(folder / name), teachers=[teachers], execution=execution
        )


def make_poisoned(corpus: Corpus, folder: Path) -> None:
    """One number of the last process's gradient, before it is averaged, is not finite."""
    learn = student_module.Student.learn

    def poisoned(self: Any, tokens: Any, teachers: Any, last: bool) -> None:
        bad = self.step == POISONED_AT and os.environ.get("RANK") != "0"
        handle = self.model.head.weight.register_hook(lambda g: g * math.nan) if bad else None
        learn(self, tokens, teachers, last)
        if handle is not None:
            handle.remove()

    with replaced(student_module.Student, "learn", poisoned):
        execute(small(corpus), corpus, RunStore(folder / "poisoned"))


def make_wrong(corpus: Corpus, folder: Path) -> None:
    """Negative controls: gradients that are not exchanged; a count without the processes."""
    with replaced(Processes, "wrap", lambda self, module: module):
        execute(small(corpus), corpus, RunStore(folder / "no exchange"))
    right = student_module.token_loss

    def halved(*arguments: Any, count: float, **more: Any) -> Any:
        return right(*arguments, count=2 * count, **more)

    with replaced(student_module, "token_loss", halved):
        execute(small(corpus), corpus, RunStore(folder / "count of one"))


def make_killed(corpus: Corpus, folder: Path) -> None:
    """The second process is killed in its first life; torchrun starts both again."""
    rank, first_life = os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    update, steps = student_module.Student.update, []

    def dying(self: Any) -> None:
        steps.append(self.step)
        if first_life and self.step == KILLED_AT and rank == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        update(self)

    every = Execution(checkpoint_seconds=0.0)
    with replaced(student_module.Student, "update", dying):
        execute(small(corpus), corpus, RunStore(folder / "killed"), execution=every)
    (folder / f"second-life-of-{rank}").write_text(str(steps[0]))


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute with another value for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("error")
    text, place = load_text([Path(sys.argv[1])]), Path(sys.argv[2])
    for make in (make_killed, make_all, make_poisoned, make_wrong):
        make(text, place)
