"""Scores of laws on exact runs, what no law can do, and the study that keeps what it has done."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from capgap.comparison.held_out import HeldOut
from capgap.comparison.solvable import LAWS, SETTINGS, Score, Setting, fit_by_name, solvable_runs
from capgap.comparison.solvable.evidence import compare_strong_slopes, student_curve
from capgap.comparison.solvable.scores import (
    jackknife,
    score_law,
    spread_at_equal_teachers,
)
from capgap.comparison.tables.run_table import RunTable
from capgap.errors import InputError
from capgap.plotting.solvable import draw_solvable

NAMED = {one.name: one for one in SETTINGS}
SCRIPT = Path(__file__).parents[3] / "simulations" / "study_laws_on_solvable_models.py"


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    """Three laws on least squares."""
    runs = solvable_runs(NAMED["LS, slow tail"])
    return {name: score_law(name, runs) for name in ("Eq. 8 reduced", "additive pq", "spectral")}


def test_the_derived_law_foretells_what_the_others_do_not(scores: dict[str, Score]) -> None:
    """Its only error is D - N for D - N - 1, at most 1e-5 here; Eq. 8 has its knee elsewhere."""
    for error in ("in_sample", "cell", "teacher", "samples"):
        assert getattr(scores["spectral"], error) < 2e-5
        assert getattr(scores["Eq. 8 reduced"], error) > 2e-3
    assert scores["spectral"].coefficients == 3


def test_a_given_supervised_law_is_the_wrong_corner(scores: dict[str, Score]) -> None:
    """Least squares turns at L(N, infinity): a multiple of L(N, D) cannot be there."""
    assert scores["additive pq"].in_sample > 0.01
    own = fit_by_name("additive pq, own corner", solvable_runs(NAMED["LS, slow tail"]))
    assert np.sqrt(np.mean(own.residual**2)) < 1e-4
    corner = cast(Any, own.law).student
    for N in (16.0, 250.0):
        assert corner.loss(N, 1024.0) == pytest.approx(1 + N**-0.5, abs=1e-3)


def test_jackknife_by_hand() -> None:
    """Values 1, 2, 3: (G - 1)/G times 2 is 4/3."""
    fits = tuple(SimpleNamespace(coefficients={"c": v}) for v in (1.0, 2.0, 3.0))
    held = HeldOut(np.zeros(3), np.arange(3), cast(Any, fits))
    assert jackknife(held) == {"c": pytest.approx((4 / 3) ** 0.5)}


def test_spread_at_equal_teachers_by_hand() -> None:
    """Teachers 3, 1, 3: students e^1 and e^2 at L_T = 3 differ by 1; half of it, both ways."""
    runs = solvable_runs(NAMED["LS, slow tail"])
    table = RunTable([9.0] * 3, [9.0] * 3, np.exp([1.0, 0.5, 2.0]), L_T=[3.0, 1.0, 3.0])
    assert spread_at_equal_teachers(replace(runs, taught=table)) == pytest.approx(0.5)


@pytest.mark.parametrize("law", ["additive pq, own corner", "spectral"])
def test_no_law_does_better_than_the_spread_allows(law: str) -> None:
    """Overfitting teachers: the spread bounds the error at the runs that have a twin."""
    runs = solvable_runs(NAMED["LS, overfitting teachers"])
    assert spread_at_equal_teachers(runs) > 0.02
    assert np.sqrt(np.mean(fit_by_name(law, runs).residual ** 2)) > 0.02
    assert spread_at_equal_teachers(solvable_runs(NAMED["LS, slow tail"])) == 0


def test_unknown_laws_are_refused() -> None:
    with pytest.raises(InputError, match=r"name = .cubic. must be among Eq\. 8"):
        fit_by_name("cubic", solvable_runs(NAMED["LS, slow tail"]))


def test_the_picture_shows_what_it_is_given(scores: dict[str, Score]) -> None:
    setting = NAMED["LS, slow tail"]
    curve = student_curve(setting, 100, 1024, ["spectral"])
    assert np.max(np.abs(curve.fitted["spectral"] / curve.exact - 1)) < 1e-4
    slopes = compare_strong_slopes(setting)
    figure = draw_solvable([curve, curve], [slopes], list(scores.values()), [setting.name])
    assert len(figure.axes) == 4
    assert [label.get_text() for label in figure.axes[3].get_yticklabels()] == list(scores)
    points = figure.axes[2].lines[0]
    assert np.asarray(points.get_ydata()) == pytest.approx(slopes.measured)


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_laws_on_solvable_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_study_covers_all_laws_and_takes_up_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = script()
    assert len(list(study.cases())) == len(LAWS) * (len(SETTINGS) + len(study.EXCESS))
    made: list[str] = []

    def score(law: str, runs: Any) -> Score:
        made.append(law)
        return Score(runs.setting.name, law, runs.excess, 1, "converged", *[0.1] * 4, {}, {})

    def cases() -> Iterator[tuple[Setting, bool, str]]:
        yield from ((SETTINGS[0], False, law) for law in ("hinge", "additive", "spectral"))

    monkeypatch.setattr(study, "score_law", score)
    monkeypatch.setattr(study, "cases", cases)
    first = study.study(tmp_path)
    assert [one.law for one in first] == made == ["hinge", "additive", "spectral"]
    file = tmp_path / f"{study.NAME}.jsonl"
    lines = file.read_text().splitlines()
    # Stopped while the second was written.
    file.write_text(lines[0] + "\n" + lines[1][:40])
    made.clear()
    assert study.study(tmp_path) == first
    assert made == ["additive", "spectral"]
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 3
