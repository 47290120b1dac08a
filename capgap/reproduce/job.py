"""The main job, step by step."""

import dataclasses
import datetime
import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capgap
from capgap.comparison.forecast import Forecast, Verdict, forecast, judge
from capgap.comparison.measured import MeasuredLaws, fit_measured
from capgap.comparison.measured_law_set import save_measured_law_sets
from capgap.comparison.paired import Difference, paired_difference
from capgap.comparison.public_fits import PublicFit, fit_public
from capgap.comparison.tables.public import PUBLIC
from capgap.errors import CapgapError, InputError
from capgap.files import write_atomically
from capgap.lm.config import RunConfig
from capgap.lm.corpus import load_shipped
from capgap.measurement.records import RunRecord, RunStore
from capgap.measurement.sweep import SweepEvent, SweepPlan, run_sweep
from capgap.plotting.forecast import Outcome, save_forecast
from capgap.plotting.measured import save_distillation, save_supervised
from capgap.plotting.public_fits import save_public_fits
from capgap.reproduce.project import find_project, load_script, theory_scripts

__all__ = ["Choice", "Reproduction", "reproduce"]


@dataclass(frozen=True)
class Choice:
    """The distillation to predict and then make; not among the measured runs."""

    depth: int = 3
    tokens: int = 3_145_728
    teacher: str = "24656f2345ef0cc4"  # 398k parameters, 8.4M tokens
    seed: int = 0


@dataclass(frozen=True)
class Reproduction:
    """Everything the main job found.

    `public` are the laws fitted to the public runs; `studies` is the folder of committed tables
    that take hours to make. `alone_is_new` tells whether the student without a teacher is
    outside the measured runs too, as the taught one always is: if not, its prediction is no
    test.
    """

    theory: dict[str, dict[str, float]]
    laws: MeasuredLaws
    forecast: Forecast
    written: str
    taught: RunRecord
    alone: RunRecord
    teacher: RunRecord
    verdicts: tuple[Verdict, ...]
    gain: Difference
    alone_is_new: bool
    seconds: dict[str, float]
    peak_memory: float
    folder: Path
    public: tuple[PublicFit, ...] = ()
    studies: Path | None = None

    @property
    def primary(self) -> Verdict:
        """The verdict that counts."""
        return self.verdicts[0]


Watch = Callable[[SweepPlan], AbstractContextManager[Callable[[SweepEvent], None]]]


def reproduce(
    choice: Choice,
    *,
    out: Path,
    runs: Path,
    watch: Watch,
    say: Callable[[str], None],
    project: Path | None = None,
    processes: int = 2,
    device: str = "cpu",
    refits: int = 400,
    public: tuple[str, ...] = tuple(PUBLIC),
) -> Reproduction:
    """Draw the theory, fit the measured runs, predict, train, compare.

    Parameters
    ----------
    choice : Choice
        What to predict and train.
    out, runs : Path
        Folders of the figures and of the new runs.
    watch : callable
        Opens a progress display for a plan of runs.
    say : callable
        Told each step as it begins.
    project : Path or None
        The clone; found if None.
    processes, device : int, str
        For the training.
    refits : int
        Bootstrap refits per law.
    public : tuple of str
        Public sets to fit.

    Raises
    ------
    CapgapError
        No clone, no runs, a choice that is among the runs, a training that failed.
    """
    clock = _Clock(say)
    place = find_project(project)
    store = RunStore(place / "simulations" / "runs")
    records = list(store)
    if not records:
        raise InputError(f"reproduce: no measured runs in {store.folder}")
    taught_config, alone_config, teacher = _configurations(choice, store)

    clock.start("drawing the theory")
    theory = {path.stem: load_script(path).run(out) for path in theory_scripts(place)}

    clock.start("fitting the public runs")
    public_fits = fit_public(public, refits=refits)
    save_public_fits(public_fits, out)

    clock.start("fitting the measured runs")
    laws = fit_measured(records, refits=refits)
    if not laws.distilled:
        raise CapgapError(f"reproduce: no law of distillation could be fitted: {laws.left_out}")
    save_supervised(laws, out)
    save_distillation(laws, out)
    save_measured_law_sets(laws, records, out)

    clock.start("writing the prediction down")
    assert teacher.loss is not None
    written_forecast = forecast(
        laws, taught_config.shape.N, taught_config.D, teacher.loss, (r.id for r in records)
    )
    written = _write_prediction(out, written_forecast, taught_config, alone_config)
    for row in (*written_forecast.distilled, written_forecast.supervised):
        say(f"  {row.law:<12} {row.loss:.4f}  [{row.low:.4f}, {row.high:.4f}]")

    clock.start("training the student, with its teacher and alone")
    plan = SweepPlan((), (taught_config, alone_config))
    _forget(runs, plan)
    with watch(plan) as report:
        taught, alone = run_sweep(
            plan, RunStore(runs), processes=processes, device=device, teachers=(store,),
            report=report,
        )  # fmt: skip

    clock.start("comparing")
    for record in (taught, alone):
        if record.loss is None or record.status != "ok":
            raise CapgapError(f"reproduce: run {record.id} failed: {record.failure}")
    assert taught.loss is not None
    assert alone.loss is not None
    verdicts = (
        *(judge(row, taught.loss) for row in written_forecast.distilled),
        judge(written_forecast.supervised, alone.loss),
    )
    outcome = Outcome(taught.loss, alone.loss, _curve(taught), _curve(alone))
    save_forecast(written_forecast, outcome, out)
    return Reproduction(
        theory, laws, written_forecast, written, taught, alone, teacher, verdicts,
        paired_difference(taught, alone), not store.has(alone.id), clock.stop(), _peak_memory(),
        out, public_fits, place / "figures",
    )  # fmt: skip


def _configurations(choice: Choice, store: RunStore) -> tuple[RunConfig, RunConfig, RunRecord]:
    """The student taught, the same student alone, and the teacher's record."""
    teacher = store.read(choice.teacher)
    if teacher.status != "ok" or not store.weights_path(teacher.id).is_file():
        raise InputError(f"reproduce: teacher {teacher.id} has no weights in {store.folder}")
    corpus = load_shipped().fingerprint
    alone = RunConfig(
        depth=choice.depth,
        tokens=choice.tokens,
        corpus=corpus,
        half="student",
        seed=choice.seed,
        batch_size=teacher.config.batch_size,
    )
    taught = dataclasses.replace(alone, teacher=teacher.config, distillation_weight=1.0)
    if store.has(taught.id):
        raise InputError(
            f"reproduce: run {taught.id} is among the measured runs; predict another one (--tokens,"
            " --depth, --teacher or --seed)"
        )
    return taught, alone, teacher


def _write_prediction(out: Path, prediction: Forecast, taught: RunConfig, alone: RunConfig) -> str:
    """Write ``prediction.json`` before anything is trained; returns the time written."""
    written = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    content = {
        "format": "capgap-prediction-1",
        "written": written,
        "version": capgap.__version__,
        "prediction": prediction.to_dict(),
        "taught": {"id": taught.id, "config": taught.to_dict()},
        "alone": {"id": alone.id, "config": alone.to_dict()},
    }
    write_atomically(out / "prediction.json", (json.dumps(content, indent=1) + "\n").encode())
    return written


def _forget(runs: Path, plan: SweepPlan) -> None:
    """Remove earlier results of these very runs, so that they are made after the prediction."""
    store = RunStore(runs)
    for config in plan.configs:
        store.record_path(config.id).unlink(missing_ok=True)


def _curve(record: RunRecord) -> tuple[tuple[int, float], ...]:
    return tuple((tokens, loss) for tokens, loss, _ in record.curve)


def _peak_memory() -> float:
    """Largest resident memory of this process or of one of its workers, in bytes."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return float(max(resource.getrusage(w).ru_maxrss for w in who) * unit)


class _Clock:
    """Announces steps and times them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._seconds: dict[str, float] = {}
        self._step = ""
        self._since = 0.0

    def start(self, step: str) -> None:
        self._close()
        self._say(step)
        self._step, self._since = step, time.perf_counter()

    def stop(self) -> dict[str, Any]:
        self._close()
        return dict(self._seconds)

    def _close(self) -> None:
        if self._step:
            self._seconds[self._step] = time.perf_counter() - self._since
            self._step = ""
