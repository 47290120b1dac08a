"""Verdict on a table of theory against simulation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from capgap.comparison.agreement.compare import Row
from capgap.comparison.agreement.finite_size import Order, error_order
from capgap.errors import InputError

__all__ = ["LIMIT", "Agreement", "finite_size_order", "summarize"]

LIMIT = 4.0  # of |z|; a true theory exceeds it once in 16 000 rows


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a table says.

    Attributes
    ----------
    configurations : int
        Judged: exact and asymptotic ones.
    worst_z : float
        Largest |z| among their rows, all stages.
    worst : str
        Its configuration.
    mean_square : float
        Mean z^2 over the students' rows: their random numbers are independent of each other.
        Students whose risk no sample changes are left out.
    low, high : float
        99% interval of the mean of as many squares of standard normal numbers.
    failing : tuple of str
        Configurations with |z| > 4.
    controls, caught : int
        Wrong theories, and those with |z| > 4.
    """

    configurations: int
    worst_z: float
    worst: str
    mean_square: float
    low: float
    high: float
    failing: tuple[str, ...]
    controls: int
    caught: int

    @property
    def agrees(self) -> bool:
        """Whether every |z| is within 4, mean z^2 within its interval, every control caught."""
        near = self.low <= self.mean_square <= self.high
        return not self.failing and near and self.controls == self.caught


def summarize(rows: Sequence[Row]) -> Agreement:
    """Judge a table of `compare`'s rows.

    Raises
    ------
    InputError
        No row that could be judged.
    """
    judged = [row for row in rows if row.kind in ("exact", "asymptotic")]
    students = [row.z for row in judged if row.last and row.z != 0]
    if not students:
        raise InputError("summarize: 0 rows of exact or asymptotic theory, must be at least 1")
    worst = max(judged, key=lambda row: abs(row.z))
    controls = [row for row in rows if row.kind == "control"]
    low, high = (float(chi2.ppf(q, len(students))) / len(students) for q in (0.005, 0.995))
    return Agreement(
        configurations=len({row.configuration for row in judged}),
        worst_z=abs(worst.z),
        worst=worst.configuration,
        mean_square=float(np.mean(np.square(students))),
        low=low,
        high=high,
        failing=tuple(sorted({row.configuration for row in judged if abs(row.z) > LIMIT})),
        controls=len(controls),
        caught=sum(abs(row.z) > LIMIT for row in controls),
    )


def finite_size_order(rows: Sequence[Row]) -> Order:
    """Exponent with which errors of single sizes shrink, over all asymptotic students.

    Raises
    ------
    InputError
        Configurations of different sizes, or none.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "one size" and row.last:
            groups.setdefault(row.configuration, []).append(row)
    scales = {tuple(int(row.scale) for row in group) for group in groups.values()}
    if len(scales) != 1:
        raise InputError(f"finite_size_order: {len(scales)} sets of sizes, must be one")
    errors = np.array([[row.mean - row.theory for row in group] for group in groups.values()])
    standard = np.array([[row.standard_error for row in group] for group in groups.values()])
    return error_order(next(iter(scales)), errors, standard)
