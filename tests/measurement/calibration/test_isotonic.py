"""CORP against the min-max formula in fractions, and against scikit-learn."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import ReliabilityTable, brier, corp

rows = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1)), min_size=1, max_size=14)


def min_max(pairs: list[tuple[int, int]]) -> dict[int, Fraction]:
    """Oracle: isotonic fit at x is max over a <= x of min over b >= x of the mean on [a, b]."""
    distinct = sorted({x for x, _ in pairs})

    def mean(a: int, b: int) -> Fraction:
        inside = [Fraction(o) for x, o in pairs if a <= x <= b]
        return sum(inside, Fraction(0)) / len(inside)

    return {
        x: max(min(mean(a, b) for b in distinct if b >= x) for a in distinct if a <= x)
        for x in distinct
    }


@given(rows)
def test_decomposition_is_that_of_exact_fractions(pairs: list[tuple[int, int]]) -> None:
    found = corp([x / 8 for x, _ in pairs], [o for _, o in pairs])
    fit, n = min_max(pairs), len(pairs)
    rate = Fraction(sum(o for _, o in pairs), n)
    score = sum((Fraction(x, 8) - o) ** 2 for x, o in pairs) / n
    best = sum(((fit[x] - o) ** 2 for x, o in pairs), Fraction(0)) / n
    uncertainty = sum(((rate - o) ** 2 for _, o in pairs), Fraction(0)) / n
    assert found.recalibrated == pytest.approx([float(fit[x]) for x in sorted(fit)], abs=1e-14)
    expected = (score, score - best, uncertainty - best, uncertainty)
    parts = (found.score, found.miscalibration, found.discrimination, found.uncertainty)
    assert parts == pytest.approx([float(value) for value in expected], abs=1e-14)
    assert min(parts) >= -1e-15


def test_curve_is_that_of_scikit_learn() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic", reason="needs the extra 'data'")
    rng = np.random.default_rng(0)
    c = rng.integers(0, 60, 800) / 60
    o = (rng.random(800) < c**2).astype(float)
    fit = isotonic.IsotonicRegression().fit(c, o)
    found = corp(c, o)
    assert found.recalibrated == pytest.approx(fit.predict(found.confidence), abs=1e-12)


def test_score_is_the_brier_score() -> None:
    rng = np.random.default_rng(1)
    c, o = rng.random(200), rng.random(200)
    assert corp(c, o).score == pytest.approx(brier(ReliabilityTable.of(c, o)), rel=1e-13)


def test_increasing_recalibration_leaves_discrimination() -> None:
    """Cubing all confidences changes miscalibration only."""
    rng = np.random.default_rng(2)
    c = rng.random(300)
    o = rng.random(300) < c
    plain, cubed = corp(c, o), corp(c**3, o)
    assert cubed.discrimination == pytest.approx(plain.discrimination, abs=1e-14)
    assert cubed.miscalibration > plain.miscalibration + 0.01


def test_perfect_reference_has_no_miscalibration() -> None:
    c = np.random.default_rng(3).random(100)
    found = corp(c, c)
    assert (found.miscalibration, found.ece) == (0.0, 0.0)
    assert found.discrimination == pytest.approx(c.var(), rel=1e-12)


def test_known_miscalibration() -> None:
    """Reference c^2: the fit is c^2 itself, and the L1 error of the curve is 1/6."""
    c = (np.arange(10_000) + 0.5) / 10_000
    found = corp(c, c**2)
    assert found.ece == pytest.approx(1 / 6, abs=1e-8)
    assert found.miscalibration == pytest.approx(1 / 30, abs=1e-8)  # integral of (c - c^2)^2


@pytest.mark.parametrize("right", [0, 1])
def test_all_of_one_class(right: int) -> None:
    found = corp([0.2, 0.7], [right] * 2)
    assert (found.discrimination, found.uncertainty) == (0.0, 0.0)
    assert found.recalibrated.tolist() == [right, right]


def test_no_prediction_is_refused() -> None:
    with pytest.raises(InputError, match="corp: 0 predictions"):
        corp([], [])
