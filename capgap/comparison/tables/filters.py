"""Which rows of a table to use: COLUMN=VALUE, COLUMN!=VALUE, COLUMN<NUMBER, <=, >, >=.

A row that a filter leaves out is not read any further, so that what is wrong with it does no
harm: leaving rows out is said, never done in silence.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.comparison.tables.values import Values, as_text, floats, is_blank
from capgap.counts import real
from capgap.errors import InputError

__all__ = ["Filter", "NotANumber", "parse_filter"]

BoolArray = npt.NDArray[np.bool_]
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FILTER = re.compile(r"\s*(?P<column>.*?)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*")


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one column; `number` is the value as a number, NaN where it is none.

    A comparison whose value is no number compares with the column of that name.
    """

    column: str
    sign: str
    value: str
    number: float

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"

    @property
    def other(self) -> str | None:
        """The column that the values are compared with, if it is not a number."""
        return self.value if self.sign in COMPARISONS and math.isnan(self.number) else None

    def keep(self, values: Values, others: Values | None = None) -> BoolArray:
        """Which values fulfil it; a blank or NaN fulfils no comparison.

        `others` are the values of the column `other`, where there is one.

        Raises
        ------
        InputError
            A comparison meets text that is not a number; ``.place`` is its index.
        """
        if self.sign in COMPARISONS:
            bound = self.number if others is None else _numbers(others)
            return np.asarray(COMPARISONS[self.sign](_numbers(values), bound), dtype=np.bool_)
        equal = np.fromiter((as_text(v) == self.value for v in values), np.bool_, len(values))
        if not math.isnan(self.number):
            equal |= floats(values, counts=True) == self.number
        return ~equal if self.sign == "!=" else equal


class NotANumber(InputError):
    """A comparison met text; `place` says where in the values."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


def parse_filter(text: str) -> Filter:
    """Read one condition.

    ``=`` and ``!=`` compare as text, and as numbers where both are numbers; the others
    compare with a number, which may be written 300M, or with the numbers of another column.

    Raises
    ------
    InputError
        No column, no sign, or a comparison with nothing.

    Examples
    --------
    >>> parse_filter("loss < 3.4").keep(["3.39", "3.4", "nan"])
    array([ True, False, False])
    >>> parse_filter("set=c4").keep(["c4", "rpj"])
    array([ True, False])
    """
    match = _FILTER.fullmatch(text)
    if match is None or not match["column"]:
        raise InputError(f"where: {text!r} must be COLUMN=VALUE or COLUMN<NUMBER (<=, >, >=, !=)")
    sign = "=" if match["sign"] == "==" else match["sign"]
    number = _number(match["value"])
    if sign in COMPARISONS and not match["value"]:
        raise InputError(f"where: {text!r} must compare with a number or a column")
    return Filter(match["column"], sign, match["value"], number)


def _numbers(values: Values) -> npt.NDArray[np.float64]:
    numbers = floats(values, counts=True)
    for place in map(int, np.flatnonzero(np.isnan(numbers))):
        if not is_blank(values[place]):
            raise NotANumber(place, f"{as_text(values[place])!r} is not a number")
    return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return real(text)
    except InputError:
        return math.nan
