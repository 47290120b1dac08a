"""The committed picture of calibration: measured anew on one speech; table and text agree."""

import csv
import dataclasses
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'lm'")

from capgap.lm.corpus import load_shipped
from capgap.measurement.calibration.estimators import ece
from capgap.reproduce.calibration import calibration_sections
from capgap.reproduce.job import Reproduction

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "figures"


def script() -> ModuleType:
    path = ROOT / "simulations" / "measured_calibration.py"
    spec = importlib.util.spec_from_file_location("measured_calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIGURES / "measured_calibration.json").read_text())
    return found


@pytest.fixture(scope="module")
def errors(committed: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(error["model"], error["against"]): error for error in committed["errors"]}


def test_shortest_speech_measured_anew(
    committed: dict[str, Any], errors: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """Tolerance 1e-4: float32 rounding may carry one of 12705 bytes across an edge."""
    corpus = load_shipped()
    number = min(range(len(corpus.validation)), key=lambda i: len(corpus.validation[i].text))
    speech = corpus.validation[number]
    assert committed["documents"][number] == speech.name
    tables = script().measure(dataclasses.replace(corpus, validation=(speech,)))
    assert set(tables) == set(errors)
    for key, table in tables.items():
        assert table.count.sum() == len(speech.text)
        found = float(ece(table.pooled()))
        assert found == pytest.approx(errors[key]["document_ece"][number], abs=1e-4)


def test_committed_table_gives_the_committed_errors(
    errors: dict[tuple[str, str], dict[str, Any]],
) -> None:
    with (FIGURES / "measured_calibration.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21 * len(errors) == 21 * 13
    for (model, against), error in errors.items():
        mine = [r for r in rows if (r["model"], r["against"]) == (model, against)]
        filled = [r for r in mine if float(r["count"])]
        total = sum(float(r["count"]) for r in filled)
        gaps = [
            float(r["count"]) * abs(float(r["outcome"]) - float(r["confidence"])) for r in filled
        ]
        assert total == error["predictions"] == 792_454
        assert sum(gaps) / total == pytest.approx(error["ece"], abs=1e-12)


def test_the_statement_and_its_words(
    committed: dict[str, Any], errors: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """The paper's statement, by intervals that do not meet, and the words that tell it."""
    full, top = errors["distilled: full", "data"], errors["distilled: top-1", "data"]
    assert full["interval"][1] < 0.02 < 0.1 < top["interval"][0]
    own = errors["distilled: top-1", "top-1"]
    assert own["interval"][1] < 0.02
    assert own["interval"][1] < errors["distilled: full", "top-1"]["interval"][0]
    verdict = committed["headline"]["verdict"]
    for error in (full, top, own):
        digits = 2 if error["ece"] < 0.0995 else 1
        assert f"{100 * error['ece']:.{digits}f}% [" in verdict
    assert committed["headline"]["title"].startswith("Taught the distribution")


def test_report_has_a_section_where_the_picture_is(
    tmp_path: Path, committed: dict[str, Any]
) -> None:
    def told(studies: Path | None) -> tuple[object, ...]:
        result = object.__new__(Reproduction)
        object.__setattr__(result, "studies", studies)
        return calibration_sections(result)

    assert told(None) == told(tmp_path) == ()
    (section,) = told(FIGURES)
    assert committed["headline"]["verdict"] in str(section)
