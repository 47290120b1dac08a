"""The study's script on planted records: verdicts, table and picture, without training."""

import csv
import dataclasses
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.measurement.mapping.records import MappingRecord
from capgap.measurement.mapping.settings import MappingSettings, small_settings

SCRIPT = Path(__file__).parents[3] / "simulations" / "study_mapping_problem.py"
SETTINGS = dataclasses.replace(small_settings(), seeds=(0, 1, 2, 3))


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_mapping_problem", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def planted(settings: MappingSettings = SETTINGS) -> list[MappingRecord]:
    """Narrow students end above the shortcut, middle ones rise by 0.1 per teacher beyond
    the fifth, wide ones are 0.05 above their teachers; seeds differ by a few thousandths."""
    rng = np.random.default_rng(3)
    records = []

    def record(role: str, width: int, teacher: object, loss: float) -> MappingRecord:
        values = tuple(float(v) for v in loss + 0.002 * rng.standard_normal(len(settings.seeds)))
        return MappingRecord(
            role, width, 7 * width, 11, teacher, settings.seeds, values, values, values, 1.0,
        )  # fmt: skip

    for form in ("width", "time"):
        teachers = [t for t in settings.teachers if t.form == form]
        for place, teacher in enumerate(teachers):
            L_T = 1.6 * 0.5**place
            rise = 0.1 * max(0, place - 4)
            records.append(record("teacher", teacher.width, teacher, L_T))
            for width, L_S in zip(
                settings.student_widths, (1.2 + L_T / 9, L_T + rise, L_T + 0.05), strict=True
            ):
                records.append(record("student", width, teacher, L_S))
    return records


def test_planted_claims_come_back(study: ModuleType) -> None:
    curves = study.judged_curves(planted(), SETTINGS.task.shortcut_loss)
    assert len(curves) == 6
    found = study.claims(curves)
    assert set(found) == {"width", "time"}
    for form in found.values():
        assert set(form.values()) == {"verified"}
    without = [c for c in curves if c.curve.student_width != 128]
    assert study.claims(without) == {}


def test_table_and_picture(study: ModuleType, tmp_path: Path) -> None:
    records = planted()
    numbers = study.draw(tmp_path, SETTINGS, records)
    with (tmp_path / "mapping_problem.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    students = [r for r in records if r.role == "student"]
    assert len(rows) == 4 * len(students)
    # Two columns read back: every student's losses, in any order.
    assert sorted(float(r["student_loss"]) for r in rows) == sorted(
        v for r in students for v in r.loss
    )
    one = next(r for r in rows if r["form"] == "time" and r["student_width"] == "128")
    assert one["teacher_width"] == str(SETTINGS.stop_width)
    note = json.loads((tmp_path / "mapping_problem.json").read_text(encoding="utf-8"))
    assert note["headline"] == pytest.approx(numbers)
    assert note["verdicts"]["width, student 128"]["shape"] == "U"
    with Image.open(tmp_path / "mapping_problem.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[0] > 1000
    assert 0.005 < (pixels < 128).mean() < 0.3
    before = (tmp_path / "mapping_problem.svg").read_bytes()
    study.draw(tmp_path, SETTINGS, records)
    assert (tmp_path / "mapping_problem.svg").read_bytes() == before


def test_half_a_study_is_drawn(study: ModuleType, tmp_path: Path) -> None:
    """Without one form and one width, and with too few teachers for another."""
    some = [
        r
        for r in planted()
        if r.role == "teacher" or (r.teacher.form == "width" and r.width != 192)
    ]
    dropped = [r for r in some if r.role == "student" and r.width == 64][2:]
    kept = [r for r in some if r not in dropped]
    numbers = study.draw(tmp_path, SETTINGS, kept)
    assert {key.split(":")[0] for key in numbers} == {"width, student 128"}


def test_speed_is_measured(study: ModuleType) -> None:
    pytest.importorskip("torch", reason="needs the extra 'lm'")
    found = study.measure_speed(widths=(4,), members=2, steps=2, rounds=1)
    speed, ratio = found[4]
    assert speed > 0
    assert ratio > 0
