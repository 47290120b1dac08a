"""Time and memory of reading two million runs, by format.

Measured on demand, on one core: ``taskset -c 0 pytest tests/benchmarks/test_tables_speed.py
--benchmark-enable -s``. In an ordinary run each format is read once, with fewer rows.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capgap.comparison.tables.read import read_runs

ROWS, FEW = 2_000_000, 20_000
# Peak memory in kB of a fresh interpreter that reads a file, and of one that reads none.
# From /proc: getrusage would count what the process was forked from.
PEAK = """
import sys
from capgap.comparison.tables.read import read_runs
if len(sys.argv) > 1:
    read_runs(sys.argv[1])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def lines(columns: list[list[float]], kind: str) -> Iterator[str]:
    rows = zip(*columns, strict=True)
    if kind == "csv":
        yield "N,D,loss\n"
        yield from (f"{N!r},{D!r},{loss!r}\n" for N, D, loss in rows)
    elif kind == "units.csv":
        yield "N,D,loss\n"
        yield from (f"{N / 1e6:.3f}M,{D / 1e9:.3g}B,{loss:.4f}\n" for N, D, loss in rows)
    else:
        objects = (json.dumps({"N": N, "D": D, "loss": loss}) for N, D, loss in rows)
        start, between, end = ("[", ",\n", "]\n") if kind == "json" else ("", "\n", "\n")
        yield start + next(objects)
        yield from (between + text for text in objects)
        yield end


@pytest.mark.parametrize("kind", ["csv", "units.csv", "jsonl", "json", "parquet"])
def test_reading(benchmark: Any, tmp_path: Path, kind: str) -> None:
    n = ROWS if benchmark.enabled else FEW
    rng = np.random.default_rng(0)
    table = {
        "N": 10 ** rng.uniform(6, 10, n),
        "D": 10 ** rng.uniform(8, 12, n),
        "loss": 2 + rng.random(n),
    }
    path = tmp_path / f"runs.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(table), path)
    else:
        with path.open("w") as file:
            file.writelines(lines([column.tolist() for column in table.values()], kind))
    runs = benchmark.pedantic(read_runs, (path,), rounds=3 if benchmark.enabled else 1)
    # Text with units is rounded to three digits or more, the rest is exact.
    np.testing.assert_allclose(runs.D, table["D"], rtol=5.1e-3 if kind == "units.csv" else 0)
    if benchmark.enabled:
        with_file, without = (
            float(subprocess.check_output([sys.executable, "-c", PEAK, *more], text=True))
            for more in ([str(path)], [])
        )
        print(f"\n{kind}: peak {with_file / 1e3:.0f} MB, without the file {without / 1e3:.0f} MB")
