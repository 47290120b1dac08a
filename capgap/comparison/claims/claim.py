"""A statement of a source, and what the laws say about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Literal, get_args

from capgap.errors import InputError

__all__ = ["Claim", "Verdict", "judge"]

Verdict = Literal["confirmed", "contradicted", "depends"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of the audit.

    Parameters
    ----------
    id : str
        Short and stable, such as ``scenario.never-wins``.
    source : str
        Who says it, and where.
    statement : str
        What is said.
    verdict : str
        confirmed, contradicted, or depends (true under some conditions, which the evidence
        names).
    evidence : str
        The reason, with its numbers and their units.
    numbers : mapping of str to float
        The numbers that decide, for a program to read.

    Raises
    ------
    InputError
        The verdict is unknown, or a number is not finite.
    """

    id: str
    source: str
    statement: str
    verdict: Verdict
    evidence: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise InputError(
                f"Claim: verdict = {self.verdict!r} must be one of {', '.join(get_args(Verdict))}"
            )
        plain = {name: float(value) for name, value in self.numbers.items()}
        for name, value in plain.items():
            if not isfinite(value):
                raise InputError(f"Claim {self.id}: {name} = {value} must be finite")
        object.__setattr__(self, "numbers", MappingProxyType(plain))


def judge(always: bool, sometimes: bool = False) -> Verdict:
    """Turn what was found into a verdict: always true, true in some cases, or in none.

    >>> judge(True), judge(False, sometimes=True), judge(False)
    ('confirmed', 'depends', 'contradicted')
    """
    return "confirmed" if always else "depends" if sometimes else "contradicted"
