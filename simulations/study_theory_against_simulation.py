"""Solvable models against their simulations: z-scores over all of them. On demand.

Every configuration is simulated, set beside its closed form, and beside closed forms with a
known mistake, which must be rejected. Configurations that are done are kept, so that a study
that was interrupted goes on where it stopped.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from capgap.comparison.agreement import Agreement, Row, compare, finite_size_order, summarize
from capgap.comparison.agreement.catalog import configurations
from capgap.comparison.agreement.finite_size import Order
from capgap.files import write_atomically
from capgap.plotting.agreement import draw_agreement
from capgap.plotting.style import save_figure, style

NAME = "theory_against_simulation"
PARTS = Path(tempfile.gettempdir()) / "capgap-theory-against-simulation"


def table(parts: Path, share: float, seed: int, real_data: bool) -> Iterator[list[Row]]:
    """Rows of one configuration after the other, read where they were simulated before."""
    for configuration in configurations(real_data):
        key = f"{configuration.name} {share} {seed}"
        path = parts / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
        if path.is_file():
            yield [Row(**values) for values in json.loads(path.read_text(encoding="utf-8"))]
            continue
        rows = compare(configuration, seed=seed, share=share)
        write_atomically(path, json.dumps([row.to_dict() for row in rows]).encode())
        yield rows


def save_study(out: Path, rows: list[Row], *, seed: int, share: float) -> tuple[Agreement, Order]:
    """Write picture, table and provenance; return the verdict and the finite-size order."""
    verdict, order = summarize(rows), finite_size_order(rows)
    values = [row.to_dict() for row in rows]
    columns: dict[str, Any] = {name: [row[name] for row in values] for name in values[0]}
    with style():
        figure = draw_agreement(rows, verdict, order)
        save_figure(figure, out, NAME, columns, provenance(rows, verdict, order, seed, share))
    return verdict, order


def provenance(
    rows: list[Row], verdict: Agreement, order: Order, seed: int, share: float
) -> dict[str, object]:
    """What the JSON says beside the versions."""
    real = [row for row in rows if row.kind == "real data"]
    return {
        "figure": NAME,
        "source": "closed forms of capgap.theory.kernel and capgap.theory.finite against"
        " capgap.measurement.kernel",
        "units": "excess risks, in the target's unit squared; z: (mean - theory)/standard error",
        "seed": seed,
        "share_of_replications": share,
        "criterion": "each |z| <= 4; mean z^2 of the students within its 99% interval; every"
        " control beyond 4. Real data is not judged: its features are not independent.",
        "agreement": {**asdict(verdict), "agrees": verdict.agrees},
        "finite_size_order": asdict(order),
        "real_data_mean_over_theory": {
            f"{row.configuration}, stage {row.stage}": row.mean / row.theory for row in real
        },
        "largest_standard_error_over_theory": max(
            row.standard_error / row.theory
            for row in rows
            if row.kind in ("exact", "asymptotic") and row.theory > 0
        ),
    }


def main() -> None:
    """Run the study from the command line; about a quarter of an hour on one core."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    parser.add_argument("--parts", type=Path, default=PARTS, help="folder of what is done")
    parser.add_argument("--share", type=float, default=1.0, help="of the replications")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument("--no-real-data", action="store_true", help="without scikit-learn")
    options = parser.parse_args()
    rows: list[Row] = []
    for found in table(options.parts, options.share, options.seed, not options.no_real_data):
        worst = max((row for row in found if row.kind != "control"), key=lambda row: abs(row.z))
        print(f"{worst.configuration}: largest |z| {abs(worst.z):.2f}", flush=True)
        rows += found
    verdict, order = save_study(options.out, rows, seed=options.seed, share=options.share)
    print(verdict)
    print(order)
    for path in options.parts.glob("*.json"):
        path.unlink()


if __name__ == "__main__":
    main()
