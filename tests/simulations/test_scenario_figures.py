"""Figures of who pays for the teacher, through the numbers beside the pictures."""

import csv
import dataclasses
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.plotting import new_figure, style
from capgap.plotting.allocations import draw_students
from capgap.plotting.scenarios import draw_gains, draw_losses
from capgap.plotting.winning import draw_winning, fitted_margin
from capgap.prediction.scenario import SCENARIOS
from capgap.prediction.thresholds import thresholds
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import law_set
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws, LawSet

FOLDER = Path(__file__).parents[2] / "simulations"
NAMES = ["five_scenarios", "optimal_allocations", "threshold_map"]
PAID = {"best": (0, 0), "inference": (1, 0), "pretraining": (0, 1), "both": (1, 1)}


@dataclass(frozen=True)
class Drawn:
    """What a script returned and wrote."""

    script: ModuleType
    folder: Path
    headline: dict[str, float]
    table: dict[str, np.ndarray]
    record: dict[str, object]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> dict[str, np.ndarray]:
    """Columns; numbers where all entries are."""
    with path.open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or ()), list(reader)
    columns = {key: [row[key] for row in rows] for key in names}
    words = {"scenario", "case"}
    return {k: np.array(v) if k in words else np.array(v, dtype=float) for k, v in columns.items()}


def draw(name: str, out: Path, laws: LawSet | None = None) -> Drawn:
    script = load(name)
    headline = script.run(out, laws)
    record = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return Drawn(script, out, headline, read(out / f"{name}.csv"), record)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    """All three pictures with the default laws, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")
    return {name: draw(name, folder) for name in NAMES}


def brute_force(N_S: float, budget: float, paid: tuple[int, int]) -> float:
    """Least student loss on a dense grid over N_T, D_T: an upper bound, 1e-5 nat from it.

    Written from section 5 of arXiv 2502.08606 with the laws alone, no code of the planner:
    what the teacher leaves of the budget goes to the student. The grid, refined twice around
    its best point, ends at steps below 0.2% of N_T and D_T.
    """
    laws, family = law_set(), ModelFamily()
    per_token = 3 * float(family.forward_flops(N_S))
    low, high = np.log([1e6, 1e6]), np.log([1e14, 1e17])
    best = np.inf
    for _ in range(3):
        N_T, D_T = np.meshgrid(*np.exp(np.linspace(low, high, 400)).T)
        forward = family.forward_flops(N_T)
        left = budget - paid[1] * 3 * forward * D_T
        D_S = np.clip(left / (per_token + paid[0] * forward), 1e-3, 1e17)
        loss = laws.taught.loss(N_S, D_S, laws.supervised.loss(N_T, D_T))
        loss[left <= 0] = np.inf
        at = np.unravel_index(np.argmin(loss), loss.shape)
        best = min(best, float(loss[at]))
        center, half = np.log([N_T[at], D_T[at]]), (high - low) / 30
        low, high = center - half, np.minimum(center + half, np.log([1e14, 1e17]))
    return best


def test_files_pictures_and_provenance(drawn: dict[str, Drawn]) -> None:
    for name, one in drawn.items():
        for kind in ("csv", "json", "png", "svg"):
            assert (one.folder / f"{name}.{kind}").stat().st_size > 1000
        assert one.record["headline"] == one.headline
        assert one.headline
        assert all(np.isfinite(list(one.headline.values())))
        assert one.record["figure"] == name
        assert "2502.08606" in str(one.record["source"])
        with Image.open(one.folder / f"{name}.png") as picture:
            assert min(picture.size) > 1000
            assert len(set(picture.convert("RGB").resize((90, 60)).tobytes())) > 20  # not blank


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_again(name: str, drawn: dict[str, Drawn], tmp_path: Path) -> None:
    draw(name, tmp_path)
    for kind in ("csv", "json", "png", "svg"):
        first = (drawn[name].folder / f"{name}.{kind}").read_bytes()
        assert (tmp_path / f"{name}.{kind}").read_bytes() == first


@pytest.mark.parametrize("scenario", PAID)
@pytest.mark.parametrize(("N_S", "budget"), [(3e8, 1e20), (1e9, 1e22), (1e10, 1e24)])
def test_losses_are_least(
    drawn: dict[str, Drawn], scenario: str, N_S: float, budget: float
) -> None:
    """Oracle: dense brute force; it never finds a lower loss, nor one 1e-5 above."""
    table = drawn["five_scenarios"].table
    mine = (table["N_S"] == N_S) & np.isclose(table["budget"], budget, rtol=1e-9)
    assert mine.sum() == 1
    found = float(table[f"loss_{scenario}"][mine][0])
    least = brute_force(N_S, budget, PAID[scenario])
    assert found <= least + 1e-9
    assert found >= least - 1e-5


def test_supervised_column_is_the_law(drawn: dict[str, Drawn]) -> None:
    table, laws = drawn["five_scenarios"].table, law_set()
    D = table["budget"] / (3 * ModelFamily().forward_flops(table["N_S"]))
    np.testing.assert_allclose(table["supervised_D_S"], D, rtol=1e-12)
    expected = laws.supervised.loss(table["N_S"], D)
    np.testing.assert_allclose(table["loss_supervised"], expected, rtol=1e-12)
    assert set(table["N_S"]) == {3e8, 1e9, 3e9, 1e10}
    assert table["budget"].min() == pytest.approx(1e20)
    assert table["budget"].max() == pytest.approx(1e26)
    inside = (D >= 2e9) & (D <= 512e9)
    np.testing.assert_array_equal(table["fitted"] == 1, inside)
    assert 0.1 < inside.mean() < 0.9


def test_scenario_order_and_gain_with_budget(drawn: dict[str, Drawn]) -> None:
    """Paying for less is never worse, nor is a larger budget (to 1e-9 nat of rounding)."""
    table = drawn["five_scenarios"].table
    loss = {name: table[f"loss_{name}"] for name in SCENARIOS}
    for cheap, dear in (
        ("best", "inference"), ("best", "pretraining"), ("inference", "both"),
        ("pretraining", "both"),
    ):  # fmt: skip
        assert np.all(loss[cheap] <= loss[dear] + 1e-9)
        assert np.max(loss[dear] - loss[cheap]) > 0.01
    for N_S in np.unique(table["N_S"]):
        for values in loss.values():
            assert np.all(np.diff(values[table["N_S"] == N_S]) < 1e-9)


def test_rings_are_at_sign_changes(drawn: dict[str, Drawn]) -> None:
    """Oracle: `thresholds`, solved by other code; and signs in the table on both sides."""
    one = drawn["five_scenarios"]
    table = one.table
    keys = [key for key in one.headline if "equals supervised" in key]
    assert len(keys) >= 8
    for key in keys:
        scenario, label = key.split(" ")[0], key.split(", ")[1].split(" ")[0]
        mine = table["N_S"] == one.script.STUDENTS[label]
        gap = (table[f"loss_{scenario}"] - table["loss_supervised"])[mine]
        at = int(np.searchsorted(table["budget"][mine], one.headline[key]))
        assert gap[at - 1] * gap[at] < 0
    total = 0
    for scenario in PAID:
        for N_S in one.script.STUDENTS.values():
            mine = table["N_S"] == N_S
            gap = (table[f"loss_{scenario}"] - table["loss_supervised"])[mine]
            total += int(np.sum(np.sign(gap[1:]) != np.sign(gap[:-1])))
    assert total == len(keys)  # none is left out
    (solved,) = thresholds(law_set(), 1e9, "inference", budgets=(1e20, 1e23))
    assert solved.catch_up is not None
    ring = one.headline["inference equals supervised, 1B, FLOPs"]
    assert ring == pytest.approx(solved.catch_up.budget, rel=1e-5)


def test_points_are_held_only_against_the_papers_laws(
    drawn: dict[str, Drawn], tmp_path: Path
) -> None:
    """The reconstructed set is within 0.015 nat rms of every curve; the printed one is not."""
    misfit = {k: v for k, v in drawn["five_scenarios"].headline.items() if "Fig. 8" in k}
    assert len(misfit) == len(SCENARIOS)
    assert max(misfit.values()) < 0.015  # reading error 0.01
    printed = draw("five_scenarios", tmp_path, law_set("printed")).headline
    assert printed["law minus Fig. 8, best, rms nats"] > 0.05
    ours = HingeLaw(law_set().supervised, rho=0.7, s=0.05, c=0.15)
    other = LawSet("ours", Laws(law_set().supervised, ours), "by hand, for this test")
    headline = draw("five_scenarios", tmp_path / "other", other).headline
    assert not any("Fig. 8" in key for key in headline)


def test_allocations_add_up_and_give_their_losses(drawn: dict[str, Drawn]) -> None:
    """FLOPs of the three parts, written out from section 5, and the law at the allocation."""
    table, laws, family = drawn["optimal_allocations"].table, law_set(), ModelFamily()
    student = 3 * family.forward_flops(table["N_S"]) * table["D_S"]
    np.testing.assert_allclose(table["student_training"], student, rtol=1e-12)
    spent = student + table["teacher_inference"] + table["teacher_pretraining"]
    np.testing.assert_allclose(spent, table["budget"], rtol=1e-9)
    loss = laws.taught.loss(table["N_S"], table["D_S"], table["L_T"])
    np.testing.assert_allclose(table["student_loss"], loss, rtol=1e-9)
    free = table["scenario"] == "best"
    assert np.all(np.isnan(table["N_T"][free]) & np.isnan(table["D_T"][free]))
    N_T, D_T = table["N_T"][~free], table["D_T"][~free]
    np.testing.assert_allclose(laws.supervised.loss(N_T, D_T), table["L_T"][~free], rtol=1e-9)
    for name, (inference, pretraining) in PAID.items():
        mine = table["scenario"] == name
        if name == "best":
            assert not table["teacher_inference"][mine].any()
            continue
        forward = family.forward_flops(table["N_T"][mine])
        np.testing.assert_allclose(
            table["teacher_inference"][mine], inference * forward * table["D_S"][mine], rtol=1e-12
        )
        np.testing.assert_allclose(
            table["teacher_pretraining"][mine], pretraining * 3 * forward * table["D_T"][mine],
            rtol=1e-12,
        )  # fmt: skip


def test_bands_hold_the_optimum_and_belong_to_one_student(drawn: dict[str, Drawn]) -> None:
    one = drawn["optimal_allocations"]
    table = one.table
    banded = np.isfinite(table["L_T_least"])
    assert set(table["N_S"][banded]) == {one.script.STUDENTS[one.script.BAND_OF]}
    assert banded.sum() == len(PAID) * len(one.script.BAND_BUDGETS)
    for quantity in ("L_T", "D_S", "N_T", "D_T"):
        low, high = table[f"{quantity}_least"], table[f"{quantity}_greatest"]
        has = np.isfinite(low) & np.isfinite(table[quantity])
        assert has.sum() >= 3 * len(one.script.BAND_BUDGETS)
        assert np.all(low[has] <= table[quantity][has] * (1 + 1e-6))
        assert np.all(high[has] >= table[quantity][has] * (1 - 1e-6))
    wide = table["N_T_greatest"] / table["N_T_least"]
    assert np.nanmin(wide) > 1.2  # no teacher's size is known to 20% from 0.001 nat
    ratio = one.headline["N_T / N_S, both, 1B, 1e+22 FLOPs"]
    at = (table["scenario"] == "both") & (table["N_S"] == 1e9)
    at &= np.isclose(table["budget"], 1e22, rtol=1e-9)
    assert ratio == pytest.approx(table["N_T"][at][0] / 1e9, rel=1e-12)


def test_thresholds_change_the_winner(drawn: dict[str, Drawn]) -> None:
    """Oracle: brute force 3% beside each threshold within 1e20 to 1e25 FLOPs."""
    table, laws, family = drawn["threshold_map"].table, law_set(), ModelFamily()
    checked = 0
    for case, N_S, budget, below in zip(
        table["case"], table["N_S"], table["budget_alone"], table["taught_wins_below"], strict=True
    ):
        if case not in PAID or not 1e20 < budget < 1e25:
            continue
        gaps = []
        for C in (0.97 * budget, 1.03 * budget):
            alone = laws.supervised.loss(N_S, C / (3 * family.forward_flops(N_S)))
            gaps.append(brute_force(N_S, C, PAID[str(case)]) - float(alone))
        assert gaps[0] * gaps[1] < 0, (case, N_S, budget)
        assert (gaps[0] < 0) == (below == 1)
        checked += 1
    assert checked >= 10


def test_given_teachers_are_matched_at_equal_tokens(drawn: dict[str, Drawn]) -> None:
    table, laws = drawn["threshold_map"].table, law_set()
    for N_T, word in ((546e6, "546M"), (1.82e9, "1.82B"), (7.75e9, "7.75B")):
        mine = table["case"] == f"teacher of {word}"
        assert mine.sum() >= 5
        N_S, D_S = table["N_S"][mine], table["D_S_alone"][mine]
        taught = laws.taught.loss(N_S, D_S, laws.supervised.loss(N_T, 20 * N_T))
        np.testing.assert_allclose(taught, laws.supervised.loss(N_S, D_S), rtol=1e-6)
        np.testing.assert_allclose(taught, table["loss"][mine], rtol=1e-6)


def test_catching_up_is_for_students_of_middle_size(drawn: dict[str, Drawn]) -> None:
    """A finding of the map: under these laws not every student catches up with a free teacher.

    Oracle: the infinite-data limits of both laws. Where the best teacher's student is better
    even there, training alone never catches up.
    """
    one, laws = drawn["threshold_map"], law_set()
    caught = {
        float(N_S)
        for case, N_S, below in zip(
            one.table["case"], one.table["N_S"], one.table["taught_wins_below"], strict=True
        )
        if case == "best" and below == 1
    }
    L_T = np.linspace(laws.supervised.irreducible_loss, 3.5, 20001)
    for N_S in one.script.SIZES[:: one.script.EVERY]:
        taught = laws.taught.infinite_data_loss(float(N_S), L_T).min()
        alone = float(laws.supervised.infinite_data_loss(float(N_S)))
        assert (taught > alone) == (float(N_S) in caught), N_S
    assert caught
    assert "training alone catches up, best, 1B, FLOPs" in one.headline


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("law", "E"), [(HingeLaw, 1.22), (AdditiveHingeLaw, 1.15)])
def test_other_laws_are_drawn(
    name: str, law: type[HingeLaw] | type[AdditiveHingeLaw], E: float, tmp_path: Path
) -> None:
    """With the student's own law (E = 1.22) no teacher ever helps; with a lower E some do."""
    own = law_set().supervised
    taught = law(dataclasses.replace(own, E=E), rho=0.7, s=0.05, c=0.15)
    one = draw(name, tmp_path, LawSet("by hand", Laws(own, taught), "made for this test"))
    assert one.record["source"] == "made for this test"
    assert (tmp_path / f"{name}.svg").is_file()
    if name == "threshold_map":
        assert (len(one.table["case"]) > 0) == (E < 1.22)


@pytest.mark.parametrize("name", NAMES)
def test_laws_without_a_teacher_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a distillation law"):
        load(name).run(tmp_path, law_set("chinchilla"))
    assert list(tmp_path.iterdir()) == []


def test_bad_input_to_drawing_is_refused() -> None:
    x = np.array([1.0, 2.0])
    with style():
        _, axes = new_figure()
        for function in (draw_losses, draw_gains):
            with pytest.raises(InputError, match="must hold 'supervised'"):
                function(axes, x, {"best": x})
        with pytest.raises(InputError, match="0 lines"):
            draw_students(axes, x, [])
        with pytest.raises(InputError, match="0 parts"):
            draw_winning(axes, [])


def test_fitted_margin_changes_sign_at_the_ends() -> None:
    laws = law_set()
    low, high = laws.fitted["D_S"]
    ends = np.array([low, high])
    np.testing.assert_allclose(fitted_margin(laws, D_S=ends), 0.0, atol=1e-15)
    assert np.all(fitted_margin(laws, D_S=ends * [0.99, 1.01]) < 0)
    bare = LawSet("bare", laws.laws, "no ranges told")
    assert np.all(fitted_margin(bare, N_S=1.0, D_S=ends) == np.inf)
