"""What does a student lose that learns from stored outputs instead of its teacher? On demand.

For every form: bytes per token beside theory, how far the stored targets are from the teacher,
the bias of the distillation loss of a fixed student, and the validation loss of students
trained on them less that of students trained with the teacher running along, paired by seed
(same initialization, same batches). About half an hour on one free core. What was interrupted
goes on where it stopped; --draw draws what there is.
"""

import argparse
import dataclasses
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.errors import CapgapError
from capgap.files import write_atomically
from capgap.lm.config import RunConfig
from capgap.lm.objective import Objective
from capgap.lm.teacher_outputs import TeacherOutputs
from capgap.measurement.records import RunRecord, RunStore
from capgap.plotting.style import save_figure, source_line, style
from capgap.plotting.teacher_caches import CachePoint, draw_teacher_caches

if TYPE_CHECKING:
    from torch import Tensor, nn

    from capgap.lm.corpus import Corpus
    from capgap.lm.teacher_cache import TeacherCache

NAME = "teacher_caches"
HERE = Path(__file__).resolve().parent
TEACHERS, RUNS = HERE / "runs", HERE / NAME
FORMS = (
    "full", "hidden",
    *(f"top-k:{k}{tail}" for k in (1, 4, 8, 16, 64) for tail in ("", ",tail=drop")),
    *(f"top-p:{p}{tail}" for p in (0.9, 0.98) for tail in ("", ",tail=drop")),
    *(f"sampled:{n}" for n in (4, 12, 32)),
)  # fmt: skip
# Windows on which stored targets are compared with the teacher itself.
COMPARED = 128


@dataclass(frozen=True)
class Study:
    """Which teacher, which students."""

    teacher: str = "d9cfbd5fd652cb66"
    depth: int = 2
    tokens: int = 524_288
    seeds: tuple[int, ...] = (0, 1, 2)

    def config(self, form: str | None, seed: int) -> RunConfig:
        """A student: of a form of outputs, of the teacher itself ("online"), of none (None)."""
        teacher = RunStore(TEACHERS).read(self.teacher).config
        config = RunConfig(
            depth=self.depth, tokens=self.tokens, corpus=teacher.corpus, seed=seed, data_seed=0
        )
        if form is None:
            return config
        outputs = None if form == "online" else TeacherOutputs.parse(form)
        return dataclasses.replace(
            config, teacher=teacher, distillation_weight=1.0, teacher_outputs=outputs
        )


@dataclass(frozen=True)
class Cost:
    """What was measured of a cache.

    Attributes
    ----------
    bytes_per_token, theory_per_token, mean_kept, mean_tail, mean_entropy : float
        See `capgap.lm.teacher_cache.CacheStats`.
    distance : float
        Mean over positions of the total variation between the teacher and the distribution
        towards which the stored target pulls a fixed student; of sampled targets that is the
        noise of a draw, not a bias.
    loss_bias, loss_bias_error : float
        Distillation loss of that student from the cache less that from the teacher, nats per
        token, and its standard error over windows.
    """

    bytes_per_token: float
    theory_per_token: float
    mean_kept: float
    mean_tail: float
    mean_entropy: float
    distance: float
    loss_bias: float
    loss_bias_error: float


def measure(
    cache: "TeacherCache", teacher: "nn.Module", student: "nn.Module", tokens: "Tensor"
) -> tuple[float, float, float]:
    """Distance and bias of stored targets; `tokens` are the first windows of the cache."""
    import torch

    from capgap.lm.losses import token_loss

    objective = Objective(distillation_weight=1.0)
    distances, biases = [], []
    for window, row in enumerate(tokens):
        with torch.no_grad():
            exact = teacher(row[None, :-1])[0]
            own = student(row[None, :-1])[0]
        pulls, losses = [], []
        for target in (exact, cache.targets(window, 1)):
            logits = own.clone().requires_grad_()
            loss = token_loss(logits, row[1:], target, objective)
            loss.total.backward()  # type: ignore[no-untyped-call]
            assert logits.grad is not None
            assert loss.distillation is not None
            # The gradient is (q - p) / tokens: what p does the student see?
            pulls.append(own.softmax(-1) - logits.grad * len(row[1:]))
            losses.append(float(loss.distillation))
        distances.append(float((pulls[1] - pulls[0]).abs().sum(-1).mean()) / 2)
        biases.append(losses[1] - losses[0])
    return (
        float(np.mean(distances)),
        float(np.mean(biases)),
        float(np.std(biases, ddof=1) / math.sqrt(len(biases))),
    )


def run_form(study: Study, form: str | None, corpus: "Corpus", runs: Path, caches: Path) -> None:
    """Students of one form, and the numbers of its cache, unless they are there."""
    from capgap.measurement.runs import execute_many

    configs = [study.config(form, seed) for seed in study.seeds]
    store, place = RunStore(runs), None
    missing = [config for config in configs if not store.has(config.id)]
    if form not in (None, "online") and (missing or not _cost_path(study, form, runs).is_file()):
        place = caches / str(form)
        _cached(study, str(form), corpus, runs, place, caches)
    if missing:
        execute_many(missing, corpus, store, teachers=(RunStore(TEACHERS),), cache=place)
    if place is not None:
        shutil.rmtree(place)
    _put_away(configs, store, caches)


def _put_away(configs: Sequence[RunConfig], store: RunStore, caches: Path) -> None:
    """Move the students' weights to the working folder: records are what is kept."""
    for config in configs:
        weights = store.weights_path(config.id)
        if weights.is_file():
            caches.mkdir(parents=True, exist_ok=True)
            shutil.move(weights, caches / weights.name)


def _cached(
    study: Study, form: str, corpus: "Corpus", runs: Path, place: Path, caches: Path
) -> None:
    """Build the cache of a form and write down its numbers."""
    import torch

    from capgap.lm.batches import Batches
    from capgap.lm.checkpoint import load_model
    from capgap.lm.teacher_cache import TeacherCache, build_cache, cache_spec, cache_stats

    torch.set_num_threads(1)
    config, teachers = study.config(form, study.seeds[0]), RunStore(TEACHERS)
    record = teachers.read(study.teacher)
    weights = teachers.weights_path(record.id)
    teacher = load_model(record.config.shape, weights, record.weights_sha256)
    batches = Batches(corpus.stream(config.half), 1, config.sequence_length, config.order_seed)
    spec = cache_spec(config, record.weights_sha256)
    build_cache(place, spec, teacher, batches, device=torch.device("cpu"))
    fixed = study.config("online", study.seeds[0])
    student = load_model(fixed.shape, RunStore(caches).weights_path(fixed.id))
    tokens = torch.from_numpy(batches.rows(0, min(COMPARED, spec.windows)))
    found = measure(TeacherCache.open(place, spec), teacher, student, tokens)
    stats = cache_stats(place)
    cost = Cost(
        stats.bytes_per_token, stats.theory_per_token, stats.mean_kept, stats.mean_tail,
        stats.mean_entropy, *found,
    )  # fmt: skip
    text = json.dumps(dataclasses.asdict(cost), indent=1) + "\n"
    write_atomically(_cost_path(study, form, runs), text.encode())


def _cost_path(study: Study, form: str | None, runs: Path) -> Path:
    return runs / "caches" / f"{study.config(form, study.seeds[0]).id}.json"


@dataclass(frozen=True)
class Row:
    """A form: its cost, and the loss of its students less that of online students, by seed."""

    form: str
    cost: Cost | None
    losses: tuple[float, ...]
    gaps: tuple[float, ...]

    @property
    def gap(self) -> float:
        """Mean over seeds, nats per token."""
        return float(np.mean(self.gaps))

    @property
    def gap_error(self) -> float:
        """Standard error of the mean over seeds."""
        return float(np.std(self.gaps, ddof=1) / math.sqrt(len(self.gaps)))


def rows_of(study: Study, runs: Path) -> list[Row]:
    """All forms whose students are all there; the teacher itself first, then none at all."""
    store = RunStore(runs)
    online = _losses(study, "online", store)
    found = []
    for form in ("online", None, *FORMS):
        losses = _losses(study, form, store)
        if losses is None or online is None:
            continue
        cost = None
        if form not in ("online", None):
            path = _cost_path(study, form, runs)
            cost = Cost(**json.loads(path.read_text(encoding="utf-8")))
        gaps = tuple(a - b for a, b in zip(losses, online, strict=True))
        found.append(Row(form or "no teacher", cost, losses, gaps))
    return found


def _losses(study: Study, form: str | None, store: RunStore) -> tuple[float, ...] | None:
    records: list[RunRecord] = []
    for seed in study.seeds:
        config = study.config(form, seed)
        if not store.has(config.id):
            return None
        records.append(store.read(config.id))
    # A failed run has no loss; its form is then not shown.
    return tuple(r.loss for r in records if r.loss is not None) or None


def columns(rows: Sequence[Row]) -> dict[str, list[float] | list[str]]:
    """The table, a row per form; NaN where a form has no cache."""
    table: dict[str, list[float] | list[str]] = {"form": [row.form for row in rows]}
    for field in dataclasses.fields(Cost):
        table[field.name] = [
            math.nan if row.cost is None else getattr(row.cost, field.name) for row in rows
        ]
    table["student_loss"] = [float(np.mean(row.losses)) for row in rows]
    table["gap_to_online"] = [row.gap for row in rows]
    table["gap_error"] = [row.gap_error for row in rows]
    for place in range(len(rows[0].gaps)):
        table[f"gap_{place}"] = [row.gaps[place] for row in rows]
    return table


def draw(out: Path, study: Study, runs: Path) -> dict[str, float]:
    """Draw what there is: loss gap against bytes per token. Returns the numbers of the table."""
    rows = rows_of(study, runs)
    if len(rows) < 3:
        raise CapgapError(f"{NAME}: no complete forms in {runs} yet; run without --draw")
    numbers = {f"{row.form}: gap to online (nats)": row.gap for row in rows if row.cost}
    teacher = RunStore(TEACHERS).read(study.teacher)
    points = [
        CachePoint(row.form, row.cost.bytes_per_token, row.cost.distance, row.gap, row.gap_error)
        for row in rows
        if row.cost is not None
    ]
    untaught = next((row.gap for row in rows if row.form == "no teacher"), None)
    with style():
        figure = draw_teacher_caches(
            points,
            untaught,
            "What stored outputs cost the student, and what they cost on disk",
            f"Student {study.config('online', 0).N:,} parameters, {study.tokens:,} tokens; teacher"
            f" {teacher.N:,}; bars: standard error over {len(study.seeds)} seeds.",
        )
        source_line(
            figure,
            "Measured; students of a seed share initialization and batches. Open: tail dropped;"
            " filled: kept as one bucket, or nothing to keep. Dotted: a student without teacher.\n"
            "Sampled (Anshumann et al. 2025, arXiv 2503.16870): the distance is the noise of the"
            " draws, whose mean is the teacher. Total variation below 0.0001 is drawn at 0.0001.",
        )
        record = {
            "figure": NAME,
            "study": dataclasses.asdict(study),
            "teacher_loss": teacher.loss,
            "units": "losses in nats per token; distance: total variation",
            "windows compared": COMPARED,
            "headline": numbers,
        }
        save_figure(figure, out, NAME, columns(rows), record)
    return numbers


def main() -> None:
    """Run the study from the command line."""
    default = Study()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default=default.teacher, metavar="ID")
    parser.add_argument("--tokens", type=int, default=default.tokens, help="of each student")
    parser.add_argument("--depth", type=int, default=default.depth, help="of the students")
    parser.add_argument("--seeds", type=int, default=len(default.seeds), help="number of seeds")
    parser.add_argument("--forms", nargs="+", default=FORMS, metavar="FORM")
    parser.add_argument("--draw", action="store_true", help="draw what there is, train nothing")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the students' records")
    parser.add_argument("--caches", type=Path, default=Path("runs") / NAME, help="working folder")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    options = parser.parse_args()
    seeds = tuple(range(options.seeds))
    study = Study(options.teacher, options.depth, options.tokens, seeds)
    try:
        if not options.draw:
            _run(study, options.forms, options.runs, options.caches)
        for key, value in draw(options.out, study, options.runs).items():
            print(f"{key}: {value:.5f}")
    except CapgapError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _run(study: Study, forms: Sequence[str], runs: Path, caches: Path) -> None:
    from capgap.lm.corpus import load_shipped

    corpus = load_shipped()
    for form in (None, "online", *forms):
        run_form(study, form, corpus, runs, caches)
        print(f"{form or 'no teacher'}: done", flush=True)


if __name__ == "__main__":
    main()
