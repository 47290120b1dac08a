"""Runs from configuration to record: train (or distill), evaluate, keep."""

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from capgap.compute import run_flops
from capgap.files import write_atomically
from capgap.lm.config import RunConfig
from capgap.lm.evaluation import Evaluation, summarize_losses, token_losses
from capgap.lm.training import (
    Execution,
    Processes,
    Progress,
    Training,
    joined,
    open_device,
    own_device,
    train_many,
)
from capgap.lm.training.checkpoints import Checkpoints
from capgap.measurement.machine import (
    check_memory,
    code_version,
    describe_machine,
    memory_errors,
)
from capgap.measurement.records import Machine, RunRecord, RunStore
from capgap.measurement.teaching import External, find_teacher, load_teaching

if TYPE_CHECKING:
    from capgap.lm.text import Text

__all__ = ["execute", "execute_many", "find_teacher", "forget_state"]

STATES = ".states"


def execute(
    config: RunConfig,
    corpus: "Text",
    store: RunStore,
    *,
    device: str = "cpu",
    threads: int = 1,
    teachers: Sequence[RunStore] = (),
    progress: Callable[[Progress], None] | None = None,
    execution: Execution = Execution(),  # noqa: B008 - frozen
    external: External = {},  # noqa: B006 - never written
    cache: Path | None = None,
    keep_token_losses: bool = False,
) -> RunRecord:
    """Make the run of a configuration, unless the store has it; return its record.

    Weights are written first, the record last, both atomically. The state of the unfinished
    run is kept in the store from time to time: whoever calls this again after a kill, on the
    same machine, ends with the record of an undisturbed run, bit for bit. Under torchrun, all
    processes call it and share the batches; the first one evaluates and writes.

    Parameters
    ----------
    config : RunConfig
        The run; its teachers must have been made already.
    corpus : Text
        The text.
    store : RunStore
        Where record and weights are kept.
    device : str
        "cpu", "cuda", ...
    threads : int
        CPU threads of torch; set for the whole process.
    teachers : sequence of RunStore
        Further stores where teachers may be found.
    progress : callable or None
        See `capgap.lm.training.train`.
    execution : Execution
        See `capgap.lm.training.train`; states are kept in the store unless it says where.
    external : mapping of str to callable
        Loaders of teachers from elsewhere, by their SHA-256.
    cache : Path or None
        The stored outputs that the configuration asks for; None: they are built in the store.
    keep_token_losses : bool
        Also write the loss of every validation token (``<id>.losses.npy``, float32).

    Returns
    -------
    RunRecord
        With status "failed" when the run diverged: its gradient or loss was not finite
        several times in a row, or it ended no better than the uniform distribution.
    """
    report = None if progress is None else lambda place, p: progress(p)
    return execute_many(
        (config,), corpus, store, device=device, threads=threads, teachers=teachers,
        progress=report, execution=execution, external=external, cache=cache,
        keep_token_losses=keep_token_losses,
    )[0]  # fmt: skip


def execute_many(
    configs: Sequence[RunConfig],
    corpus: "Text",
    store: RunStore,
    *,
    device: str = "cpu",
    threads: int = 1,
    teachers: Sequence[RunStore] = (),
    progress: Callable[[int, Progress], None] | None = None,
    execution: Execution = Execution(),  # noqa: B008 - frozen
    external: External = {},  # noqa: B006 - never written
    cache: Path | None = None,
    keep_token_losses: bool = False,
) -> tuple[RunRecord, ...]:
    """Make several runs that share text, batches and teachers; each teacher runs once a batch.

    Parameters are those of `execute`; see `capgap.lm.training.train_many` for what must be
    shared. Runs that the store has are not made again. Records are those of runs made one by
    one, except for the machine's part.
    """
    import torch

    with joined(device) as processes:
        place = own_device(device)
        missing = _missing(configs, store, processes, place)
        if missing:
            torch.set_num_threads(threads)
            made = _Making(missing, corpus, store, place, threads, execution, processes)
            made.run(teachers, external, cache, progress, keep_token_losses)
            processes.meet()  # until the first one has written the records
    return tuple(store.read(config.id) for config in configs)


def forget_state(config: RunConfig, store: RunStore) -> None:
    """Remove what is kept of an unfinished run, so that it starts again."""
    Checkpoints(store.folder / STATES, config.id).remove()


class _Making:
    """Runs that are made together."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        corpus: "Text",
        store: RunStore,
        device: str,
        threads: int,
        execution: Execution,
        processes: Processes,
    ) -> None:
        self._configs, self._corpus, self._store = configs, corpus, store
        self._device, self._threads, self._processes = device, threads, processes
        folder = execution.checkpoints or store.folder / STATES
        self._execution = Execution(
            micro_batch_size=execution.micro_batch_size,
            compile=execution.compile,
            chunked=execution.chunked,
            checkpoints=folder,
            checkpoint_seconds=execution.checkpoint_seconds,
        )
        self._code = code_version()

    def run(
        self,
        teachers: Sequence[RunStore],
        external: External,
        cache: Path | None,
        progress: Callable[[int, Progress], None] | None,
        keep_token_losses: bool,
    ) -> None:
        first, target = self._configs[0], open_device(self._device)
        largest = max(self._configs, key=lambda config: config.N)
        with memory_errors(largest):
            check_memory(largest, self._device)
            teaching = load_teaching(
                first, self._corpus, (self._store, *teachers), device=target, external=external,
                cache=cache,
            )  # fmt: skip
            trainings = train_many(
                self._configs, self._corpus, teacher=teaching.teacher, device=target,
                progress=progress, execution=self._execution, processes=self._processes,
            )  # fmt: skip
            if self._processes.leads:
                for config, training in zip(self._configs, trainings, strict=True):
                    self._keep(config, training, teaching.L_T, keep_token_losses)

    def _keep(
        self, config: RunConfig, training: Training, L_T: float | None, keep_token_losses: bool
    ) -> None:
        """Evaluate a trained model; write its weights, then its record; forget its states."""
        import torch

        from capgap.lm.checkpoint import save_model

        evaluation = None
        if training.failure is None:
            losses = token_losses(
                training.model, self._corpus, device=torch.device(self._device),
                length=config.sequence_length, precision=config.precision,
            )  # fmt: skip
            evaluation = summarize_losses(losses, self._corpus)
            if keep_token_losses:
                buffer = io.BytesIO()
                np.save(buffer, losses, allow_pickle=False)
                write_atomically(self._store.losses_path(config.id), buffer.getvalue())
        failure = training.failure or _no_better_than_uniform(evaluation, config)
        weights = None
        if failure is None:
            weights = save_model(training.model, self._store.weights_path(config.id))
        machine = describe_machine(
            self._device, threads=self._threads, processes=self._processes.world,
            compiled=self._execution.compile, seconds=training.seconds, tokens=training.D,
            code=self._code,
        )  # fmt: skip
        self._store.write(_record(config, training, evaluation, failure, L_T, weights, machine))
        assert self._execution.checkpoints is not None
        Checkpoints(self._execution.checkpoints, config.id).remove()


def _missing(
    configs: Sequence[RunConfig], store: RunStore, processes: Processes, device: str
) -> list[RunConfig]:
    """Runs that the store does not have, each once; all processes must see the same."""
    once = list({config.id: config for config in configs}.values())
    known = processes.as_leader([store.has(config.id) for config in once], device)
    return [config for config, has in zip(once, known, strict=True) if not has]


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
    # Stored outputs were paid for when they were stored, once for all students.
    running = config.teachers if config.teacher_outputs is None else ()
    teacher_forward = math.fsum(teacher.forward_flops for teacher, _ in running)
    finite = evaluation is not None and math.isfinite(evaluation.loss)
    kept = evaluation if finite else None
    return RunRecord(
        config=config,
        status="ok" if failure is None else "failed",
        failure=failure,
        N=config.N,
        D=training.D,
        unique_tokens=training.unique_tokens,
        loss=kept.loss if kept else None,
        standard_error=kept.standard_error if kept else None,
        bits_per_byte=kept.bits_per_byte if kept else None,
        document_losses=kept.document_losses if kept else (),
        document_tokens=kept.document_tokens if kept else (),
        L_T=L_T,
        curve=tuple(p for p in training.curve if all(v is None or math.isfinite(v) for v in p)),
        flops=run_flops(config.forward_flops, training.D, teacher_forward),
        weights_sha256=weights,
        machine=machine,
        events=tuple(
            (step, kind, value if math.isfinite(value) else None)
            for step, kind, value in training.events
        ),
    )
