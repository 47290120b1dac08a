"""CSV and its kin: separated by commas, semicolons or tabs, the first row naming the columns."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from capgap.comparison.tables.rows import open_text, parts
from capgap.comparison.tables.values import Values
from capgap.errors import InputError

__all__ = ["Delimited"]

SEPARATORS = (",", ";", "\t")


class BrokenQuotes(InputError):
    """A quoted field that does not end, or goes on after its quote."""


class Delimited:
    """Rows of a CSV file.

    The separator is the one of comma, semicolon and tab that splits the first row into the
    most columns. Blank lines are not rows.

    Raises
    ------
    InputError
        No header, two separators that split it equally, broken quotes, or (from `parts`) a
        row with another number of fields than the header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        headers = {separator: self._header(separator) for separator in SEPARATORS}
        width = max(map(len, headers.values()))
        if width == 0:
            next(self._rows(","), None)  # raises what is wrong with the quotes
            raise InputError("is empty, must have a header and rows")
        best = [separator for separator in SEPARATORS if len(headers[separator]) == width]
        if width > 1 and len(best) > 1:
            signs = " and ".join(repr(separator) for separator in best)
            raise InputError(f"the first row is split equally by {signs}, must be by one")
        self.separator = best[0]
        self.names: Sequence[str] = headers[self.separator]

    def parts(self, wanted: Sequence[str]) -> Iterator[Mapping[str, Values]]:
        """The rows, as columns of text."""
        places = {name: self.names.index(name) for name in wanted}
        rows = self._rows(self.separator)
        next(rows)
        done = 0
        for part in parts(rows):
            if set(map(len, part)) != {len(self.names)}:
                self._refuse_ragged(done, part, rows)
            yield {name: [row[place] for row in part] for name, place in places.items()}
            done += len(part)

    def _header(self, separator: str) -> list[str]:
        """The first row as this separator splits it; empty where its quotes do not fit."""
        try:
            return [name.strip() for name in next(self._rows(separator), [])]
        except BrokenQuotes:
            return []

    def _rows(self, separator: str) -> Iterator[list[str]]:
        with open_text(self.path) as text:
            reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
            try:
                yield from filter(None, reader)
            except csv.Error as error:
                raise BrokenQuotes(f"line {reader.line_num}: {error}") from None

    def _refuse_ragged(self, done: int, part: list[list[str]], rows: Iterator[list[str]]) -> None:
        width = len(self.names)
        bad = [i for i, row in enumerate(part) if len(row) != width]
        count = len(bad) + sum(len(row) != width for row in rows)
        more = f" ({count} such rows)" if count > 1 else ""
        raise InputError(
            f"row {done + bad[0] + 1} has {len(part[bad[0]])} fields, must have {width} as the"
            f" header has{more}"
        )
