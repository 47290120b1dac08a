"""A finding: one thing that the data cannot tell, or tell badly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from capgap.comparison.tables.run_table import RunTable

__all__ = ["CODES", "Code", "Finding", "Severity", "counted", "listed_rows", "row_numbers"]

Severity = Literal["refuse", "warn", "note"]
Code = Literal[
    "single-value",
    "few-values",
    "too-few-runs",
    "collinear-design",
    "duplicate-rows",
    "repeats-disagree",
    "student-below-teacher",
    "loss-units",
    "D-units",
    "N-units",
    "not-converged",
    "not-identified",
    "weakly-identified",
    "knee-degenerate",
    "E-at-zero",
    "exponent-at-bound",
    "at-bound",
    "few-starts-agree",
    "lack-of-fit",
    "residual-structure",
    "outliers",
]
CODES: tuple[Code, ...] = Code.__args__  # type: ignore[attr-defined]

_SHOWN = 6  # rows named in a message; a finding holds them all


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and where.

    Attributes
    ----------
    code : str
        Stable name; the package's docstring lists them.
    severity : str
        `refuse`, `warn` or `note`.
    message : str
        One line with the numbers.
    rows : tuple of int
        Runs concerned, as numbered in their file; empty where all are.
    """

    code: Code
    severity: Severity
    message: str
    rows: tuple[int, ...] = ()


def row_numbers(runs: RunTable, chosen: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """The chosen runs as numbered in their file.

    >>> runs = RunTable([1e7, 1e8], [1e9, 1e9], [3.2, 2.7], row=[4, 9])
    >>> row_numbers(runs, np.array([False, True]))
    (9,)
    """
    assert runs.row is not None
    return tuple(int(row) for row in runs.row[chosen])


def listed_rows(rows: Sequence[int]) -> str:
    """Rows for a sentence, the first few by number.

    >>> listed_rows([3]), listed_rows([1, 2, 3, 4, 5, 6, 7, 8])
    ('row 3', 'rows 1, 2, 3, 4, 5, 6 and 2 more')
    """
    shown = ", ".join(str(row) for row in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def counted(names: Iterable[str]) -> str:
    """Names for a sentence.

    >>> counted(["A"]), counted(["A", "alpha", "E"])
    ('A', 'A, alpha and E')
    """
    every = list(names)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"
