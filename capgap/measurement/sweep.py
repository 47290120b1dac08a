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

``further_teachers`` is a list by nature: a list of tables ``{teacher = {...}, weight = 0.3}``
is one value, a list of such lists is a grid. Other tables (``temperature_schedule``, ...) are
passed as they are.
"""

import importlib.util
import itertools
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.measurement.engines import make_engine
from capgap.measurement.engines.interface import Engine, Job, SweepEvent, Workplace
from capgap.measurement.engines.scheduling import schedule
from capgap.measurement.engines.shares import OtherShares, Share
from capgap.measurement.records import RunRecord, RunStore

__all__ = ["SweepEvent", "SweepPlan", "expand", "read_sweep", "run_sweep"]


@dataclass(frozen=True)
class SweepPlan:
    """Runs in an order in which every teacher comes before its students."""

    text: tuple[str, ...]
    configs: tuple[RunConfig, ...]

    def part(self, share: tuple[int, int] | None) -> tuple[RunConfig, ...]:
        """The runs that share i of n makes: those at positions i, i + n, i + 2n, ..."""
        return self.configs if share is None else Share(*share).of(self.configs)


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
    """Teachers, each after its own teachers; models from elsewhere are nobody's task."""
    runs = [teacher for teacher, _ in config.teachers if isinstance(teacher, RunConfig)]
    return tuple(member for run in runs for member in (*_ancestors(run), run))


# Settings of students: as defaults they do not pass to teachers.
_STUDENT_ONLY = frozenset(
    (
        "teacher", "further_teachers", "teacher_outputs", "distillation_weight",
        "weight_schedule", "temperature", "temperature_schedule", "divergence", "jsd_beta", "half",
    )
)  # fmt: skip


def _product(grid: dict[str, Any], defaults: dict[str, Any], corpus: str) -> list[dict[str, Any]]:
    """One dictionary per member of the product of all lists in a grid."""
    inherited = {k: v for k, v in defaults.items() if k not in _STUDENT_ONLY}
    inherited = {"corpus": corpus, **inherited}
    choices = [_choices(key, value, inherited, defaults, corpus) for key, value in grid.items()]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*choices)]


def _choices(
    key: str, value: Any, inherited: dict[str, Any], defaults: dict[str, Any], corpus: str
) -> list[Any]:
    """The members of one setting of a grid."""
    if key == "further_teachers" and not _is_grid_of_groups(value):
        value = [value]  # a list of tables is one group of teachers
    members = value if isinstance(value, list) else [value]
    if not members:
        raise InputError(f"sweep: {key} is an empty list")

    def teachers(table: Any) -> list[Any]:
        if not isinstance(table, dict) or "sha256" in table:  # a model from elsewhere
            return [table]
        return _product({**inherited, **table}, defaults, corpus)

    if key == "teacher":
        return [taught for member in members for taught in teachers(member)]
    if key == "further_teachers":
        return [group for member in members for group in _groups(member, teachers)]
    return members


def _is_grid_of_groups(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, list) for v in value)


def _groups(group: Any, teachers: Callable[[Any], list[Any]]) -> list[Any]:
    """All groups of further teachers that a group of grids stands for."""
    if not isinstance(group, list) or not all(isinstance(entry, dict) for entry in group):
        raise InputError(
            "sweep: further_teachers must be a list of tables {teacher = {...}, weight = ...}"
        )
    entries = [
        [{**entry, "teacher": teacher} for teacher in teachers(entry["teacher"])]
        if "teacher" in entry
        else [entry]
        for entry in group
    ]
    return [list(members) for members in itertools.product(*entries)]


def run_sweep(
    plan: SweepPlan,
    store: RunStore,
    *,
    engine: str | Engine = "local",
    processes: int | None = None,
    device: str = "cpu",
    threads: int = 1,
    teachers: Sequence[RunStore] = (),
    share: tuple[int, int] | None = None,
    together: int = 1,
    report: Callable[[SweepEvent], None] = lambda event: None,
) -> tuple[RunRecord, ...]:
    """Make the runs that the store does not have; return the records of the plan.

    One worker per job: one that dies takes nothing with it. Finished runs and checkpoints
    are all that is written, so that a sweep can be killed at any moment and started again, on
    the same engine or another.

    Parameters
    ----------
    plan : SweepPlan
        The runs.
    store : RunStore
        Where they are kept.
    engine : str or Engine
        "local", "ray", or an engine with options of its own
        (`capgap.measurement.engines.make_engine`).
    processes : int or None
        Runs at a time, at most; None: as many as the engine has room for (local: cores).
    device, threads
        Of each run.
    teachers : sequence of RunStore
        Further stores. A teacher that is found there with its weights is not made again.
    share : (int, int) or None
        (i, n): make the runs at positions i, i + n, i + 2n, ... of the plan alone, waiting
        for teachers that others make; see `capgap.measurement.engines.shares`.
    together : int
        Students of the same teachers, on the same batches, are made up to so many at a time by
        one worker, in which each teacher runs once per batch.
    report : callable
        Hears what happens to the runs.

    Returns
    -------
    tuple of RunRecord
        In the order of the plan; of the share alone, if there is one.

    Raises
    ------
    CapgapError
        A worker reported an error, or died repeatedly; the other runs are finished first.
    """
    if isinstance(engine, str):
        engine = make_engine(engine, processes=processes)
    elif processes is not None:
        raise InputError(f"sweep: processes = {processes} is an option of the engine given")
    if importlib.util.find_spec("torch") is None:
        raise CapgapError("sweep: training needs torch: pip install 'capgap[lm]'")
    elsewhere = _found_elsewhere(plan, teachers)
    configs = plan.part(share)
    missing = [c for c in configs if not store.has(c.id) and c.id not in elsewhere]
    jobs = _jobs(missing, together)
    others = None
    if share is not None:
        others = OtherShares(plan.configs, Share(*share), store.folder)

    def made(run_id: str) -> bool:
        return run_id in elsewhere or store.has(run_id)

    lost: dict[str, str] = {}
    if jobs:
        try:
            engine.open(Workplace(store, plan.text, device, threads, tuple(teachers)).absolute())
            lost = schedule(jobs, engine, made=made, report=report, others=others)
        finally:
            engine.close()
    if lost:
        first = next(iter(lost.values()))
        raise CapgapError(f"sweep: {len(lost)} of {len(configs)} runs not made: {first}")
    return tuple(store.read(c.id) if store.has(c.id) else elsewhere[c.id] for c in configs)


def _jobs(configs: Sequence[RunConfig], together: int) -> list[Job]:
    """Jobs in the order of their first runs; students that can share a pass, up to `together`."""
    if together < 1:
        raise InputError(f"sweep: together = {together} must be at least 1")
    groups: list[list[RunConfig]] = []
    unfilled: dict[str, list[RunConfig]] = {}
    for config in configs:
        key = config.id if config.teacher is None else repr(config.shared)
        group = unfilled.get(key)
        if group is None or len(group) == together:
            group = unfilled[key] = []
            groups.append(group)
        group.append(config)
    return [Job(tuple(group)) for group in groups]


def _found_elsewhere(plan: SweepPlan, stores: Sequence[RunStore]) -> dict[str, RunRecord]:
    """Records of the plan's teachers that other stores have, with weights."""
    found: dict[str, RunRecord] = {}
    for teacher in (t for config in plan.configs for t in Job((config,)).teachers):
        for store in stores:
            if store.has(teacher.id) and store.weights_path(teacher.id).is_file():
                record = store.read(teacher.id)
                if record.status == "ok":
                    found.setdefault(teacher.id, record)
    return found
