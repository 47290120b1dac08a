"""Runs that differ in size, learning rate and seed alone, as tables of losses."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capgap.errors import InputError
from capgap.measurement.records import RunRecord
from capgap.theory.domain import FloatArray

__all__ = ["RateCell", "RateSweep", "rate_sweep"]

KINDS = ("supervised", "distilled")


@dataclass(frozen=True)
class RateCell:
    """One size, supervised or distilled.

    `log_loss` has shape (rates, seeds): natural logarithm of the validation loss in nats per
    token; infinite where the run diverged, NaN where there is no run.
    """

    kind: str
    N: int
    width: int
    log_loss: FloatArray


@dataclass(frozen=True)
class RateSweep:
    """All cells, supervised before distilled, by size; `rates` rise by the factor `step`.

    `base_width` is the width at which matrices learn at the run's own rate.
    """

    rates: FloatArray
    seeds: tuple[int, ...]
    cells: tuple[RateCell, ...]
    D: int
    base_width: int

    @property
    def step(self) -> float:
        """Each rate over the one before."""
        return float(self.rates[1] / self.rates[0])

    @property
    def failed(self) -> int:
        """Runs that diverged."""
        return sum(int(np.isinf(cell.log_loss).sum()) for cell in self.cells)

    @property
    def missing(self) -> int:
        """Runs of the full product of sizes, rates and seeds that were not made."""
        return sum(int(np.isnan(cell.log_loss).sum()) for cell in self.cells)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that there are."""
        return tuple(dict.fromkeys(cell.kind for cell in self.cells))


def rate_sweep(records: Iterable[RunRecord]) -> RateSweep:
    """Sort records into cells.

    Raises
    ------
    InputError
        Runs of one kind that differ in more than depth, rate and seed; fewer than three
        rates, or rates that are no geometric grid.
    """
    made = list(records)
    for kind in KINDS:
        _one_setting(kind, [r for r in made if _kind(r) == kind])
    rates = np.array(sorted({r.config.peak_learning_rate for r in made}))
    _geometric(rates)
    seeds = tuple(sorted({r.config.seed for r in made}))
    cells = []
    for kind in KINDS:
        mine = [r for r in made if _kind(r) == kind]
        for depth in sorted({r.config.depth for r in mine}):
            cells.append(_cell(kind, [r for r in mine if r.config.depth == depth], rates, seeds))
    return RateSweep(rates, seeds, tuple(cells), made[0].D, made[0].config.base_width)


def _kind(record: RunRecord) -> str:
    return KINDS[record.config.teacher is not None]


def _one_setting(kind: str, records: Sequence[RunRecord]) -> None:
    settings = {
        replace(r.config, depth=1, seed=0, peak_learning_rate=1.0).id for r in records
    }  # fmt: skip
    if len(settings) > 1:
        raise InputError(
            f"learning rates: the {kind} runs have {len(settings)} settings beside depth,"
            " peak_learning_rate and seed; must have one"
        )


def _geometric(rates: FloatArray) -> None:
    if rates.size < 3:
        raise InputError(f"learning rates: {rates.size} rates must be at least 3")
    factors = rates[1:] / rates[:-1]
    if np.ptp(factors) > 1e-6 * factors[0]:
        given = ", ".join(f"{rate:g}" for rate in rates)
        raise InputError(f"learning rates: {given} must rise by a constant factor")


def _cell(
    kind: str, records: Sequence[RunRecord], rates: FloatArray, seeds: tuple[int, ...]
) -> RateCell:
    table = np.full((rates.size, len(seeds)), np.nan)
    for r in records:
        place = int(np.searchsorted(rates, r.config.peak_learning_rate)), seeds.index(r.config.seed)
        failed = r.status != "ok" or r.loss is None
        table[place] = math.inf if failed else math.log(r.loss or math.nan)
    return RateCell(kind, records[0].N, records[0].config.shape.d_model, table)
