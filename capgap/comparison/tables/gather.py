"""Rows of a file as a `RunTable`: filtered, converted and checked part by part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from capgap.comparison.tables.columns import COUNTS, ColumnPlan
from capgap.comparison.tables.filters import Filter, NotANumber
from capgap.comparison.tables.rows import Rows
from capgap.comparison.tables.run_table import RunTable
from capgap.comparison.tables.values import Values, as_text, floats, pick, wrong
from capgap.errors import InputError

__all__ = ["gather"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
# Half-width of a normal 95% interval, in standard errors.
NORMAL_95 = 1.959963984540054


def gather(rows: Rows, plan: ColumnPlan, filters: Sequence[Filter], source: str) -> RunTable:
    """Read the planned columns of the rows that all filters keep.

    Raises
    ------
    InputError
        A kept row with a value that is not a finite number above zero: the first is named,
        with how many there are; or no row is kept.
    """
    columns = dict.fromkeys(plan.columns.values())
    for condition in filters:
        columns[plan.column(condition.column, rows.names)] = None
        if condition.other:
            columns[plan.column(condition.other, rows.names)] = None
    gathered = _Gathered(plan)
    for part in rows.parts(list(columns)):
        gathered.add(part, _kept(part, plan, filters, rows.names, gathered.seen))
    return gathered.table(filters, source)


def _kept(
    part: Mapping[str, Values],
    plan: ColumnPlan,
    filters: Sequence[Filter],
    names: Sequence[str],
    seen: int,
) -> IntArray:
    kept = np.arange(len(next(iter(part.values()))))
    for condition in filters:
        # Each condition sees what the ones before it kept: "status=ok" guards "loss<4".
        other = condition.other
        others = pick(part[plan.column(other, names)], kept) if other else None
        values = pick(part[plan.column(condition.column, names)], kept)
        try:
            kept = kept[condition.keep(values, others)]
        except NotANumber as error:
            where = f"row {seen + int(kept[error.place]) + 1}, filter {condition}"
            raise InputError(f"{where}: {error}") from None
    return kept


@dataclass(slots=True)
class _Gathered:
    """What was read so far."""

    plan: ColumnPlan
    seen: int = 0
    bad: int = 0
    first_bad: str = ""
    numbers: dict[str, list[FloatArray]] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    rows: list[IntArray] = field(default_factory=list)

    def add(self, part: Mapping[str, Values], kept: IntArray) -> None:
        """Take the kept rows of a part."""
        size = len(next(iter(part.values())))
        found: dict[str, FloatArray] = {}
        for quantity, column in self.plan.columns.items():
            values = pick(part[column], kept)
            if quantity == "cell":
                self.cells += map(as_text, values)
            else:
                found[quantity] = floats(values, counts=quantity in COUNTS)
        self._check(part, kept, found)
        for quantity, numbers in found.items():
            self.numbers.setdefault(quantity, []).append(numbers)
        self.rows.append(self.seen + kept + 1)
        self.seen += size

    def _check(
        self, part: Mapping[str, Values], kept: IntArray, found: Mapping[str, FloatArray]
    ) -> None:
        fine = {q: np.isfinite(numbers) & (numbers > 0) for q, numbers in found.items()}
        bad = ~np.logical_and.reduce(list(fine.values()))
        crossed = np.zeros_like(bad)
        if "lower_95" in found:
            crossed = ~bad & (found["lower_95"] >= found["upper_95"])
        self.bad += int(np.count_nonzero(bad | crossed))
        if self.first_bad or not np.any(bad | crossed):
            return
        place = int(np.argmax(bad | crossed))
        row = self.seen + int(kept[place]) + 1
        if crossed[place]:
            self.first_bad = f"row {row}: lower_95 must be < upper_95"
            return
        quantity = next(q for q, good in fine.items() if not good[place])
        column = self.plan.columns[quantity]
        what = wrong(part[column][int(kept[place])], counts=quantity in COUNTS)
        self.first_bad = f"row {row}, column {column!r}: {what}"

    def table(self, filters: Sequence[Filter], source: str) -> RunTable:
        """The table, or what is wrong with it."""
        wish = " and ".join(map(str, filters))
        used = sum(rows.size for rows in self.rows)
        if self.seen == 0:
            raise InputError("has a header but no rows, must have at least one")
        if used == 0:
            raise InputError(f"has no row with {wish} among {self.seen}")
        if self.bad:
            count = f"{self.bad} of {used} rows bad; a where filter can leave rows out"
            raise InputError(f"{self.first_bad} ({count})")
        arrays = {q: np.concatenate(numbers) for q, numbers in self.numbers.items()}
        if filters:
            source += f" ({used} of {self.seen} rows: {wish})"
        if "C" in arrays:
            source += f" (D = {self.plan.columns['C']} / 6N)"
            with np.errstate(over="ignore", under="ignore"):
                arrays["D"] = arrays["C"] / (6.0 * arrays["N"])
        if "lower_95" in arrays:
            width = arrays["upper_95"] - arrays["lower_95"]
            arrays["standard_error"] = width / (2.0 * NORMAL_95)
        return RunTable(
            N=arrays["N"],
            D=arrays["D"],
            loss=arrays["loss"],
            L_T=arrays.get("L_T"),
            standard_error=arrays.get("standard_error"),
            cell=np.array(self.cells, dtype=np.str_) if "cell" in self.plan.columns else None,
            row=np.concatenate(self.rows),
            source=source,
        )
