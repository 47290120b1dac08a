"""Where a run is made: processor, versions, memory."""

import datetime
import importlib.metadata
import math
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import capgap
from capgap.errors import CapgapError, InputError
from capgap.lm.config import RunConfig
from capgap.measurement.records import Machine

__all__ = ["check_memory", "code_version", "describe_machine", "memory_errors", "processor"]

# Bytes per parameter in training: weights, gradients and two moments, float32.
TRAINING_BYTES = 16


def describe_machine(
    device: str,
    *,
    threads: int,
    processes: int,
    compiled: bool,
    seconds: float,
    tokens: int,
    code: str,
) -> Machine:
    """The machine's part of a record."""
    import torch

    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    versions["python"] = platform.python_version()
    return Machine(
        device=torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        threads=threads,
        processor=processor(),
        platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        versions=versions,
        code_version=code,
        seconds=round(seconds, 3),
        tokens_per_second=round(tokens / seconds, 1),
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        processes=processes,
        compiled=compiled,
        peak_memory=_peak_memory(device),
    )


def check_memory(config: RunConfig, device: str) -> None:
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


@contextmanager
def memory_errors(config: RunConfig) -> Iterator[None]:
    """Tell in one line when the allocator gives up."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "out of memory" in text or "enough memory" in text:
            raise CapgapError(
                f"train: out of memory at depth {config.depth} with batches of"
                f" {config.batch_size} x {config.sequence_length} tokens; use parts of them"
                " (--micro-batch-size)"
            ) from None
        raise


def _memory(device: str) -> float:
    import torch

    if device.startswith("cuda"):
        return float(torch.cuda.get_device_properties(device).total_memory)
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # no sysconf: leave it to the allocator
        return math.inf


def _peak_memory(device: str) -> int:
    """Largest memory of the device, or of this process, so far; bytes."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return next(named, platform.processor())
    except OSError:
        return platform.processor()


def code_version() -> str:
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
