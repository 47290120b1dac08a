"""Checks at the door, shared by the configuration records; free of torch."""

import math

from capgap.errors import InputError

__all__ = ["require_integer", "require_member", "require_number"]


def require_integer(operation: str, name: str, value: object, low: int) -> None:
    """Raise InputError unless `value` is an integer of at least `low`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(f"{operation}: {name} = {value!r} must be an integer of at least {low}")


def require_number(operation: str, name: str, value: object, low: float, high: float) -> None:
    """Raise InputError unless `value` is a finite number in [low, high]."""
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    if not ok or not (low <= float(value) <= high) or not math.isfinite(float(value)):  # type: ignore[arg-type]
        raise InputError(f"{operation}: {name} = {value!r} must be a number in [{low}, {high}]")


def require_member(operation: str, name: str, value: object, members: tuple[str, ...]) -> None:
    """Raise InputError unless `value` is one of `members`."""
    if value not in members:
        raise InputError(f"{operation}: {name} = {value!r} must be one of {', '.join(members)}")
