"""One run from configuration to record: train (or distill), evaluate, keep."""

import datetime
import importlib.metadata
import math
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import capgap
from capgap.compute import run_flops
from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.lm.corpus import Corpus
from capgap.lm.evaluation import Evaluation, evaluate
from capgap.lm.training import Progress, Training, open_device, train
from capgap.measurement.records import Machine, RunRecord, RunStore

__all__ = ["execute", "find_teacher"]


def execute(
    config: RunConfig,
    corpus: Corpus,
    store: RunStore,
    *,
    device: str = "cpu",
    threads: int = 1,
    teachers: Sequence[RunStore] = (),
    progress: Callable[[Progress], None] | None = None,
) -> RunRecord:
    """Make the run of a configuration, unless the store has it; return its record.

    Weights are written first, the record last, both atomically: whenever the process is
    killed, the run is either kept whole or not there and made again.

    Parameters
    ----------
    config : RunConfig
        The run; its teacher must have been made already.
    corpus : Corpus
        The text.
    store : RunStore
        Where record and weights are kept.
    device : str
        "cpu", "cuda", ...
    threads : int
        CPU threads of torch; set for the whole process.
    teachers : sequence of RunStore
        Further stores where the teacher may be found.
    progress : callable or None
        See `capgap.lm.training.train`.

    Returns
    -------
    RunRecord
        With status "failed" when the run diverged: its gradient or loss was not finite,
        or it ended no better than the uniform distribution.
    """
    import torch

    from capgap.lm.checkpoint import load_model, save_model

    if store.has(config.id):
        return store.read(config.id)
    code_version = _code_version()
    torch.set_num_threads(threads)
    target = open_device(device)
    teacher, L_T = None, None
    if config.teacher is not None:
        record, place = find_teacher(config.teacher, (store, *teachers))
        L_T = record.loss
        teacher = load_model(
            config.teacher.shape, place.weights_path(record.id), record.weights_sha256
        )
    evaluation = None
    with _memory_errors(config):
        _check_memory(config, device)
        training = train(config, corpus, teacher=teacher, device=target, progress=progress)
        if training.failure is None:
            evaluation = evaluate(
                training.model, corpus.validation, device=target, precision=config.precision
            )
    failure = training.failure or _no_better_than_uniform(evaluation, config)
    machine = _machine(device, threads, training.seconds, config.D, code_version)
    weights = None
    if failure is None:
        weights = save_model(training.model, store.weights_path(config.id))
    result = _record(config, training, evaluation, failure, L_T, weights, machine)
    store.write(result)
    return result


def find_teacher(config: RunConfig, stores: Sequence[RunStore]) -> tuple[RunRecord, RunStore]:
    """The record of a teacher that was trained and whose weights are there, and its store."""
    for store in stores:
        if store.has(config.id):
            record = store.read(config.id)
            if record.status != "ok":
                raise InputError(f"distill: the teacher {config.id} failed: {record.failure}")
            if store.weights_path(config.id).is_file():
                return record, store
    where = ", ".join(str(store.folder) for store in stores)
    raise InputError(f"distill: no trained teacher {config.id} with its weights in {where}")


# Bytes per parameter in training: weights, gradients and two moments, float32.
TRAINING_BYTES = 16


def _check_memory(config: RunConfig, device: str) -> None:
    """Refuse a model whose weights and moments alone exceed the memory there is."""
    tables = 2 * config.vocab_size * config.shape.d_model
    needed = TRAINING_BYTES * (config.shape.N + tables)
    there = _memory(device)
    if needed > there:
        raise InputError(
            f"train: depth {config.depth} ({config.shape.N:,} parameters) needs at least"
            f" {needed / 2**30:.1f} GiB of memory for weights and optimizer; {device} has"
            f" {there / 2**30:.1f} GiB"
        )


def _memory(device: str) -> float:
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.get_device_properties(device).total_memory)
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # no sysconf: leave it to the allocator
        return math.inf


@contextmanager
def _memory_errors(config: RunConfig) -> Iterator[None]:
    """Tell in one line when the allocator gives up."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "out of memory" in text or "enough memory" in text:
            raise CapgapError(
                f"train: out of memory at depth {config.depth} with batches of"
                f" {config.batch_size} x {config.sequence_length} tokens; use smaller ones"
            ) from None
        raise


def _no_better_than_uniform(evaluation: Evaluation | None, config: RunConfig) -> str | None:
    uniform = math.log(config.vocab_size)
    if evaluation is not None and not evaluation.loss < uniform:
        return (
            f"validation loss {evaluation.loss:.4g} is not below that of the uniform"
            f" distribution, {uniform:.4g}"
        )
    return None


def _record(
    config: RunConfig,
    training: Training,
    evaluation: Evaluation | None,
    failure: str | None,
    L_T: float | None,
    weights: str | None,
    machine: Machine,
) -> RunRecord:
    teacher_forward = 0.0 if config.teacher is None else config.teacher.shape.forward_flops
    finite = evaluation is not None and math.isfinite(evaluation.loss)
    kept = evaluation if finite else None
    return RunRecord(
        config=config,
        status="ok" if failure is None else "failed",
        failure=failure,
        N=config.shape.N,
        D=config.D,
        unique_tokens=training.unique_tokens,
        loss=kept.loss if kept else None,
        standard_error=kept.standard_error if kept else None,
        bits_per_byte=kept.bits_per_byte if kept else None,
        document_losses=kept.document_losses if kept else (),
        document_tokens=kept.document_tokens if kept else (),
        L_T=L_T,
        curve=tuple(p for p in training.curve if all(v is None or math.isfinite(v) for v in p)),
        flops=run_flops(config.shape.forward_flops, config.D, teacher_forward),
        weights_sha256=weights,
        machine=machine,
    )


def _machine(device: str, threads: int, seconds: float, tokens: int, code_version: str) -> Machine:
    import torch

    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    versions["python"] = platform.python_version()
    return Machine(
        device=torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        threads=threads,
        processor=_processor(),
        platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=versions,
        code_version=code_version,
        seconds=round(seconds, 3),
        tokens_per_second=round(tokens / seconds, 1),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return next(named, platform.processor())
    except OSError:
        return platform.processor()


def _code_version() -> str:
    """Version of the package, and the commit when it runs from a checkout."""
    folder = Path(capgap.__file__).parent
    if not (folder.parent / ".git").exists():
        return capgap.__version__
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return capgap.__version__
    return f"{capgap.__version__}+{answer.stdout.strip()}"
