"""Calibration errors of a case by capgap, and by brute force in exact fractions."""

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
from study_calibration_cases import Case

from capgap.errors import InputError
from capgap.measurement import calibration as cal

__all__ = ["exact_value", "our_value"]


def our_value(case: Case) -> float | str:
    """capgap's number, or "refused"."""
    try:
        return _ours(case)
    except InputError:
        return "refused"


def _kept(case: Case) -> tuple[Any, Any]:
    if case.ignore is None:
        return case.confidence, case.outcome
    keep = case.outcome != case.ignore
    return case.confidence[keep], case.outcome[keep]


def _ours(case: Case) -> float:
    c, o = _kept(case)
    if case.quantity == "smooth ece":
        return float(cal.smooth_ece(c, o).value)
    if case.quantity == "smooth ece, sigma .05":
        return float(cal.smooth_ece(c, o, sigma=0.05).value)
    if case.quantity == "ece, top label":
        c, o = cal.confidence_and_accuracy(c, o)
    edges = cal.equal_width_edges(case.bins)
    if case.quantity == "ece, equal mass":
        edges = cal.equal_mass_edges(c, case.bins)
    table = cal.ReliabilityTable.of(c, o, edges)
    if case.quantity == "ece, two batches":
        half = len(o) // 2
        table = cal.ReliabilityTable.of(c[:half], o[:half], edges) + cal.ReliabilityTable.of(
            c[half:], o[half:], edges
        )
    if case.quantity == "squared l2":
        return float(cal.l2(table)) ** 2
    if case.quantity == "debiased squared l2":
        return float(cal.debiased_squared_l2(table, spread="outcome"))
    if case.quantity == "debiased ece":
        return float(cal.debiased_ece(table, spread="outcome"))
    return float((cal.mce if case.quantity == "mce" else cal.ece)(table))


def exact_value(case: Case) -> Fraction | str | None:
    """By brute force in fractions; "refused" for no probabilities; None if irrational."""
    c, o = _kept(case)
    if case.quantity.startswith("smooth") or case.quantity == "debiased ece":
        return None
    if case.quantity == "ece, top label":
        if not np.allclose(np.sum(c, axis=1), 1, atol=1e-6) or np.min(c) < 0:
            return "refused"
        c, o = np.max(c, axis=1), np.argmax(c, axis=1) == o
    if not np.all((c >= 0) & (c <= 1 + 2.0**-22)):  # no nan either
        return "refused"
    rows = _counted(np.minimum(c, 1), np.asarray(o))
    bins = _mass_bins(rows, case.bins) if "mass" in case.quantity else _width_bins(rows, case.bins)
    n = sum(k for _, _, k in rows)
    parts = [_moments(part) for part in bins]
    if case.quantity == "mce":
        return max(abs(gap) for gap, _, _ in parts)
    if case.quantity == "squared l2":
        return sum((gap**2 * m for gap, _, m in parts), Fraction()) / n
    if case.quantity == "debiased squared l2":
        return sum(((g**2 - y * (1 - y) / (m - 1)) * m for g, y, m in parts), Fraction()) / n
    return sum((abs(gap) * m for gap, _, m in parts), Fraction()) / n


Rows = list[tuple[Fraction, Fraction, int]]


def _counted(c: Any, o: Any) -> Rows:
    """Distinct pairs and how often each occurs: ten millions may be few."""
    rows = []
    for outcome in np.unique(o):
        values, counts = np.unique(c[o == outcome], return_counts=True)
        for value, count in zip(values, counts, strict=True):
            rows.append((Fraction(float(value)), Fraction(float(outcome)), int(count)))
    return rows


def _moments(part: Rows) -> tuple[Fraction, Fraction, int]:
    """Mean o - c, mean o, and number of predictions of a bin."""
    m = sum(k for _, _, k in part)
    outcome = sum((b * k for _, b, k in part), Fraction()) / m
    return outcome - sum((a * k for a, _, k in part), Fraction()) / m, outcome, m


def _width_bins(rows: Rows, bins: int) -> list[Rows]:
    edges = [Fraction(k / bins) for k in range(bins)]  # k / bins is rounded to float64 first
    found: dict[int, Rows] = {}
    for row in rows:
        found.setdefault(max(k for k in range(bins) if edges[k] <= row[0]), []).append(row)
    return [found[k] for k in sorted(found)]


def _mass_bins(rows: Rows, bins: int) -> list[Rows]:
    """Cut where values change, nearest to rank j n / bins, the earlier one of two as near."""
    mass = Counter[Fraction]()
    for value, _, count in rows:
        mass[value] += count
    ranks, values = [0], sorted(mass)
    for value in values:
        ranks.append(ranks[-1] + mass[value])
    n = ranks[-1]
    cuts = {min(ranks, key=lambda r: (abs(r - Fraction(j * n, bins)), r)) for j in range(1, bins)}
    starts = [value for value, rank in zip(values, ranks, strict=False) if rank in cuts | {0}]
    found: list[Rows] = [[] for _ in starts]
    for row in rows:
        found[sum(start <= row[0] for start in starts) - 1].append(row)
    return found
