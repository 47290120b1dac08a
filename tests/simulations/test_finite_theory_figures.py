"""Pictures of finite samples: their numbers are the theory's, and say what their titles say."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.errors import InputError
from capgap.plotting import new_figure
from capgap.plotting.finite_theory import draw_series
from capgap.spectrum import Spectrum, Stage, power_law
from capgap.theory.finite import (
    best_assistant,
    chain,
    least_squares_chain,
    samples_for_assistant,
)

FOLDER = Path(__file__).parents[2] / "simulations"
HINGE, PHASES = "hinge_law_of_least_squares", "phase_diagram_of_teachers"
GAP, ASSISTANTS = "gap_vanishing_with_samples", "chain_of_assistants"
Drawn = tuple[ModuleType, dict[str, float], dict[str, np.ndarray]]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> dict[str, np.ndarray]:
    """Columns; those of names stay text."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ("series", "target", "part")
    return {
        key: np.array([row[key] if key in names else float(row[key]) for row in rows])
        for key in rows[0]
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def drawn(folder: Path) -> dict[str, Drawn]:
    """Every picture once: script, headline, table."""
    pictures = {}
    for name in (HINGE, PHASES, GAP, ASSISTANTS):
        script = load(name)
        headline = script.run(folder)
        pictures[name] = (script, headline, read(folder / f"{name}.csv"))
    return pictures


def powers(size: int, decay: float) -> np.ndarray:
    """i^-decay, total 1."""
    values = np.arange(1, size + 1) ** -decay
    return values / values.sum()


def tail(power: np.ndarray, m: int) -> float:
    return float(power[m:].sum())


def typed_pair(
    power: np.ndarray, m: int, n: int, n_T: float, n_S: float, noise: float
) -> tuple[float, float]:
    """Least squares twice, typed from its derivation and not from the package."""
    v = (noise + tail(power, m)) / (n_T - m - 1)
    teacher = tail(power, m) + m * v
    if m <= n:
        return teacher, teacher
    misfit = tail(power, n) - tail(power, m) + (m - n) * v
    return teacher, tail(power, n) + n * v + n / (n_S - n - 1) * misfit


@pytest.mark.parametrize("name", [HINGE, PHASES, GAP, ASSISTANTS])
def test_two_runs_write_the_same_bytes(name: str, drawn, folder: Path, tmp_path: Path) -> None:
    assert load(name).run(tmp_path) == drawn[name][1]
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [f"{name}.{kind}" for kind in ("csv", "json", "png", "svg")]
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes()
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["headline"] == drawn[name][1]
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert min(picture.size) > 800
        assert len(set(picture.convert("L").resize((60, 40)).tobytes())) > 20  # not blank, in gray


def test_perfect_teachers_make_hinges(drawn) -> None:
    """Oracle: max{E_T, (1 + theta) t_n - theta E_T}, every row of the eight hinges."""
    _, headline, table = drawn[HINGE]
    power = powers(100, 1.5)
    cases = [("samples", 10, n_S) for n_S in (16, 21, 31, 111)]
    cases += [("width", n, 81) for n in (5, 10, 20, 40)]
    for kind, n, n_S in cases:
        steep, corner = n / (n_S - n - 1), tail(power, n)
        label = f"$n_S$ = {n_S}:" if kind == "samples" else f"n = {n}:"
        mine = np.char.startswith(table["series"], f"{kind}, {label}")
        assert mine.sum() == 101
        teacher, student = table["teacher_risk"][mine], table["student_risk"][mine]
        expected = np.maximum(teacher, (1 + steep) * corner - steep * teacher)
        assert student == pytest.approx(expected, rel=1e-12)
        assert teacher[np.argmin(student)] == pytest.approx(corner, rel=1e-12)
    assert headline["corner t_n, n = 10"] == pytest.approx(tail(power, 10), rel=1e-12)
    assert headline["theta, n = 10, n_S = 31"] == 0.5


def test_noisy_teachers_are_the_typed_formula(drawn) -> None:
    """Every row of the curves that turn back, and the student beats a teacher that overfits."""
    _, headline, table = drawn[HINGE]
    power = powers(100, 1.5)
    for n_T in (50, 100, 400):
        mine = table["series"] == f"noisy teacher, $n_T$ = {n_T}"
        pairs = [typed_pair(power, int(m), 10, n_T, 111, 0.5) for m in table["m"][mine]]
        assert table["teacher_risk"][mine] == pytest.approx([p[0] for p in pairs], rel=1e-12)
        assert table["student_risk"][mine] == pytest.approx([p[1] for p in pairs], rel=1e-12)
        assert headline[f"best m, n_T = {n_T}"] == int(np.argmin([p[1] for p in pairs]))
    widest = table["series"] == "noisy teacher, $n_T$ = 100"
    assert table["student_risk"][widest][-1] < 0.2 * table["teacher_risk"][widest][-1]


def test_simulated_students_agree_and_those_of_a_wrong_law_do_not(drawn) -> None:
    """|z| <= 4 for each of some 20 points; with theta = n/n_S, the large-sample form, not."""
    _, headline, table = drawn[HINGE]
    done = np.isfinite(table["simulated_student_risk"]) & (table["standard_error"] > 1e-12)
    off = (table["simulated_student_risk"] - table["student_risk"])[done]
    z = off / table["standard_error"][done]
    assert z.size == headline["simulated students"] >= 20
    assert float(np.max(np.abs(z))) == pytest.approx(headline["largest |z| of them"], rel=1e-9)
    assert np.max(np.abs(z)) <= 4
    wrong = []
    for n_S in (16, 21, 31):
        mine = done & np.char.startswith(table["series"], f"samples, $n_S$ = {n_S}:")
        corner = tail(powers(100, 1.5), 10)
        law = corner + 10 / n_S * (corner - table["teacher_risk"][mine])
        wrong.extend((table["simulated_student_risk"][mine] - law) / table["standard_error"][mine])
    assert np.min(np.abs(wrong)) > 4


def test_phase_diagram_is_a_search_over_all_widths(drawn) -> None:
    """Oracle: the typed formula at random places of both maps, and the closed condition."""
    _, _, table = drawn[PHASES]
    rng = np.random.default_rng(0)
    targets = {"level": np.full(100, 0.01), "falling": powers(100, 1.2)}
    for row in rng.choice(len(table["n_S"]), 120, replace=False):
        power = targets[str(table["target"][row])]
        noise, n_S = float(table["noise"][row]), float(table["n_S"][row])
        risk = [typed_pair(power, m, 20, 200, n_S, noise)[1] for m in range(101)]
        assert risk[int(table["best_m"][row])] == pytest.approx(min(risk), rel=1e-12)
        # theta_c: teachers above n against the best copied one.
        v = [(noise + tail(power, m)) / (199 - m) for m in range(101)]
        copied = min(tail(power, m) + m * v[m] for m in range(21))
        rest = tail(power, 20)
        steep = max(
            (copied - rest - 20 * v[m]) / (rest - tail(power, m) + (m - 20) * v[m])
            for m in range(21, 101)
        )
        border = 21 + 20 / steep if steep > 0 else np.inf
        assert table["border_n_S"][row] == pytest.approx(border, rel=1e-9)


def test_larger_teachers_need_more_samples_than_theirs(drawn) -> None:
    """The title, in every cell; and the level target's best width takes three values only."""
    _, headline, table = drawn[PHASES]
    wider = table["best_m"] > 20
    assert wider.any()
    assert table["n_S"][wider].min() > 200
    assert headline["least border n_S of both maps"] > 200
    level = table["target"] == "level"
    assert set(table["best_m"][level]) == {0.0, 20.0, 100.0}
    useless = headline["no teacher above noise, level"]
    assert np.array_equal(table["best_m"][level] == 0, table["noise"][level] > useless)
    assert len(set(table["best_m"][~level])) > 20
    # At the jump both teachers are equally good, 1e-12: one root of a linear equation.
    at = headline["border n_S, level"]
    both = [typed_pair(np.full(100, 0.01), m, 20, 200, at, 0.3)[1] for m in (20, 100)]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


def test_gap_rows_are_chains_of_a_perfect_teacher_and_a_ridge_student(drawn) -> None:
    """Oracle: the general chain, which knows nothing of the theorem on perfect teachers."""
    _, _, table = drawn[GAP]
    spectrum = power_law(1000, 1.5, 1.5, 1 / np.sum(np.arange(1.0, 1001) ** -1.5))
    taught = np.flatnonzero(table["m"] >= 1)
    for row in np.random.default_rng(1).choice(taught, 40, replace=False):
        student = Stage(200, float(table["n_S"][row]), float(table["ridge"][row]))
        stages = [Stage(int(table["m"][row]), np.inf), student]
        # 1e-9: kappa is solved for, to rounding times its condition.
        assert table["student_risk"][row] == pytest.approx(
            chain(spectrum, stages).risk[-1], rel=1e-9
        )


def test_effective_capacity_is_where_the_curve_is_lowest(drawn) -> None:
    script, headline, table = drawn[GAP]
    for n_S in script.CURVES:
        mine = (table["part"] == "curve") & (table["n_S"] == n_S)
        risk = table["student_risk"][mine]
        lowest = int(np.argmin(risk))
        assert lowest == headline[f"m*, n_S = {n_S}"] == table["m_star"][mine][0]
        gap = risk[-1] / risk[lowest] - 1
        assert gap == pytest.approx(headline[f"gap, n_S = {n_S}"], rel=1e-12)


def test_samples_close_the_gap_and_open_it_first_with_little_ridge(drawn) -> None:
    """The title: one peak each, the lower and the earlier the larger the ridge; then 1/n_S."""
    _, headline, table = drawn[GAP]
    peaks, places = [], []
    for ridge in (1e-4, 1e-3, 1e-2):
        mine = (table["part"] == "scan") & (table["ridge"] == ridge)
        n_S, gap = table["n_S"][mine], table["gap"][mine]
        top = int(np.argmax(gap))
        assert gap[top] == headline[f"largest gap, ridge {ridge:g}"]
        assert n_S[top] == headline[f"its n_S, ridge {ridge:g}"]
        assert np.all(np.diff(gap[top:]) < 0)
        late = n_S >= 10_000
        slope = np.polyfit(np.log(n_S[late]), np.log(gap[late]), 1)[0]
        # gamma/(1 - gamma) is a/n_S (1 + O(200/n_S)): 0.02 in the slope at most.
        assert slope == pytest.approx(-1, abs=0.02)
        peaks.append(gap[top])
        places.append(n_S[top])
    assert peaks == sorted(peaks, reverse=True)
    assert places == sorted(places, reverse=True)
    assert places[0] == 200  # the student's width
    assert headline["gap, n_S = 50"] > headline["gap, n_S = 20"] > headline["gap, n_S = 200"]


def assistants() -> Spectrum:
    return power_law(200, 1.5, 1.5, 1 / np.sum(np.arange(1.0, 201) ** -1.5))


def test_savings_are_those_of_exact_chains(drawn) -> None:
    """Oracle: three stages of least squares, every width tried, at random places of the maps."""
    _, _, table = drawn[ASSISTANTS]
    spectrum = assistants()
    rows = np.flatnonzero(table["part"] == "map")
    for row in np.random.default_rng(2).choice(rows, 25, replace=False):
        m, n_S, n_A = (float(table[key][row]) for key in ("m", "n_S", "n_A"))
        scan = best_assistant(spectrum, Stage(int(m), np.inf), Stage(20, n_S), n_A)
        assert scan.exact
        share = scan.gain / scan.direct_risk
        assert table["saved"][row] == pytest.approx(share, rel=1e-9, abs=1e-12)
    case = np.flatnonzero(table["part"] == "case")
    for row in np.random.default_rng(3).choice(case, 25, replace=False):
        assistant = Stage(int(table["k"][row]), float(table["n_A"][row]))
        stages = [Stage(200, np.inf), assistant, Stage(20, 40)]
        expected = least_squares_chain(spectrum, stages).risk[-1]
        assert table["risk"][row] == pytest.approx(expected, rel=1e-12)


def test_an_assistant_stops_helping_at_its_ring(drawn) -> None:
    """Oracle: counts alone, n_A > n_S + 2 (k - n), for every k >= n of the drawn lines."""
    script, _, table = drawn[ASSISTANTS]
    mine = (table["part"] == "case") & (table["k"] >= 20)
    needed = [samples_for_assistant(20, 40, int(k)) for k in table["k"][mine]]
    helps = table["saved"][mine] > 1e-12
    assert np.array_equal(helps, table["n_A"][mine] > needed)
    rings = {float(line.marks[0, 0]) for line in map(script.case_line, script.CASE_ASSISTANTS)}
    assert rings == {20.0, 30.0, 40.0, 80.0}


def test_equal_samples_help_a_badly_tuned_student_and_hardly_a_tuned_one(drawn) -> None:
    _, headline, table = drawn[ASSISTANTS]
    equal = (table["part"] == "map") & (table["n_S"] == table["n_A"])
    double = (table["part"] == "map") & (2 * table["n_S"] == table["n_A"])
    assert np.all(table["saved"][double] > 0)
    assert np.all(table["saved"][equal] >= 0)
    assert table["saved"][equal].max() == headline["most saved, n_A = 1 n_S"] > 0.5
    last = table["n_S"][equal & (table["saved"] > 0)].max()
    assert last == headline["last n_S at which one on equal samples helps"] < 60
    tuned = table["saved"][table["part"] == "tuned ridges"]
    assert tuned.max() == headline["most saved on equal samples, ridges tuned"] < 0.025


@pytest.mark.parametrize("n_S", [28, 160, 640])
def test_tuned_ridges_are_not_beaten_by_a_grid(n_S: int, drawn) -> None:
    """Oracle: a grid over both ridges. It may miss the least by its step, never undercut it."""
    _, _, table = drawn[ASSISTANTS]
    spectrum = assistants()
    decades = 10 ** np.linspace(-6, 0, 13)
    grid = min(
        chain(spectrum, [Stage(200, np.inf), Stage(200, n_S, a), Stage(20, n_S, b)]).risk[-1]
        for a in decades
        for b in decades
    )
    mine = (table["part"] == "tuned ridges") & (table["n_S"] == n_S)
    risk = float(table["risk"][mine][0])
    assert risk <= grid * (1 + 1e-9)
    # Half a decade apart: 2% covers the curvature of all three.
    assert risk > grid * 0.98


def test_all_samples_from_the_teacher_are_better_here_but_not_always(drawn) -> None:
    """What the source line says holds at every drawn point, and it is no theorem.

    Counterexample: all power in the first and the last feature, few samples. A narrow assistant
    keeps the student from estimating eighteen useless coefficients under noise.
    """
    _, headline, table = drawn[ASSISTANTS]
    power = powers(200, 1.5)
    rows = np.flatnonzero(table["part"] == "map")
    most = -np.inf
    for m, n_S, n_A, saved in zip(
        *(table[key][rows] for key in ("m", "n_S", "n_A", "saved")), strict=True
    ):
        unknown = float(power[int(m) :].sum())
        beyond = float(power[20 : int(m)].sum())
        own, rival = (unknown + beyond * (1 + 20 / (count - 21)) for count in (n_S, n_S + n_A))
        most = max(most, 1 - (1 - saved) * own / rival)
    # 1e-9: differences of risks of order one, summed in another order.
    assert most == pytest.approx(
        headline["best chain against all samples from the teacher, map"], abs=1e-9
    )
    assert most < 0
    tuned = table["part"] == "tuned ridges"
    rivals = table["part"] == "all samples from the teacher, tuned"
    assert np.all(table["risk"][tuned] > table["risk"][rivals])

    ends = Spectrum(np.ones(30), np.concatenate([[1.0], np.zeros(28), [1.0]]))
    teacher, n_S, n_A = Stage(30, np.inf), 22, 22
    narrow = least_squares_chain(ends, [teacher, Stage(1, n_A), Stage(20, n_S)]).risk[-1]
    rival = least_squares_chain(ends, [teacher, Stage(20, n_S + n_A)]).risk[-1]
    assert narrow < 0.7 * rival


def test_no_series_is_an_input_error() -> None:
    _, axes = new_figure()
    with pytest.raises(InputError, match="at least 1"):
        draw_series(axes, [])
