"""Whatever is wrong with a file is said in one line that names it; nothing is dropped."""

import gzip
import os
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capgap.comparison.tables.read import read_runs
from capgap.errors import InputError

HEADER = "N,D,loss\n"
GOOD = "1e7,1e9,3.2\n"


def refuse(path: Path | str, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_runs(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("runs: ")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "'abc' is not a number"),
        ("3,2", "'3,2' is not a number"),
        ("x" * 99, r"'x{37}\.\.\.' is not a number"),
        ("nan", "nan must be finite and > 0"),
        ("inf", "inf must be finite and > 0"),
        ("1e999", "inf must be finite and > 0"),
        ("-3", "-3 must be finite and > 0"),
        ("0", "0 must be finite and > 0"),
        ("", "no value"),
        ("  ", "no value"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_value_is_named_by_row_and_column(
    tmp_path: Path, value: str, message: str, place: int
) -> None:
    column = ("N", "D", "loss")[place]
    row = ["1e7", "1e9", "3.2"]
    row[place] = f'"{value}"'
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + GOOD + ",".join(row) + "\n" + GOOD + ",".join(row) + "\n")
    message = message.replace("a number", "a count") if place < 2 else message
    refuse(path, rf"runs.csv: row 2, column '{column}': {message}.* \(2 of 4 rows bad; a where")


def test_a_loss_has_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + "3k,3k,3k\n")
    refuse(path, "row 1, column 'loss': '3k' is not a number")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("true", "'true' is not a number"),
        ("null", "no value"),
        ("NaN", "nan must be"),
        ("Infinity", "inf must be"),
        ("-1", "-1 must be"),
        ('"abc"', "'abc' is not a number"),
        ("[3]", r"'\[3\]' is not a number"),
        ("1" + "0" * 400, "inf must be"),
    ],
)
def test_a_bad_json_value(tmp_path: Path, value: str, message: str) -> None:
    path = tmp_path / "runs.jsonl"
    good = '{"N": 1, "D": 2, "loss": 3}\n'
    path.write_text(good + f'{{"N": 1, "D": 2, "loss": {value}}}\n')
    refuse(path, f"row 2, column 'loss': {message}")
    path.write_text(good + '{"N": 1, "D": 2}\n')
    refuse(path, "row 2, column 'loss': no value")


def test_bad_rows_in_a_later_part_are_counted(tmp_path: Path) -> None:
    """65,536 rows are read at a time; the first bad one stands in the second part."""
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + GOOD * 70_000 + "1,2,x\n" + GOOD * 70_000 + "1,2,y\n")
    refuse(path, r"row 70001, column 'loss': 'x' .*\(2 of 140002 rows bad")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n  \n", "is empty|no column"),
        ("a.jsonl", b" \n", "is empty"),
        ("a.csv", b"N,D,loss\n", "has a header but no rows"),
        ("a.csv", b"N,D,loss", "has a header but no rows"),
        ("a.csv", b"N,D,loss\n1,2,3\n4,5\n", "row 2 has 2 fields, must have 3"),
        ("a.csv", b"N,D,loss\n1,2,3,4\n1\n", r"row 1 has 4 fields.*\(2 such rows\)"),
        ("a.csv", b"N,D,loss\n1,2,3,\n", "row 1 has 4 fields"),
        ("a.csv", b"N,D,loss,loss\n1,2,3,3\n", "2 columns are called 'loss'"),
        ("a.csv", b"N,D;loss\n1,2;3\n", "split equally by ',' and ';'"),
        ("a.csv", b"N D loss\n1 2 3\n", r"no column 'N' for N \(columns: N D loss\)"),
        ("a.csv", b"1,2,3\n4,5,6\n", "first row must name the columns"),
        ("a.csv", b'N,D,loss\n1,2,"3\n', "line 2: unexpected end of data"),
        ("a.csv", b'N,D,loss\n1,2,"3"4\n', "line 2: ',' expected after"),
        ("a.csv", b'"N,D,loss\n1,2,3\n', "line 2: unexpected end of data"),
        ("a.csv", b"N,D,loss\n1,2,3\n\xff,2,3\n", "must be UTF-8 text, has the byte 0xff"),
        ("a.csv", "N,D,loss\n1,2,3\n".encode("utf-16"), "is UTF-16 text, must be UTF-8"),
        ("a.csv", b"N,D,loss\n\0\x01\x02\n", "is a binary file"),
        ("a.xlsx", b"PK\x03\x04rest", "is a zip archive or a spreadsheet"),
        ("a.csv.gz", gzip.compress(HEADER.encode() * 99, mtime=0)[:-9], "is a damaged gzip file"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00rest", "is a damaged gzip file"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.json", b"N,D,loss\n1,2,3\n", "is not JSON, whatever its name says"),
        ("a.json", b"[]", "has no rows"),
        ("a.json", b"[", "row 1 is not JSON"),
        ("a.json", b"[1]", "row 1 must be an object"),
        ("a.json", b'[{"N": 1}, 2]', "no column 'D'"),
        ("a.json", b'[{"N":1,"D":2,"loss":3}, 2]', "row 2 must be an object"),
        ("a.json", b'[{"N":1,"D":2,"loss":3},]', "row 2: a comma ends the array"),
        ("a.json", b'[{"N":1,"D":2,"loss":3} {}]', "row 2: the array must go on with a comma"),
        ("a.json", b'[{"N":1,"D":2,"loss":3}', "row 2: the array must go on with a comma"),
        ("a.json", b'[{"N":1,"D":2,"loss":3}] x', "row 2: text follows the array"),
        ("a.json", b'{\n"N": 1,\n"D": 2}', "row 1 is not JSON"),
        ("a.json", b"[" * 100_000, "row 1 is not JSON"),
        ("a.jsonl", b'{"N": 1, "N": 2}\n', "row 1: an object has 'N' twice"),
        ("a.jsonl", b'{"N":1,"D":2,"loss":3}\n{"N":1,', "row 2 is not JSON"),
        ("a.jsonl", b'{"N":1,"D":2,"loss":3}\n"N"\n', "row 2 must be an object"),
        ("a.jsonl", b'{"N":1,"D":2,"loss":3}\n{"N":"\xff"}\n', "must be UTF-8 text"),
        ("a.parquet", b"N,D,loss\n1,2,3\n", "is not a Parquet file"),
        ("a.parquet", b"PAR1 and no more", "is a damaged Parquet file"),
    ],
)
def test_a_bad_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    refuse(path, message)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["loss<1"], "has no row with loss<1 among 2"),
        (["note<1"], "row 2, filter note<1: 'x' is not a number"),
        (["set=a"], "no column 'set' to filter by"),
        (["loss<set"], "no column 'set' to filter by"),
    ],
)
def test_a_filter_that_cannot_be(tmp_path: Path, where: list[str], message: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,note\n1,2,3,\n1,2,3,x\n")
    refuse(path, message, where=where)


def test_bounds_must_not_cross(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss,lo,hi\n1,2,3,2,4\n1,2,3,4,4\n")
    refuse(path, "row 2: lower_95 must be < upper_95", columns={"lower_95": "lo", "upper_95": "hi"})


def test_paths_that_are_no_table(tmp_path: Path) -> None:
    refuse(tmp_path / "none.csv", "must be a file, a folder or one of chinchilla")
    refuse("chinchila", "must be a file, a folder or one of chinchilla")
    refuse("x" * 5000, "must be a file")
    refuse(tmp_path, "holds no run records")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refuse(pipe, "is not a regular file")


def test_a_file_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + GOOD)

    def denied(*args: object, **options: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refuse(path, "cannot be read: Permission denied")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.table({"N": [1.0], "D": [1.0], "loss": [1.0]}), path)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refuse(path, r"must be read with pyarrow: pip install 'capgap\[tables\]'")


def test_parquet_with_nulls_and_times(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.table({"N": [1, None], "D": [1, 2], "loss": [1.0, 2.0]}), path)
    refuse(path, "row 2, column 'N': nan must be finite")
    times = pa.array([0], pa.timestamp("s"))
    pq.write_table(pa.table({"N": [1], "D": [1], "loss": times}), path)
    refuse(path, "row 1, column 'loss': '1970-01-01 00:00:00' is not a number")
    pq.write_table(pa.table({"N": [1], "D": [1], "loss": [1.0]}).slice(0, 0), path)
    refuse(path, "has a header but no rows")


SOURCES = {
    "a.csv": (HEADER + GOOD * 20).encode(),
    "a.csv.gz": gzip.compress((HEADER + GOOD * 20).encode(), mtime=0),
    "a.json": ("[" + ",".join(['{"N":1,"D":2,"loss":3}'] * 20) + "]").encode(),
    "a.jsonl": ('{"N":1,"D":2,"loss":3}\n' * 20).encode(),
}
JUNK = [b'"', b",", b"\n", b"{", b"[", b"\0", b"nan", b"\xff", b"1e999", b";", b"}", b"\t", b""]


@pytest.mark.parametrize("name", SOURCES)
def test_damage_is_read_or_refused_but_never_breaks(tmp_path: Path, name: str) -> None:
    """200 files with one to three random faults each: runs, or one line."""
    rng = random.Random(name)
    path = tmp_path / name
    messages = []
    for _ in range(200):
        data = bytearray(SOURCES[name])
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data) + 1)
            data[place : place + rng.randint(0, 3)] = rng.choice(JUNK)
        path.write_bytes(data)
        try:
            read_runs(path)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert [m for m in messages if "\n" in m or str(path) not in m] == []
