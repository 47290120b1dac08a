"""The command that asks whether probabilities come true: calibrate."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from capgap.cli.options import DEFAULT_RUNS, add_command, load_corpus, require_folder
from capgap.errors import InputError
from capgap.measurement.calibration.bins import BINS, equal_width_edges
from capgap.measurement.calibration.files import read_predictions
from capgap.measurement.calibration.judgment import Judgment, judge
from capgap.measurement.calibration.stored import stored_tables
from capgap.measurement.calibration.stream import corpus_edges, corpus_tables
from capgap.measurement.calibration.table import ReliabilityTable
from capgap.measurement.calibration.tokens import Against
from capgap.measurement.records import RunRecord, RunStore

if TYPE_CHECKING:
    from torch import nn

    from capgap.lm.corpus import Corpus

__all__ = ["add_commands"]

SUFFIXES = (".npz", ".npy")

TOLD: Mapping[Against, str] = {
    "data": "against data",
    "matched": "against the reference's probability of the same token",
    "own": "against the reference's own top probability",
    "top-1": "against the reference's first choice",
}

PANELS: Mapping[Against, str] = {
    "data": "against data",
    "matched": "against reference's probability",
    "own": "against reference's own top",
    "top-1": "against reference's first choice",
}

Tables = dict[Against, ReliabilityTable]


def add_commands(commands: Any) -> None:
    """Add calibrate."""
    parser = add_command(
        commands,
        "calibrate",
        run_calibrate,
        "do the probabilities of a model come true? ECE, interval, test, reliability diagram",
        "capgap calibrate 24656f23 --runs simulations/runs\n"
        "  capgap calibrate bb019c9a --reference 24656f23 --runs simulations/runs\n"
        "  capgap calibrate predictions.npz --figure diagram.png",
    )
    parser.add_argument(
        "model", metavar="MODEL_OR_FILE",
        help="id of a run, or its beginning; or an .npz file (probabilities or logits with"
        " labels, or confidence with outcome; groups), or an .npy file of probabilities",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="MODEL_OR_FILE",
        help="hold it against this model's probabilities (ECE_Dist), not only against data",
    )  # fmt: skip
    parser.add_argument(
        "--runs", type=Path, action="append", metavar="DIR",
        help="where runs are kept (runs); may be repeated",
    )  # fmt: skip
    parser.add_argument("--bins", type=int, default=BINS, metavar="K", help=f"bins ({BINS})")
    parser.add_argument("--equal-mass", action="store_true", help="as many predictions in each bin")
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="PATH",
        help="text whose validation documents are read (shipped speeches)",
    )  # fmt: skip
    parser.add_argument(
        "--group-by", choices=("document", "window"), default="document",
        help="what is taken as independent for interval and test (document)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="X", help="of resampling (0)")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="draw a diagram")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (cpu)")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run_calibrate(options: argparse.Namespace) -> None:
    """``capgap calibrate``."""
    _check(options)
    if _is_file(options.model):
        if options.reference is not None and not _is_file(options.reference):
            raise InputError("calibrate: a file's reference must be a file of the same rows")
        reference = None if options.reference is None else read_predictions(options.reference)
        tables = stored_tables(
            read_predictions(options.model), reference, bins=options.bins,
            equal_mass=options.equal_mass,
        )  # fmt: skip
        about: dict[str, Any] = {"model": options.model, "reference": options.reference}
    else:
        tables, about = _from_models(options)
    found = {against: judge(table, options.seed) for against, table in tables.items()}
    main: Against = "data" if options.reference is None else "matched"
    if options.figure is not None:
        _draw(options.figure, found, about)
    if options.json:
        print(json.dumps(_answer(about, main, found)))
        return
    _tell(about, main, found)


def _check(options: argparse.Namespace) -> None:
    if options.bins < 1:
        raise InputError(f"calibrate: bins = {options.bins} must be at least 1")
    if options.seed < 0:
        raise InputError(f"calibrate: seed = {options.seed} must be at least 0")
    if options.figure is not None and options.figure.suffix != ".png":
        raise InputError(f"calibrate: figure {options.figure} must end in .png")


def _is_file(name: str) -> bool:
    return Path(name).suffix in SUFFIXES


def _from_models(options: argparse.Namespace) -> tuple[Tables, dict[str, Any]]:
    if options.reference is not None and _is_file(options.reference):
        raise InputError("calibrate: a run's reference must be a run, not a file")
    folders = options.runs or [DEFAULT_RUNS]
    stores = [RunStore(require_folder(folder, "calibrate")) for folder in folders]
    record, store = _find(options.model, stores)
    models = {"model": _load(record, store)}
    about: dict[str, Any] = {"model": record.id, "reference": None}
    if options.reference is not None:
        other, place = _find(options.reference, stores)
        _check_pair(record, other)
        models["reference"] = _load(other, place)
        about["reference"] = other.id
    corpus = load_corpus(options.text)
    about |= {"text": corpus.fingerprint, "trained_on": record.config.corpus}
    return _stream(options, record, models, corpus), about


def _stream(
    options: argparse.Namespace, record: RunRecord, models: "dict[str, nn.Module]", corpus: "Corpus"
) -> Tables:
    from capgap.lm.training import open_device

    device, config = open_device(options.device), record.config
    models = {name: module.to(device) for name, module in models.items()}
    reading: dict[str, Any] = {
        "device": device, "length": config.sequence_length, "precision": config.precision,
    }  # fmt: skip
    edges = dict.fromkeys(models, equal_width_edges(options.bins))
    if options.equal_mass:
        edges = corpus_edges(models, corpus, bins=options.bins, **reading)
    found = corpus_tables(
        models, corpus, edges=edges, grouping=options.group_by,
        reference="reference" if "reference" in models else None, **reading,
    )  # fmt: skip
    return {against: table for (name, against), table in found.items() if name == "model"}


def _find(name: str, stores: list[RunStore]) -> tuple[RunRecord, RunStore]:
    """The run of that name in the first folder that has one."""
    for store in stores:
        if name.isalnum() and any(store.folder.glob(f"{name}*.json")):
            return store.read(name), store
    where = ", ".join(str(store.folder) for store in stores)
    raise InputError(f"calibrate: no run {name!r} in {where}; a file must end in .npz or .npy")


def _load(record: RunRecord, store: RunStore) -> "nn.Module":
    from capgap.lm.checkpoint import load_model
    from capgap.lm.tokenized import tokenizer_of

    if record.weights_sha256 is None:
        raise InputError(f"calibrate: run {record.id} failed and has no weights")
    if tokenizer_of(record.config.corpus) is not None:
        raise InputError(f"calibrate: run {record.id} must read bytes; it has a tokenizer")
    return load_model(record.config.shape, store.weights_path(record.id), record.weights_sha256)


def _check_pair(record: RunRecord, reference: RunRecord) -> None:
    needed, has = record.config.sequence_length, reference.config.sequence_length
    if has < needed:
        raise InputError(
            f"calibrate: reference {reference.id} reads {has} tokens, must read at least {needed}"
        )


def _answer(
    about: dict[str, Any], main: Against, found: Mapping[Against, Judgment]
) -> dict[str, Any]:
    every = {against: judgment.to_dict() for against, judgment in found.items()}
    return {**about, "against": main, **every[main], "readings": every}


def _draw(path: Path, found: Mapping[Against, Judgment], about: dict[str, Any]) -> None:
    from capgap.plotting.calibration import Panel, save_reliability

    panels = [Panel(PANELS[against], judgment) for against, judgment in found.items()]
    name = Path(about["model"]).name
    save_reliability(panels, path, f"Do the probabilities of {name} come true?")


def _tell(about: dict[str, Any], main: Against, found: Mapping[Against, Judgment]) -> None:
    order = [main, *(against for against in found if against != main)]
    for against in order:
        print(f"{TOLD[against]}: {verdict(found[against])}")
    judgment = found[main]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    outcome = "came true" if main == "data" else "reference"
    for name in ("bin", "predictions", "confidence", outcome, "gap", "chance band"):
        table.add_column(name, justify="left" if name == "bin" else "right", no_wrap=True)
    rows = judgment.to_dict()["table"]
    for row in rows:
        if row["count"]:
            table.add_row(*_cells(row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    print(
        f"{int(judgment.table.count.sum()):,} predictions in {judgment.interval.groups} groups;"
        f" {judgment.table.empty_bins} of {len(rows)} bins empty; *: beyond what chance gives a"
        " calibrated model"
    )
    if about.get("text") != about.get("trained_on"):
        print(f"text {about['text']}; the model was trained on {about['trained_on']}")


def verdict(judgment: Judgment) -> str:
    """One line: ECE in percent, interval, and whether it can be told from calibrated."""
    interval, null = judgment.interval, judgment.null
    told = (
        "cannot be told from calibrated" if judgment.calibrated
        else "over-confident" if (judgment.measures["mean_gap"] or 0.0) < 0
        else "under-confident"
    )  # fmt: skip
    return (
        f"ECE {100 * judgment.ece:.2f}% ({interval.level:.0%} interval {100 * interval.low:.2f}%"
        f" to {100 * interval.high:.2f}%): {told} (p = {null.p_value:.3g})"
    )


def _cells(row: dict[str, Any]) -> list[str]:
    place = f"{row['low']:.3f} to {row['high']:.3f}"
    low, high = row["band"]
    mark = " " if low <= row["outcome"] <= high else "*"
    gap = f"{100 * (row['outcome'] - row['confidence']):+.2f}%{mark}"
    return [
        place, f"{row['count']:,}", f"{row['confidence']:.4f}", f"{row['outcome']:.4f}", gap,
        f"{low:.4f} to {high:.4f}",
    ]  # fmt: skip
