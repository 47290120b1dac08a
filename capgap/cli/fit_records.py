"""What rollout and compare-laws print as JSON."""

from typing import Any

import numpy as np

from capgap.comparison.held_out import Comparison, ForwardChain, Rollout

__all__ = ["comparison_record", "rollout_record"]


def rollout_record(
    law: str, cutoff: str, rolled: Rollout, chain: ForwardChain | None
) -> dict[str, Any]:
    """A rollout, every foretold run with it, and the forward chain where there is one."""
    record: dict[str, Any] = {
        "law": law,
        "cutoff": cutoff,
        "n_fitted": int(np.count_nonzero(rolled.fit.problem.weights)),
        "n_foretold": int(rolled.run.size),
        "status": rolled.fit.status,
        "coefficients": dict(rolled.fit.coefficients),
        "median": rolled.median,
        "maximum": rolled.maximum,
        "bias": rolled.bias,
        "level": rolled.level,
        "coverage": _number(rolled.coverage),
        "coverage_interval": [_number(v) for v in rolled.coverage_interval()],
        "runs": [{k: _number(v) for k, v in row.items()} for row in rolled.rows()],
    }
    if chain is not None:
        record["forward"] = {
            "median": chain.median,
            "ahead": [
                {name: _number(getattr(row, name)) for name in
                 ("low", "high", "predictions", "median", "maximum", "bias", "coverage")}
                for row in chain.ahead()
            ],
        }  # fmt: skip
    return record


def comparison_record(found: Comparison, how: str) -> dict[str, Any]:
    """Laws by held-out error, and all pairs with their intervals."""
    return {
        "how": how,
        "level": found.level,
        "groups": int(found.group.max()) + 1,
        "laws": [
            {
                "name": law.name,
                "coefficients": law.coefficients,
                "root_mean_square": law.root_mean_square,
                "median_absolute": law.median_absolute,
                "coverage": _number(law.coverage),
                "status": list(law.status),
            }
            for law in found.laws
        ],
        "pairs": [
            {
                "one": pair.one,
                "other": pair.other,
                "measure": pair.measure,
                "verdict": pair.verdict,
                **{
                    name: {
                        "difference": value.mean,
                        "interval": [_number(value.low), _number(value.high)],
                    }
                    for name, value in (("absolute", pair.absolute), ("squared", pair.squared))
                },
            }
            for pair in found.pairs
        ],
        "best": list(found.best),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
