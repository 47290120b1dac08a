"""JSON: one object a line, or an array of objects."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from capgap.comparison.tables.rows import open_text, parts
from capgap.comparison.tables.values import Values
from capgap.errors import InputError

__all__ = ["JsonRows"]

_BETWEEN = re.compile(r"[\s]*")
NOT_JSON = (json.JSONDecodeError, RecursionError, ValueError)


class JsonRows:
    """Rows of a JSON file; the first object names the columns.

    Raises
    ------
    InputError
        Text that is not JSON, a row that is not an object, a name twice in one object.
    """

    def __init__(self, path: Path, *, array: bool) -> None:
        self.path = path
        self.array = array
        first = next(self._objects(), None)
        if first is None:
            raise InputError("has no rows, must have at least one")
        self.names: Sequence[str] = tuple(first)

    def parts(self, wanted: Sequence[str]) -> Iterator[Mapping[str, Values]]:
        """The rows, as columns of whatever JSON held; None where an object lacks a name."""
        for part in parts(self._objects()):
            yield {name: [row.get(name) for row in part] for name in wanted}

    def _objects(self) -> Iterator[dict[str, Any]]:
        found = self._in_array() if self.array else self._in_lines()
        row = 0
        while True:
            row += 1
            try:
                value = next(found)
            except StopIteration:
                return
            except InputError as error:
                raise InputError(f"row {row}: {error}") from None
            except NOT_JSON as error:
                if isinstance(error, UnicodeDecodeError):
                    raise
                raise InputError(f"row {row} is not JSON: {error}") from None
            if not isinstance(value, dict):
                raise InputError(f"row {row} must be an object of names and values")
            yield value

    def _in_lines(self) -> Iterator[Any]:
        with open_text(self.path) as text:
            for line in text:
                if line.strip():
                    yield json.loads(line, object_pairs_hook=_object)

    def _in_array(self) -> Iterator[Any]:
        # One object at a time: as objects, two million rows would fill gigabytes.
        with open_text(self.path) as file:
            text = file.read()
        decoder = json.JSONDecoder(object_pairs_hook=_object)
        place = _after(text, _after(text, 0) + 1)
        while text[place : place + 1] != "]":
            value, place = decoder.raw_decode(text, place)
            yield value
            place = _after(text, place)
            if text[place : place + 1] == ",":
                place = _after(text, place + 1)
                if text[place : place + 1] == "]":
                    raise InputError("a comma ends the array")
            elif text[place : place + 1] != "]":
                raise InputError("the array must go on with a comma or end")
        if _after(text, place + 1) != len(text):
            raise InputError("text follows the array")


def _after(text: str, place: int) -> int:
    match = _BETWEEN.match(text, place)
    return match.end() if match else place


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"an object has {twice!r} twice")
    return found
