"""Counts of tokens and parameters as people write and read them (decimal units)."""

from capgap.errors import InputError

__all__ = ["parse", "short"]

UNITS = {"k": 1e3, "M": 1e6, "B": 1e9}


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
    digits, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1.0)
    try:
        value = float(digits) * unit
    except ValueError:
        raise InputError(f"{text!r} is not a number") from None
    if not value.is_integer() or value < 0:
        raise InputError(f"{text!r} is not a whole number of at least 0")
    return int(value)


def short(value: float) -> str:
    """Three digits and a unit.

    >>> short(99_328), short(4_194_304), short(512), short(2e9)
    ('99.3k', '4.19M', '512', '2B')
    """
    for unit, size in reversed(UNITS.items()):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
