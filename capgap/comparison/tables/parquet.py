"""Parquet files, through the optional pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from capgap.comparison.tables.rows import PART
from capgap.comparison.tables.values import Values
from capgap.errors import InputError

__all__ = ["ParquetRows"]


class ParquetRows:
    """Rows of a Parquet file.

    Raises
    ------
    InputError
        pyarrow is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._module: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise InputError(
                "is a Parquet file, must be read with pyarrow: pip install 'capgap[tables]'"
            ) from None
        with self._open() as file:
            self.names: Sequence[str] = tuple(file.schema_arrow.names)

    def parts(self, wanted: Sequence[str]) -> Iterator[Mapping[str, Values]]:
        """The rows, as arrays of numbers, or lists of whatever else a column holds."""
        with self._open() as file:
            batches = file.iter_batches(batch_size=PART, columns=list(wanted))
            while (batch := self._guarded(lambda: next(batches, None))) is not None:
                if batch.num_rows:
                    yield {name: _values(batch.column(name)) for name in wanted}

    def _open(self) -> Any:
        return self._guarded(lambda: self._module.ParquetFile(self.path))

    def _guarded(self, read: Any) -> Any:
        lib = import_module("pyarrow")
        try:
            return read()
        except (lib.ArrowException, OSError) as error:
            what = " ".join(str(error).split())
            raise InputError(f"is a damaged Parquet file: {what}") from None


def _values(column: Any) -> Values:
    types = import_module("pyarrow.types")
    if types.is_integer(column.type) or types.is_floating(column.type):
        values: Values = column.to_numpy(zero_copy_only=False)
        return values
    listed: Values = column.to_pylist()
    return listed
