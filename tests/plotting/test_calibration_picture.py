"""Reliability diagrams through what they hold: points, bands, bars, labels, columns."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from capgap.measurement.calibration.bins import equal_width_edges
from capgap.measurement.calibration.judgment import Judgment, judge
from capgap.measurement.calibration.table import ReliabilityTable
from capgap.plotting.calibration import (
    Panel,
    draw_reliability,
    reliability_columns,
    save_reliability,
)


def judgment(share: float) -> Judgment:
    """Two filled bins of four: confidence .3 and .8, of which a share comes true in each."""
    confidence = np.repeat([0.3, 0.8], 20)
    outcome = np.tile(np.arange(20) < 20 * share, 2)
    tables = ReliabilityTable.of(
        confidence, outcome, equal_width_edges(4), groups=np.arange(40) % 10
    )
    return judge(tables, 0, replications=200)


def test_diagram_shows_means_band_and_shares() -> None:
    one, two = judgment(0.5), judgment(0.25)
    figure = draw_reliability([Panel("one", one), Panel("two", one, two, "a", "b")], "Title")
    assert len(figure.axes) == 4
    diagram, counts = figure.axes[0], figure.axes[1]
    diagonal, curve = diagram.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]  # type: ignore[union-attr]
    np.testing.assert_allclose(np.asarray(curve.get_xdata()), [0.3, 0.8], atol=1e-12)
    np.testing.assert_allclose(np.asarray(curve.get_ydata()), [0.5, 0.5], atol=1e-12)
    heights = [bar.get_height() for bar in counts.patches]  # type: ignore[attr-defined]
    assert heights == [0, 0.5, 0, 0.5]
    (band,) = diagram.collections
    path = np.asarray(band.get_paths()[0].vertices)
    seen = [1, 3]
    assert path[:, 1].min() == pytest.approx(one.band_low[seen].min())
    assert path[:, 1].max() == pytest.approx(one.band_high[seen].max())
    # ECE = (|.5 - .3| + |.5 - .8|) / 2, by hand.
    assert diagram.texts[0].get_text().startswith("ECE 25.0% [")
    second = figure.axes[2]
    assert [text.get_text().split("\n")[0] for text in second.texts] == ["a", "b"]
    np.testing.assert_allclose(np.asarray(second.lines[2].get_ydata()), [0.25, 0.25])


def test_labels_do_not_lie_on_curves() -> None:
    """Text stands below curves that run above the diagonal, and above the others."""
    under, over = judgment(1.0), judgment(0.0)
    figure = draw_reliability([Panel("under", under), Panel("over", over)], "Title")
    assert figure.axes[0].texts[0].get_position()[1] < 0.5
    assert figure.axes[2].texts[0].get_position()[1] > 0.5


def test_columns_hold_every_judgment_and_bin() -> None:
    one, two = judgment(0.5), judgment(0.25)
    columns = reliability_columns([Panel("p", one, two, "a", "b")])
    assert {len(values) for values in columns.values()} == {8}
    assert columns["curve"] == ["a"] * 4 + ["b"] * 4
    assert np.asarray(columns["count"]).tolist() == [0, 20, 0, 20] * 2
    np.testing.assert_allclose(
        np.asarray(columns["outcome"]), [np.nan, 0.5, np.nan, 0.5, np.nan, 0.25, np.nan, 0.25]
    )


def test_pictures_are_written_and_the_same_twice(tmp_path: Path) -> None:
    panels = [Panel("one", judgment(0.5))]
    for name in ("a.png", "b.png"):
        save_reliability(panels, tmp_path / name, "Title")
    first, second = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    assert len(first) > 10_000
