"""Every format gives the same runs; round trips over all tables."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capgap.comparison.tables.read import read_runs, read_tables
from capgap.comparison.tables.run_table import RunTable

Table = dict[str, list[float]]
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)


def separated(table: Table, separator: str = ",") -> bytes:
    rows = zip(*table.values(), strict=True)
    lines = [separator.join(table), *(separator.join(map(repr, row)) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def objects(table: Table) -> list[dict[str, float]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def json_lines(table: Table) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in objects(table)).encode()


def json_array(table: Table) -> bytes:
    return json.dumps(objects(table), indent=2).encode()


def parquet(table: Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(table), sink)
    return bytes(sink.getvalue().to_pybytes())


FORMATS: dict[str, Callable[[Table], bytes]] = {
    "runs.csv": separated,
    "semicolons.csv": lambda table: separated(table, ";"),
    "runs.tsv": lambda table: separated(table, "\t"),
    "mark.csv": lambda table: b"\xef\xbb\xbf" + separated(table),
    "windows.csv": lambda table: separated(table).replace(b"\n", b"\r\n"),
    "mac.csv": lambda table: separated(table).replace(b"\n", b"\r"),
    "runs.csv.gz": lambda table: gzip.compress(separated(table)),
    "no_ending": separated,
    "runs.jsonl": json_lines,
    "runs.ndjson": json_lines,
    "mark.jsonl": lambda table: b"\xef\xbb\xbf" + json_lines(table),
    "lines.json": json_lines,
    "runs.jsonl.gz": lambda table: gzip.compress(json_lines(table)),
    "runs.json": json_array,
    "mark.json": lambda table: b"\xef\xbb\xbf" + json_array(table),
    "no_ending_either": json_array,
    "runs.parquet": parquet,
    "parquet_by_content": parquet,
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(rows=st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE, POSITIVE), min_size=1, max_size=8))
def test_round_trip_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[tuple[float, ...]]
) -> None:
    """repr and JSON write a float64 so that it is read back exactly, so equality is exact."""
    table: Table = {
        key: [row[i] for row in rows] for i, key in enumerate(("N_S", "D_S", "L_T", "L_S"))
    }
    path = tmp_path_factory.mktemp("round") / name
    path.write_bytes(FORMATS[name](table))
    runs = read_runs(path)
    assert runs.taught
    assert runs.L_T is not None
    for key, found in zip(table, (runs.N, runs.D, runs.L_T, runs.loss), strict=True):
        assert found.tolist() == table[key]
    assert runs.row is not None
    assert runs.row.tolist() == list(range(1, len(rows) + 1))


def read(tmp_path: Path, text: str, name: str = "runs.csv", **options: object) -> RunTable:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return read_runs(path, **options)  # type: ignore[arg-type]


def test_counts_with_units(tmp_path: Path) -> None:
    runs = read(tmp_path, "N,D,loss\n300M,7.5B,2.5\n7.5k,1T,3\n1e6,2_000,4\n")
    assert runs.N.tolist() == [3e8, 7500.0, 1e6]
    assert runs.D.tolist() == [7.5e9, 1e12, 2000.0]
    json_text = '[{"N": "300M", "D": 1000, "loss": 2.5}]'
    assert read(tmp_path, json_text, "a.json").N.tolist() == [3e8]


def test_quotes_blank_lines_and_other_columns(tmp_path: Path) -> None:
    text = '"a, b", N ,D,"loss"\n\n"x, ""y""\nz",1,2,3\n\nq, 4 ,"5",6\n'
    runs = read(tmp_path, text)
    assert (runs.N.tolist(), runs.D.tolist(), runs.loss.tolist()) == ([1, 4], [2, 5], [3, 6])


def test_an_index_column_without_a_name_is_no_harm(tmp_path: Path) -> None:
    assert len(read(tmp_path, ",N,D,loss,\n0,1,2,3,\n")) == 1


def test_semicolons_win_over_commas_in_names(tmp_path: Path) -> None:
    text = "size, all;N;D;loss\n1;2;3;4\n"
    assert read(tmp_path, text).N.tolist() == [2.0]


def test_mapped_columns_standard_errors_and_cells(tmp_path: Path) -> None:
    """By hand: D = C / (6 N) = 6e3 / (6 * 10); (2.7 - 2.3) / (2 * 1.959964) = .102043."""
    text = "size,flops,val,lo,hi,teacher\n10,6e3,2.5,2.3,2.7,a\n20,6e3,2.4,2.3,2.5,b\n"
    columns = {
        "N": "size", "C": "flops", "loss": "val", "lower_95": "lo", "upper_95": "hi",
        "cell": "teacher",
    }  # fmt: skip
    runs = read(tmp_path, text, columns=columns)
    assert runs.D.tolist() == [100.0, 50.0]
    assert runs.standard_error == pytest.approx([0.102043, 0.0510213], rel=1e-5)
    assert runs.cell is not None
    assert runs.cell.tolist() == ["a", "b"]
    assert "D = flops / 6N" in runs.source


def test_named_standard_error_and_cell_are_taken(tmp_path: Path) -> None:
    rows = '{"N": 1, "D": 2, "loss": 3, "standard_error": 0.1, "cell": 7}\n' * 2
    runs = read(tmp_path, rows, "a.jsonl")
    assert runs.standard_error is not None
    assert runs.standard_error.tolist() == [0.1, 0.1]
    assert runs.cell is not None
    assert runs.cell.tolist() == ["7", "7"]


def test_filters_keep_rows_and_their_numbers(tmp_path: Path) -> None:
    text = "N,D,loss,set\n1,2,3,a\n4,5,nan,a\n6,7,8,b\n9,10,2,a\n11,12,x,b\n"
    runs = read(tmp_path, text, where=["set=a", "loss<100"])
    assert runs.row is not None
    assert runs.row.tolist() == [1, 4]
    assert "2 of 5 rows: set=a and loss<100" in runs.source


def test_filters_by_mapped_names_and_by_other_columns(tmp_path: Path) -> None:
    text = "params,D,loss,unique\n1M,2,3,2\n5M,5,6,4\n"
    columns = {"N": "params"}
    assert read(tmp_path, text, columns=columns, where=["N>2M"]).D.tolist() == [5.0]
    assert read(tmp_path, text, columns=columns, where=["D<=unique"]).D.tolist() == [2.0]


def test_students_as_runs_of_their_own(tmp_path: Path) -> None:
    text = "N_S,D_S,L_T,L_S\n1,2,3,4\n"
    columns = {"N": "N_S", "D": "D_S", "loss": "L_S"}
    assert not read(tmp_path, text, columns=columns, taught=False).taught


def test_tables_of_a_file_hold_the_one_there_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss\n1,2,3\n")
    tables = read_tables(path)
    assert tables.taught is None
    assert tables.supervised is not None
    assert (tables.failed, tables.notes) == (0, ())


def test_parquet_of_many_types(tmp_path: Path) -> None:
    """Integers, half precision, decimals, text with units, names with dots, nested columns."""
    decimals = pa.array(["2.5", "2.25"]).cast(pa.decimal128(5, 3))
    table = pa.table(
        {
            "N.total": pa.array([10**7, 10**8], pa.int64()),
            "D": pa.array(["1B", "2B"]).dictionary_encode(),
            "loss": decimals,
            "standard_error": pa.array(np.array([0.5, 0.25], dtype=np.float16)),
            "ok": [True, False],
            "curve": [[1.0], [2.0]],
            "N": [{"total": 3}, {"total": 4}],
        }
    )
    path = tmp_path / "runs.parquet"
    pq.write_table(table, path)
    runs = read_runs(path, columns={"N": "N.total"})
    assert runs.N.tolist() == [1e7, 1e8]
    assert runs.D.tolist() == [1e9, 2e9]
    assert runs.loss.tolist() == [2.5, 2.25]
    assert runs.standard_error is not None
    assert runs.standard_error.tolist() == [0.5, 0.25]
    assert len(read_runs(path, columns={"N": "N.total"}, where=["ok=true"])) == 1


def test_two_million_rows(tmp_path: Path) -> None:
    """A thousand different rows two thousand times over; the sums are exact integers."""
    lines = "".join(f"{n},{2 * n},{n + 0.5}\n" for n in range(1, 1001))
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss\n" + lines * 2000)
    runs = read_runs(path, where=["N>500"])
    assert len(runs) == 1_000_000
    assert runs.N.sum() == 2000 * sum(range(501, 1001))
    assert runs.D.sum() == 2 * 2000 * sum(range(501, 1001))
    assert runs.row is not None
    assert runs.row[[0, 499, 500, -1]].tolist() == [501, 1000, 1501, 2_000_000]


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    """More rows than are read at a time, in several row groups."""
    n = 150_000
    counts = np.arange(1.0, n + 1)
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.table({"N": counts, "D": counts, "loss": counts}), path, row_group_size=7000)
    runs = read_runs(path, where=["N>70000"])
    assert np.array_equal(runs.N, counts[70_000:])
    assert np.array_equal(runs.row, np.arange(70_001, n + 1))
