"""Are students calibrated? Taught the whole distribution, the teacher's top-1, or nothing."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capgap.lm.checkpoint import load_model
from capgap.lm.corpus import Corpus, load_shipped
from capgap.lm.training import open_device
from capgap.measurement.calibration.estimators import ece, mean_gap
from capgap.measurement.calibration.judgment import Judgment, judge
from capgap.measurement.calibration.stream import Grouping, corpus_tables
from capgap.measurement.calibration.table import ReliabilityTable
from capgap.measurement.calibration.tokens import Against
from capgap.measurement.records import RunRecord, RunStore
from capgap.plotting.measured_calibration import save_study

HERE = Path(__file__).resolve().parent
FOLDERS = (HERE / "runs", HERE / "calibration")
TEACHER, ALONE, FULL, TOP = "teacher", "alone", "distilled: full", "distilled: top-1"
RUNS = {
    TEACHER: "24656f2345ef0cc4",
    ALONE: "fd685331de7941d8",
    FULL: "bb019c9a39058c9d",
    TOP: "41477d91081403c8",
}
PAPER = {  # arXiv 2502.08606, E.8: student of 198M parameters, as its teacher grows
    "teachers, against data": [0.4, 0.7],
    "distilled: full, against data": [0.1, 0.6],
    "distilled: full, ECE_Dist": [1.3, 9.0],
    "distilled: top-1, against data": [38.7, 21.6],
    "distilled: top-1, against the teacher's first choice": [1.1, 1.6],
}

Tables = dict[tuple[str, Against], ReliabilityTable]
Judgments = dict[str, dict[Against, Judgment]]


def measure(
    corpus: Corpus, folders: Sequence[Path] = FOLDERS, grouping: Grouping = "document"
) -> Tables:
    """Tables (groups, bins) of the four models over the validation documents."""
    records = {name: _find(run, folders) for name, run in RUNS.items()}
    models = {
        name: load_model(r.config.shape, store.weights_path(r.id), r.weights_sha256)
        for name, (r, store) in records.items()
    }
    length = records[TEACHER][0].config.sequence_length
    return corpus_tables(
        models, corpus, device=open_device("cpu"), length=length, reference=TEACHER,
        grouping=grouping,
    )  # fmt: skip


def run(out: Path, folders: Sequence[Path] = FOLDERS) -> dict[str, float]:
    """Measure, draw into `out`; return every ECE and its limits, in percent."""
    corpus = load_shipped()
    tables = measure(corpus, folders)
    found = judged(tables)
    windows = judged(measure(corpus, folders, "window"))
    told = headline(found, windows, tables[FULL, "data"])
    provenance = {
        "source": "runs in simulations/runs and simulations/calibration, on the validation"
        f" documents of {corpus.fingerprint}",
        "units": "probabilities in [0, 1]; ECE in [0, 1]; the paper's numbers in percent",
        "runs": RUNS,
        "seed": 0,
        "headline": told,
        "paper_percent": PAPER,
        "documents": [document.name for document in corpus.validation],
        "errors": [
            {
                **_error(name, against, judgment, tables[name, against]),
                "windows_as_groups": _short(windows[name][against]),
            }
            for name, judgments in found.items()
            for against, judgment in judgments.items()
        ],
    }
    save_study(found, out, told["title"], told["note"], provenance)
    return _numbers(found)


def judged(tables: Tables) -> Judgments:
    """A judgment for each table, by model and comparison."""
    found: Judgments = {name: {} for name in RUNS}
    for (name, against), table in tables.items():
        found[name][against] = judge(table, seed=0)
    return found


def headline(found: Judgments, windows: Judgments, speeches: ReliabilityTable) -> dict[str, str]:
    """What the picture says, in words that follow from the numbers.

    `speeches` holds the tables of the student of the distribution, speech by speech.
    """
    apart, gaps = 100 * ece(speeches), mean_gap(speeches)
    full, top, alone = (found[name]["data"] for name in (FULL, TOP, ALONE))
    own, near = found[TOP]["top-1"], windows[FULL]["data"]
    as_stated = full.interval.high < 0.02 and top.interval.low > 0.1
    title = (
        "Taught the distribution, a student is calibrated to about a percent; taught the top-1 it"
        " is not"
        if as_stated
        else "Students of the distribution and of the top-1 are not as the paper says"
    )
    note = (
        f"ECE on data: {full.percent} taught the distribution, {alone.percent} alone,"
        f" {top.percent} taught the top-1 (on the teacher's first choice: {own.percent})"
    )
    verdict = (
        f"Taught the distribution, the student's ECE against data is {full.percent} (the paper:"
        f" 0.1 to 0.6%); taught the top-1, {top.percent} (the paper: 38.7 to 21.6%), and"
        f" {own.percent} against the teacher's first choice (the paper: 1.1 to 1.6%). The first"
        f" {_told(full)} with whole speeches as units (p = {full.null.p_value:.2g});"
        f" with context windows as units, which speaks of these speeches alone, it"
        f" {_told(near)} ({near.percent}, p = {near.null.p_value:.2g}). In single speeches"
        f" its ECE is {apart.min():.1f} to {apart.max():.1f}%, {(gaps > 0).sum()} of them"
        f" under-confident and {(gaps < 0).sum()} over-confident. The teacher's ECE is"
        f" {found[TEACHER]['data'].percent}, that of the student alone {alone.percent}."
        f" ECE_Dist of the student taught the distribution is"
        f" {found[FULL]['matched'].percent} by the teacher's probability of the student's choice"
        f" and {found[FULL]['own'].percent} by the teacher's own top probability (the paper: 1.3"
        " to 9.0%, without saying which)."
    )
    return {"title": title, "note": note, "verdict": verdict}


def _told(judgment: Judgment) -> str:
    return f"{'cannot' if judgment.calibrated else 'can'} be told from calibrated"


def _find(run_id: str, folders: Sequence[Path]) -> tuple[RunRecord, RunStore]:
    stores = [RunStore(folder) for folder in folders]
    store = next((store for store in stores if store.has(run_id)), stores[-1])
    return store.read(run_id), store


def _error(
    name: str, against: Against, judgment: Judgment, tables: ReliabilityTable
) -> dict[str, Any]:
    values = judgment.to_dict()
    del values["table"]
    # Documents apart, so that each can be measured anew by itself.
    return {
        "model": name,
        "against": against,
        **values,
        "document_ece": [float(value) for value in ece(tables)],
        "document_mean_gap": [float(value) for value in mean_gap(tables)],
    }


def _short(judgment: Judgment) -> dict[str, Any]:
    interval = judgment.interval
    return {
        "interval": [interval.low, interval.high],
        "p_value": judgment.null.p_value,
        "groups": interval.groups,
    }


def _numbers(found: Judgments) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, judgments in found.items():
        for against, judgment in judgments.items():
            numbers[f"{name}, {against}: ECE"] = 100 * judgment.ece
            numbers[f"{name}, {against}: low"] = 100 * judgment.interval.low
            numbers[f"{name}, {against}: high"] = 100 * judgment.interval.high
            numbers[f"{name}, {against}: p"] = judgment.null.p_value
    return numbers


def main() -> None:
    """Measure and draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    options = parser.parse_args()
    for name, value in run(options.out).items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
