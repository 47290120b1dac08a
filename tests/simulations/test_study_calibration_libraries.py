"""figures/calibration_libraries.csv: what can be computed again without the other libraries."""

import csv
import importlib.util
import json
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from capgap.measurement.calibration import ReliabilityTable, ece, equal_width_edges

ROOT = Path(__file__).parents[2]
Row = dict[str, str]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "simulations" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


inputs = load("study_calibration_cases")
values = load("study_calibration_values")
study = load("study_calibration_libraries")
CASES = {(case.name, case.quantity): case for case in inputs.cases()}


def number(text: str) -> float | str:
    return text if text in ("refused", "") else float(text)


@pytest.fixture(scope="module")
def table() -> list[Row]:
    path = ROOT / "figures" / "calibration_libraries.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("key", CASES, ids=" / ".join)
def test_our_value_is_the_exact_one_and_the_one_in_the_table(key: Any, table: list[Row]) -> None:
    case = CASES[key]
    ours, exact = values.our_value(case), values.exact_value(case)
    rows = [row for row in table if (row["case"], row["quantity"]) == key]
    assert rows
    if isinstance(exact, Fraction):
        # A sum of at most 21 bins, each rounded a few times: 1e-15 or so.
        assert ours == pytest.approx(float(exact), abs=1e-14)
    elif exact == "refused":
        assert ours == "refused"
    for row in rows:
        assert row["exact"] == ("" if exact is None else str(exact))
        written = number(row["ours"])
        assert written == (ours if ours == "refused" else pytest.approx(ours, abs=1e-12))


def test_verdicts_follow_from_the_numbers_and_differences_have_a_reason(table: list[Row]) -> None:
    for row in table:
        case = CASES[row["case"], row["quantity"]]
        text = row["exact"] or row["ours"]
        right = text if text == "refused" else float(Fraction(text))
        judged = study.verdict(case, row["library"], number(row["value"]), right)
        assert row["verdict"] == judged, row
        assert bool(row["why"]) == (judged != "agrees"), row


def test_the_record_counts_the_rows(table: list[Row]) -> None:
    record = json.loads((ROOT / "figures" / "calibration_libraries.json").read_text())
    verdicts = [row["verdict"] for row in table]
    assert record["headline"] == {kind: verdicts.count(kind) for kind in set(verdicts)}
    assert record["libraries"] == {row["library"]: row["version"] for row in table}


def test_a_wrong_value_is_told_from_a_right_one() -> None:
    """Negative control: an extra bin for confidence 1 gives .525, the exact value is .475."""
    case = CASES["confidence exactly 1", "ece"]
    right = float(values.exact_value(case))
    assert right == pytest.approx(0.475)
    assert study.verdict(case, "torchmetrics", 0.525, right) == "differs"
    nearly = ReliabilityTable.of([0.95, 0.5], [1, 0], equal_width_edges(15))  # 1 elsewhere
    assert float(ece(nearly)) != pytest.approx(right)


def test_without_libraries_the_script_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(study, "MODULES", {"torchmetrics": "no_such_module"})
    monkeypatch.setattr(sys, "argv", ["study", "--out", str(tmp_path)])
    study.main()
    told = capsys.readouterr()
    assert "torchmetrics is left out" in told.err
    assert "none of the libraries" in told.out
    assert not list(tmp_path.iterdir())
