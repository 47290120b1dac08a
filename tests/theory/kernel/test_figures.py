"""The pictures of kernel regression: the same bytes twice, numbers that agree with the theory."""

import csv
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from capgap.errors import InputError
from capgap.plotting import new_figure, style
from capgap.plotting.kernel_population import draw_excess, draw_turned_students
from capgap.theory.kernel import (
    W_SHAPE,
    distillation_gain,
    exact_student_errors,
    fit_in_ball,
    kernel_population,
)

FOLDER = Path(__file__).parents[3] / "simulations"
NAMES = [
    "kernel_flat_floor",
    "kernel_w_shape",
    "kernel_rotated_subspaces",
    "kernel_weak_to_strong",
]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> dict[str, tuple[Path, dict[str, float]]]:
    made = {}
    for name in NAMES:
        out = tmp_path_factory.mktemp(name)
        made[name] = out, load(name).run(out)
    return made


def series(path: Path) -> dict[str, np.ndarray]:
    """Numbers of each series of a table, one row for each point."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        found.setdefault(row.pop("series"), []).append([float(v) for v in row.values()])
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_complete_and_the_same_twice(drawn, name: str, tmp_path: Path) -> None:
    out, headline = drawn[name]
    expected = sorted(f"{name}.{end}" for end in ("csv", "json", "png", "svg"))
    assert sorted(path.name for path in out.iterdir()) == expected
    assert load(name).run(tmp_path) == headline
    for file in expected:
        assert (out / file).read_bytes() == (tmp_path / file).read_bytes()
    record = json.loads((out / f"{name}.json").read_text())
    assert record["headline"] == headline
    assert "2502.08606" in record["source"]
    with Image.open(out / f"{name}.png") as picture:
        assert len(set(picture.convert("L").resize((60, 40)).tobytes())) > 20  # not blank


def test_floor_is_the_brute_force_one_and_the_search_agrees(drawn) -> None:
    out, headline = drawn["kernel_flat_floor"]
    t = series(out / "kernel_flat_floor.csv")
    m, error = t["student"].T
    on_floor = m[error <= error.min() + 1e-9]
    assert (on_floor[0], on_floor[-1]) == (headline["first best m"], headline["last best m"])
    for at, found in t["search"]:
        assert found == pytest.approx(error[int(at) - 1], rel=1e-9)
    slip = dict(t["exchanged"])
    beyond = [slip[k] for k in m[int(on_floor[-1]) :]]
    np.testing.assert_allclose(beyond, error.min(), rtol=1e-12)
    assert slip[on_floor[0]] < error.min() - 0.3


def test_w_shape_shows_the_exact_instance(drawn) -> None:
    out, headline = drawn["kernel_w_shape"]
    t = series(out / "kernel_w_shape.csv")
    excess = t["exact instance"][:, 1]
    assert list(np.sign(np.diff(excess))) == [-1, 1, -1, 1]
    for m, bound in enumerate(exact_student_errors(W_SHAPE), start=1):
        assert float(bound.low) <= headline[f"exact instance, E_S({m})"] <= float(bound.high)
    assert np.all(excess > 0)
    n = load("kernel_w_shape").STUDENT
    assert headline["bump, w = i^0"] < 1e-10  # the floor of the plain norm
    assert headline["best m with both limits tight, w = i^0"] == n
    for power in ("0.5", "1", "2"):
        assert headline[f"bump, w = i^{power}"] > 0.005
        assert headline[f"best m with both limits tight, w = i^{power}"] > n
        assert headline[f"what m = n costs there, w = i^{power}"] > 0.004


def test_turned_students_have_larger_best_teachers(drawn) -> None:
    out, headline = drawn["kernel_rotated_subspaces"]
    script = load("kernel_rotated_subspaces")
    t = series(out / "kernel_rotated_subspaces.csv")
    f = script.target(script.SHOWN_DECAY)
    plain = kernel_population(
        f, script.STUDENT, script.TEACHER_SHARE * float(np.linalg.norm(f))
    ).student_error
    np.testing.assert_allclose(t["turned by 0 degrees"][:, 1], plain, rtol=1e-12)
    for degrees in script.DEGREES:
        error = t[f"turned by {degrees} degrees"][:, 1]
        assert np.argmin(error) + 1 == headline[f"best m, turned by {degrees} degrees"]
    assert headline["best m, turned by 0 degrees"] == script.STUDENT
    assert headline["best m, turned by 30 degrees"] == 2 * script.STUDENT
    assert headline["students that beat their teachers, 0 degrees"] == 0
    assert headline["students that beat their teachers, 15 degrees"] > 0


def test_gains_are_on_the_right_side_of_the_edge(drawn) -> None:
    out, headline = drawn["kernel_weak_to_strong"]
    t = series(out / "kernel_weak_to_strong.csv")
    for name in load("kernel_weak_to_strong").GROUPS:
        ratio, cosine, gain = t[name].T
        clear = np.abs(2 * ratio * cosine - 1) > 1e-9
        assert np.array_equal((cosine < 1 / (2 * ratio))[clear], (gain > 0)[clear])
        assert np.count_nonzero(gain > 1e-12) == headline[f"{name}: better than their teachers"]
    assert headline["nested, limited norm: better than their teachers"] == 0
    assert headline["turned away: better than their teachers"] > 0
    # The noise of no gain, from drawn teachers: twice as much gains, half as much loses.
    rng = np.random.default_rng(0)
    alpha, n, m = 1 / np.arange(1, 301.0), 20, 100
    edge = {int(x): y for x, y, _ in t["noise of no gain, by m"]}[m]
    basis = np.eye(300)[:, :n]
    for factor, sign in ((2.0, 1), (0.5, -1)):
        drawn_gain = [
            distillation_gain(
                fit_in_ball(alpha + np.sqrt(factor * edge) * rng.normal(size=300), m), alpha, basis
            ).total
            for _ in range(50)
        ]
        assert sign * np.mean(drawn_gain) > 4 * np.std(drawn_gain) / 50**0.5


def test_simulated_points_approach_the_curves() -> None:
    """100 000 samples within 0.3%; 3 000 samples, of which a function has 3, are far off."""
    script = load("kernel_regression_capacity_gap")
    alpha = np.random.default_rng(script.SEED).uniform(-1, 1, script.FUNCTIONS)
    at = np.array(script.SIMULATED_TEACHERS) - 1
    worst = {}
    for samples in (3_000, script.SAMPLES):
        teacher, students = script.simulate(alpha, samples)
        plain = [
            kernel_population(alpha, n, script.TEACHER_NORM, script.STUDENT_NORM)
            for n in script.STUDENT_DIMENSIONS
        ]
        off = [teacher / plain[0].teacher_error[at] - 1]
        off += [s / p.student_error[at] - 1 for s, p in zip(students, plain, strict=True)]
        worst[samples] = np.max(np.abs(off))
    assert worst[script.SAMPLES] < 0.003
    assert worst[3_000] > 5 * worst[script.SAMPLES]


def test_sampled_gram_matrix_is_the_mean_of_products() -> None:
    script = load("kernel_regression_capacity_gap")
    angle = np.random.default_rng(0).uniform(0, np.pi, 40)
    phi = np.sqrt(2) * np.cos(angle[:, None] * np.arange(1, 31))
    np.testing.assert_allclose(script.gram(angle, 30), phi.T @ phi / 40, atol=1e-12)


def test_pictures_of_nothing_are_refused() -> None:
    with style():
        _, axes = new_figure()
        with pytest.raises(InputError, match="draw_excess: 0 curves"):
            draw_excess(axes, np.arange(1, 3), [], 1)
        with pytest.raises(InputError, match="draw_turned_students: 0 curves"):
            draw_turned_students(axes, np.arange(1, 3), np.ones(2), [], 1)
