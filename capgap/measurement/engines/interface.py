"""What a sweep asks of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from capgap.errors import InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunRecord, RunStore

if TYPE_CHECKING:
    from capgap.lm.text import Text

__all__ = ["Ended", "Engine", "Job", "SweepEvent", "Workplace"]


@dataclass(frozen=True)
class Job:
    """Runs that one worker makes: one, or several that share a pass of their teacher.

    Raises
    ------
    InputError
        No runs, or one of them is the teacher of another.
    """

    configs: tuple[RunConfig, ...]

    def __post_init__(self) -> None:
        if not self.configs:
            raise InputError("job: has no runs")
        inside = {config.id for config in self.configs} & {t.id for t in self.teachers}
        if inside:
            raise InputError(f"job: run {min(inside)} teaches another run of the same job")

    @property
    def teachers(self) -> tuple[RunConfig, ...]:
        """Runs that must be made first; models from elsewhere are there already."""
        teachers = (teacher for config in self.configs for teacher, _ in config.teachers)
        distinct = {t.id: t for t in teachers if isinstance(t, RunConfig)}
        return tuple(distinct.values())


@dataclass(frozen=True)
class SweepEvent:
    """What happens to a run.

    Attributes
    ----------
    kind : str
        "step" while it trains; "done" with its record; "lost" when it could not be made.
        "waiting" is about a teacher that another share of the sweep makes. A worker reports
        "error" where the sweep reports "lost".
    config : RunConfig
        The run.
    step, loss, tokens_per_second
        Of "step".
    record : RunRecord or None
        Of "done".
    message : str
        Of "lost", "error" and "waiting".
    """

    kind: str
    config: RunConfig
    step: int = 0
    loss: float = float("nan")
    tokens_per_second: float = 0.0
    record: RunRecord | None = None
    message: str = ""


@dataclass(frozen=True)
class Ended:
    """A worker is gone; the last thing heard of its job.

    Runs of the job that were neither done nor in error died with it, and may be tried again.

    Attributes
    ----------
    message : str
        How it ended: what to say when it died too often.
    """

    message: str = ""


@dataclass(frozen=True)
class Workplace:
    """What all jobs of a sweep share; it travels to the workers.

    Attributes
    ----------
    store : RunStore
        Where records, weights and checkpoints go. The folder, like that of `teachers` and
        the texts, is named by a path that means the same on every machine.
    text : tuple of str
        Paths of the texts; empty for the shipped corpus.
    device : str
        "cpu", "cuda", ...
    threads : int
        CPU threads of a worker.
    teachers : tuple of RunStore
        Further stores where teachers may be found.
    """

    store: RunStore
    text: tuple[str, ...] = ()
    device: str = "cpu"
    threads: int = 1
    teachers: tuple[RunStore, ...] = ()

    def absolute(self) -> "Workplace":
        """The same with absolute paths: workers may start in another folder."""
        return replace(
            self,
            store=RunStore(self.store.folder.absolute()),
            text=tuple(str(Path(entry).absolute()) for entry in self.text),
            teachers=tuple(RunStore(store.folder.absolute()) for store in self.teachers),
        )

    def corpus(self) -> "Text":
        """The text, read from its paths."""
        from capgap.lm.corpus import load_shipped, load_text

        return load_text(self.text) if self.text else load_shipped()


class Engine(Protocol):
    """Starts jobs and tells what becomes of them.

    `open` comes first; then `start` and `wait` alternate at will; `close` comes last, also
    after an error, and ends what still runs. An engine neither orders jobs nor repeats them.
    """

    @property
    def places(self) -> int | None:
        """Jobs at a time, at most; None when the engine queues what it has no room for."""

    def open(self, workplace: Workplace) -> None:
        """Get ready, or refuse.

        Raises
        ------
        CapgapError
            Something that the engine needs is not there.
        """

    def start(self, job: Job) -> int:
        """Start a job, or queue it; the number is its name in what `wait` returns."""

    def wait(self, timeout: float | None = None) -> Sequence[tuple[int, SweepEvent | Ended]]:
        """Wait until something is heard of jobs, or for so many seconds; tell it in order.

        Every job that was started yields exactly one `Ended`, as its last event.
        """

    def close(self) -> None:
        """End all jobs and whatever `open` started, and nothing else."""
