"""Calibration error of 10 million float32 confidences beside torchmetrics, on demand:
``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_calibration_speed.py --benchmark-enable -s``.

One thread each; timed in turn within one run, fastest times compared, since a busy machine slows
all of them. Peak memory is that of a fresh process, less what it held before the call. In an
ordinary test run each body is executed once at a small size.
"""

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capgap.measurement.calibration import ReliabilityTable, ece, equal_width_edges

MANY, FEW, BATCH, BINS = 10_000_000, 10_000, 100_000, 21
Pair = tuple[Any, Any]


def data(n: int) -> Pair:
    """Confidences float32 and outcomes int64, as classifiers give them."""
    rng = np.random.default_rng(0)
    c = rng.random(n, dtype=np.float32)
    return c, (rng.random(n, dtype=np.float32) < c).astype(np.int64)


def batches(pair: Pair) -> Any:
    return ((pair[0][k : k + BATCH], pair[1][k : k + BATCH]) for k in range(0, len(pair[0]), BATCH))


def ours(pair: Pair) -> float:
    return float(ece(ReliabilityTable.of(*pair, equal_width_edges(BINS))))


def ours_streaming(pair: Pair) -> float:
    table = ReliabilityTable.empty(equal_width_edges(BINS))
    for c, o in batches(pair):
        table = table + ReliabilityTable.of(c, o, table.edges)
    return float(ece(table))


def theirs(pair: Pair, check: bool = True) -> float:
    import torch

    error = import_module("torchmetrics.functional.classification").binary_calibration_error
    c, o = map(torch.from_numpy, pair)
    return float(error(c, o, n_bins=BINS, validate_args=check))


def theirs_unchecked(pair: Pair) -> float:
    return theirs(pair, check=False)


def theirs_streaming(pair: Pair) -> float:
    import torch

    metric = import_module("torchmetrics.classification").BinaryCalibrationError(n_bins=BINS)
    for part in batches(pair):
        metric.update(*map(torch.from_numpy, part))
    return float(metric.compute())


OURS: dict[str, Callable[[Pair], float]] = {"ours": ours, "ours_streaming": ours_streaming}
THEIRS: dict[str, Callable[[Pair], float]] = {
    "theirs": theirs, "theirs_unchecked": theirs_unchecked, "theirs_streaming": theirs_streaming,
}  # fmt: skip


def largest_resident() -> float:
    """VmHWM in MiB (Linux). Not ru_maxrss, which a child inherits from its parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def added(name: str, n: int) -> float:
    """MiB that the call adds to the largest resident size; run in a fresh process."""
    body, pair = (OURS | THEIRS)[name], data(n)
    body((pair[0][:FEW], pair[1][:FEW]))  # what libraries load at the first call
    # Forget the largest size so far: making the data took more than what is left of it.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = largest_resident()
    body(pair)
    return largest_resident() - before


def memory(name: str, n: int) -> float:
    source = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    source += f"import {Path(__file__).stem} as t; print(t.added({name!r}, {n}))"
    command = [sys.executable, "-W", "ignore", "-c", source]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_torchmetrics_side_by_side(benchmark: Any) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    pytest.importorskip("torchmetrics", reason="needs torchmetrics")
    bodies = OURS | THEIRS
    pair = data(MANY if benchmark.enabled else FEW)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best, values = dict.fromkeys(bodies, float("inf")), dict.fromkeys(bodies, 0.0)
    for _ in range(5 if benchmark.enabled else 1):
        for name, body in bodies.items():
            start = time.perf_counter()
            values[name] = body(pair)
            best[name] = min(best[name], time.perf_counter() - start)
    torch.set_num_threads(threads)
    assert values["ours"] == values["ours_streaming"]  # to the bit
    # float32 sums of 5e5 terms each are rounded: a tenth of a percent of 1, no more.
    assert abs(values["theirs"] - values["ours"]) < 1e-3
    benchmark.pedantic(ours, args=(pair,), rounds=1)
    if benchmark.enabled:
        print(f"\n{MANY:,} confidences, {BINS} bins")
        for name, seconds in best.items():
            ratio = seconds / best["theirs"]
            print(f"  {name:18s} {seconds:6.3f} s  {ratio:5.2f} x theirs  "
                  f"{memory(name, MANY):7.1f} MiB  {values[name]:.9f}")  # fmt: skip


def test_memory_is_constant(benchmark: Any) -> None:
    """What numpy holds at most does not grow with the number of confidences."""
    n = MANY if benchmark.enabled else 400_000
    peaks = []
    for size in (n // 4, n):
        pair = data(size)
        tracemalloc.start()
        ours(pair)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    benchmark.pedantic(ours, args=(pair,), rounds=1)
    few, many = (peak / 2**20 for peak in peaks)
    print(f"\npeak of numpy: {few:.2f} MiB for {n // 4:,}, {many:.2f} MiB for {n:,}")
    assert peaks[1] < 1.1 * peaks[0] + 4096
