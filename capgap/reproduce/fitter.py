"""What the report says of the fitter: public runs, coverage, and whether it names the right law."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from capgap.comparison.public_fits import PublicFit
from capgap.report import Picture, Section, Table
from capgap.reproduce.job import Reproduction

__all__ = ["fitter_sections"]

BAND = (0.93, 0.97)  # of a 95% interval's coverage


def fitter_sections(result: Reproduction) -> tuple[Section, ...]:
    """Sections on the public runs and on the studies whose tables are there."""
    found = []
    if result.public:
        found.append(_public(result))
    if result.studies is not None:
        found += _coverage(result.studies) + _recovery(result.studies)
    return tuple(found)


def _public(result: Reproduction) -> Section:
    names = {one.name for one in result.public}
    return Section(
        "Other people's runs",
        (
            f"The two supervised laws on {len(names)} openly licensed sets of runs, shipped with"
            " the package. Held out: fitted to the runs below the cutoff in training FLOPs, the"
            " others foretold; next share: each sixth of the runs, in the order of compute,"
            " foretold from those before it. What stands under “finds” are the codes of the"
            " fitter's findings; `capgap fit SET --law LAW` says them in words.",
            Picture(
                result.folder / "public_fits.png",
                "Coefficients of the plain law by set. Where a mark is open the residuals still"
                " depend on N or D, so that the intervals, which take the law for true, say too"
                " little.",
            ),
            Table(
                ("set, law", "runs", "delta", "objective", "E", "alpha", "beta", "gamma",
                 "residual", "held out, median", "largest", "next share, median", "finds"),
                [_row(one) for one in result.public],
            ),
        ),
    )  # fmt: skip


def _row(one: PublicFit) -> list[str]:
    fit, rolled = one.summary.fit, one.rolled
    held = ["", ""]
    if rolled is not None:
        held = [f"{percent(rolled.median)} ({one.cutoff})", percent(rolled.maximum)]
    gamma = f"{fit.coefficients['gamma']:.3f}" if one.law == "supervised" else "1"
    codes = ", ".join(dict.fromkeys(f.code for f in one.summary.findings)) or "none"
    status = one.summary.examination.status
    return [
        f"{one.name}, {one.law}",
        str(fit.residual.size),
        f"{fit.problem.delta:g}",
        f"{fit.objective:.7g}",
        *(f"{fit.coefficients[name]:.4g}" for name in ("E", "alpha", "beta")),
        gamma,
        percent(fit.noise),
        *held,
        percent(one.chain.median),
        codes if status == "converged" else f"{status}: {codes}",
    ]


def percent(share: float) -> str:
    """A share as a percentage of two decimals.

    >>> percent(0.00872)
    '0.87%'
    """
    return f"{100 * share:.2f}%" if math.isfinite(share) else ""


def _coverage(folder: Path) -> list[Section]:
    rows = _rows(folder / "interval_coverage.csv")
    if not rows:
        return []
    shown = [row for row in rows if row["shown"] == "1"]
    undecided = sum(row["goal"] == "within two standard errors" for row in shown)
    inside = sum(BAND[0] <= float(row["coverage"]) <= BAND[1] for row in shown)
    return [
        Section(
            "Do the intervals hold what they promise?",
            (
                f"Nominal 95% intervals on planted laws. Of {len(shown)} coverages of the"
                f" intervals that a user gets by default, {inside} lie within 93% to 97%, and"
                f" {undecided} outside by no more than two standard errors. The whole table, with"
                " other kinds of refits and noise that breaks their assumptions, is"
                " `interval_coverage.csv`.",
                Table(
                    ("law and design", "noise", "coefficients", "predictions", "within 93-97%"),
                    _by_case(shown),
                ),
            ),
        )
    ]  # fmt: skip


def _by_case(rows: Sequence[dict[str, str]]) -> list[list[str]]:
    """Mean, least and largest coverage of coefficients and of predictions, by design and noise."""
    cases: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        cases.setdefault((row["case"], row["noise"]), []).append(row)
    found = []
    for (case, noise), mine in cases.items():
        foretold = [row["quantity"].startswith(("law,", "new run,")) for row in mine]
        coverage = [float(row["coverage"]) for row in mine]
        parts = [
            [
                c
                for c, is_prediction in zip(coverage, foretold, strict=True)
                if is_prediction == side
            ]
            for side in (False, True)
        ]
        inside = sum(BAND[0] <= c <= BAND[1] for c in coverage)
        found.append([case, noise, *map(_spread, parts), f"{inside} of {len(mine)}"])
    return found


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{100 * mean:.1f}% ({100 * min(values):.1f} to {100 * max(values):.1f})"


def _recovery(folder: Path) -> list[Section]:
    rows = _rows(folder / "law_recovery.csv")
    if not rows:
        return []
    return [
        Section(
            "Does the comparison name the right law?",
            (
                "Eq. 8 and the hinge law nearest to it, planted by turns; both fitted to every"
                " simulated set and compared on held-out cells or teachers.",
                Table(tuple(rows[0]), [list(row.values()) for row in rows]),
            ),
        )
    ]


def _rows(path: Path) -> Sequence[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
