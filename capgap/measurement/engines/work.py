"""What a worker does, the same on every engine."""

from collections.abc import Callable, Sequence

from capgap.errors import CapgapError
from capgap.lm.config import RunConfig
from capgap.measurement.engines.interface import Job, SweepEvent, Workplace

__all__ = ["one_line", "work"]


def work(job: Job, workplace: Workplace, send: Callable[[SweepEvent], None]) -> None:
    """Make the runs of a job, several in one pass of their teachers; tell how each went.

    An error is told in one line, not raised: another attempt would meet it again.
    """
    store, message = workplace.store, ""
    try:
        _make([config for config in job.configs if not store.has(config.id)], workplace, send)
    except Exception as error:
        message = one_line(error)
    for config in job.configs:
        send(_end(config, workplace, message))


def _make(
    configs: Sequence[RunConfig], workplace: Workplace, send: Callable[[SweepEvent], None]
) -> None:
    from capgap.measurement.runs import execute_many

    execute_many(
        configs,
        workplace.corpus(),
        workplace.store,
        device=workplace.device,
        threads=workplace.threads,
        teachers=workplace.teachers,
        progress=lambda place, p: send(
            SweepEvent("step", configs[place], p.step, p.loss, p.tokens_per_second)
        ),
    )


def _end(config: RunConfig, workplace: Workplace, message: str) -> SweepEvent:
    """The record if it is there, whatever befell other runs of the job; else the error."""
    try:
        if workplace.store.has(config.id):
            return SweepEvent("done", config, record=workplace.store.read(config.id))
    except Exception as error:
        message = one_line(error)
    return SweepEvent("error", config, message=message)


def one_line(error: BaseException) -> str:
    """An error in one line; one that nobody foresaw has its type in front."""
    text = " ".join(str(error).split())
    return text if isinstance(error, CapgapError) else f"{type(error).__name__}: {text}"
