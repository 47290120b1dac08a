"""What the report says of the learning rate: whether the best one is the same at all sizes."""

import json
from typing import Any

from capgap.report import Picture, Section, Table
from capgap.reproduce.job import Reproduction

__all__ = ["rate_sections"]


def rate_sections(result: Reproduction) -> tuple[Section, ...]:
    """The sweep of learning rates, where its committed picture and numbers are there."""
    if result.studies is None or not (result.studies / "learning_rates.json").is_file():
        return ()
    found = json.loads((result.studies / "learning_rates.json").read_text(encoding="utf-8"))
    common = found["best_common_rate"]
    price = ""
    if common["worst_regret"] is not None:
        price = (
            f" The rate {common['rate']:g} at every size, alone and taught, costs"
            f" {common['mean_regret']:.4f} nats on average and {common['worst_regret']:.4f} at"
            " most above each size's lowest loss on the grid."
        )
    section = Section(
        "Is one learning rate right for all sizes?",
        (
            "All runs share one peak learning rate. muP (simple) is to make that fair: matrices"
            " learn at the rate times 64 over the width. A sweep over rates, sizes and seeds tests"
            f" it.{price} The probabilities are shares of sweeps redrawn with the noise of seeds;"
            " the power of the width is 0 where the best rate transfers, and -1 where it falls as"
            " one over the width, as it would with one rate for all parameters.",
            Picture(
                result.studies / "learning_rates.png",
                "Loss over learning rate, by size; the optima below the curves with their"
                " intervals, and to the right against the width.",
            ),
            Table(
                ("runs", "best grid rates apart", "optima apart", "probability of at most one"
                 " step", "had they moved as 1/width", "power of the width"),
                [_row(verdict) for verdict in found["verdicts"]],
            ),
        ),
    )  # fmt: skip
    return (section,)


def _row(verdict: dict[str, Any]) -> list[str]:
    return [
        verdict["kind"],
        f"{verdict['grid_spread']} steps",
        f"{verdict['spread']:.2f} steps",
        f"{verdict['probability']:.3f}",
        f"{verdict['moved_passes']:.3f}",
        f"{verdict['slope']:+.2f} ± {verdict['slope_error']:.2f}",
    ]
