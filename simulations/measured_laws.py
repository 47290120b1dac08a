"""The laws over the measured runs: supervised, and student loss against teacher loss."""

import argparse
from pathlib import Path

from capgap.comparison.measured import fit_measured
from capgap.comparison.measured_law_set import save_measured_law_sets
from capgap.measurement.records import RunStore
from capgap.plotting.measured import save_distillation, save_supervised

RUNS = Path(__file__).resolve().parent / "runs"


def run(out: Path, runs: Path = RUNS) -> dict[str, float]:
    """Fit the runs in `runs`, draw into `out`; return held-out errors and coverage per law."""
    records = list(RunStore(runs))
    laws = fit_measured(records)
    save_supervised(laws, out)
    save_distillation(laws, out)
    save_measured_law_sets(laws, records, out)
    headline: dict[str, float] = {}
    for law in (laws.supervised, *laws.distilled):
        headline[f"held-out error (root mean square of log loss), {law.name}"] = (
            law.held_out.root_mean_square
        )
        if law.held_out_teacher is not None:
            headline[f"held-out error, teachers left out, {law.name}"] = (
                law.held_out_teacher.root_mean_square
            )
        headline[f"held-out coverage of 90% intervals, {law.name}"] = law.coverage
    return headline


def main() -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of records")
    options = parser.parse_args()
    for name, value in run(options.out, options.runs).items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
