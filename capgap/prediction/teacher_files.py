"""Teachers in a file, as CSV or JSON."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from capgap.counts import real
from capgap.errors import InputError
from capgap.prediction.existing import Teacher

__all__ = ["read_teachers"]

COLUMNS = ("name", "parameters", "tokens", "loss")


def read_teachers(path: Path) -> tuple[Teacher, ...]:
    """Read teachers from a file.

    CSV with the header ``name,parameters,tokens,loss`` (any order; tokens or loss may be
    empty, or their column left out), or JSON: a list of objects with the same keys. Numbers
    as in 7.75e9 or 7.75B.

    Raises
    ------
    InputError
        The file cannot be read, has no teacher, or a line breaks a rule; the text names the
        file and the line (CSV) or the place in the list (JSON).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "teachers.csv"
    ...     _ = file.write_text("name,parameters,tokens,loss\\nours,2B,155B,\\ntheirs,3e9,,2.2\\n")
    ...     [(t.name, t.N_T, t.D_T, t.L_T) for t in read_teachers(file)]
    [('ours', 2000000000.0, 155000000000.0, None), ('theirs', 3000000000.0, None, 2.2)]
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"teachers: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"teachers: {path} is not UTF-8 text") from None
    rows = _from_json if text.lstrip()[:1] in ("[", "{") else _from_csv
    teachers: dict[str, Teacher] = {}
    for place, row in rows(path, text):
        try:
            teacher = _teacher(row)
        except InputError as error:
            raise InputError(f"{path}, {place}: {error}") from None
        if teacher.name in teachers:
            raise InputError(f"{path}, {place}: a second teacher {teacher.name!r}")
        teachers[teacher.name] = teacher
    if not teachers:
        raise InputError(f"teachers: {path} has no teacher")
    return tuple(teachers.values())


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.reader(text.splitlines())
    header: list[str] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            place = f"line {reader.line_num}"
            if not any(cells):
                continue
            if not header:
                header = _header(path, place, cells)
                continue
            if len(cells) > len(header):
                raise InputError(f"{path}, {place}: {len(cells)} values for {len(header)} columns")
            yield place, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None


def _header(path: Path, place: str, cells: list[str]) -> list[str]:
    wrong = [cell for cell in cells if cell not in COLUMNS]
    missing = [name for name in ("name", "parameters") if name not in cells]
    if wrong or missing or len(set(cells)) < len(cells):
        raise InputError(
            f"{path}, {place}: the header must be {','.join(COLUMNS)} (the last two as needed),"
            f" not {','.join(cells)[:60]!r}"
        )
    return cells


def _from_json(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"teachers: {path} is not JSON: {error}") from None
    if not isinstance(rows, list):
        raise InputError(f"teachers: {path} must be a list of teachers")
    for i, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}, teacher {i}: must be an object with {', '.join(COLUMNS)}")
        wrong = [key for key in row if key not in COLUMNS]
        if wrong:
            raise InputError(f"{path}, teacher {i}: {wrong[0]!r} is not of {', '.join(COLUMNS)}")
        yield f"teacher {i}", row


def _teacher(row: Mapping[str, Any]) -> Teacher:
    name = str(row.get("name") or "")
    if not name:
        raise InputError("name must be given")
    parameters = _number(row, "parameters")
    if parameters is None:
        raise InputError("parameters must be given")
    return Teacher(name, parameters, _number(row, "tokens"), _number(row, "loss"))


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{key} = {str(value)[:40]!r} must be a number")
    try:
        return real(str(value))
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
