"""The pictures of the audit: the same bytes twice, numbers that agree with the claims."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.comparison.claims.evidence import profile
from capgap.comparison.digitised import fig8
from capgap.errors import InputError
from capgap.theory.coefficients import law_set

FOLDER = Path(__file__).parents[2] / "simulations"
NAMES = ["coefficient_audit", "regret_map"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=NAMES)
def drawn(request, tmp_path_factory) -> tuple[str, Path, dict[str, float]]:
    out = tmp_path_factory.mktemp(request.param)
    return request.param, out, load(request.param).run(out)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_are_complete_and_the_same_twice(drawn, tmp_path: Path) -> None:
    name, out, headline = drawn
    also = ["claims.csv"] if name == "coefficient_audit" else []
    expected = sorted([*also, *(f"{name}.{end}" for end in ("csv", "json", "png", "svg"))])
    assert sorted(path.name for path in out.iterdir()) == expected
    assert load(name).run(tmp_path) == headline
    for file in expected:
        assert (out / file).read_bytes() == (tmp_path / file).read_bytes()
    record = json.loads((out / f"{name}.json").read_text())
    assert record["headline"] == headline
    assert "2502.08606" in record["source"]
    with Image.open(out / f"{name}.png") as picture:
        assert min(picture.size) > 800
        assert len(set(picture.convert("L").resize((60, 40)).tobytes())) > 20  # not blank, in gray


def test_picture_agrees_with_what_it_says(drawn) -> None:
    name, out, headline = drawn
    table = rows(out / f"{name}.csv")
    if name == "coefficient_audit":
        read = [row for row in table if row["panel"] == "best" and row["series"].endswith("read")]
        assert sorted(float(row["y"]) for row in read) == sorted(fig8().loss[fig8().of("best")])
        line = [row for row in table if row["panel"] == "profile" and row["series"] == "as read"]
        lowest = min(line, key=lambda row: float(row["y"]))
        assert float(lowest["x"]) == headline["plain best"] == profile().best("plain")
        verdicts = [row["verdict"] for row in rows(out / "claims.csv")]
        for verdict in ("confirmed", "contradicted", "depends"):
            assert verdicts.count(verdict) == headline[f"claims {verdict}"]
    else:
        for rule in {row["rule"] for row in table}:
            nats = np.array([float(row["nats"]) for row in table if row["rule"] == rule])
            assert headline[f"{rule}, median"] == pytest.approx(np.median(nats), abs=1e-15)
            assert headline[f"{rule}, largest"] == nats.max()
            assert nats.min() > -1e-6


def test_laws_can_be_chosen_and_a_set_without_teacher_is_refused(tmp_path: Path) -> None:
    script = load("regret_map")
    script.run(tmp_path, law_set("printed"))
    record = json.loads((tmp_path / "regret_map.json").read_text())
    assert record["law_set"]["name"] == "printed"
    for name in NAMES:
        with pytest.raises(InputError, match="distillation law"):
            load(name).run(tmp_path / "none", law_set("chinchilla"))
    assert not (tmp_path / "none").exists()
