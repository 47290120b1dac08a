"""Errors with known values, and what is known of their bias."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capgap.errors import InputError
from capgap.measurement.calibration import (
    ReliabilityTable,
    debiased_ece,
    debiased_l2,
    debiased_squared_l2,
    ece,
    equal_width_edges,
    l2,
    mce,
    mean_gap,
    plug_in_bias,
)
from capgap.measurement.calibration.estimators import Sums

unit = st.floats(0, 1, allow_subnormal=False)


def gap_of_square(edges: np.ndarray) -> np.ndarray:
    """Integral of c^2 - c over each bin, for p(c) = c^2 and uniform confidence."""
    primitive = edges**3 / 3 - edges**2 / 2
    return np.diff(primitive)


@pytest.mark.parametrize("bins", [1, 5, 21])
def test_known_miscalibration_by_quadrature(bins: int) -> None:
    """Midpoints of 2e5 cells, reference c^2: the midpoint rule is off by 1 / (24 n^2)."""
    c = (np.arange(200_000) + 0.5) / 200_000
    edges = equal_width_edges(bins)
    table = ReliabilityTable.of(c, c**2, edges)
    gap = gap_of_square(edges)
    # A cell that straddles an edge goes to one side: at most 1/n x 1/4 per edge.
    allowed = bins * 0.25 / 200_000
    assert float(ece(table)) == pytest.approx(np.abs(gap).sum(), abs=allowed)
    assert float(mce(table)) == pytest.approx(np.abs(gap * bins).max(), abs=bins * allowed)
    assert float(l2(table)) == pytest.approx(np.sqrt((gap**2 * bins).sum()), abs=bins * allowed)
    assert float(mean_gap(table)) == pytest.approx(-1 / 6, abs=allowed)


def test_known_miscalibration_from_labels() -> None:
    """Statistic: ECE of labels with chance c^2, 5 bins; its error is that of the mean gap."""
    rng = np.random.default_rng(0)
    c = rng.random(200_000)
    table = ReliabilityTable.of(c, rng.random(c.size) < c**2, equal_width_edges(5))
    error = np.sqrt(float(table.sum_gap_squared.sum())) / c.size
    assert abs(float(ece(table)) - 1 / 6) < 4 * error
    assert abs(float(ece(table)) - 0.16) > 4 * error  # negative control: a wrong value is seen


@given(
    st.lists(st.tuples(unit, unit), min_size=1, max_size=40), st.integers(1, 8), st.integers(2, 4)
)
def test_finer_bins_never_lower_the_plug_in(
    rows: list[tuple[float, float]], bins: int, factor: int
) -> None:
    c, o = (np.array(x) for x in zip(*rows, strict=True))
    fine = equal_width_edges(bins * factor)
    errors = [
        float(measure(ReliabilityTable.of(c, o, edges)))
        for measure in (ece, l2, mce)
        for edges in (fine[::factor], fine)
    ]
    assert errors[0] <= errors[1] + 1e-15
    assert errors[2] <= errors[3] + 1e-15
    assert errors[4] <= errors[5] + 1e-15


def test_unnested_bins_can_lower_it() -> None:
    """Negative control: more bins that do not refine the others can give less."""
    c, o = [0.4, 0.6], [0, 1]
    two, three = (float(ece(ReliabilityTable.of(c, o, equal_width_edges(bins)))) for bins in (2, 3))
    assert three < two


def calibrated(
    rng: np.random.Generator, sets: int, n: int, edges: np.ndarray, power: float = 1.0
) -> Sums:
    """Tables (sets, bins) of labels drawn with chance c^power, confidences uniform."""
    c = rng.random((sets, n))
    o = rng.random((sets, n)) < c**power
    return ReliabilityTable.of(c.ravel(), o.ravel(), edges, np.repeat(np.arange(sets), n))


def test_plug_in_bias_formula_on_calibrated_data() -> None:
    """Statistic: mean over 2000 data sets of ECE minus the formula, 100 labels per bin.

    The normal limit it rests on is off by O(1/n) of itself: .5% allowed beside 4 standard errors.
    """
    tables = calibrated(np.random.default_rng(1), 2000, 500, equal_width_edges(5))
    found, formula = ece(tables), plug_in_bias(tables)
    error = float((found - formula).std() / np.sqrt(found.size))
    assert abs(float((found - formula).mean())) < 4 * error + 0.005 * float(formula.mean())
    assert abs(float((found - 0.9 * formula).mean())) > 6 * error  # negative control


def test_bias_of_a_reference_uses_its_own_spread() -> None:
    table = ReliabilityTable.of([0.5, 0.5], [0.25, 0.75])
    expected = np.sqrt(2 * 0.125 / np.pi) / 2
    assert float(plug_in_bias(table, outcome="reference")) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_debiased_squared_error_has_no_bias(power: float) -> None:
    """Statistic: mean over 3000 data sets of 60 labels, against sum_b P(b) (E gap)^2 exactly.

    A bin holds fewer than 2 with chance 1e-6. Negative control: the plug-in is biased.
    """
    edges = equal_width_edges(4)
    tables = calibrated(np.random.default_rng(2), 3000, 60, edges, power)
    width = np.diff(edges)
    gap = np.diff(edges ** (power + 1) / (power + 1) - edges**2 / 2) / width
    truth = float((width * gap**2).sum())

    def score(values: np.ndarray) -> float:
        return float((values.mean() - truth) / (values.std() / np.sqrt(values.size)))

    assert abs(score(debiased_squared_l2(tables))) < 3.5
    assert score(l2(tables) ** 2) > 10


def test_printed_form_is_biased_where_confidence_varies_within_a_bin() -> None:
    """One bin, c uniform: var o = 1/4 stands for var (o - c) = 1/6, so n = 20 takes off
    (1/4 - 1/6) / 20 too much. Statistic: mean over 3000 sets, with its standard error.
    """
    tables = calibrated(np.random.default_rng(7), 3000, 20, equal_width_edges(1))
    gap, outcome = (debiased_squared_l2(tables, spread=spread) for spread in ("gap", "outcome"))
    error = outcome.std() / np.sqrt(outcome.size)
    assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(gap.size)
    assert outcome.mean() == pytest.approx(-1 / 240, abs=3.5 * error)
    assert abs(outcome.mean()) > 10 * error


def test_printed_form_is_unbiased_for_constant_confidence() -> None:
    """Kumar et al.: one confidence per bin. Statistic: mean over 4000 sets of 20 labels."""
    rng = np.random.default_rng(3)
    o = rng.random((4000, 20)) < 0.7
    table = ReliabilityTable.of(
        np.full(o.size, 0.7), o.ravel(), groups=np.repeat(np.arange(4000), 20)
    )
    gap, outcome = (debiased_squared_l2(table, spread=spread) for spread in ("gap", "outcome"))
    assert gap == pytest.approx(outcome, abs=1e-14)
    assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(gap.size)


def test_debiased_ece_keeps_the_stated_part_of_the_bias() -> None:
    """Calibrated: (2 - sqrt 2) of the plug-in bias stays. Statistic: mean over 2000 sets."""
    tables = calibrated(np.random.default_rng(4), 2000, 500, equal_width_edges(5))
    rest = debiased_ece(tables) - (2 - np.sqrt(2)) * plug_in_bias(tables)
    error = float(rest.std() / np.sqrt(rest.size))
    assert abs(float(rest.mean())) < 4 * error + 0.01 * float(plug_in_bias(tables).mean())
    assert float(debiased_ece(tables).mean()) > 10 * error  # negative control: some bias is left


def test_debiased_ece_is_the_limit_of_the_simulation() -> None:
    """Oracle: 2e5 normal draws around the gaps (Kumar et al.); statistic with its error."""
    rng = np.random.default_rng(5)
    c = rng.random(300)
    table = ReliabilityTable.of(c, rng.random(300) < c**1.3, equal_width_edges(4))
    n, gap = table.count, table.sum_gap / table.count
    spread = np.sqrt((table.sum_gap_squared / n - gap**2) / (n - 1))
    drawn = np.abs(gap + spread * rng.standard_normal((200_000, 4))) @ (n / 300)
    simulated = 2 * float(ece(table)) - drawn.mean()
    assert abs(float(debiased_ece(table)) - simulated) < 4 * drawn.std() / np.sqrt(drawn.size)


def test_single_predictions_say_nothing_about_their_spread() -> None:
    table = ReliabilityTable.of([0.25], [1])
    assert float(debiased_squared_l2(table)) == 0
    assert float(debiased_l2(table)) == 0
    assert float(debiased_ece(table)) == 0.75
    with pytest.raises(InputError, match="spread = 'both'"):
        debiased_ece(table, spread="both")  # type: ignore[arg-type]
