"""Do the laws describe models whose answer is known, and what do their slopes depend on? On demand.

Every law is fitted to exact runs of solvable models and foretells runs that it has not seen:
other students, stronger teachers, more samples. Slopes and softness are measured student by
student and compared with what was derived. Finished scores are kept, so the study can be
stopped and taken up again.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_law, fit_supervised
from capgap.comparison.held_out import compare_laws
from capgap.comparison.measured import (
    DELTA,
    FEWEST_LAYERS,
    HINGE_TERMS,
    distillation_runs,
    supervised_runs,
)
from capgap.comparison.solvable import (
    LAWS,
    SETTINGS,
    CapacityForm,
    Score,
    Setting,
    SpectralForm,
    score_law,
    solvable_runs,
    spread_at_equal_teachers,
)
from capgap.comparison.solvable.evidence import (
    compare_powers,
    compare_softness,
    compare_strong_slopes,
    compare_weak_slopes,
    exact_hinge,
    student_curve,
)
from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.measurement.records import RunStore
from capgap.plotting.solvable import save_solvable
from capgap.theory.supervised import SupervisedLaw

NAME = "laws_on_solvable_models"
RUNS = Path(__file__).resolve().parent / "runs"
# Losses without a floor, besides: a kind of student each.
EXCESS = ("LS, slow tail", "ridge, bend 3", "tuned ridge, bend 3", "RF, perfect teachers")
PERFECT = tuple(one for one in SETTINGS if one.teachers == "perfect")
SHOWN = (("LS, slow tail", 100, 1024), ("ridge, bend 3", 400, 320))
DRAWN = ("Eq. 8 reduced", "spectral", "additive pq, own corner")
SLOPES = ("LS, few samples", "ridge, bend 3", "tuned ridge, bend 3", "ridgeless, wide")
SOFT = ("ridge, bend 3", "ridge, bend 4", "tuned ridge, bend 3")


def cases() -> Iterator[tuple[Setting, bool, str]]:
    """Settings, whether losses are excesses, and laws."""
    for excess in (False, True):
        for setting in SETTINGS:
            if not excess or setting.name in EXCESS:
                yield from ((setting, excess, law.name) for law in LAWS)


def study(work: Path) -> list[Score]:
    """Score what is missing; return all scores, in the order of `cases`."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"{NAME}.jsonl"
    done = _finished(file)
    # A line cut off when the study was stopped must not run into the next.
    kept = "".join(json.dumps(asdict(one)) + "\n" for one in done.values())
    write_atomically(file, kept.encode())
    scores = []
    for setting, excess, law in cases():
        found = done.get((setting.name, excess, law))
        if found is None:
            try:
                found = score_law(law, solvable_runs(setting, excess=excess))
            except InputError as error:
                raise InputError(f"{setting.name}, {law}: {error}") from None
            with file.open("a") as out:
                out.write(json.dumps(asdict(found)) + "\n")
        scores.append(found)
    return scores


def _finished(file: Path) -> dict[tuple[str, bool, str], Score]:
    if not file.exists():
        return {}
    lines = [line for line in file.read_text().splitlines() if line.endswith("}")]
    scores = [Score(**json.loads(line)) for line in lines]
    return {(one.setting, one.excess, one.law): one for one in scores}


def evidence(scores: Sequence[Score]) -> dict[str, object]:
    """What was derived against what was measured, and the verdict in numbers."""
    named = {one.name: one for one in SETTINGS}
    hinge = exact_hinge(solvable_runs(named["LS, slow tail"]))
    return {
        "additive hinge on least squares, D_S - N_S - 1 for D_S": {
            "largest log error": float(np.max(np.abs(hinge.residual))),
            **hinge.coefficients,
        },
        "theta, largest relative error of the derived": {
            one.name: compare_strong_slopes(one).largest_error for one in PERFECT
        },
        "powers of theta": compare_powers(PERFECT),
        "rho, largest error of the derived, teachers of more samples": compare_weak_slopes(
            solvable_runs(named["LS, teachers of more samples"])
        ),
        "softness": {name: compare_softness(named[name]) for name in SOFT},
        "error that no law in N_S, D_S, L_T can avoid": {
            one.name: spread_at_equal_teachers(solvable_runs(one)) for one in SETTINGS
        },
        "median held-out errors": _medians(scores),
    }


def _medians(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    perfect = {one.name for one in PERFECT}
    found: dict[str, dict[str, float]] = {}
    for law in LAWS:
        mine = [one for one in scores if one.law == law.name and not one.excess]
        kinds = {
            "perfect": [one for one in mine if one.setting in perfect],
            "trained": [one for one in mine if one.setting not in perfect],
        }
        found[law.name] = {
            f"{kind} teachers, {error}": float(np.median([getattr(one, error) for one in kept]))
            for kind, kept in kinds.items()
            for error in ("in_sample", "cell", "teacher", "samples")
        }
    return found


def measured(runs: Path = RUNS) -> dict[str, object]:
    """The same laws on the measured runs of this project, cells and teachers left out.

    All forms that were tried are here: the best of so many is not as good as it looks.
    """
    records = list(RunStore(runs))
    own, taught = supervised_runs(records), distillation_runs(records)
    own = own.where(own.layers >= FEWEST_LAYERS)
    law = fit_supervised(own.N, own.D, own.L, delta=DELTA).law
    assert isinstance(law, SupervisedLaw)
    columns = (taught.N_S, taught.D_S, taught.L_T, taught.L_S)
    inputs = dict(zip(("N_S", "D_S", "L_T"), columns, strict=False))
    fits: dict[str, Fit] = {
        "Eq. 8 reduced": fit_distillation("eq8-reduced", *columns, supervised=law, delta=DELTA),
        "hinge": fit_distillation(
            "hinge", *columns, supervised=law, terms=HINGE_TERMS, delta=DELTA
        ),
    }
    forms: dict[str, CapacityForm | SpectralForm] = {
        "capacity": CapacityForm.at(*columns),
        "capacity, blurred": CapacityForm.at(*columns, blurred=True),
        "spectral, modes": SpectralForm.at(*columns, free_ratio=True),
        "spectral, modes, tuned": SpectralForm.at(*columns, ridge="tuned", free_ratio=True),
        "spectral, random": SpectralForm.at(*columns, features="random", free_ratio=True),
        "spectral, random, tuned": SpectralForm.at(
            *columns, ridge="tuned", features="random", free_ratio=True
        ),
    }
    for name, form in forms.items():
        fits[name] = fit_law(form, inputs, taught.L_S, delta=DELTA)
    found: dict[str, object] = {}
    for groups in ("cell", "L_T"):
        compared = compare_laws(fits, groups=groups, seed=0, checked=0)
        pairs = {
            f"against {name}": compared.pair("capacity, blurred", name).words
            for name in ("Eq. 8 reduced", "hinge")
        }
        errors = {one.name: one.root_mean_square for one in compared.laws}
        found[groups] = {"root mean square": errors, "capacity, blurred": pairs}
    shown = {name: fit.coefficients for name, fit in fits.items()}
    return {**found, "runs": taught.L_S.size, "coefficients": shown}


def save(scores: Sequence[Score], out: Path, runs: Path = RUNS) -> dict[str, object]:
    """Draw the figure and write what was found."""
    named = {one.name: one for one in SETTINGS}
    found = evidence(scores)
    record = {
        "figure": NAME,
        "source": "capgap.comparison.solvable; theory/finite: exact, without noise",
        "units": "losses: squared error, noise variance + excess risk; errors: log loss",
        "seed": 0,
        "settings": [asdict(one) for one in SETTINGS],
        "evidence": found,
        "measured runs": measured(runs),
        "coefficients": {
            f"{one.setting} | {one.law}": one.values for one in scores if not one.excess
        },
    }
    save_solvable(
        [student_curve(named[name], N, D, DRAWN) for name, N, D in SHOWN],
        [compare_strong_slopes(named[name]) for name in SLOPES],
        scores,
        [one.name for one in PERFECT],
        record,
        out,
        NAME,
    )
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of the figure")
    parser.add_argument("--work", type=Path, required=True, help="folder of finished scores")
    options = parser.parse_args()
    print(json.dumps(save(study(options.work), options.out), indent=2))


if __name__ == "__main__":
    main()
