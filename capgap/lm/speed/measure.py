"""Time the training steps of several depths, the baseline among them, in one process."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from capgap.lm.batches import Batches
from capgap.lm.memory import peak_resident_bytes, restart_peak
from capgap.lm.shape import ModelShape
from capgap.lm.speed.caches import FORMS, cache_reader
from capgap.lm.speed.peak import matmul_peak
from capgap.lm.speed.profile import op_shares
from capgap.lm.speed.report import DepthSpeed, SpeedReport
from capgap.lm.speed.steps import Setting, Work, forward_body, our_step, plain_step
from capgap.lm.speed.timing import interleave

__all__ = ["measure_speed"]

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
STUDENTS = 8
CORPUS_TOKENS = 2_000_000


def measure_speed(
    depths: Sequence[int],
    *,
    device: torch.device,
    threads: int = 1,
    precisions: Sequence[str] = ("float32", "bfloat16"),
    compiled: bool = False,
    repetitions: int = 20,
    clock: str = "wall",
    students: bool = True,
    profiled: bool = True,
) -> SpeedReport:
    """Times, shares and goals of each depth.

    The pieces of one depth are timed in turn and their least times compared. The first of
    `precisions` is that of the teacher and of the distilled steps. `clock` "cpu" counts
    processor time instead of wall time, which other programs on the machine disturb less;
    with several threads it adds them up, so that only ratios have a meaning then.
    """
    with _threads(threads):
        kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        peaks = {name: matmul_peak(device, kinds[name]) for name in {"float32", *precisions}}
        sizes = tuple(
            _measure(d, device, precisions, compiled, repetitions, clock, students, profiled)
            for d in depths
        )
    return SpeedReport(device=str(device), threads=threads, clock=clock, peaks=peaks, sizes=sizes)


def _measure(
    depth: int,
    device: torch.device,
    precisions: Sequence[str],
    compiled: bool,
    repetitions: int,
    clock: str,
    students: bool,
    profiled: bool,
) -> DepthSpeed:
    shape = ModelShape(depth=depth)
    settings = _settings(device, precisions, compiled)
    first = next(iter(settings.values()))
    _restart_peak(device)
    forms = {name: our_step(shape, setting) for name, setting in settings.items()}
    bodies: dict[str, Callable[[], object]] = {
        "plain": plain_step(shape, Setting(device=device)).step,
        **{name: work.step for name, work in forms.items()},
        **_taught(shape, first),
        "batch": _batch(shape, first),
    }
    settle = torch.cuda.synchronize if device.type == "cuda" else None
    tick = CLOCKS[clock]
    with tempfile.TemporaryDirectory() as folder:
        bodies |= _cached(shape, first, Path(folder))
        times = interleave(bodies, repetitions, clock=tick, settle=settle)
    if students:
        many = _many(shape, first)
        times |= interleave(many, max(2, repetitions // 8), clock=tick, settle=settle)
    shares = op_shares(next(iter(forms.values())).step, device) if profiled else {}
    tokens = first.batch_size * shape.sequence_length
    return DepthSpeed(
        depth=depth,
        N=shape.N,
        tokens=tokens,
        step_flops=3 * shape.forward_flops * tokens,
        seconds={name: timing.best for name, timing in times.items()},
        teacher_depth=_teacher_depth(depth),
        students=STUDENTS,
        shares=shares,
        peak_bytes=_peak(device),
    )


def _teacher_depth(depth: int) -> int:
    """Two layers more: 2 to 8 times the parameters."""
    return depth + 2


def _settings(
    device: torch.device, precisions: Sequence[str], compiled: bool
) -> dict[str, Setting]:
    eager = {n: Setting(device=device, half=n == "bfloat16") for n in precisions}
    if not compiled:
        return eager
    translated = {
        f"{n} compiled": Setting(device=device, half=n == "bfloat16", compiled=True)
        for n in precisions
    }
    return eager | translated


def _taught(shape: ModelShape, setting: Setting) -> dict[str, Callable[[], object]]:
    teacher = forward_body(ModelShape(depth=_teacher_depth(shape.depth)), setting)
    logits = teacher()
    taught, online = (our_step(shape, setting).step for _ in range(2))
    return {
        "teacher": teacher,
        "taught": lambda: taught(logits),
        "online": lambda: online(teacher()),
    }


def _cached(shape: ModelShape, setting: Setting, folder: Path) -> dict[str, Callable[[], object]]:
    """Distilled steps that read their targets from disk, in every form."""
    teacher = ModelShape(depth=_teacher_depth(shape.depth))

    def body(form: str, number: int) -> Callable[[], object]:
        read = cache_reader(form, teacher, setting, folder / str(number))
        step = our_step(shape, setting).step
        return lambda: step(read())

    return {f"cached {form}": body(form, number) for number, form in enumerate(FORMS)}


def _many(shape: ModelShape, setting: Setting) -> dict[str, Callable[[], object]]:
    """Students of one shape on the same batch: the teacher's pass once, or for each."""
    teacher = forward_body(ModelShape(depth=_teacher_depth(shape.depth)), setting)
    students: list[Work] = [our_step(shape, setting) for _ in range(STUDENTS)]

    def together() -> None:
        logits = teacher()
        for student in students:
            student.step(logits)

    def apart() -> None:
        for student in students:
            student.step(teacher())

    return {"together": together, "apart": apart}


def _batch(shape: ModelShape, setting: Setting) -> Callable[[], object]:
    """A batch as the trainer gets it, from a stream of bytes in memory."""
    stream = np.random.default_rng(0).integers(0, 256, CORPUS_TOKENS, dtype=np.uint8)
    batches = Batches(stream, setting.batch_size, shape.sequence_length, 0)
    count = iter(range(10**9))

    def make() -> torch.Tensor:
        return torch.from_numpy(batches.batch(next(count))).to(setting.device)

    return make


def _restart_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        restart_peak()


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident_bytes()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
