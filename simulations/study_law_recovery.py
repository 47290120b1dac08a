"""Does the comparison of laws name the law that made the runs, and how often? On demand.

Eq. 8 (reduced) and the hinge law nearest to it are planted on designs like this project's
and the paper's; both are fitted to every simulated set and compared by cross-validation.
The same comparison of the measured runs stands in the JSON file.
"""

import argparse
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import capgap
from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.held_out import Comparison, Recovery, compare_laws, law_recovery
from capgap.comparison.measured import (
    DELTA,
    FEWEST_LAYERS,
    HINGE_TERMS,
    distillation_runs,
    supervised_runs,
)
from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.measurement.records import RunStore
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.distillation import ReducedDistillationLaw
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

NAME = "law_recovery"
RUNS = Path(__file__).resolve().parent / "runs"
GROUPS = ("cell", "L_T")  # what is left out together: a student at one length, or a teacher
NOISES = (0.003, 0.010, 0.012)
EQ8, HINGE = "eq8-reduced", "hinge"


@dataclass(frozen=True, slots=True)
class Design:
    """Students of some sizes and token counts, each taught by every teacher."""

    name: str
    sizes: int
    tokens: int
    teachers: int

    @property
    def runs(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """N_S, D_S and L_T of each run, within the ranges of the paper."""
        N_S, D_S, L_T = np.meshgrid(
            np.geomspace(1.4e8, 3e9, self.sizes),
            np.geomspace(4e9, 2.5e11, self.tokens),
            np.linspace(1.85, 2.8, self.teachers),
            indexing="ij",
        )
        return N_S.ravel(), D_S.ravel(), L_T.ravel()


DESIGNS = (Design("small", 3, 3, 6), Design("middle", 4, 3, 7), Design("large", 6, 5, 10))


def fits(runs: tuple[FloatArray, ...], L_S: FloatArray, own: SupervisedLaw) -> dict[str, Fit]:
    """Fit both laws on top of a supervised law, as for the measured runs."""
    N_S, D_S, L_T = runs
    return {
        EQ8: fit_distillation("eq8-reduced", N_S, D_S, L_T, L_S, supervised=own, delta=DELTA),
        HINGE: fit_distillation(
            "hinge", N_S, D_S, L_T, L_S, supervised=own, terms=HINGE_TERMS, delta=DELTA
        ),
    }


def planted_law(name: str, design: Design) -> ReducedDistillationLaw | HingeLaw:
    """Eq. 8 (reduced) as reconstructed from the paper, or the hinge law nearest to it here."""
    eq8 = distillation_law().reduced()
    if name == EQ8:
        return eq8
    nearest = fits(design.runs, eq8.loss(*design.runs), supervised_law())[HINGE].law
    assert isinstance(nearest, HingeLaw)
    return nearest


def fitted_supervised(noise: float, rng: np.random.Generator) -> SupervisedLaw:
    """Fit a supervised law to 30 noisy runs of the paper's."""
    N, D = (
        a.ravel() for a in np.meshgrid(np.geomspace(1.4e8, 3e9, 6), np.geomspace(4e9, 2.5e11, 5))
    )
    true = supervised_law()
    L = true.loss(N, D) * np.exp(noise * rng.standard_normal(N.size))
    law = fit_supervised(N, D, L, delta=DELTA).law
    assert isinstance(law, SupervisedLaw)
    return law


def recovery(design: Design, truth: str, noise: float, groups: str, replications: int) -> Recovery:
    """Verdicts on simulated sets, each with its own supervised law, fitted to noisy runs."""
    law, runs = planted_law(truth, design), design.runs

    def plant(rng: np.random.Generator) -> Mapping[str, Fit]:
        L_S = law.loss(*runs) * np.exp(noise * rng.standard_normal(runs[0].size))
        return fits(runs, L_S, fitted_supervised(noise, rng))

    return law_recovery(plant, truth, replications=replications, seed=0, groups=groups)


def table(replications: int, designs: Sequence[Design] = DESIGNS) -> list[dict[str, object]]:
    """All outcomes, a row per planted law, design, noise and grouping."""
    rows: list[dict[str, object]] = []
    for design in designs:
        for noise in NOISES:
            for groups in GROUPS:
                for truth in (EQ8, HINGE):
                    found = recovery(design, truth, noise, groups, replications)
                    low, high = found.interval()
                    rows.append({
                        "design": design.name, "runs": design.runs[0].size,
                        "cells": design.sizes * design.tokens, "teachers": design.teachers,
                        "noise": noise, "left_out": groups,
                        "planted": truth, "replications": found.replications,
                        "right": found.right, "abstained": found.abstained,
                        "wrong": found.wrong, "right_low": round(low, 4),
                        "right_high": round(high, 4),
                    })  # fmt: skip
    return rows


def measured(runs: Path = RUNS) -> dict[str, dict[str, object]]:
    """Both laws on the measured runs, with cells, students and teachers left out."""
    records = list(RunStore(runs))
    own, taught = supervised_runs(records), distillation_runs(records)
    own = own.where(own.layers >= FEWEST_LAYERS)
    law = fit_supervised(own.N, own.D, own.L, delta=DELTA).law
    assert isinstance(law, SupervisedLaw)
    both = fits((taught.N_S, taught.D_S, taught.L_T), taught.L_S, law)
    found: dict[str, dict[str, object]] = {}
    for groups in ("cell", "N_S", "L_T"):
        try:
            found[groups] = _summary(compare_laws(both, groups=groups, seed=0))
        except InputError as error:
            found[groups] = {"refused": str(error)}
    return found


def _summary(comparison: Comparison) -> dict[str, object]:
    difference = comparison.pair(EQ8, HINGE)
    sign = 1.0 if difference.one == EQ8 else -1.0
    limits = sorted((sign * difference.absolute.low, sign * difference.absolute.high))
    return {
        "verdict": difference.words,
        "groups": difference.absolute.groups,
        "absolute error, eq8-reduced less hinge": sign * difference.absolute.mean,
        "95% interval": limits,
        "root mean square": {law.name: law.root_mean_square for law in comparison.laws},
        "median": {law.name: law.median_absolute for law in comparison.laws},
        "warnings": list(comparison.warnings),
    }


def save_study(
    out: Path, replications: int = 40, designs: Sequence[Design] = DESIGNS, runs: Path = RUNS
) -> dict[str, int]:
    """Write the table and its provenance; return how many verdicts were of which kind."""
    return write(out, table(replications, designs), replications, runs)


def write(
    out: Path, rows: Sequence[Mapping[str, object]], replications: int, runs: Path = RUNS
) -> dict[str, int]:
    """Write rows of `table`, and beside them their origin and the verdicts on measured runs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    kinds = ("right", "abstained", "wrong")
    headline = {kind: sum(int(str(row[kind])) for row in rows) for kind in kinds}
    record = {
        "table": NAME,
        "source": "planted: Busbridge et al. 2025, arXiv 2502.08606, Table 6, reduced form, B'"
        " times 100, and the hinge law nearest to it on each design; measured: simulations/runs",
        "units": "losses in nats per token; errors and noise in log loss",
        "seed": 0,
        "replications": replications,
        "level": 0.95,
        "headline": headline,
        "measured runs": measured(runs),
        "versions": {"capgap": capgap.__version__, "numpy": np.__version__},
    }
    write_atomically(out / f"{NAME}.csv", text.getvalue().encode())
    note = json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(out / f"{NAME}.json", note.encode())
    return headline


def main() -> None:
    """Run the study from the command line; about a quarter of an hour on one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument("--replications", type=int, default=40, help="simulated sets per row")
    options = parser.parse_args()
    for kind, count in save_study(options.out, options.replications).items():
        print(f"{kind}: {count}")


if __name__ == "__main__":
    main()
