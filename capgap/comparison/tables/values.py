"""Columns of text or numbers as float64, and what is wrong with a value that is neither."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from capgap.counts import UNITS, real
from capgap.errors import InputError

__all__ = ["Values", "as_text", "floats", "is_blank", "pick", "wrong"]

FloatArray = npt.NDArray[np.float64]
# Text from CSV, anything from JSON, numbers or anything from Parquet.
Values = Sequence[Any] | npt.NDArray[Any]


def floats(values: Values, *, counts: bool = False) -> FloatArray:
    """The values as float64; NaN where there is no number.

    Parameters
    ----------
    values : sequence
        Text, numbers, None.
    counts : bool
        Whether 300M and 7.5k are numbers here.

    Examples
    --------
    >>> floats(["1e9", " 2 ", "", "300M", None], counts=True)
    array([1.e+09, 2.e+00,    nan, 3.e+08,    nan])
    """
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    if bool not in set(map(type, values)):  # a truth value is not the number 1
        try:
            return np.fromiter(map(float, values), dtype=np.float64, count=len(values))
        except (ValueError, TypeError, OverflowError):
            pass
    # Sizes and lengths recur: each text is read once.
    known: dict[Any, float] = {}
    found = np.empty(len(values))
    for i, value in enumerate(values):
        if isinstance(value, str):
            if value not in known:
                known[value] = _number(value, counts)
            found[i] = known[value]
        else:
            found[i] = _number(value, counts)
    return found


def _number(value: Any, counts: bool) -> float:
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (ValueError, TypeError):
        pass
    if counts and isinstance(value, str) and value.strip()[-1:] in UNITS:
        try:
            return real(value.strip())
        except InputError:
            pass
    return math.nan


def pick(values: Values, places: npt.NDArray[np.intp]) -> Values:
    """The values at ascending places."""
    if places.size == len(values):
        return values
    if isinstance(values, np.ndarray):
        return values[places]
    return [values[place] for place in places]


def is_blank(value: Any) -> bool:
    """Whether there is no value: None, empty text or NaN."""
    if isinstance(value, str):
        text = value.strip().lower()
        return text in ("", "nan", "+nan", "-nan")
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))


def wrong(value: Any, *, counts: bool = False) -> str:
    """Why a value is not a finite number above zero.

    >>> wrong("3,2"), wrong(""), wrong("-1")
    ("'3,2' is not a number", 'no value', '-1 must be finite and > 0')
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return "no value"
    number = _number(value, counts)
    if math.isnan(number) and not is_blank(value):
        shown = as_text(value)
        kind = "count, such as 7e9 or 7B" if counts else "number"
        return f"{shown if len(shown) <= 40 else shown[:37] + '...'!r} is not a {kind}"
    return f"{number:g} must be finite and > 0"


def as_text(value: Any) -> str:
    """A value as text, the same from every format: 1.0 and 1 are both ``1``.

    >>> as_text(" ok "), as_text(1.0), as_text(True), as_text(None)
    ('ok', '1', 'true', '')
    """
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
