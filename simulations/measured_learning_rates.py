"""Learning-rate sweep at four sizes, alone and taught: does the best rate transfer under muP?"""

import argparse
from pathlib import Path

from capgap.comparison.learning_rates.transfer import learning_rate_transfer
from capgap.measurement.records import RunStore
from capgap.plotting.learning_rates import save_learning_rates

RUNS = Path(__file__).resolve().parent / "learning_rates"


def run(out: Path, runs: Path = RUNS) -> dict[str, float]:
    """Judge the runs in `runs`, draw into `out`; return spreads, powers and the price."""
    found = learning_rate_transfer(RunStore(runs))
    save_learning_rates(found, out)
    headline: dict[str, float] = {}
    for verdict in found.verdicts:
        kind = verdict.kind
        headline[f"grid steps between best rates, {kind}"] = verdict.grid_spread
        headline[f"grid steps between optima, {kind}"] = verdict.spread
        headline[f"probability of at most one, {kind}"] = verdict.probability
        headline[f"the same if rates moved as 1/width, {kind}"] = verdict.moved_passes
        headline[f"power of the width, {kind}"] = verdict.slope
        headline[f"its standard error, {kind}"] = verdict.slope_error
    common = found.best_common
    headline["best common rate"] = common.rate
    headline["its mean price (nats per token)"] = common.mean
    headline["its largest price (nats per token)"] = common.worst
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
