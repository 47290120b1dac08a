"""Coverage of 95% intervals on planted laws: coefficients, the law's value, new runs.

On demand: `python simulations/study_interval_coverage.py --work FOLDER`. It takes an hour or two on
one core, in blocks of replications that are kept in FOLDER as they finish, so that it can be
stopped and started again. `--replications` may grow from one call to the next.
"""

import argparse
import csv
import io
import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.fit import fit_distillation, fit_supervised
from capgap.comparison.fitting.log_models import FloatArray
from capgap.comparison.fitting.search import Fit
from capgap.comparison.intervals.coverage import (
    Hit,
    Noise,
    Planted,
    cold_share,
    hits,
    planted_fits,
    profile_hits,
)
from capgap.comparison.intervals.limits import Method
from capgap.comparison.intervals.resampling import Kind
from capgap.files import write_atomically
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw
from capgap.theory.supervised import SupervisedLaw

NAME = "interval_coverage"
LEVEL, GOAL = 0.95, (0.93, 0.97)
BLOCK, COLD = 50, 2  # fits per block, and of them checked cold
PROFILES = 200  # replications with profiles, which take ten times as long
ALL_METHODS: tuple[Method, ...] = ("t", "percentile", "basic", "bca")
Inputs = dict[str, FloatArray]


@dataclass(frozen=True)
class Case:
    """A planted law, its design and noise, and one way to make intervals."""

    law: str
    design: str
    noise: Noise
    delta: float
    kind: str

    @property
    def key(self) -> str:
        """For the file of finished blocks."""
        parts: tuple[object, ...] = (
            self.law,
            self.design,
            self.noise.tails,
            self.noise.sd,
            self.delta,
            self.kind,
        )
        return "|".join(str(part) for part in parts)

    @property
    def compared(self) -> bool:
        """Whether all ways to read an interval off the refits are compared."""
        plain_kind = self.kind in ("noise", "residuals", "wild")
        return plain_kind and self.noise == Noise(0.005) and self.delta == 1e-2

    @property
    def by_default(self) -> bool:
        """Whether these are the intervals that a user gets who asks for no others."""
        return self.kind == "residuals" and self.noise.tails in ("normal", "heavy")

    @property
    def refits(self) -> int:
        """Quantiles need more than a standard deviation, which 100 refits give within 7%."""
        return 400 if self.compared else 100


def isoflops(runs: int) -> Inputs:
    """Nine budgets from 1e18 to 3e21 FLOPs, sizes spread over a factor 20 around 20 tokens each."""
    budget = np.geomspace(1e18, 3e21, 9)[np.arange(runs) % 9]
    spread = np.random.default_rng(0).uniform(-1.5, 1.5, runs)
    N = np.sqrt(budget / 120) * np.exp(spread)
    return {"N": N, "D": budget / (6 * N)}


def repeated(cells: int, runs: int) -> Inputs:
    """A grid of 5 sizes by `cells`/5 token counts, each `runs` times."""
    N = np.repeat(np.geomspace(5e7, 5e9, 5), cells // 5)
    D = np.tile(np.geomspace(1e9, 1e11, cells // 5), 5)
    return {"N": np.repeat(N, runs), "D": np.repeat(D, runs)}


def paper_like() -> Inputs:
    """73 models of 143M to 7.8B parameters with 10 to 160 tokens each, at most 600B."""
    N = np.array([1.43, 1.98, 2.7, 4.2, 5.5, 9.8, 18.0, 27.0, 48.0, 78.0]) * 1e8
    size, ratio = (a.ravel() for a in np.meshgrid(N, [10, 20, 30, 40, 60, 80, 120, 160.0]))
    keep = np.flatnonzero(size * ratio < 6e11)[:73]
    return {"N": size[keep], "D": (size * ratio)[keep]}


def taught(teachers: int) -> Inputs:
    """5 students by 7 token counts by teachers of loss 1.75 to 2.7."""
    grid = np.meshgrid(
        np.array([1.98e8, 5.46e8, 9.75e8, 1.82e9, 2.72e9]),
        np.geomspace(4e9, 2.56e11, 7),
        np.linspace(1.75, 2.7, teachers),
        indexing="ij",
    )
    return dict(zip(("N_S", "D_S", "L_T"), (a.ravel() for a in grid), strict=True))


DESIGNS: dict[str, Callable[[], Inputs]] = {
    "60 runs, 9 budgets": lambda: isoflops(60),
    "240 runs, 9 budgets": lambda: isoflops(240),
    "80 runs, 20 cells of 4": lambda: repeated(20, 4),
    "73 runs, like the paper's": paper_like,
    "350 runs, 35 cells of 10 teachers": lambda: taught(10),
    "700 runs, 35 cells of 20 teachers": lambda: taught(20),
}
LAWS: dict[str, Any] = {
    "plain": SupervisedLaw(E=1.69, A=406.0, B=410.0, alpha=0.34, beta=0.28),
    "supervised": supervised_law(),
    "distillation-reduced": distillation_law().reduced(),
    "hinge": HingeLaw(supervised_law(), rho=0.85, s=0.04, c=2e-3, p=0.25),
}


SINGLE = (
    ("plain", "60 runs, 9 budgets"),
    ("distillation-reduced", "350 runs, 35 cells of 10 teachers"),
    ("supervised", "73 runs, like the paper's"),
    ("hinge", "350 runs, 35 cells of 10 teachers"),
)
PLAIN, REDUCED, SUPERVISED, HINGE = SINGLE
CLUSTERED = ("plain", "80 runs, 20 cells of 4")
LARGE = ("plain", "240 runs, 9 budgets")
LARGEST = ("distillation-reduced", "700 runs, 35 cells of 20 teachers")


def cases() -> Iterator[Case]:
    """All cases."""
    both = (1e-3, 1e-2)
    normal, heavy, shared = Noise(0.005), Noise(0.005, "heavy"), Noise(0.005, "shared")
    for where in SINGLE:
        for noise in (normal, heavy):
            yield from (Case(*where, noise, delta, "residuals") for delta in both)
        yield from (Case(*where, normal, delta, "noise") for delta in both)
        yield from (Case(*where, noise, 1e-2, "wild") for noise in (normal, heavy))
    yield from (Case(*where, heavy, 1e-2, "noise") for where in (PLAIN, REDUCED))
    yield from (Case(*where, normal, 1e-3, "wild") for where in (PLAIN, SUPERVISED))
    for where in (CLUSTERED, HINGE):
        for kind in ("noise", "noise, shared", "wild, cells", "cells", "profile, cells"):
            yield Case(*where, shared, 1e-2, kind)
    yield from (Case(*REDUCED, shared, 1e-2, kind) for kind in ("noise, shared", "wild, cells"))
    for where in (PLAIN, HINGE):
        yield from (Case(*where, normal, delta, "profile") for delta in both)
    yield from (Case(*where, normal, 1e-2, "profile") for where in (SUPERVISED, REDUCED))
    for where in (*SINGLE, LARGE):
        yield Case(*where, Noise(0.003), 1e-3, "residuals")
        yield Case(*where, Noise(0.01), 1e-2, "residuals")
    yield from (Case(*where, normal, 1e-2, "pairs") for where in (PLAIN, SUPERVISED))
    yield Case(*LARGEST, normal, 1e-2, "residuals")


@cache
def truth(law: str, design: str, delta: float) -> Fit:
    """The law fitted to its own losses."""
    inputs = DESIGNS[design]()
    planted = LAWS[law]
    loss = planted.loss(**inputs)
    own = supervised_law()
    if law in ("plain", "supervised"):
        gamma = 1.0 if law == "plain" else None
        return fit_supervised(inputs["N"], inputs["D"], loss, gamma=gamma, delta=delta)
    runs = (inputs["N_S"], inputs["D_S"], inputs["L_T"], loss)
    if law == "hinge":
        return fit_distillation("hinge", *runs, supervised=own, terms=("scale", "p"), delta=delta)
    return fit_distillation("eq8-reduced", *runs, supervised=own, delta=delta)


def plant(case: Case) -> Planted:
    """The case's truth, cells and places of prediction."""
    fit = truth(case.law, case.design, case.delta)
    inputs = fit.problem.inputs
    shared = "cells" in case.kind or case.noise.tails == "shared"
    cells = cell_index(inputs) if shared else np.arange(fit.residual.size)
    return Planted(fit, cells, case.noise, _places(dict(inputs)))


def _places(inputs: Inputs) -> dict[str, Inputs]:
    """Four places inside the design, four 2 to 4 times larger in size, in tokens or in both."""
    size, tokens = list(inputs)[:2]
    N, D = inputs[size], inputs[tokens]
    order = np.argsort(N * D, kind="stable")
    chosen = order[(np.array([0.2, 0.45, 0.7, 0.9]) * (N.size - 1)).astype(int)]
    largest = order[-1]
    grow = np.array([[2.0, 2.0], [4.0, 1.0], [1.0, 4.0], [4.0, 4.0]])
    inside = {size: N[chosen] * 1.1, tokens: D[chosen] * 0.9}
    beyond = {size: N[largest] * grow[:, 0], tokens: D[largest] * grow[:, 1]}
    if "L_T" in inputs:
        inside["L_T"] = np.array([2.5, 2.2, 2.05, 1.85])
        beyond["L_T"] = np.array([1.9, 1.8, 2.1, 1.7])
    return {"inside": inside, "beyond": beyond}


def block(case: Case, first: int) -> dict[str, Any]:
    """Intervals of fits to the noise of seeds `first` to `first` + BLOCK - 1."""
    planted = plant(case)
    fits = planted_fits(planted, range(first, first + BLOCK))
    usable = [(first + i, fit) for i, fit in enumerate(fits) if fit.status == "converged"]
    found: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for seed, fit in usable:
        for hit in _hits(planted, case, fit, seed):
            found[hit.method, hit.quantity].append(hit)
    rows = [
        {
            "method": method,
            "quantity": quantity,
            "fits": len(some),
            "sum": float(np.sum([hit.covered for hit in some])),
            "squares": float(np.sum([hit.covered**2 for hit in some])),
            "width": float(np.median([hit.width for hit in some])),
        }
        for (method, quantity), some in found.items()
    ]
    cold = cold_share(fit for _, fit in usable[:COLD])
    failed = BLOCK - len(usable)
    return {"key": case.key, "first": first, "failed": failed, "cold": cold, "rows": rows}


def _hits(planted: Planted, case: Case, fit: Fit, seed: int) -> Iterator[Hit]:
    kind = case.kind.split(",")[0]
    if kind == "profile":
        return profile_hits(planted, fit, level=LEVEL, clustered="cells" in case.kind)
    kinds: dict[str, Kind] = {k: k for k in ("noise", "residuals", "wild", "pairs", "cells")}
    return hits(
        planted,
        fit,
        kinds[kind],
        level=LEVEL,
        n=case.refits,
        seed=seed,
        methods=ALL_METHODS if case.compared else ("t",),
        shared="shared" in case.kind,
    )


def study(work: Path, replications: int) -> None:
    """Do the blocks that are missing, case by case."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{NAME}.jsonl"
    finished = _blocks(file)
    done = {(one["key"], one["first"]) for one in finished}
    # A line cut off when the study was stopped must not run into the next.
    write_atomically(file, "".join(json.dumps(one) + "\n" for one in finished).encode())
    for first in range(0, replications, BLOCK):
        for case in cases():
            slow = case.kind.startswith("profile") and first >= PROFILES
            if (case.key, first) not in done and not slow:
                line = json.dumps(block(case, first))
                with file.open("a") as out:
                    out.write(line + "\n")


def _blocks(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]


def table(work: Path) -> list[dict[str, str]]:
    """One row per case, method and quantity."""
    blocks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in _blocks(work / f"{NAME}.jsonl"):
        blocks[one["key"]].append(one)
    return [row for case in cases() if case.key in blocks for row in _rows(case, blocks[case.key])]


def _rows(case: Case, blocks: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for one in blocks:
        for row in one["rows"]:
            found[row["method"], row["quantity"]].append(row)
    failed = sum(one["failed"] for one in blocks)
    cold = float(np.mean([one["cold"] for one in blocks]))
    for (method, quantity), some in found.items():
        fits = sum(row["fits"] for row in some)
        coverage = sum(row["sum"] for row in some) / fits
        spread = max(sum(row["squares"] for row in some) / fits - coverage**2, 0.0)
        error = float(np.sqrt(spread / fits))
        yield {
            "case": f"{case.law}, {case.design}",
            "shown": str(int(case.by_default and method == "t")),
            "law": case.law,
            "design": case.design,
            "noise": f"{100 * case.noise.sd:g}% {case.noise.tails}",
            "delta": f"{case.delta:g}",
            "kind": case.kind,
            "method": method,
            "quantity": quantity,
            "level": f"{LEVEL:g}",
            "coverage": f"{coverage:.4f}",
            "standard_error": f"{error:.4f}",
            "median_width": f"{np.median([row['width'] for row in some]):.4g}",
            "refits": "" if case.kind.startswith("profile") else str(case.refits),
            "fits": str(fits),
            "not_converged": str(failed),
            "cold_lower": f"{cold:.3f}",
            "goal": _verdict(round(coverage, 4), round(error, 4)),
        }


def _verdict(coverage: float, error: float) -> str:
    """Whether the goal is met; outside it by no more than two standard errors is undecided."""
    low, high = GOAL
    if low <= coverage <= high:
        return "met"
    if low - 2 * error <= coverage <= high + 2 * error:
        return "within two standard errors"
    return "below" if coverage < low else "above"


def save(work: Path, out: Path) -> dict[str, float]:
    """Write the table and its provenance; return mean coverage and verdicts by kind."""
    rows = table(work)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    chosen = [row for row in rows if row["method"] in ("t", "profile")]
    headline: dict[str, float] = {}
    for kind in sorted({row["kind"] for row in chosen}):
        mine = [row for row in chosen if row["kind"] == kind]
        headline[f"mean coverage, {kind}"] = float(np.mean([float(r["coverage"]) for r in mine]))
        for verdict in sorted({row["goal"] for row in mine}):
            share = float(np.mean([row["goal"] == verdict for row in mine]))
            headline[f"share of intervals, {kind}: {verdict}"] = share
    record = {
        "figure": NAME,
        "source": "simulations/study_interval_coverage.py",
        "units": "width: log of upper over lower limit; E, c0, p, q: their difference",
        "seed": "one per replication, from 0; the same draws of noise for every kind and delta",
        "level": LEVEL,
        "goal": f"{GOAL[0]:g} to {GOAL[1]:g}",
        "cold_lower": f"share of {COLD} fits in {BLOCK} that all starts improve by > 1e-4",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
        "headline": headline,
    }
    write_atomically(out / f"{NAME}.csv", text.getvalue().encode())
    write_atomically(out / f"{NAME}.json", json.dumps(record, indent=2).encode() + b"\n")
    return headline


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of the table")
    parser.add_argument("--work", type=Path, required=True, help="folder of finished blocks")
    parser.add_argument("--replications", type=int, default=200)
    options = parser.parse_args()
    study(options.work, options.replications)
    for name, value in save(options.work, options.out).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
