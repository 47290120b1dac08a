"""The picture of theory against simulation shows every row, and says what the table says."""

import numpy as np

from capgap.comparison.agreement import Row, finite_size_order, summarize
from capgap.plotting.agreement import draw_agreement
from capgap.plotting.style import style


def rows(z: float) -> list[Row]:
    """Two exact models, a control far away, and two sizes of an asymptotic one."""

    def row(name: str, kind: str, scale: float, mean: float, score: float) -> Row:
        return Row(name, name[:2], "gaussian", kind, "", 1, 1, scale, 9, 1.0, mean, 0.01, score)

    return [
        row("2a x", "exact", 1.0, 1.0 + 0.01 * z, z),
        row("2a x", "control", 1.0, 1.0, 30.0),
        row("2b x", "one size", 2.0, 1.08, 8.0),
        row("2b x", "one size", 4.0, 1.04, 4.0),
        row("2b x", "asymptotic", np.inf, 1.01, 1.0),
        row("2b y", "real data", 1.0, 1.2, 20.0),
    ]


def texts(z: float) -> tuple[str, list[np.ndarray]]:
    table = rows(z)
    with style():
        figure = draw_agreement(table, summarize(table), finite_size_order(table))
    scores = [np.asarray(line.get_ydata()) for line in figure.axes[1].lines]
    return " ".join(text.get_text() for text in figure.texts), scores


def test_title_follows_the_verdict() -> None:
    good, bad = texts(0.9)[0], texts(5.0)[0]
    assert "Closed forms and simulations agree" in good
    assert "do not all agree" in bad
    assert "largest |z| 5.00" in bad
    assert "1 of 1 wrong theories rejected" in good


def test_scores_are_drawn_and_far_ones_stand_at_the_edge() -> None:
    scores = [float(y[0]) for y in texts(0.9)[1] if y.size == 1]
    assert sorted(scores) == [0.9, 1.0, 9.0]  # neither single sizes nor real data
