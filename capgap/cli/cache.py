"""Commands on stored teacher outputs: cache build, cache verify, cache stats."""

import argparse
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import capgap
from capgap.cli.options import DEFAULT_RUNS, add_command, count, load_corpus
from capgap.cli.progress import bars
from capgap.counts import short
from capgap.errors import CapgapError, InputError
from capgap.lm.config import HALVES, PRECISIONS, RunConfig
from capgap.lm.config_json import plain
from capgap.lm.external import ExternalModel
from capgap.lm.teacher_outputs import TeacherOutputs
from capgap.measurement.records import RunStore

if TYPE_CHECKING:
    import torch
    from torch import nn

    from capgap.lm.teacher_cache import CacheSpec, CacheStats
    from capgap.lm.text import Text

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Add cache with its commands."""
    parser = add_command(
        commands,
        "cache",
        lambda options: None,
        "keep a teacher's outputs on disk, for any number of students",
        "capgap cache stats my-cache",
    )
    inner = parser.add_subparsers(metavar="ACTION", required=True)
    build = add_command(
        inner,
        "build",
        run_build,
        "run a teacher once and keep its outputs; safe to interrupt and repeat",
        "capgap cache build --teacher 3f9a --tokens 2M --outputs top-k:12 --out my-cache",
    )
    _add_build_options(build)
    verify = add_command(
        inner, "verify", run_verify, "check every file by its hash", "capgap cache verify my-cache"
    )
    stats = add_command(
        inner,
        "stats",
        run_stats,
        "show what is kept and what it costs, beside theory",
        "capgap cache stats my-cache --json",
    )
    for command in (verify, stats):
        command.add_argument("folder", type=Path, metavar="FOLDER", help="the cache")
    for command in (build, verify, stats):
        command.add_argument("--json", action="store_true", help="print as JSON")


def _add_build_options(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--teacher",
        required=True,
        metavar="ID",
        help="id of the teacher's run, or the folder of a Hugging Face model",
    )
    build.add_argument(
        "--runs", type=Path, default=DEFAULT_RUNS, metavar="DIR", help="its folder (runs)"
    )
    build.add_argument(
        "--tokens", type=count, required=True, metavar="D", help="training tokens of the students"
    )
    build.add_argument(
        "--outputs", type=form, required=True, metavar="FORM",
        help="full, hidden, top-k:12, top-k:12,tail=drop, top-p:0.9 or sampled:12",
    )  # fmt: skip
    build.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write")
    build.add_argument(
        "--text", nargs="+", default=[], metavar="PATH",
        help="text files, folders, or the output of corpus build (shipped speeches)",
    )  # fmt: skip
    build.add_argument(
        "--half", choices=HALVES, default="student", help="half of the text (student)"
    )
    build.add_argument(
        "--sequence-length", type=int, metavar="T", help="context in tokens (the teacher's)"
    )
    build.add_argument(
        "--data-seed", type=int, default=0, metavar="S", help="of the order of windows (0)"
    )
    build.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="of matrix products (float32)"
    )
    build.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (cpu)")
    build.add_argument("--threads", type=int, default=1, metavar="K", help="CPU threads (1)")


def form(text: str) -> TeacherOutputs:
    """A form of outputs on the command line; see `TeacherOutputs.parse`."""
    try:
        return TeacherOutputs.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@dataclass(frozen=True)
class _Source:
    """A teacher, its text, and what is known of it."""

    config: "RunConfig | ExternalModel"
    sha256: str | None
    L_T: float | None
    corpus: "Text"
    load: "Callable[[torch.device, str], nn.Module]"


def run_build(options: argparse.Namespace) -> None:
    """``capgap cache build``."""
    import torch

    from capgap.lm.batches import Batches
    from capgap.lm.teacher_cache import build_cache, cache_stats
    from capgap.lm.training import open_device

    if options.threads < 1:
        raise InputError(f"threads = {options.threads} must be at least 1")
    source = _source(options)
    spec = _spec(options, source)
    torch.set_num_threads(options.threads)
    device = open_device(options.device)
    batches = Batches(source.corpus.stream(spec.half), 1, spec.sequence_length, spec.order_seed)
    with _progress(f"{spec.teacher} {spec.outputs.label}") as report:
        build_cache(
            options.out,
            spec,
            source.load(device, options.precision),
            batches,
            device=device,
            progress=report,
            about=_about(source, options.device),
        )
    _print_stats(cache_stats(options.out), options)


def _source(options: argparse.Namespace) -> _Source:
    """The teacher that is named: one of our runs, or a Hugging Face folder."""
    if (Path(options.teacher) / "config.json").is_file():
        from capgap.lm.hugging_face.opening import open_external

        model, loader, text = open_external(options.teacher, options.text, options.sequence_length)
        return _Source(model, model.sha256, None, text, loader)
    from capgap.lm.checkpoint import load_model

    store = RunStore(options.runs)
    record, corpus = store.read(options.teacher), load_corpus(options.text)
    if corpus.fingerprint != record.config.corpus:
        raise InputError(
            f"cache: the teacher {record.id} was trained on corpus {record.config.corpus}, not"
            f" {corpus.fingerprint}; name its text with --text"
        )

    def load(device: "torch.device", precision: str) -> "nn.Module":
        path = store.weights_path(record.id)
        return load_model(record.config.shape, path, record.weights_sha256)

    return _Source(record.config, record.weights_sha256, record.loss, corpus, load)


def run_verify(options: argparse.Namespace) -> None:
    """``capgap cache verify``."""
    from capgap.lm.teacher_cache import verify_cache

    with _progress("files") as report:
        check = verify_cache(options.folder, report)
    if options.json:
        values = {name: getattr(check, name) for name in ("files", "bytes", "shards", "planned")}
        print(json.dumps({**values, "problems": check.problems, "sound": check.sound}))
    elif not check.problems:
        print(f"{check.files} files, {check.bytes:,} bytes: all as they were written")
    if check.problems:
        more = f" (and {len(check.problems) - 1} more)" if len(check.problems) > 1 else ""
        raise CapgapError(f"cache: {check.problems[0]}{more}")
    if not check.sound:
        raise CapgapError(
            f"cache: {options.folder} is incomplete ({check.shards} of {check.planned} shards);"
            " build it again to go on"
        )


def run_stats(options: argparse.Namespace) -> None:
    """``capgap cache stats``."""
    from capgap.lm.teacher_cache import cache_stats

    _print_stats(cache_stats(options.folder), options)


def _spec(options: argparse.Namespace, source: _Source) -> "CacheSpec":
    from capgap.lm.teacher_cache import CacheSpec

    teacher = source.config
    length = options.sequence_length or teacher.sequence_length
    if length > teacher.sequence_length:
        raise InputError(
            f"cache: sequence_length = {length} must be at most the teacher's,"
            f" {teacher.sequence_length}"
        )
    return CacheSpec(
        teacher=teacher.id,
        teacher_sha256=source.sha256,
        corpus=source.corpus.fingerprint,
        half=options.half,
        sequence_length=length,
        order_seed=options.data_seed,
        vocab_size=teacher.vocab_size,
        # A run never visits more: it rounds down to whole batches.
        windows=options.tokens // length,
        outputs=options.outputs,
        precision=options.precision,
    )


def _about(source: _Source, device: str) -> dict[str, Any]:
    """What to tell of the origin of a cache."""
    versions = {"capgap": capgap.__version__, "torch": importlib.metadata.version("torch")}
    return {
        "teacher": plain(source.config),
        "L_T": source.L_T,
        "device": device,
        "versions": versions,
    }


def _print_stats(stats: "CacheStats", options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(stats.to_dict()))
        return
    state = "" if stats.complete else ", incomplete"
    once = f", and {short(stats.bytes_once)}B once" if stats.bytes_once else ""
    saved = stats.dense_per_token / stats.bytes_per_token if stats.bytes_per_token else 0.0
    print(f"{stats.outputs}: {stats.tokens:,} tokens in {stats.shards} shards{state}")
    print(
        f"  {stats.bytes_per_token:.2f} bytes per token (theory {stats.theory_per_token:.2f}{once})"
    )
    print(
        f"  {saved:.1f} times less than all logits in float32, {stats.dense_per_token:,.0f} bytes"
    )
    print(
        f"  tokens kept {stats.mean_kept:.2f}, mass of the rest {stats.mean_tail:.3g},"
        f" teacher's entropy {stats.mean_entropy:.4f} nats; means per position"
    )


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    with bars() as display:
        task = display.add_task(title, total=None, note="")

        def report(done: int, total: int) -> None:
            display.update(task, completed=done, total=total)

        yield report
