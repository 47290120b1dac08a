"""Runs from a file, a folder of run records, or one of the public sets shipped here."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from capgap.comparison.tables.columns import plan_columns
from capgap.comparison.tables.delimited import Delimited
from capgap.comparison.tables.filters import Filter, parse_filter
from capgap.comparison.tables.gather import gather
from capgap.comparison.tables.json_rows import JsonRows
from capgap.comparison.tables.parquet import ParquetRows
from capgap.comparison.tables.public import PUBLIC, PublicSet, public_file
from capgap.comparison.tables.rows import Rows, first_bytes, readable
from capgap.comparison.tables.run_folder import read_folder
from capgap.comparison.tables.run_table import RunTable
from capgap.comparison.tables.run_tables import RunTables
from capgap.errors import InputError

__all__ = ["read_runs", "read_tables"]

DELIMITED = (".csv", ".tsv")
JSON = (".json", ".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")


def read_runs(
    path_or_name: str | Path,
    *,
    taught: bool | None = None,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
) -> RunTable:
    """One table of runs.

    Parameters
    ----------
    path_or_name : str or Path
        A file: CSV (comma, semicolon or tab), JSON lines, a JSON array of objects (each also
        gzipped), or Parquet (with the extra ``tables``); a folder of this project's run
        records; or a name in `capgap.comparison.tables.public.PUBLIC`. What the content is
        decides, not the ending; a file or folder of that name comes before a public set.
    taught : bool or None
        Students of teachers (N_S, D_S, L_T, L_S) or models trained on data alone (N, D,
        loss); None: as the columns have it.
    columns : mapping or None
        Quantity to column, for columns with other names (see
        `capgap.comparison.tables.columns.plan_columns`): N and D in raw counts (300M is
        read), losses in nats per token; ``C``, training FLOPs, in place of D gives
        D = C / (6 N); ``standard_error``, or ``lower_95`` and ``upper_95``; ``cell``.
    where : sequence of str
        Conditions that a row must fulfil to be used: ``set=c4``, ``status!=failed``,
        ``loss<3.4``, ``tokens<=unique_tokens``.

    Raises
    ------
    InputError
        One line that names the file, and the row and column: a column is missing, a value is
        not a finite number above zero (text, NaN, blank), rows differ in length, there are no
        rows, the file is not what it says. Rows are never dropped unless `where` says so.

    Examples
    --------
    >>> runs = read_runs("chinchilla")
    >>> len(runs), runs.taught, int(runs.row[0]), f"{runs.N[0]:.4g} {runs.loss[0]:.4g}"
    (240, False, 6, '1.731e+09 3.396')
    """
    return read_tables(path_or_name, taught=taught, columns=columns, where=where).table(taught)


def read_tables(
    path_or_name: str | Path,
    *,
    taught: bool | None = None,
    columns: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
) -> RunTables:
    """Every table of a source: both for a folder of run records, one for a file.

    Arguments and errors as for `read_runs`. With `taught` a folder of run records is still
    read whole.

    Examples
    --------
    >>> tables = read_tables("gemstones-hot")
    >>> tables.taught is None, len(tables.table()), len(set(tables.table().cell))
    (True, 220, 22)
    """
    filters = [parse_filter(text) for text in where]
    if os.path.exists(path_or_name):
        path = Path(path_or_name)
        with readable(path):
            if path.is_dir():
                if columns:
                    raise InputError("is a folder of run records, whose columns are known")
                return read_folder(path, filters)
            return _from_file(path, str(path), taught, columns, filters)
    if path_or_name not in PUBLIC:
        names = ", ".join(PUBLIC)
        raise InputError(f"runs: {path_or_name} must be a file, a folder or one of {names}")
    return _shipped(PUBLIC[str(path_or_name)], taught, columns, filters)


def _shipped(
    one: PublicSet,
    taught: bool | None,
    columns: Mapping[str, str] | None,
    filters: Sequence[Filter],
) -> RunTables:
    given = dict(columns or {})
    # Another choice replaces what it cannot stand beside.
    rivals = {"C": {"D"}, "D": {"C"}, "standard_error": {"lower_95", "upper_95"}}
    replaced = set().union(*(rivals.get(quantity, set()) for quantity in given))
    columns = {q: column for q, column in one.columns.items() if q not in replaced} | given
    filters = [*map(parse_filter, one.where), *filters]
    with readable(Path(one.name)), public_file(one) as path:
        return _from_file(path, one.name, taught, columns, filters)


def _from_file(
    path: Path,
    source: str,
    taught: bool | None,
    columns: Mapping[str, str] | None,
    filters: Sequence[Filter],
) -> RunTables:
    rows = _rows(path)
    plan = plan_columns(rows.names, columns, taught)
    table = gather(rows, plan, filters, source)
    if plan.taught:
        return RunTables(source, taught=table)
    return RunTables(source, supervised=table)


def _rows(path: Path) -> Rows:
    if not path.is_file():
        raise InputError("is not a regular file")
    head = first_bytes(path)
    kind = _kind(path)
    if head.startswith(b"PAR1"):
        return ParquetRows(path)
    if kind in PARQUET:
        raise InputError("is not a Parquet file, whatever its name says")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise InputError("is empty, must have a header and rows")
    if kind not in DELIMITED and start in (b"[", b"{"):
        return JsonRows(path, array=start == b"[")
    if kind in JSON:
        raise InputError("is not JSON, whatever its name says: must begin with { or [")
    return Delimited(path)


def _kind(path: Path) -> str:
    """The ending that says what a file is, if it has one."""
    name = path.name.lower().removesuffix(".gz")
    return os.path.splitext(name)[1]
