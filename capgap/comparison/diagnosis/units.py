"""Columns, or some of their rows, that look as if counted in another unit.

A suspicion, not a proof: a table in which every loss is in bits per token, or in which all
sizes and all token counts are off by one factor, cannot be told from a sound one.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt

from capgap.comparison.diagnosis.finding import Code, Finding, listed_rows, row_numbers
from capgap.comparison.diagnosis.rough import rough_error, rough_fit, rough_residual
from capgap.comparison.tables.run_table import RunTable
from capgap.theory.domain import FloatArray

__all__ = ["suspected_units"]

Chosen = npt.NDArray[np.bool_]

BITS = float(np.log(1 / np.log(2.0)))  # log of how much a loss grows from nats to bits: 0.3665
_NEAR_BITS = 0.05  # departure of two clusters' distance from it
_CLUSTER_GAP = 0.15  # empty stretch of log loss between them
_MUCH_BETTER = 0.25  # share of the mean error that may remain once rows are corrected
_ROUNDS = 8
_CLUSTER_WIDTH = BITS / 15  # robust standard deviation within them
_FEWEST = 8  # runs for a rough description to mean anything

# What counts look like. Tiny published models have 1e3 parameters and 1e5 tokens; the median
# run of public sets has 20 to 200 tokens per parameter, single runs 0.04 to 6e4.
_FEWEST_TOKENS, _FEWEST_PARAMETERS = 1e5, 1e3
_TOKENS_PER_PARAMETER = (0.05, 3e5)
_MOST_TOKENS, _MOST_PARAMETERS = 1e16, 1e13
_USUAL = 20.0
_UNITS = {1.0: "", 1e3: "thousands", 1e6: "millions", 1e9: "billions"}
# Which unit is more often meant, in decades of tokens per parameter that it may cost.
_COST = {1.0: 0.0, 1e3: 0.6, 1e6: 0.3, 1e9: 0.2}
_SMALL_COST, _SMALL_N, _SMALL_D = 0.5, 1e6, 1e8

_ROW_GAP = 1.5  # decades between the rows in another unit and the rest
_CLEAR_GAP = 4.0  # decades that need no support from the losses
_REACH = 0.7  # decades by which corrected rows may leave the range of the rest
_UNLIKELY = 0.05  # log residual from which on a row's counts are doubted
_BETTER = 0.5  # share of the plain law's error that may remain once rows are corrected


def suspected_units(runs: RunTable) -> list[Finding]:
    """Findings `loss-units`, `D-units` and `N-units`."""
    counts = _whole_counts(runs) or _mixed_counts(runs)
    teachers = _teacher_losses(runs)
    # Wrong counts bend the description by which losses are judged.
    return [*(teachers or ([] if counts else _losses(runs))), *counts]


def _losses(runs: RunTable) -> list[Finding]:
    """Some losses in bits: two tight clusters of residuals, log 1.4427 apart and nothing between.

    Which rows belong to which cluster and the description of all are found in turn, from two
    guesses, because half the rows in bits draw a first description to the middle.
    """
    if len(runs) < _FEWEST:
        return []
    first = rough_residual(runs)
    before = float(np.mean(np.abs(first)))
    found = _two_clusters(runs, first)
    for guess in (first > 0.5 * BITS, first > np.median(first)):
        if found:
            break
        high = guess
        for _ in range(_ROUNDS):
            nats = np.where(high, runs.loss * np.log(2.0), runs.loss)
            rest = rough_residual(replace(runs, loss=nats))
            new = rest + BITS * high > 0.5 * BITS
            if np.array_equal(new, high):
                break
            high = new
        # A sound table can be cut in two as well, but gains little by it.
        if np.mean(np.abs(rest)) < _MUCH_BETTER * before:
            found = _two_clusters(runs, rest + BITS * high)
    return found


def _two_clusters(runs: RunTable, residual: FloatArray) -> list[Finding]:
    order = np.argsort(residual, kind="stable")
    near = order[np.abs(residual[order]) < 1.5 * BITS]
    for cut in np.flatnonzero(np.diff(residual[near]) > _CLUSTER_GAP) + 1:
        below, above = near[:cut], near[cut:]
        centers = [float(np.median(residual[part])) for part in (below, above)]
        apart = centers[1] - centers[0]
        within = np.concatenate([residual[below] - centers[0], residual[above] - centers[1]])
        width = 1.4826 * float(np.median(np.abs(within)))
        if abs(apart - BITS) < _NEAR_BITS and width < _CLUSTER_WIDTH:
            high = np.zeros(len(runs), dtype=bool)
            high[above] = True
            return [_bits(runs, high, apart)]
    return []


def _bits(runs: RunTable, high: Chosen, apart: float) -> Finding:
    rows = row_numbers(runs, high)
    return Finding(
        "loss-units", "warn",
        f"the losses of {len(rows)} of {len(runs)} runs are {np.exp(apart):.2f} times what the"
        f" others suggest; bits per token are 1.44 times nats: {listed_rows(rows)}",
        rows,
    )  # fmt: skip


def _teacher_losses(runs: RunTable) -> list[Finding]:
    """L_T in another unit than L_S, for all runs or for some.

    Students beat their teachers by a few percent; even a student that makes up half of a
    weak teacher's deficit (slope 1/2 in log loss) needs one with 1.6 times its own loss to
    reach 0.8 of the teacher's.
    """
    if runs.L_T is None:
        return []
    ratio = runs.loss / runs.L_T
    typical = float(np.median(ratio))
    if typical < 0.85:
        what = "teacher losses in bits per token, student losses in nats?"
    elif np.min(ratio) > 1.3 and np.ptp(np.log(runs.L_T)) > 0.1 and len(runs) >= _FEWEST:
        what = "student losses in bits per token, teacher losses in nats?"
    else:
        return _some_teachers(runs, ratio)
    return [
        Finding(
            "loss-units", "warn",
            f"the students' losses are {typical:.2f} times their teachers' at the median,"
            f" {np.min(ratio):.2f} to {np.max(ratio):.2f}: {what}",
        )
    ]  # fmt: skip


def _some_teachers(runs: RunTable, ratio: FloatArray) -> list[Finding]:
    low = ratio < 0.8
    rest = ratio[~low]
    back = ratio[low] * np.exp(BITS)
    if not np.any(low) or np.any(back > rest.max() * 1.02) or np.any(back < rest.min() * 0.98):
        return []
    rows = row_numbers(runs, low)
    return [
        Finding(
            "loss-units", "warn",
            f"at least {len(rows)} students have {np.min(ratio[low]):.2f} to"
            f" {np.max(ratio[low]):.2f} times their teachers' loss: teacher losses in bits per"
            f" token? {listed_rows(rows)}",
            rows,
        )
    ]  # fmt: skip


def _whole_counts(runs: RunTable) -> list[Finding]:
    """All N or all D in another unit."""
    unit_N, unit_D = min(product(_UNITS, _UNITS), key=lambda units: _strangeness(runs, *units))
    if not _implausible(runs.N, runs.D):
        return []
    found = []
    columns: tuple[tuple[Code, FloatArray, float], ...] = (
        ("N-units", runs.N, unit_N),
        ("D-units", runs.D, unit_D),
    )
    per = float(np.median(runs.D / runs.N))
    for code, value, unit in columns:
        if unit > 1:
            name = code[0]
            found.append(
                Finding(
                    code, "warn",
                    f"{name} from {value.min():.3g} to {value.max():.3g}, {per:.2g} tokens per"
                    f" parameter at the median: {name} in {_UNITS[unit]}? must be raw counts",
                )
            )  # fmt: skip
    return found


def _implausible(N: FloatArray, D: FloatArray) -> bool:
    low, high = _TOKENS_PER_PARAMETER
    per = float(np.median(D / N))
    return bool(D.max() < _FEWEST_TOKENS or N.max() < _FEWEST_PARAMETERS or not low <= per <= high)


def _strangeness(runs: RunTable, unit_N: float, unit_D: float) -> float:
    """Decades from the usual tokens per parameter, and what the units cost."""
    N, D = runs.N * unit_N, runs.D * unit_D
    away = abs(float(np.log10(np.median(D / N) / _USUAL)))
    small = _SMALL_COST * (int(N.max() < _SMALL_N) + int(D.max() < _SMALL_D))
    wrong = _implausible(N, D) or N.max() > _MOST_PARAMETERS or D.max() > _MOST_TOKENS
    return away + _COST[unit_N] + _COST[unit_D] + small + 100.0 * wrong


def _mixed_counts(runs: RunTable) -> list[Finding]:
    """Some rows of N or D in another unit."""
    before = None
    for name in ("D", "N"):
        for low, gap in _low_clusters(runs, name):
            unit = _unit_that_fits(runs, name, low)
            if unit is None:
                continue
            if before is None and len(runs) >= _FEWEST:
                before = rough_error(runs.N, runs.D, runs.loss)
            clear = gap > _CLEAR_GAP
            if before is not None:
                after = rough_error(*_corrected(runs, name, low, unit), runs.loss)
                clear = after < _BETTER * before or (clear and after < before)
            if clear:
                return [_counts_of_some(runs, name, low, unit)]
    return _unlikely_counts(runs)


def _unlikely_counts(runs: RunTable) -> list[Finding]:
    """Rows, anywhere in the range, whose losses fit the others only with counts 1000 times up.

    Which rows and the law that describes all are found in turn.
    """
    if len(runs) < _FEWEST or runs.taught:
        return []
    raw = rough_fit(runs.N, runs.D, runs.loss)
    before = float(np.mean(np.abs(raw(runs.N, runs.D))))
    for name, unit in product(("D", "N"), (1e3, 1e6)):
        law, low = raw, np.zeros(len(runs), dtype=bool)
        every = np.ones(len(runs), dtype=bool)
        for _ in range(_ROUNDS):
            here = np.abs(law(runs.N, runs.D))
            there = np.abs(law(*_corrected(runs, name, every, unit)))
            new = (here > _UNLIKELY) & (there < 0.5 * here)
            if not np.any(new) or np.array_equal(new, low):
                break
            low = new
            law = rough_fit(*_corrected(runs, name, low, unit), runs.loss)
        if not np.any(low) or np.all(low) or _unit_that_fits(runs, name, low) != unit:
            continue
        left = np.abs(law(*_corrected(runs, name, low, unit)))
        if np.mean(left) < _BETTER * before and np.max(left[low]) < _UNLIKELY:
            return [_counts_of_some(runs, name, low, unit)]
    return []


def _corrected(
    runs: RunTable, name: str, low: Chosen, unit: float
) -> tuple[FloatArray, FloatArray]:
    """N and D with the chosen rows of one of them in another unit."""
    if name == "N":
        return np.where(low, unit * runs.N, runs.N), runs.D
    return runs.N, np.where(low, unit * runs.D, runs.D)


def _counts_of_some(runs: RunTable, name: str, low: Chosen, unit: float) -> Finding:
    value = runs.N if name == "N" else runs.D
    rows = row_numbers(runs, low)
    code: Code = "N-units" if name == "N" else "D-units"
    return Finding(
        code, "warn",
        f"{name} of {len(rows)} of {len(runs)} runs is {value[low].min():.3g} to"
        f" {value[low].max():.3g} and elsewhere {value[~low].min():.3g} or more: in"
        f" {_UNITS[unit]}? {listed_rows(rows)}",
        rows,
    )  # fmt: skip


def _low_clusters(runs: RunTable, name: str) -> list[tuple[Chosen, float]]:
    """Rows below a wide empty stretch, widest first, in the count and in its ratio."""
    value = np.log10(runs.N if name == "N" else runs.D)
    ratio = np.log10(runs.N / runs.D) * (1 if name == "N" else -1)
    found = []
    for key in (value, ratio):
        ordered = np.sort(key)
        gaps = np.diff(ordered)
        for place in np.argsort(-gaps)[:2]:
            if gaps[place] > _ROW_GAP:
                found.append((key <= ordered[place], float(gaps[place])))
    return sorted(found, key=lambda item: -item[1])


def _unit_that_fits(runs: RunTable, name: str, low: Chosen) -> float | None:
    """The unit that brings the rows back among the others, in the count and in its ratio."""
    value, other = (runs.N, runs.D) if name == "N" else (runs.D, runs.N)
    for unit in (1e9, 1e6, 1e3):
        if all(_within(unit * key[low], key[~low]) for key in (value, value / other)):
            return unit
    return None


def _within(values: FloatArray, rest: FloatArray) -> bool:
    reach = 10.0**_REACH
    return bool(values.min() > rest.min() / reach and values.max() < rest.max() * reach)
