"""Commands that train one model: train, distill."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capgap.cli.options import DEFAULT_RUNS, add_command, count, load_corpus
from capgap.cli.progress import describe, title_of, training_progress
from capgap.cli.teachers import Lesson, add_teacher_options, lesson_of
from capgap.errors import InputError
from capgap.lm.adaptive import AdaptiveCompute
from capgap.lm.config import HALVES, PRECISIONS, RunConfig
from capgap.measurement.records import RunRecord, RunStore

if TYPE_CHECKING:
    from capgap.lm.training import Execution

__all__ = ["add_commands"]

SETTINGS = (
    "depth", "tokens", "half", "aspect_ratio", "sequence_length", "batch_size",
    "peak_learning_rate", "seed", "data_seed", "precision",
)  # fmt: skip


def add_commands(commands: Any) -> None:
    """Add train and distill."""
    train = add_command(
        commands,
        "train",
        run_train,
        "train one model on text",
        "capgap train --depth 2 --tokens 500k --half teacher",
    )
    _add_run_options(train, half="teacher")
    distill = add_command(
        commands,
        "distill",
        run_distill,
        "train one model on the predictions of teachers",
        "capgap distill --teacher 3f9a --depth 2 --tokens 500k\n"
        "  capgap distill --teacher 3f9a --teacher 81c0:0.3 --loss jsd --depth 2 --tokens 500k\n"
        "  capgap distill --cache top12 --depth 2 --tokens 500k\n"
        "  capgap distill --teacher models/llama --depth 2 --tokens 500k",
    )
    add_teacher_options(distill)
    _add_run_options(distill, half="student")


def _add_run_options(parser: argparse.ArgumentParser, half: str) -> None:
    parser.add_argument(
        "--depth", type=int, required=True, metavar="K", help="layers; decides the size"
    )
    parser.add_argument(
        "--tokens", type=count, required=True, metavar="D", help="training tokens (500k, 2M, ...)"
    )
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="PATH",
        help="text files, folders, or the output of corpus build (shipped speeches)",
    )  # fmt: skip
    parser.add_argument("--half", choices=HALVES, default=half, help=f"half of the text ({half})")
    defaults = RunConfig(depth=1, tokens=1_000_000, corpus="")
    for flag, name, kind, text in (
        ("--aspect-ratio", "aspect_ratio", int, "width = this x depth"),
        ("--sequence-length", "sequence_length", int, "context in tokens"),
        ("--batch-size", "batch_size", int, "sequences per step"),
        ("--learning-rate", "peak_learning_rate", float, "peak rate, the same for all sizes"),
        ("--seed", "seed", int, "of initialization and data order"),
    ):
        default = getattr(defaults, name)
        parser.add_argument(
            flag, dest=name, type=kind, default=default, metavar="X", help=f"{text} ({default})"
        )
    parser.add_argument(
        "--data-seed", type=int, metavar="X", help="of the data order alone (that of --seed)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="of matrix products (float32)"
    )
    parser.add_argument(
        "--adaptive", type=float, metavar="GAIN",
        help="stop when more training gains less than GAIN nats per FLOP; --tokens is the most",
    )  # fmt: skip
    _add_execution_options(parser)


def _add_execution_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("execution; changes nothing but rounding")
    group.add_argument("--threads", type=int, default=1, metavar="K", help="CPU threads (1)")
    group.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, mps, ... (cpu)"
    )
    group.add_argument(
        "--micro-batch-size", type=int, metavar="K",
        help="sequences at a time; gradients of the parts add up (the whole batch)",
    )  # fmt: skip
    group.add_argument(
        "--compile", action="store_true", help="translate the model first, which takes a minute"
    )
    group.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True,
        help="go on with an interrupted run, which ends as if it had not been (default), or"
        " start it again",
    )  # fmt: skip
    group.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="where runs are kept (runs)"
    )
    group.add_argument(
        "--keep-token-losses", action="store_true",
        help="also keep the loss of every validation token (<id>.losses.npy)",
    )  # fmt: skip
    group.add_argument("--json", action="store_true", help="print the record as JSON")


def run_train(options: argparse.Namespace) -> None:
    """``capgap train``."""
    corpus = load_corpus(options.text)
    _make(options, Lesson(corpus))


def run_distill(options: argparse.Namespace) -> None:
    """``capgap distill``."""
    _make(options, lesson_of(options))


def _make(options: argparse.Namespace, lesson: Lesson) -> None:
    from capgap.measurement.runs import execute

    if options.threads < 1:
        raise InputError(f"threads = {options.threads} must be at least 1")
    config = _config(options, lesson)
    store = RunStore(options.runs)
    known = store.has(config.id)
    execution = _execution(options, config, store)
    with training_progress(title_of(config)) as report:
        record = execute(
            config,
            lesson.corpus,
            store,
            device=options.device,
            threads=options.threads,
            teachers=lesson.stores,
            progress=report,
            execution=execution,
            external=lesson.external,
            cache=lesson.cache,
            keep_token_losses=options.keep_token_losses,
        )
    if os.environ.get("RANK", "0") != "0":
        return  # one of several processes; the first one tells
    if options.json:
        print(json.dumps(record.to_dict()))
        return
    if known:
        print(f"{record.id} was made before (remove its record to make it again)")
    _print_run(record, store)


def _config(options: argparse.Namespace, lesson: Lesson) -> RunConfig:
    given = {name: getattr(options, name) for name in SETTINGS}
    if options.adaptive is not None:
        given["adaptive"] = AdaptiveCompute(least_gain=options.adaptive)
    text = {"corpus": lesson.corpus.fingerprint, "vocab_size": lesson.corpus.vocab_size}
    return RunConfig(**{**text, **given, **lesson.settings})


def _execution(options: argparse.Namespace, config: RunConfig, store: RunStore) -> "Execution":
    from capgap.lm.training import Execution
    from capgap.measurement.runs import forget_state

    if not options.resume:
        forget_state(config, store)
    return Execution(micro_batch_size=options.micro_batch_size, compile=options.compile)


def _print_run(record: RunRecord, store: RunStore) -> None:
    print(f"{record.id}  {describe(record.config)}")
    if record.loss is None or record.status != "ok":
        print(f"  failed: {record.failure}")
    else:
        print(
            f"  validation loss {record.loss:.4f} +- {record.standard_error:.4f} nats per token,"
            f" {record.bits_per_byte:.4f} bits per byte"
        )
    if record.L_T is not None:
        print(f"  its teacher's loss {record.L_T:.4f}")
    repeats = record.D / record.unique_tokens
    print(
        f"  {record.D:,} tokens ({record.unique_tokens:,} unique, {repeats:.2f} passes),"
        f" {record.flops:.3g} FLOPs, {record.machine.seconds:.0f} s,"
        f" {record.machine.tokens_per_second:,.0f} tokens/s"
    )
    for line in _events(record):
        print(f"  {line}")
    print(f"  kept in {store.record_path(record.id)}")


def _events(record: RunRecord) -> list[str]:
    """What happened on the way, in words."""
    kinds: dict[str, list[tuple[int, float | None]]] = {}
    for step, kind, value in record.events:
        kinds.setdefault(kind, []).append((step, value))
    lines = []
    for kind, words in (("not finite", "steps skipped, not finite"), ("spike", "loss spikes")):
        if kind in kinds:
            lines.append(f"{len(kinds[kind])} {words}, the first at step {kinds[kind][0][0]:,}")
    if record.config.adaptive is not None and "gain" in kinds:
        gain, error = kinds["gain"][-1][1], kinds.get("gain error", [(0, None)])[-1][1]
        ended = "stopped" if record.D < record.config.D else "went on to its limit"
        lines.append(f"{ended} at a gain of {gain:.2g} +- {error:.1g} nats per FLOP")
    return lines
