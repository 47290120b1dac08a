"""Public runs of others, fitted: coefficients with intervals, and what was foretold of them."""

import argparse
from pathlib import Path

from capgap.comparison.public_fits import PublicFit, fit_public
from capgap.plotting.public_fits import save_public_fits


def run(out: Path, fits: tuple[PublicFit, ...] | None = None) -> dict[str, float]:
    """Fit every public set, draw into `out`; return held-out medians by set and law."""
    fits = fits or fit_public()
    save_public_fits(fits, out)
    return {
        f"median held-out error, {one.law} law on {one.name}, fitted to {one.cutoff}":
            one.rolled.median
        for one in fits if one.rolled is not None
    }  # fmt: skip


def main() -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    options = parser.parse_args()
    for name, value in run(options.out).items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
