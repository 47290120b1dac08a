"""Figure scripts of theory: right numbers, the same bytes twice, provenance without a clock."""

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from capgap.errors import CapgapError, InputError
from capgap.plotting import draw_kernel_gap, draw_student_loss, new_figure, save_figure, style
from capgap.theory.additive_hinge import AdditiveHingeLaw
from capgap.theory.coefficients import law_set
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws, LawSet
from capgap.theory.supervised import SupervisedLaw

FOLDER = Path(__file__).parents[2] / "simulations"
LAWS = [
    "student_loss_against_teacher_loss",
    "isoflop_students",
    "isoflop_teachers",
    "student_tokens",
    "distilled_minus_supervised",
    "best_teacher_landscape",
]
KERNEL = "kernel_regression_capacity_gap"
FITTED = law_set("reconstructed").fitted


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


@pytest.mark.parametrize("name", [*LAWS, KERNEL])
def test_two_runs_write_the_same_bytes(name: str, tmp_path: Path) -> None:
    headline = load(name).run(tmp_path / "one")
    load(name).run(tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [f"{name}.{kind}" for kind in ("csv", "json", "png", "svg")]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    record = json.loads((tmp_path / "one" / f"{name}.json").read_text())
    assert record["headline"] == headline
    assert set(record["versions"]) == {"capgap", "matplotlib", "numpy"}
    assert "2502.08606" in record["source"]
    with Image.open(tmp_path / "one" / f"{name}.png") as picture:
        assert min(picture.size) > 800
        assert len(set(picture.convert("RGB").resize((60, 40)).tobytes())) > 20  # not blank
    drawing = ElementTree.parse(tmp_path / "one" / f"{name}.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    # Letters are paths: no text depends on the fonts of whoever looks at it.
    assert not list(drawing.iter("{http://www.w3.org/2000/svg}text"))
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 20


def test_law_figure_headline_is_the_minimum_of_its_curves(tmp_path: Path) -> None:
    """Oracle: brute force over the drawn points, 0.005 nat apart."""
    script = load(LAWS[0])
    headline = script.run(tmp_path)
    table = read(tmp_path / f"{LAWS[0]}.csv")
    for label, N_S in script.STUDENTS.items():
        mine = table["N_S"] == N_S
        lowest = int(np.argmin(table["L_S"][mine]))
        assert abs(table["L_T"][mine][lowest] - headline[f"best teacher loss, {label}"]) < 0.0051
        drawn = table["L_S"][mine].min()
        assert headline[f"best student loss, {label}"] == pytest.approx(drawn, abs=1e-4)
        assert drawn >= headline[f"best student loss, {label}"]
    values = [headline[f"best teacher loss, {label}"] for label in script.STUDENTS]
    assert values == sorted(values, reverse=True)  # larger students want stronger teachers


def alone(N: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Eq. 1 with Table 6 of arXiv 2502.08606, typed from the paper and not from the package."""
    return 1.220 + (3355 / N**0.408 + 18186 / D**0.431) ** 0.452


def taught(N: np.ndarray, D: np.ndarray, L_T: np.ndarray, factor: float = 100) -> np.ndarray:
    """Eq. 8 with Table 6, B' times `factor`, as printed: plain powers, no logarithms."""
    knee = (1 + (L_T / (1.315 * alone(N, D))) ** (1 / 0.090)) ** (-522.6 * 0.090)
    gap = (2243 / N**0.321 + factor * 24181 / D**0.637) ** 0.764
    return L_T + L_T**-2.549 * knee * gap


def forward(N: np.ndarray) -> np.ndarray:
    """Appendix H.1: FLOPs per token at rho = 128, omega = 12, 4096 tokens, 32768 words."""
    s1, s2 = (1 / (128 * 12**2)) ** (1 / 3), (128 / 12) ** (1 / 3)
    return 2 * N * (1 + s1 * 4096 * N ** (-1 / 3) + s2 * 32768 * N ** (-2 / 3))


def drawn(name: str, out: Path) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    headline = load(name).run(out)
    return headline, read(out / f"{name}.csv")


def is_fitted(**values: np.ndarray) -> np.ndarray:
    inside = [(FITTED[k][0] <= v) & (v <= FITTED[k][1]) for k, v in values.items()]
    return np.logical_and.reduce(np.broadcast_arrays(*inside))


@pytest.mark.parametrize("name", [n for n in LAWS if n != "distilled_minus_supervised"])
def test_every_row_is_the_paper_s_equations(name: str, tmp_path: Path) -> None:
    """Oracle: the formulas above. 1e-9: the two ways of computing differ by rounding only."""
    headline, t = drawn(name, tmp_path)
    assert headline
    np.testing.assert_allclose(t["L_S"], taught(t["N_S"], t["D_S"], t["L_T"]), rtol=1e-9)
    if "N_T" in t:
        np.testing.assert_allclose(t["L_T"], alone(t["N_T"], t["D_T"]), rtol=1e-12)
    if "student_flops" in t:
        np.testing.assert_allclose(3 * forward(t["N_S"]) * t["D_S"], t["student_flops"], rtol=1e-12)
    if "teacher_flops" in t:
        np.testing.assert_allclose(3 * forward(t["N_T"]) * t["D_T"], t["teacher_flops"], rtol=1e-12)
    fitted = is_fitted(N_S=t["N_S"], D_S=t["D_S"], L_T=t["L_T"])
    np.testing.assert_array_equal(t["fitted"] == 1, fitted)
    assert 0 < fitted.mean() < 1  # both kinds are in the picture


# Script -> what tells its curves apart, and along what they run.
CURVES = {
    "isoflop_students": (("N_T", "student_flops"), "N_S"),
    "isoflop_teachers": (("N_S", "teacher_flops"), "N_T"),
    "student_tokens": (("N_S", "tokens_per_parameter"), "N_T"),
}


def one_by_one(table: dict[str, np.ndarray], keys: tuple[str, str]) -> list[dict[str, np.ndarray]]:
    which = list(zip(*(table[key].tolist() for key in keys), strict=True))
    groups = [np.array([w == case for w in which]) for case in dict.fromkeys(which)]
    return [{key: values[mine] for key, values in table.items()} for mine in groups]


@pytest.mark.parametrize("name", CURVES)
def test_marked_minima_are_the_minima(name: str, tmp_path: Path) -> None:
    """Oracle: neighbors on the curve, and the formula a ten-thousandth of x to either side."""
    keys, along = CURVES[name]
    _, table = drawn(name, tmp_path)
    for curve in one_by_one(table, keys):
        x, y, marked = curve[along], curve["L_S"], np.flatnonzero(curve["minimum"])
        assert np.all(np.diff(x) > 0)
        lower = np.flatnonzero((y[1:-1] < y[:-2]) & (y[1:-1] < y[2:])) + 1
        assert set(marked) <= set(lower)
        # What is lower than its neighbors and not marked is too shallow to be seen.
        for i in set(lower) - set(marked):
            assert min(y[:i].max(), y[i + 1 :].max()) - y[i] < 1e-6
        for i in marked:
            case = {key: values[i] for key, values in curve.items()}
            assert all(at(name, case, step) > case["L_S"] for step in (0.9999, 1.0001))


def at(name: str, case: dict[str, float], step: float) -> float:
    """The student's loss of a row with its x multiplied by `step`, from the formulas."""
    if name == "isoflop_students":
        N = np.array(case["N_S"] * step)
        return float(taught(N, case["student_flops"] / (3 * forward(N)), case["L_T"]))
    N = np.array(case["N_T"] * step)
    D_T = case["teacher_flops"] / (3 * forward(N)) if name == "isoflop_teachers" else 20 * N
    return float(taught(case["N_S"], case["D_S"], alone(N, D_T)))


def test_stronger_teachers_want_larger_students_at_equal_compute(tmp_path: Path) -> None:
    """Oracle: brute force over 200,001 sizes for the corners of the grid."""
    headline, _ = drawn("isoflop_students", tmp_path)
    sizes = np.geomspace(1e8, 2e10, 200_001)
    for label, N_T in (("975M", 975e6), ("7.75B", 7.75e9)):
        for C in (3e19, 3e21):
            loss = taught(sizes, C / (3 * forward(sizes)), alone(N_T, 20 * N_T))
            best = sizes[np.argmin(loss)]
            # Near its minimum the loss is flat: its rounding hides a thousandth of N_S.
            found = headline[f"best N_S, teacher {label}, {C:.0e} FLOPs"]
            assert found == pytest.approx(best, rel=2e-3)
    for C in ("3e+19", "1e+20", "3e+20", "1e+21"):
        best = [v for k, v in headline.items() if k.endswith(f"{C} FLOPs")]
        assert len(best) == 6
        assert best == sorted(best)


def test_second_minimum_appears_where_the_strongest_teacher_is_too_strong(tmp_path: Path) -> None:
    """Oracle: where a budget's strongest teacher is below L_T*, each size that meets L_T* is best.

    Otherwise the strongest teacher is.
    """
    headline, table = drawn("isoflop_teachers", tmp_path)
    losses = np.linspace(1.23, 2.8, 200_001)
    seen = set()
    for curve in one_by_one(table, ("N_S", "teacher_flops")):
        N_S, C = curve["N_S"][0], curve["teacher_flops"][0]
        best = losses[np.argmin(taught(N_S, 20 * N_S, losses))]
        N_T = np.geomspace(1e8, 2e11, 20_001)
        L_T = alone(N_T, C / (3 * forward(N_T)))
        met = int(np.sum(np.diff(np.sign(L_T - best)) != 0))
        marked = int(curve["minimum"].sum())
        assert marked == (met or 1)
        if marked == 2:
            np.testing.assert_allclose(curve["L_T"][curve["minimum"] == 1], best, atol=1e-4)
        seen.add(marked)
    assert seen == {1, 2}
    assert headline["minima, student 198M, 3e+21 FLOPs"] == 2
    assert headline["minima, student 1.82B, 3e+21 FLOPs"] == 1


def test_small_students_want_teachers_of_three_to_four_billion(tmp_path: Path) -> None:
    """Oracle: the paper's Fig. 4 shows a gap for 143M and 198M students at M = 20.

    The size is the law's own, by brute force. The printed coefficients are the control: with
    them the best teacher is beyond every one that the paper trained (7.75B and less).
    """
    script = load("student_tokens")
    script.STUDENTS = (143e6, 198e6)
    headline = script.run(tmp_path)
    N_T = np.geomspace(1e8, 1e11, 200_001)
    for label, N_S in (("143M", 143e6), ("198M", 198e6)):
        found = headline[f"best N_T, student {label}, M_S = 20"]
        loss = taught(N_S, 20 * N_S, alone(N_T, 20 * N_T))
        assert found == pytest.approx(N_T[np.argmin(loss)], rel=2e-3)
        assert 2.9e9 < found < 4e9
    printed = script.run(tmp_path, law_set("printed"))
    for label in ("143M", "198M"):
        assert printed.get(f"best N_T, student {label}, M_S = 20", np.inf) > 7.75e9


def test_more_tokens_lower_every_curve(tmp_path: Path) -> None:
    headline, _ = drawn("student_tokens", tmp_path)
    for student in ("198M", "546M", "1.82B"):
        losses = [v for k, v in headline.items() if k.startswith(f"least L_S, student {student}")]
        assert len(losses) == 5
        assert losses == sorted(losses, reverse=True)


def test_difference_map_is_taught_minus_alone(tmp_path: Path) -> None:
    """Oracle: the formulas above; 1e-9 nats is rounding in a difference of numbers near 2."""
    name = "distilled_minus_supervised"
    headline, t = drawn(name, tmp_path)
    own = alone(t["N_S"], t["D_S"])
    np.testing.assert_allclose(t["loss_alone"], own, rtol=1e-12)
    np.testing.assert_array_equal(t["fitted"] == 1, is_fitted(N_S=t["N_S"], D_S=t["D_S"]))
    for label, N_T in zip(
        ("546M", "975M", "1.82B", "2.72B", "4.82B", "7.75B"),
        (546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9),
        strict=True,
    ):
        L_T = float(alone(N_T, 20 * N_T))
        difference = taught(t["N_S"], t["D_S"], L_T) - own
        np.testing.assert_allclose(t[f"difference_{label}"], difference, atol=1e-9)
        assert headline[f"L_T, teacher {label}"] == pytest.approx(L_T, rel=1e-12)
        share = headline[f"share of the map where it helps, teacher {label}"]
        assert share == np.mean(difference < 0)
        assert headline[f"largest gain, teacher {label}"] == pytest.approx(-difference.min())
        # A student that does better alone than its teacher does cannot be helped by Eq. 8.
        assert np.all(difference[own < L_T] > 0)
    gains = [v for k, v in headline.items() if k.startswith("share")]
    assert gains == sorted(gains)  # here, stronger teachers help in more places


def test_path_of_the_best_teacher_is_the_valley_of_the_landscape(tmp_path: Path) -> None:
    """Oracle: brute force over teacher losses 5e-6 apart; the paper's Fig. 7 for two students."""
    headline, t = drawn("best_teacher_landscape", tmp_path)
    for size, tokens in sorted(set(zip(t["N_S"], t["D_S"], strict=True)))[::5]:
        mine = (t["N_S"] == size) & (t["D_S"] == tokens)
        (best,) = set(t["best_L_T"][mine])
        losses = np.linspace(1.0, 2.8, 360_001)
        assert best == pytest.approx(losses[np.argmin(taught(size, tokens, losses))], abs=1e-5)
        assert np.all(t["L_S"][mine] >= taught(size, tokens, best))
    for label, paper in (("10B", 1.71), ("30B", 1.455)):  # read off, to 0.01
        assert abs(headline[f"best L_T, N_S = {label}, D_S = 250B"] - paper) < 0.01


def other_laws() -> dict[str, LawSet]:
    own = law_set("reconstructed").supervised
    assert isinstance(own, SupervisedLaw)
    free = SupervisedLaw(E=0.0, A=own.A, B=own.B, alpha=own.alpha, beta=own.beta, gamma=own.gamma)
    forms = {
        "hinge": Laws(own, HingeLaw(own, rho=0.9, s=0.03, c=0.1)),
        "no irreducible loss": Laws(free, HingeLaw(free, rho=0.9, s=0.03, c=0.1)),
        "additive hinge": Laws(own, AdditiveHingeLaw(own, rho=0.9, s=0.03, c=0.1)),
        "reduced": Laws(own, law_set("reconstructed").taught.reduced()),
    }
    return {name: LawSet(name, laws, "made for this test") for name, laws in forms.items()}


@pytest.mark.parametrize("law", list(other_laws()))
@pytest.mark.parametrize("name", [LAWS[0], LAWS[5]])
def test_any_law_is_drawn(name: str, law: str, tmp_path: Path) -> None:
    chosen = other_laws()[law]
    headline = load(name).run(tmp_path, chosen)
    assert np.isfinite(list(headline.values())).all()
    t = read(tmp_path / f"{name}.csv")
    np.testing.assert_array_equal(t["L_S"], chosen.taught.loss(t["N_S"], t["D_S"], t["L_T"]))
    assert t["fitted"].all()  # the set tells no range
    assert json.loads((tmp_path / f"{name}.json").read_text())["law_set"]["name"] == law


@pytest.mark.parametrize("name", LAWS[1:5])
def test_hinge_with_students_above_their_teachers_is_drawn(name: str, tmp_path: Path) -> None:
    chosen = other_laws()["hinge"]
    assert load(name).run(tmp_path, chosen)
    t = read(tmp_path / f"{name}.csv")
    if "L_S" in t:
        np.testing.assert_array_equal(t["L_S"], chosen.taught.loss(t["N_S"], t["D_S"], t["L_T"]))
        assert (t["L_S"] < t["L_T"]).any()  # what Eq. 8 cannot express


def test_laws_without_a_teacher_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for name in LAWS:
        with pytest.raises(InputError, match="'chinchilla' has no distillation law"):
            load(name).run(tmp_path, law_set("chinchilla"))
    assert list(tmp_path.iterdir()) == []


def test_kernel_figure_headline_is_the_floor_of_its_curves(tmp_path: Path) -> None:
    """Oracle: brute force; the floor starts at m = n and ends where S_m = (T/D)^2 S_n."""
    script = load(KERNEL)
    headline = script.run(tmp_path)
    table = read(tmp_path / f"{KERNEL}.csv")
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
            draw_student_loss(axes, [], "t", "n", irreducible=1.0)
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
