"""The two figure scripts: right numbers, the same bytes twice, provenance without a clock."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.errors import CapgapError, InputError
from capgap.plotting import draw_kernel_gap, draw_student_loss, new_figure, save_figure, style

FOLDER = Path(__file__).parents[2] / "simulations"
NAMES = ["student_loss_against_teacher_loss", "kernel_regression_capacity_gap"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> dict[str, np.ndarray]:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    headline = load(name).run(tmp_path / "one")
    load(name).run(tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [f"{name}.csv", f"{name}.json", f"{name}.png"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    record = json.loads((tmp_path / "one" / f"{name}.json").read_text())
    assert record["headline"] == headline
    assert set(record["versions"]) == {"capgap", "matplotlib", "numpy"}
    assert "2502.08606" in record["source"]
    with Image.open(tmp_path / "one" / f"{name}.png") as picture:
        assert min(picture.size) > 800
        assert len(set(picture.convert("RGB").resize((60, 40)).tobytes())) > 20  # not blank


def test_law_figure_headline_is_the_minimum_of_its_curves(tmp_path: Path) -> None:
    """Oracle: brute force over the drawn points, 0.005 nat apart."""
    script = load(NAMES[0])
    headline = script.run(tmp_path)
    table = read(tmp_path / f"{NAMES[0]}.csv")
    for label, N_S in script.STUDENTS.items():
        mine = table["N_S"] == N_S
        lowest = int(np.argmin(table["L_S"][mine]))
        assert abs(table["L_T"][mine][lowest] - headline[f"best teacher loss, {label}"]) < 0.0051
        drawn = table["L_S"][mine].min()
        assert headline[f"best student loss, {label}"] == pytest.approx(drawn, abs=1e-4)
        assert drawn >= headline[f"best student loss, {label}"]
    values = [headline[f"best teacher loss, {label}"] for label in script.STUDENTS]
    assert values == sorted(values, reverse=True)  # larger students want stronger teachers


def test_kernel_figure_headline_is_the_floor_of_its_curves(tmp_path: Path) -> None:
    """Oracle: brute force; the floor starts at m = n and ends where S_m = (T/D)^2 S_n."""
    script = load(NAMES[1])
    headline = script.run(tmp_path)
    table = read(tmp_path / f"{NAMES[1]}.csv")
    alpha = np.random.default_rng(script.SEED).uniform(-1, 1, script.FUNCTIONS)
    S = np.cumsum(alpha**2)
    for n in script.STUDENT_DIMENSIONS:
        error = table[f"student_error_n{n}"]
        on_floor = table["m"][error <= error.min() + 1e-9]
        assert on_floor[0] == headline[f"first best m, n = {n}"] == n
        assert on_floor[-1] == headline[f"last best m, n = {n}"]
        assert on_floor[-1] == np.sum((5.0 / 4.5) ** 2 * S[n - 1] >= S)
        assert np.all(error >= table["teacher_error"] - 1e-12)


def test_style_leaves_no_trace_and_pyplot_is_not_loaded() -> None:
    code = (
        "import sys, capgap.plotting as p; assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        # Reading the setting 'backend' would load pyplot.
        "def read(): return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams"
        " if k != 'backend'}\n"
        "before = read()\n"
        "with p.style(): p.new_figure(); assert read() != before\n"
        "assert read() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_bad_input_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with style():
        figure, axes = new_figure()
        with pytest.raises(InputError, match="column lengths"):
            save_figure(figure, tmp_path, "x", {"a": [1.0], "b": [1.0, 2.0]}, {})
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(InputError, match="0 curves"):
            draw_student_loss(axes, [], "t", "n")
        with pytest.raises(InputError, match="0 curves"):
            draw_kernel_gap(axes, np.arange(1, 3), np.ones(2), [], "t", "n")
        blocked = tmp_path / "file"
        blocked.write_text("")
        with pytest.raises(CapgapError, match="cannot write"):
            save_figure(figure, blocked / "in", "x", {"a": [1.0]}, {})


def test_numbers_in_the_csv_are_exact(tmp_path: Path) -> None:
    values = np.array([0.1, 1 / 3, 1e-17])
    with style():
        save_figure(new_figure()[0], tmp_path, "x", {"m": [1, 2, 3], "v": values}, {"seed": None})
    table = read(tmp_path / "x.csv")
    np.testing.assert_array_equal(table["v"], values)
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == "1,0.1"
