"""Profiles, intervals, rollouts and comparisons of laws: the numbers behind the pictures."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.fitting.search import Fit
from capgap.comparison.held_out import (
    Comparison,
    ForwardChain,
    Rollout,
    clustered_mean,
    compare_laws,
    forward_chain,
    rollout,
)
from capgap.comparison.intervals import profile_likelihood
from capgap.errors import InputError
from capgap.plotting.fit_intervals import (
    IntervalRow,
    coefficient_rows,
    draw_intervals,
    save_intervals,
)
from capgap.plotting.fit_profiles import draw_fit_profiles, save_fit_profiles
from capgap.plotting.fits import percent
from capgap.plotting.forward_chain import draw_forward_chain, save_forward_chain
from capgap.plotting.law_comparison import (
    draw_law_comparison,
    root_mean_square_interval,
    save_law_comparison,
)
from capgap.plotting.rollouts import draw_rollout, save_rollout
from capgap.plotting.style import style
from capgap.theory.supervised import SupervisedLaw

LAW = SupervisedLaw(E=1.5, A=4000.0, B=20000.0, alpha=0.5, beta=0.5, gamma=0.5)
INF, NAN = float("inf"), float("nan")


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    N, D = (a.ravel() for a in np.meshgrid([1e7, 1e8, 1e9, 1e10], np.geomspace(1e9, 1e11, 5)))
    wiggle = 0.002 * np.random.default_rng(0).standard_normal(N.size)
    loss = LAW.loss(N, D) * np.exp(wiggle)
    return {
        "plain": fit_supervised(N, D, loss, gamma=1.0),
        "supervised": fit_supervised(N, D, loss),
    }


@pytest.fixture(scope="module")
def rolled(fits) -> Rollout:
    return rollout(fits["plain"], "C<1e20", seed=0, draws=40)


@pytest.fixture(scope="module")
def chain(fits) -> ForwardChain:
    return forward_chain(fits["plain"], seed=0, folds=4, first=2, draws=20)


@pytest.fixture(scope="module")
def comparison(fits) -> Comparison:
    return compare_laws(fits, seed=0, folds=5)


@dataclass(frozen=True)
class Made:
    """A profile whose shape is known: rise = (x - center)^2, cut at distance 1."""

    name: str
    values: np.ndarray
    rise: np.ndarray
    cut: float
    low: float
    high: float
    level: float = 0.9


def parabola(name: str = "E", low: float = 4.0, high: float = 6.0) -> Made:
    x = np.linspace(2, 8, 25)[::-1]  # in any order
    return Made(name, x, 0.5 * (x - 5) ** 2, 0.5, low, high)


def columns(path: Path) -> dict[str, list[str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def floats(cells: list[str]) -> list[float]:
    return [float(cell) for cell in cells]


def texts(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def lines(axes) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for line in axes.lines]


def has_line(axes, x, y) -> bool:
    """Whether a line through exactly these points is drawn."""
    want = np.column_stack([x, y])
    return any(line.shape == want.shape and np.allclose(line, want) for line in lines(axes))


def markers(axes) -> list[str]:
    return [line.get_marker() for line in axes.lines]


def test_profile_is_drawn_in_units_of_its_cut_with_its_interval() -> None:
    profile = parabola()
    with style():
        (axes,) = draw_fit_profiles([profile]).axes
    order = np.argsort(profile.values)
    assert has_line(axes, profile.values[order], (profile.values[order] - 5) ** 2)
    assert has_line(axes, [4, 6], [1, 1])
    assert axes.get_title(loc="left") == "$E$: 4 to 6"
    assert not {"<", ">"} & set(markers(axes))
    left, right = axes.get_xlim()  # all values up to three cuts, not much beyond
    assert left < 5 - 3**0.5 < 5 + 3**0.5 < right
    assert (left, right) == pytest.approx((3.25, 6.75), abs=0.2)


@pytest.mark.parametrize(
    ("low", "high", "arrows", "words"),
    [
        (4.0, INF, {">"}, "above 4"),
        (NAN, 6.0, {"<"}, "below 6"),
        (-INF, INF, {"<", ">"}, "no limits"),
    ],
)
def test_open_sides_are_arrows_at_the_edge(low, high, arrows, words) -> None:
    with style():
        figure = draw_fit_profiles([parabola("c1", low, high), parabola()])
    axes = figure.axes[0]
    assert {"<", ">"} & set(markers(axes)) == arrows
    assert axes.get_title(loc="left") == f"$c_1$: {words}"
    for line in axes.lines:
        if line.get_marker() in arrows:
            edge = axes.get_xlim()[line.get_marker() == ">"]
            assert line.get_xydata().tolist() == [[edge, 1.0]]
    assert "leave $c_1$ open on a side; they bound the other" in texts(figure)


def test_titles_when_all_or_none_are_bound() -> None:
    for profiles, words in (
        ([parabola(), parabola("A")], "bound both coefficients on both sides"),
        ([parabola(high=INF), parabola("A", low=-INF)], "bound none of the coefficients"),
    ):
        with style():
            assert words in texts(draw_fit_profiles(profiles))


def test_profiles_over_decades_get_a_logarithmic_axis() -> None:
    x = np.geomspace(1, 1e4, 30)
    flat = Made("c1", x, 1 / x, 0.1, 10.0, INF)
    with style():
        (axes,) = draw_fit_profiles([flat]).axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[1] >= 1e4


def test_bad_profiles_are_refused() -> None:
    good = parabola()
    for bad in (
        [],
        [replace(good, rise=good.rise[1:])],
        [replace(good, values=good.values[:0], rise=good.rise[:0])],
        [replace(good, cut=0.0)],
    ):
        with pytest.raises(InputError, match=r"^draw_fit_profiles: .* must be"):
            draw_fit_profiles(bad)


def test_saved_profiles_are_those_of_the_fit(fits, tmp_path: Path) -> None:
    profiles = [profile_likelihood(fits["plain"], name, level=0.8) for name in ("E", "alpha")]
    save_fit_profiles(profiles, tmp_path, source="planted")
    found = columns(tmp_path / "fit_profiles.csv")
    assert floats(found["value"]) == [v for p in profiles for v in p.values]
    assert floats(found["rise"]) == [v for p in profiles for v in p.rise]
    record = json.loads((tmp_path / "fit_profiles.json").read_text())["found"]["intervals"]
    for p in profiles:
        assert record[p.name] == {"low": p.low, "high": p.high, "level": 0.8}


ROWS = [
    IntervalRow("alpha", "one", 0.30, 0.28, 0.32),
    IntervalRow("alpha", "two", 0.36, 0.33, 0.40),
    IntervalRow("A", "one", 300.0, 200.0, INF),
    IntervalRow("A", "two", 9000.0, NAN, 20000.0),
    IntervalRow("loss at 70B, 1.4T", "two", 1.97, 1.94, 2.0),
]


def test_every_interval_is_a_bar_on_its_sources_line() -> None:
    with style():
        figure = draw_intervals(ROWS, level=0.9)
    alpha, scale, loss = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        r"$\alpha$", "$A$", "loss at 70B, 1.4T",
    ]  # fmt: skip
    assert [t.get_text() for t in alpha.get_yticklabels()] == ["one", "two"]
    assert has_line(alpha, [0.28, 0.32], [0, 0])
    assert has_line(alpha, [0.33, 0.40], [1, 1])
    assert has_line(alpha, [0.36], [1])
    assert scale.get_xscale() == "log"
    left, right = scale.get_xlim()
    assert has_line(scale, [200.0, right], [0, 0])
    assert has_line(scale, [left, 20000.0], [1, 1])
    assert {"<", ">"} <= set(markers(scale))
    assert has_line(loss, [1.94, 2.0], [1, 1])
    assert "do not all overlap for $\\alpha$; for the rest" in texts(figure)
    assert "90% intervals" in texts(figure)


def test_truth_is_drawn_in_view_and_hits_are_counted() -> None:
    """By hand: 0.30 is in the first interval of alpha only; A = 100 only where it is open."""
    with style():
        figure = draw_intervals(ROWS, truth={"alpha": 0.30, "A": 100.0})
    assert texts(figure).startswith("2 of 4 intervals hold the true value")
    for axes, value in zip(figure.axes, (0.30, 100.0), strict=False):
        assert has_line(axes, [value] * 2, [0, 1])
        assert axes.get_xlim()[0] < value < axes.get_xlim()[1]


def test_titles_of_overlap() -> None:
    for rows, words in (
        ([ROWS[0], replace(ROWS[1], low=0.31)], "Both sources' intervals overlap"),
        (ROWS[:2], "do not overlap, whatever the quantity"),
        (ROWS[:1], "say of one quantity"),
    ):
        with style():
            assert words in texts(draw_intervals(rows))


def test_rows_of_coefficients_leave_out_given_ones() -> None:
    rows = coefficient_rows(
        "s", {"E": 1.0, "gamma": 1.0, "A": 2.0}, {"E": (0.9, 1.1), "gamma": (1.0, 1.0)}
    )
    assert rows == [IntervalRow("E", "s", 1.0, 0.9, 1.1)]


def test_bad_intervals_are_refused() -> None:
    for bad in ([], [ROWS[0], ROWS[0]], [replace(ROWS[0], source=str(i)) for i in range(8)]):
        with pytest.raises(InputError, match=r"^draw_intervals: .* must"):
            draw_intervals(bad)
    for value, low, high in ((NAN, 0, 1), (0.5, 1, 0)):
        with pytest.raises(InputError, match=r"^IntervalRow: .* must"):
            IntervalRow("E", "s", value, low, high)


def test_saved_intervals_are_the_rows(tmp_path: Path) -> None:
    save_intervals(ROWS, tmp_path, truth={"alpha": 0.3})
    found = columns(tmp_path / "fit_intervals.csv")
    np.testing.assert_array_equal(floats(found["low"]), [row.low for row in ROWS])
    assert found["source"] == [row.source for row in ROWS]
    record = json.loads((tmp_path / "fit_intervals.json").read_text())["found"]
    assert record["without_overlap"] == ["alpha"]
    assert record["truth"] == {"alpha": 0.3}


def test_rollout_shows_every_run_and_shades_what_was_fitted(rolled) -> None:
    with style():
        figure = draw_rollout(rolled, cutoff="C < 1e20", law="plain law")
    left, right = figure.axes
    problem = rolled.fit.problem
    compute = 6 * problem.inputs["N"] * problem.inputs["D"]
    seen = problem.weights > 0
    assert 0 < seen.sum() < seen.size
    assert has_line(left, compute[seen], np.exp(problem.log_loss)[seen])
    assert has_line(left, compute[~seen], rolled.observed)
    assert has_line(left, compute[~seen], rolled.predicted)
    shade = left.patches[-1].get_extents().transformed(left.transData.inverted())
    assert compute[seen].max() < shade.x1 < compute[~seen].min()
    drawn = np.concatenate([line for line in lines(right) if len(line) and line[0, 0] > 1])
    order = np.argsort(drawn[:, 1])
    np.testing.assert_allclose(drawn[order, 1], np.sort(100 * rolled.error))
    title = texts(figure)
    for words in (percent(rolled.median), percent(rolled.maximum), "Fitted to C < 1e20"):
        assert words in title
    assert f"90% intervals hold {rolled.coverage:.0%}" in title


def test_rollout_over_a_loss_shades_by_loss_and_over_neither_not_at_all(fits) -> None:
    for below, limits in (("loss>=2.1", "loss"), ("N<5e9", None)):
        other = rollout(fits["plain"], below, seed=0, draws=0)
        with style():
            figure = draw_rollout(other, cutoff=below)
        patches = figure.axes[0].patches
        assert len(patches) == (limits is not None)
        if limits:
            shade = patches[0].get_extents().transformed(figure.axes[0].transData.inverted())
            assert other.observed.max() < shade.y0 < 2.12
        assert "interval" not in texts(figure)  # none was asked for


def test_saved_rollout_has_fitted_and_predicted_runs(rolled, tmp_path: Path) -> None:
    compute = np.linspace(1, 2, rolled.fit.problem.log_loss.size)
    save_rollout(rolled, tmp_path, cutoff="C<1e20", law="plain law", compute=compute)
    found = columns(tmp_path / "rollout.csv")
    fitted = np.array([cell == "1" for cell in found["fitted"]])
    place = np.array([int(cell) for cell in found["place"]])
    assert sorted(place) == list(range(compute.size))
    assert floats(found["compute"]) == compute[place].tolist()
    np.testing.assert_array_equal(place[~fitted], rolled.run)
    for name in ("predicted", "low", "high", "factor"):
        values = np.array(floats(found[name]))
        assert np.isnan(values[fitted]).all()
        np.testing.assert_array_equal(values[~fitted], getattr(rolled, name))
    record = json.loads((tmp_path / "rollout.json").read_text())["found"]
    assert record["median_relative_error"] == rolled.median
    assert record["coverage"] == rolled.coverage
    with pytest.raises(InputError, match=r"^draw_rollout: compute of shape \(3,\)"):
        draw_rollout(rolled, cutoff="", compute=np.ones(3))


def test_forward_chain_shows_all_predictions_and_the_table_by_distance(chain) -> None:
    with style():
        figure = draw_forward_chain(chain, law="plain law")
    left, right = figure.axes
    total = sum(part.run.size for part in chain.rollouts)
    assert sum(len(c.get_offsets()) for c in left.collections) == total
    for row in chain.ahead():
        for value in (row.median, row.maximum):
            assert any(
                len(line) == 2 and np.allclose(line[:, 1], 100 * value) for line in lines(right)
            )
    counts = [t.get_text() for t in right.texts if not t.get_text().endswith("%")]
    assert sum(map(int, counts)) == total
    assert percent(chain.median) in texts(figure)


def test_saved_chain_has_a_line_for_each_prediction(chain, tmp_path: Path) -> None:
    save_forward_chain(chain, tmp_path)
    found = columns(tmp_path / "forward_chain.csv")
    errors = np.concatenate([part.error for part in chain.rollouts])
    assert floats(found["error"]) == errors.tolist()
    sizes = [int((part.fit.problem.weights > 0).sum()) for part in chain.rollouts]
    assert sorted({int(cell) for cell in found["fitted_runs"]}) == sorted(sizes)
    record = json.loads((tmp_path / "forward_chain.json").read_text())["found"]
    assert sum(row["predictions"] for row in record["by_distance"]) == errors.size


def test_comparison_shows_laws_best_first_and_the_difference_that_decided(comparison) -> None:
    with style():
        figure = draw_law_comparison(comparison)
    left, right = figure.axes
    names = [law.name for law in comparison.laws]
    assert [t.get_text() for t in left.get_yticklabels()] == names
    for place, law in enumerate(comparison.laws):
        low, high = root_mean_square_interval(law, comparison)
        assert low < law.root_mean_square < high
        assert has_line(left, [100 * low, 100 * high], [place] * 2)
        assert has_line(left, [100 * law.root_mean_square], [place])
    (pair,) = comparison.pairs
    found, scale = (
        (pair.squared, 1e4) if pair.measure == "squared" else (pair.absolute, 1e2)
    )  # fmt: skip
    assert has_line(right, [scale * found.low, scale * found.high], [0, 0])
    assert pair.words in [t.get_text() for t in right.texts]
    assert ("²" in right.get_xlabel()) == (pair.measure == "squared")


@pytest.mark.parametrize(
    ("off", "words", "face"),
    [
        (0.02, "all others are worse beyond chance", "#D55E00"),
        (0.0, "not told apart from", "white"),
    ],
)
def test_title_and_color_follow_the_verdict(comparison, off, words, face) -> None:
    """Oracle: errors of the second law are those of the first, 2% larger, or mirrored."""
    first, second = comparison.laws
    error = np.abs(first.error) + off if off else -first.error
    laws = (first, replace(second, error=error))
    difference = [first.error**2 - error**2, np.abs(first.error) - np.abs(error)]
    (pair,) = comparison.pairs
    squared, absolute = (clustered_mean(v, comparison.group, 0.95) for v in difference)
    pair = replace(pair, squared=squared, absolute=absolute)
    with style():
        figure = draw_law_comparison(replace(comparison, laws=laws, pairs=(pair,)))
    assert words in texts(figure)
    (dot,) = [line for line in figure.axes[1].lines if line.get_marker() == "D"]
    assert dot.get_markerfacecolor() == face


def test_saved_comparison_has_laws_then_pairs(comparison, tmp_path: Path) -> None:
    save_law_comparison(comparison, tmp_path)
    found = columns(tmp_path / "law_comparison.csv")
    (pair,) = comparison.pairs
    assert found["first"] == [*(law.name for law in comparison.laws), pair.one]
    assert found["second"] == ["", "", pair.other]
    values = floats(found["value"])
    assert values[:2] == [law.root_mean_square for law in comparison.laws]
    assert found["verdict"][2] == pair.words
    record = json.loads((tmp_path / "law_comparison.json").read_text())["found"]
    assert record["best"] == list(comparison.best)
