"""Where do other libraries' calibration errors differ from the right value? On demand.

Each case is computed by capgap, by brute force in exact fractions, and by every library that is
installed and can state the quantity: torchmetrics, netcal, uncertainty-calibration and relplot.
None of them is needed to test the table: `tests/simulations` computes the columns "ours" and
"exact" of figures/calibration_libraries.csv again. A missing library is named, and its rows are
left out. About half a minute.

The right value: the definition in the columns "quantity" and "bins" on the numbers given, each
taken as the binary fraction that it is, bins [e_k, e_(k+1)) with e_k the float64 nearest to
k / bins, the last one closed. A library that closes its bins on the right, or smooths on another
grid, has verdict "other definition": no mistake, yet another number.
"""

import argparse
import csv
import importlib
import importlib.metadata
import io
import json
import platform
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from study_calibration_cases import Case, cases
from study_calibration_values import exact_value, our_value

from capgap.files import write_atomically

NAME = "calibration_libraries"
FIGURES = Path(__file__).resolve().parents[1] / "figures"
COLUMNS = (
    "case", "library", "version", "quantity", "bins", "n", "dtype",
    "value", "ours", "exact", "verdict", "why",
)  # fmt: skip
# What is imported, and the name under which it is distributed.
MODULES = {
    "torchmetrics": "torchmetrics",
    "netcal": "netcal.metrics",
    "uncertainty-calibration": "calibration.utils",
    "relplot": "relplot.metrics",
}
Call = Callable[[Case], float]


def tensor(values: Any) -> Any:
    """A torch tensor of the case's precision; bfloat16 has no numpy type."""
    import torch

    return torch.as_tensor(np.asarray(values))


def confidence_tensor(case: Case) -> Any:
    """The confidences as a tensor, narrowed to bfloat16 where the case says so (exactly)."""
    import torch

    narrow = case.dtype == "bfloat16"
    return tensor(case.confidence).to(torch.bfloat16) if narrow else tensor(case.confidence)


def torchmetrics_error(norm: str) -> Call:
    """The functional form."""

    def call(case: Case) -> float:
        f = importlib.import_module("torchmetrics.functional.classification")
        args: dict[str, Any] = {"n_bins": case.bins, "norm": norm, "ignore_index": case.ignore}
        return float(
            f.binary_calibration_error(confidence_tensor(case), tensor(case.outcome), **args)
        )

    return call


def torchmetrics_batches(case: Case) -> float:
    """The metric object, updated with two halves."""
    metric = importlib.import_module("torchmetrics.classification").BinaryCalibrationError
    running, half = metric(n_bins=case.bins), len(case.outcome) // 2
    for rows in (slice(0, half), slice(half, None)):
        running.update(confidence_tensor(case)[rows], tensor(case.outcome)[rows])
    return float(running.compute())


def torchmetrics_top_label(case: Case) -> float:
    f = importlib.import_module("torchmetrics.functional.classification")
    rows, labels = tensor(case.confidence), tensor(case.outcome)
    return float(
        f.multiclass_calibration_error(rows, labels, num_classes=rows.shape[1], n_bins=case.bins)
    )


def netcal_error(metric: str, equal_intervals: bool = True) -> Call:
    def call(case: Case) -> float:
        kind = getattr(importlib.import_module("netcal.metrics"), metric)
        measure = kind(case.bins, equal_intervals=equal_intervals)
        return float(measure.measure(np.asarray(case.confidence), np.asarray(case.outcome)))

    return call


def netcal_batches(case: Case) -> float:
    kind, half = importlib.import_module("netcal.metrics").ECE, len(case.outcome) // 2
    c, o = np.asarray(case.confidence), np.asarray(case.outcome)
    halves = ([c[:half], c[half:]], [o[:half], o[half:]])
    return float(kind(case.bins).measure(*halves, batched=True))


def verified(name: str) -> Call:
    """A function of uncertainty-calibration (Kumar, Liang & Ma 2019) by name."""

    def call(case: Case) -> float:
        f = getattr(importlib.import_module("calibration.utils"), name)
        return float(f(np.asarray(case.confidence), np.asarray(case.outcome), num_bins=case.bins))

    return call


def verified_debiased(name: str) -> Call:
    """Its debiased estimators, from its own equal-width bins."""

    def call(case: Case) -> float:
        module = importlib.import_module("calibration.utils")
        data = list(zip(case.confidence, case.outcome, strict=True))
        binned = module.bin(data, module.get_equal_prob_bins(case.confidence, case.bins))
        np.random.seed(0)  # noqa: NPY002  (it draws from the global generator)
        return float(getattr(module, name)(binned))

    return call


def relplot_error(name: str, **settings: float) -> Call:
    def call(case: Case) -> float:
        f = getattr(importlib.import_module("relplot.metrics"), name)
        extra = {"nbins": case.bins} if name == "binnedECE" else settings
        return float(f(np.asarray(case.confidence), np.asarray(case.outcome), **extra))

    return call


CALLS: Mapping[str, Mapping[str, Call]] = {
    "ece": {
        "torchmetrics": torchmetrics_error("l1"),
        "netcal": netcal_error("ECE"),
        "uncertainty-calibration": verified("get_ece"),
        "relplot": relplot_error("binnedECE"),
    },
    "mce": {"torchmetrics": torchmetrics_error("max"), "netcal": netcal_error("MCE")},
    "squared l2": {"torchmetrics": lambda case: torchmetrics_error("l2")(case) ** 2},
    "ece, two batches": {"torchmetrics": torchmetrics_batches, "netcal": netcal_batches},
    "ece, equal mass": {
        "netcal": netcal_error("ECE", equal_intervals=False),
        "uncertainty-calibration": verified("get_ece_em"),
    },
    "ece, top label": {
        "torchmetrics": torchmetrics_top_label,
        "netcal": netcal_error("ECE"),
        "uncertainty-calibration": verified("get_ece"),
    },
    "debiased squared l2": {"uncertainty-calibration": verified_debiased("unbiased_square_ce")},
    "debiased ece": {"uncertainty-calibration": verified_debiased("normal_debiased_ce")},
    "smooth ece, sigma .05": {"relplot": relplot_error("smECE_sigma", sigma=0.05)},
    "smooth ece": {"relplot": relplot_error("smECE")},
}


def installed() -> dict[str, str]:
    """Version of each library that can be imported; the others are named on standard error."""
    found = {}
    for library, module in MODULES.items():
        try:
            importlib.import_module(module)
            found[library] = importlib.metadata.version(library)
        except ImportError as error:
            print(f"{library} is left out: {error}", file=sys.stderr)
    return found


def their_value(case: Case, call: Call) -> float | str:
    """The library's number, or "refused" if it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(case)
    except (ValueError, TypeError, RuntimeError, AssertionError, IndexError, AttributeError):
        return "refused"


def verdict(case: Case, library: str, value: float | str, right: float | str) -> str:
    """agrees, differs, refused, or other definition."""
    if value == right:
        return "agrees"
    if isinstance(value, str):
        return "refused"
    if isinstance(right, float) and abs(value - right) <= case.tolerance:
        return "agrees"
    return "other definition" if library in case.convention else "differs"


def rows_of(case: Case, versions: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row for each library that states the quantity."""
    ours, exact = our_value(case), exact_value(case)
    right = ours if exact is None else (exact if isinstance(exact, str) else float(exact))
    rows = []
    for library, call in CALLS[case.quantity].items():
        if library not in versions or library in case.left_out:
            continue
        value = their_value(case, call)
        judged = verdict(case, library, value, right)
        told = {**case.why, **case.convention}.get(library, "") if judged != "agrees" else ""
        start = {"case": case.name, "library": library, "version": versions[library]}
        what = {"quantity": case.quantity, "bins": case.bins, "n": len(case.outcome)}
        values = {"value": value, "ours": ours, "exact": "" if exact is None else exact}
        rows.append(
            {**start, **what, "dtype": case.dtype, **values, "verdict": judged, "why": told}
        )
    return rows


def write(rows: Sequence[Mapping[str, Any]], versions: Mapping[str, str], out: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    verdicts = [row["verdict"] for row in rows]
    record = {
        "table": NAME,
        "source": f"simulations/study_{NAME}.py",
        "tolerance": "1e-6; smooth 3e-4, debiased ece (1000 draws there) and bfloat16 1e-3",
        "seed": "0, of the levels 1",
        "libraries": dict(versions),
        "numpy": np.__version__,
        "torch": importlib.metadata.version("torch"),
        "python": platform.python_version(),
        "headline": {kind: verdicts.count(kind) for kind in sorted(set(verdicts))},
    }
    write_atomically(out / f"{NAME}.csv", text.getvalue().encode())
    write_atomically(out / f"{NAME}.json", json.dumps(record, indent=2).encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FIGURES)
    out = parser.parse_args().out
    versions = installed()
    if not versions:
        print("none of the libraries is installed: pip install torchmetrics netcal")
        return
    rows = [row for case in cases() for row in rows_of(case, versions)]
    for row in rows:
        print(f"{row['case']:38.38s} {row['library']:24s} {row['value']!s:>22.22s} "
              f"{row['ours']!s:>22.22s} {row['verdict']}")  # fmt: skip
    write(rows, versions, out)


if __name__ == "__main__":
    main()
