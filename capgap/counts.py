"""Counts of tokens and parameters as people write and read them (decimal units)."""

import math

from capgap.errors import InputError

__all__ = ["parse", "real", "short"]

UNITS = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def parse(text: str) -> int:
    """A whole number: 2_000_000, 2e6, 2M, 500k or 1.5M.

    Raises
    ------
    InputError
        The text is not a number, or not a whole one of at least 0.

    Examples
    --------
    >>> parse("2e6"), parse("1.5M"), parse("4_096"), parse("64k")
    (2000000, 1500000, 4096, 64000)
    """
    value = _value(text)
    if not value.is_integer() or value < 0:
        raise InputError(f"{text!r} is not a whole number of at least 0")
    return int(value)


def real(text: str) -> float:
    """A finite number above 0, such as a budget in FLOPs: 1e22, 7.75B, 300M, 1.2T.

    Raises
    ------
    InputError
        The text is not a number, or not a finite one above 0.

    Examples
    --------
    >>> real("1e22"), real("7.75B"), real("1T"), real("2.1")
    (1e+22, 7750000000.0, 1000000000000.0, 2.1)
    """
    value = _value(text)
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{text!r} must be a finite number above 0")
    return value


def _value(text: str) -> float:
    digits, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1.0)
    try:
        return float(digits) * unit
    except ValueError:
        raise InputError(f"{text!r} is not a number") from None


def short(value: float) -> str:
    """Three digits and a unit; from 1e15 on, where units end, a power of ten.

    >>> short(99_328), short(4_194_304), short(512), short(2e9), short(1.5e12), short(3e15)
    ('99.3k', '4.19M', '512', '2B', '1.5T', '3e+15')
    >>> short(999_999)
    '1M'
    """
    value = float(f"{value:.3g}")  # first, so that what rounds up to a unit is written in it
    if value >= 1e3 * UNITS["T"]:
        return f"{value:.3g}"
    for unit, size in reversed(UNITS.items()):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
