"""The parts that pictures of laws are made of: curves, ranges, labels, captions, commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.plotting import (
    Curve,
    add_rows,
    count_axis,
    draw_curves,
    draw_from_command_line,
    draw_split,
    hatch_outside,
    label_levels,
    law_caption,
    law_provenance,
    new_figure,
    sample_curve,
    scientific,
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import LawSet, save_law_set


def everywhere(x: np.ndarray) -> np.ndarray:
    return np.ones(x.shape, dtype=bool)


def test_both_minima_of_a_w_are_found_between_the_samples() -> None:
    """Oracle: (t^2 - 1)^2 with t = log10 x has its minima at x = 1/10 and 10, both zero."""
    curve = sample_curve(
        "w", lambda x: (np.log10(x) ** 2 - 1) ** 2, np.geomspace(1e-2, 1e2, 38), everywhere
    )
    np.testing.assert_allclose(curve.x[curve.minimum], [0.1, 10.0], rtol=1e-6)
    assert np.all(np.diff(curve.x) > 0)
    assert curve.x.shape == (40,)
    assert curve.best is not None
    assert curve.best[0] == pytest.approx(0.1, rel=1e-6)  # of two equal ones the smaller


def test_slopes_plateaus_and_shallow_dips_have_no_minimum() -> None:
    x = np.geomspace(1, 100, 30)
    for function in (
        np.log,
        np.ones_like,
        lambda x: 1e-7 * np.log(x / 10) ** 2,  # less deep than what is called a minimum
    ):
        curve = sample_curve("", function, x, everywhere)
        assert not curve.minimum.any()
        assert curve.best is None
        np.testing.assert_array_equal(curve.x, x)


def test_least_value_at_the_end_is_not_called_best() -> None:
    """A local minimum at x = 2 that the right end undercuts."""
    curve = sample_curve(
        "", lambda x: np.minimum((x - 2) ** 2, 3 - x), np.linspace(1, 4, 61), everywhere
    )
    assert curve.x[curve.minimum] == pytest.approx([2.0], abs=1e-6)
    assert curve.best is None


def test_within_is_every_range_at_once_and_ends_belong() -> None:
    chosen = LawSet("x", law_set().laws, "here", fitted={"N_S": (1.0, 2.0), "L_T": (3.0, 4.0)})
    assert within(chosen, N_S=[0.9, 1.0, 2.0, 2.1], L_T=3.5).tolist() == [0, 1, 1, 0]
    assert within(chosen, N_S=[[1.5], [9.0]], L_T=[2.0, 3.0]).tolist() == [[0, 1], [0, 0]]
    assert within(chosen, D_S=[1e30]).tolist() == [True]  # its range is not known


def test_rows_broadcast_in_reading_order() -> None:
    columns: dict[str, list[float]] = {}
    add_rows(columns, {"a": 1.0, "b": np.array([[1.0, 2.0], [3.0, 4.0]])})
    add_rows(columns, {"a": [5.0], "b": True})
    assert columns == {"a": [1, 1, 1, 1, 5], "b": [1, 2, 3, 4, 1]}


def test_numbers_and_counts_are_written_as_people_do() -> None:
    assert [scientific(v) for v in (3e19, 1e20, 2.5e21)] == [
        r"$3 \cdot 10^{19}$", r"$10^{20}$", r"$2.5 \cdot 10^{21}$",
    ]  # fmt: skip
    with style():
        _, axes = new_figure()
        count_axis(axes.xaxis, "tokens")
        count_axis(axes.yaxis, "parameters")
        written = [axes.xaxis.get_major_formatter()(v, 0) for v in (1e8, 1e9, 1e12)]
    assert written == ["100M", "1B", "1T"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tokens", "parameters")


def test_extrapolated_part_is_dashed_and_fitted_part_solid() -> None:
    x = np.arange(5.0)
    inside = np.array([False, True, True, False, False])
    with style():
        _, axes = new_figure()
        draw_split(axes, x, x, inside, "black")
    dashed, solid = axes.lines
    assert dashed.is_dashed()
    assert not solid.is_dashed()
    np.testing.assert_array_equal(np.isfinite(solid.get_ydata()), inside)
    assert solid.get_linewidth() > dashed.get_linewidth()


def test_more_curves_than_shapes_are_refused() -> None:
    x = np.array([1.0, 2.0])
    curve = Curve("", x, x, everywhere(x), np.zeros(2, dtype=bool))
    with style():
        _, axes = new_figure()
        for curves in ([], [curve] * 7):
            with pytest.raises(InputError, match="curves, must be 1 to 6"):
                draw_curves(axes, curves)


@pytest.mark.parametrize(
    ("x", "y", "anywhere", "patches", "corners"),
    [
        (None, None, True, 0, 0),  # nothing known
        ((1, 10), (2, 8), True, 1, 10),  # a rectangle with a hole
        ((1, 3), (-9, 99), True, 1, 10),  # wider than the axes
        ((0, 10), (0, 10), True, 0, 0),  # everything fitted
        ((20, 30), (2, 8), True, 1, 5),  # nothing of it in view
        ((1, 3), (2, 8), False, 1, 5),
    ],
)
def test_hatching_covers_what_was_not_fitted(x, y, anywhere, patches, corners) -> None:
    with style():
        _, axes = new_figure()
        axes.set(xlim=(0, 10), ylim=(0, 10))
        hatch_outside(axes, x, y, anywhere=anywhere)
    assert len(axes.patches) == patches
    if patches:
        path = axes.patches[0].get_path()
        assert len(path.vertices) == corners
        outside = path.contains_point((0.5, 0.5))
        assert outside
        # The fitted middle is a hole of the path, or there is none.
        signed = _signed_area(path.vertices[:5]) + _signed_area(path.vertices[5:])
        hole = (
            (min(x[1], 10) - max(x[0], 0)) * (min(y[1], 10) - max(y[0], 0)) if corners == 10 else 0
        )
        assert signed == pytest.approx(100 - hole)


def _signed_area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def test_levels_are_labeled_where_their_lines_cross_and_never_too_close() -> None:
    """Oracle: z = x^2 on [0, 10] crosses the level v at x = sqrt(v)."""
    x, y = np.linspace(0, 10, 201), np.linspace(0, 1, 3)
    z = np.tile(x**2, (3, 1))
    with style():
        _, axes = new_figure()
        label_levels(axes, x, y, z, [4.0, 25.0, 26.0, 64.0], str, row=0.5, until=0.7)
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places.keys() == {"26.0", "4.0"}  # 25 is too close to 26, 64 beyond 0.7
    assert places["4.0"] == pytest.approx((2.0, 0.5), abs=1e-3)
    assert places["26.0"][0] == pytest.approx(26**0.5, abs=1e-3)


def test_caption_and_record_name_the_law_and_its_range() -> None:
    chosen = law_set("reconstructed")
    with style():
        figure, _ = new_figure()
        law_caption(figure, chosen, "A note.", outside="Hatched")
    (text,) = (t.get_text().replace("\n", " ") for t in figure.texts)
    for part in ("“reconstructed” (Eq. 8)", "2502.08606", "ours", "A note.", "143M to 12.6B"):
        assert part in text
    record = law_provenance(chosen, "x", {"a": 1.0}, extra=2)
    assert record["law_set"]["coefficients"]["taught.B"] == chosen.taught.B
    assert record["headline"] == {"a": 1.0}
    assert record["extra"] == 2
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_caption_of_laws_without_ranges_claims_none() -> None:
    with style():
        figure, _ = new_figure()
        law_caption(figure, LawSet("x", law_set().laws, "here"))
    assert "extrapolation" not in figure.texts[0].get_text()


def test_command_line_takes_names_and_files_and_tells_errors_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[Path, str]] = []

    def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
        assert laws is not None
        seen.append((out, laws.name))
        return {"B": laws.taught.B}

    save_law_set(law_set("printed"), tmp_path / "mine.json")
    draw_from_command_line(run, "", [])
    draw_from_command_line(
        run, "", ["--out", "there", "--coefficients", str(tmp_path / "mine.json")]
    )
    assert seen == [(Path("figures"), "reconstructed"), (Path("there"), "printed")]
    assert capsys.readouterr().out == "B: 2.418e+06\nB: 2.418e+04\n"
    for name in ("nonsense", "chinchilla"):  # unknown; without a distillation law
        with pytest.raises(SystemExit) as stop:
            draw_from_command_line(run, "", ["--coefficients", name])
        assert stop.value.code == 2
        told = capsys.readouterr().err
        assert name in told
        assert told.count("\n") == 1
