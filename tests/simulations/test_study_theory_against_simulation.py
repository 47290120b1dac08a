"""The study of theory against simulation goes on where it stopped, and writes what it found."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from capgap.comparison.agreement.catalog import configurations

SCRIPT = Path(__file__).parents[2] / "simulations" / "study_theory_against_simulation.py"
SHARE = 2e-4  # two or more replications of each configuration


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_interrupted_study_goes_on(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "parts"
    table = study.table(parts, SHARE, 0, False)
    first = [next(table) for _ in range(5)]
    assert len(list(parts.iterdir())) == 5
    whole = list(study.table(parts, SHARE, 0, False))
    assert whole[:5] == first
    assert len(whole) == len(configurations(real_data=False))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr(study, "compare", refuse)
    assert list(study.table(parts, SHARE, 0, False)) == whole
    with pytest.raises(AssertionError, match="simulated again"):
        next(study.table(parts, SHARE, 1, False))  # another seed is another study

    rows = [row for found in whole for row in found]
    verdict, order = study.save_study(tmp_path, rows, seed=0, share=SHARE)
    with (tmp_path / f"{study.NAME}.csv").open(encoding="utf-8") as file:
        assert [float(row["z"]) for row in csv.DictReader(file)] == [row.z for row in rows]
    record = json.loads((tmp_path / f"{study.NAME}.json").read_text(encoding="utf-8"))
    assert record["agreement"]["agrees"] == verdict.agrees
    assert record["finite_size_order"]["p"] == order.p
    assert (tmp_path / f"{study.NAME}.png").stat().st_size > 20_000
