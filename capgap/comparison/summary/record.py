"""A summary as JSON, and as a law set that plans and predictions read."""

import json
import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import capgap
from capgap.comparison.summary.prediction import Foretold
from capgap.comparison.summary.summarize import FitSummary
from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.files import write_atomically
from capgap.theory.law_set import Interval, Laws, LawSet, coefficients_of, to_dict

__all__ = ["fit_record", "law_set_of", "save_fit"]

_TAILS = (0.05, 0.95)  # a law set holds 90% intervals


def fit_record(summary: FitSummary, foretold: tuple[Foretold, ...] = ()) -> dict[str, Any]:
    """Everything a program would read; a limit that the data do not give is null."""
    fit, request = summary.fit, summary.request
    record: dict[str, Any] = {
        "law": request.law,
        "coefficients": dict(fit.coefficients),
        "intervals": {name: _pair(pair) for name, pair in summary.intervals.items()},
        "level": request.level,
        "objective": fit.objective,
        "status": summary.examination.status,
        "message": fit.message,
        "warnings": [
            {"code": f.code, "severity": f.severity, "message": f.message, "rows": list(f.rows)}
            for f in summary.findings
        ],
        "n_runs": int(np.count_nonzero(fit.problem.weights)),
        "source": summary.runs.source,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "residual_noise": _number(fit.noise),
        "seed_noise": _number(summary.seed_noise.standard_deviation),
        "search": {
            "screened": fit.screened,
            "refined": fit.refined,
            "best_basin_share": fit.best_basin_share,
            "gradient_norm": _number(fit.gradient_norm),
            "condition": _number(fit.condition),
        },
        "settings": {
            "delta": _delta(fit.problem.delta),
            "standard_errors": request.use_standard_errors,
            "own": request.own if request.taught else None,
            "terms": list(request.terms) if request.law.startswith("hinge") else None,
            "gamma": request.gamma,
            "grid": request.grid,
            "seed": request.seed,
        },
        "version": capgap.__version__,
    }
    if summary.beneath is not None:
        record["supervised_law"] = _supervised(summary)
    if summary.refits is not None and summary.cold is not None:
        record["refits"] = {
            "count": len(summary.refits.x),
            "kind": summary.refits.kind,
            "shared": request.shared,
            "converged_share": summary.refits.converged_share,
            "cold_checked": summary.cold.checked,
            "cold_lower_share": summary.cold.lower_share,
            "cold_largest_drop": summary.cold.largest_drop,
        }
    record["profiles"] = [
        {"name": p.name, "interval": _pair((p.low, p.high)), "drop": p.drop, "words": p.text}
        for p in summary.profiles
    ]
    if summary.influence is not None:
        record["influence"] = _influence(summary)
    if summary.noise is not None:
        record["noise_profile"] = {
            "level": summary.noise.level,
            "slopes": dict(summary.noise.slopes),
            "standard_errors": dict(summary.noise.standard_errors),
            "p": summary.noise.p,
            "from": summary.noise.source,
        }
    record["predictions"] = [_foretold(one) for one in foretold]
    return record


def law_set_of(summary: FitSummary, name: str, family: ModelFamily | None = None) -> LawSet:
    """The fitted laws for `capgap predict` and `capgap plan`.

    Raises
    ------
    InputError
        The fit belongs to no supervised law (own = "profiled" without one): no teacher could
        be priced.
    """
    fit, runs = summary.fit, summary.runs
    outside = summary.beneath.law if summary.beneath is not None else None
    given = outside if summary.request.own == "profiled" else None
    laws = fit.problem.model.laws(fit.x, given)
    draws: tuple[Laws, ...] = tuple(summary.draws) if summary.draws is not None else ()
    names = ("N_S", "D_S", "L_T", "L_S") if runs.taught else ("N_S", "D_S", "L_S")
    columns = {"N_S": runs.N, "D_S": runs.D, "L_T": runs.L_T, "L_S": runs.loss}
    ranges = {key: columns[key] for key in names}
    return LawSet(
        name=name,
        laws=laws,
        source=f"{len(runs)} runs of {runs.source}, {summary.request.law} law",
        intervals=MappingProxyType(_percentiles(draws)),
        draws=draws,
        fitted=MappingProxyType(
            {k: (float(v.min()), float(v.max())) for k, v in ranges.items() if v is not None}
        ),
        family=family or ModelFamily(),
    )


def save_fit(
    summary: FitSummary,
    path: Path,
    *,
    foretold: tuple[Foretold, ...] = (),
    family: ModelFamily | None = None,
) -> bool:
    """Write the fit, whole or not at all; returns whether plans can be made with it.

    The file is a law set with one key more, ``fit``: what `fit_record` gives.
    """
    try:
        content = to_dict(law_set_of(summary, path.stem, family))
        usable = True
    except InputError as error:
        content = {"format": "capgap fit 1", "name": path.stem, "reason": str(error)}
        usable = False
    content["fit"] = fit_record(summary, foretold)
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return usable


def _percentiles(draws: tuple[Laws, ...]) -> dict[str, Interval]:
    if len(draws) < 2:
        return {}
    rows = [coefficients_of(laws) for laws in draws]
    found = {}
    for name in rows[0]:
        low, high = np.quantile([row[name] for row in rows], _TAILS)
        found[name] = (float(low), float(high))
    return found


def _supervised(summary: FitSummary) -> dict[str, Any]:
    assert summary.beneath is not None
    beneath = summary.beneath
    record: dict[str, Any] = {"coefficients": beneath.law.coefficients("")}
    if beneath.fit is not None:
        record |= {"status": beneath.fit.status, "n_runs": beneath.fit.residual.size,
                   "objective": beneath.fit.objective}  # fmt: skip
    if beneath.refits is not None:
        level = summary.request.level
        intervals = beneath.refits.interval(level)
        record["intervals"] = {name: _pair(pair) for name, pair in intervals.items()}
    return record


def _influence(summary: FitSummary) -> dict[str, Any]:
    found = summary.influence
    assert found is not None
    return {
        "inputs": {name: values.tolist() for name, values in found.inputs.items()},
        "coefficients": {
            name: [_number(v) for v in values] for name, values in found.coefficients.items()
        },
        "spread": {name: _number(v) for name, v in found.spread.items()},
        "essential": found.essential.tolist(),
    }


def _foretold(one: Foretold) -> dict[str, Any]:
    return {
        "inputs": dict(one.inputs),
        "loss": one.loss,
        "mean_interval": _pair(one.mean),
        "run_interval": _pair(one.run),
        "distance": _number(one.distance),
        "words": one.words,
    }


def _delta(delta: Any) -> float | list[float]:
    array = np.asarray(delta, dtype=np.float64)
    return float(array) if array.ndim == 0 else [float(array.min()), float(array.max())]


def _pair(pair: tuple[float, float]) -> list[float | None]:
    return [_number(pair[0]), _number(pair[1])]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
