"""Many runs from one readable file, in a pool of processes.

The file is TOML. Settings in ``[defaults]`` hold for all runs; each ``[[runs]]`` table is
a grid: a list as a value makes one run per member, several lists their product. A
``teacher`` is a table of the same kind (or a list of them); teachers are made first.

.. code-block:: toml

    text = ["my-texts/"]          # optional: without it, the shipped corpus

    [defaults]
    seed = 0

    [[runs]]
    depth = [2, 3, 4]
    tokens = [1_000_000, 2_000_000]
    half = "teacher"

    [[runs]]
    depth = 2
    tokens = 1_000_000
    distillation_weight = 1.0
    teacher = {depth = [3, 4], tokens = 2_000_000, half = "teacher"}
"""

import importlib.util
import itertools
import multiprocessing
import os
import signal
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import RunRecord, RunStore

__all__ = ["SweepEvent", "SweepPlan", "expand", "read_sweep", "run_sweep"]

# A worker that dies without a word (killed, out of memory) is started again this often.
ATTEMPTS = 3


@dataclass(frozen=True)
class SweepPlan:
    """Runs in an order in which every teacher comes before its students."""

    text: tuple[str, ...]
    configs: tuple[RunConfig, ...]


@dataclass(frozen=True)
class SweepEvent:
    """What a worker reports: "step" while training, "done" or "lost" at the end."""

    kind: str
    config: RunConfig
    step: int = 0
    loss: float = float("nan")
    tokens_per_second: float = 0.0
    record: RunRecord | None = None
    message: str = ""


def read_sweep(path: Path) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Texts and contents of a sweep file; `expand` makes runs of them.

    Raises
    ------
    InputError
        Missing file, TOML that does not parse, no ``[[runs]]``, unknown tables.
    """
    try:
        contents = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"sweep: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"sweep: {path} is not TOML: {error}") from None
    unknown = sorted(set(contents) - {"text", "defaults", "runs"})
    if unknown:
        raise InputError(f"sweep: {path}: unknown entry {', '.join(unknown)}")
    if not isinstance(contents.get("runs"), list) or not contents["runs"]:
        raise InputError(f"sweep: {path} has no [[runs]]")
    text = contents.get("text", [])
    text = [text] if isinstance(text, str) else text
    # Relative to the sweep file, so that it means the same from every folder.
    return tuple(str((path.parent / entry).resolve()) for entry in text), contents


def expand(contents: dict[str, Any], corpus: str) -> tuple[RunConfig, ...]:
    """All runs of a sweep on a corpus (its fingerprint), in the order of the file.

    A teacher comes before its first student; a run named twice is made once.
    """
    defaults = contents.get("defaults", {})
    ordered: dict[str, RunConfig] = {}
    for grid in contents["runs"]:
        for values in _product({"corpus": corpus, **defaults, **grid}, defaults, corpus):
            config = RunConfig.from_dict(values)
            for member in (*_ancestors(config), config):
                ordered.setdefault(member.id, member)
    return tuple(ordered.values())


def _ancestors(config: RunConfig) -> tuple[RunConfig, ...]:
    if config.teacher is None:
        return ()
    return (*_ancestors(config.teacher), config.teacher)


def _product(grid: dict[str, Any], defaults: dict[str, Any], corpus: str) -> list[dict[str, Any]]:
    """One dictionary per member of the product of all lists in a grid."""
    choices: list[list[Any]] = []
    for key, value in grid.items():
        members = value if isinstance(value, list) else [value]
        if not members:
            raise InputError(f"sweep: {key} is an empty list")
        if key == "teacher":
            # Defaults of students (their half, their weight) do not pass to teachers.
            inherited = {k: v for k, v in defaults.items() if k not in _STUDENT_ONLY}
            members = [
                table
                for member in members
                for table in _product({"corpus": corpus, **inherited, **member}, defaults, corpus)
            ]
        choices.append(members)
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*choices)]


_STUDENT_ONLY = ("teacher", "distillation_weight", "temperature", "half")


def run_sweep(
    plan: SweepPlan,
    store: RunStore,
    *,
    processes: int,
    device: str = "cpu",
    teachers: Sequence[RunStore] = (),
    report: Callable[[SweepEvent], None] = lambda event: None,
) -> tuple[RunRecord, ...]:
    """Make the runs that the store does not have; return all records of the plan.

    One process per run, `processes` at a time, one thread each: a run that dies takes
    nothing with it, and when this process dies its workers end too. Nothing is written
    but finished runs, so that a sweep can be killed at any moment and started again.

    Raises
    ------
    CapgapError
        A worker reported an error, or died repeatedly; the other runs are finished first.
    """
    if processes < 1:
        raise InputError(f"sweep: processes = {processes} must be at least 1")
    if importlib.util.find_spec("torch") is None:
        raise CapgapError("sweep: training needs torch: pip install 'capgap[lm]'")
    pool = _Pool(plan, store, device, tuple(teachers), report)
    try:
        pool.run(processes)
    finally:
        pool.stop()
    if pool.lost:
        first = next(iter(pool.lost.values()))
        raise CapgapError(f"sweep: {len(pool.lost)} of {len(plan.configs)} runs not made: {first}")
    return tuple(store.read(config.id) for config in plan.configs)


class _Pool:
    """Workers in flight and runs that wait for a place or for their teacher."""

    def __init__(
        self,
        plan: SweepPlan,
        store: RunStore,
        device: str,
        teachers: tuple[RunStore, ...],
        report: Callable[[SweepEvent], None],
    ) -> None:
        self._text, self._store, self._device = plan.text, store, device
        self._teachers, self._report = teachers, report
        self._waiting = [c for c in plan.configs if not store.has(c.id)]
        self._attempts = {c.id: 0 for c in self._waiting}
        self._workers: dict[Connection, tuple[RunConfig, multiprocessing.process.BaseProcess]] = {}
        self.lost: dict[str, str] = {}

    def run(self, processes: int) -> None:
        while self._waiting or self._workers:
            while len(self._workers) < processes and (config := self._next()) is not None:
                self._start(config)
            for connection in wait(list(self._workers)):
                assert isinstance(connection, Connection)
                self._hear(connection)

    def stop(self) -> None:
        for _, process in self._workers.values():
            process.terminate()
            process.join()

    def _next(self) -> RunConfig | None:
        """The first waiting run whose teacher is made; a run without hope is given up."""
        in_flight = {config.id for config, _ in self._workers.values()}
        pending = {config.id for config in self._waiting} | in_flight
        for config in list(self._waiting):
            if config.teacher is not None and config.teacher.id in self.lost:
                self._waiting.remove(config)
                self._give_up(config, f"its teacher {config.teacher.id} was not made")
            elif config.teacher is None or config.teacher.id not in pending:
                self._waiting.remove(config)
                return config
        return None

    def _start(self, config: RunConfig) -> None:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_work,
            args=(config, self._text, self._store, self._device, self._teachers, theirs),
        )
        with _interrupts_held():
            process.start()
        theirs.close()
        self._attempts[config.id] += 1
        self._workers[mine] = (config, process)

    def _hear(self, connection: Connection) -> None:
        config, process = self._workers[connection]
        try:
            event: SweepEvent = connection.recv()
        except (EOFError, OSError):
            event = SweepEvent("died", config)
        if event.kind == "step":
            self._report(event)
            return
        del self._workers[connection]
        connection.close()
        process.join()
        if event.kind == "done":
            self._report(event)
        elif event.kind == "error":
            self._give_up(config, event.message)
        elif self._attempts[config.id] < ATTEMPTS:
            self._waiting.insert(0, config)
        else:
            self._give_up(config, f"its process died {ATTEMPTS} times (exit {process.exitcode})")

    def _give_up(self, config: RunConfig, message: str) -> None:
        self.lost[config.id] = f"{config.id}: {message}"
        self._report(SweepEvent("lost", config, message=message))


def _work(
    config: RunConfig,
    text: tuple[str, ...],
    store: RunStore,
    device: str,
    teachers: tuple[RunStore, ...],
    connection: Connection,
) -> None:
    """One run in its own process."""
    _end_with_parent()
    try:
        from capgap.lm.corpus import load_shipped, load_text
        from capgap.measurement.runs import execute

        corpus = load_text(text) if text else load_shipped()
        record = execute(
            config,
            corpus,
            store,
            device=device,
            teachers=teachers,
            progress=lambda p: connection.send(
                SweepEvent("step", config, p.step, p.loss, p.tokens_per_second)
            ),
        )
        connection.send(SweepEvent("done", config, record=record))
    except Exception as error:  # told in one line by the sweep; another attempt would not help
        known = isinstance(error, CapgapError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        connection.send(SweepEvent("error", config, message=message))


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start workers deaf to Ctrl-C: it reaches the whole group, and the sweep ends them.

    A blocked signal stays blocked in a new process; here it is delivered afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows: workers hear it and end by themselves
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
