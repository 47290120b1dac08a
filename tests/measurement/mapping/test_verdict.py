"""The statistics on planted curves: they find a U, and find none where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import ttest_1samp

from capgap.errors import InputError
from capgap.measurement.mapping.verdict import (
    CurveVerdict,
    judge,
    mean_limits,
    paper_claims,
    valley,
)

TEACHERS = np.array([1.6, 1.2, 0.8, 0.4, 0.2, 0.1, 0.02])
FALLING = np.array([1.6, 1.25, 0.9, 0.6, 0.4, 0.3, 0.25])
U_SHAPED = np.array([1.6, 1.25, 0.9, 0.6, 0.65, 0.7, 0.72])
FLAT_END = np.array([1.6, 1.25, 0.9, 0.6, 0.6, 0.6, 0.6])


def planted(curve: np.ndarray, seeds: int, noise: float, rng: np.random.Generator) -> CurveVerdict:
    """Seeds shift the whole curve (it cancels in pairs) and every point by itself."""
    shift = 0.05 * rng.standard_normal((seeds, 1))
    L_S = curve + shift + noise * rng.standard_normal((seeds, curve.size))
    L_T = TEACHERS + 0.01 * rng.standard_normal((seeds, curve.size))
    return judge(L_S, L_T, shortcut=1.0)


def shares(curve: np.ndarray, replications: int = 300) -> dict[str, float]:
    rng = np.random.default_rng(5)
    shapes = [planted(curve, 4, 0.02, rng).shape for _ in range(replications)]
    return {name: shapes.count(name) / replications for name in ("U", "falls", "undetermined")}


def test_a_planted_u_is_found() -> None:
    """Rise 0.12, noise of a difference 0.028, four seeds: t is 8.5 in the mean."""
    assert shares(U_SHAPED)["U"] > 0.95


def test_no_u_where_the_curve_falls_to_its_end() -> None:
    """Negative control: no rise at all is never called a U; the last step of 0.05 is a fall."""
    found = shares(FALLING)
    assert found["U"] <= 0.01
    assert found["falls"] > 0.95
    rise = planted(FALLING, 6, 0.01, np.random.default_rng(2)).rise
    assert -0.07 < rise.mean < -0.03  # 0.25 less 0.30
    assert rise.low < rise.mean < rise.high < 0


def test_a_flat_end_is_called_a_u_no_more_often_than_one_time_in_twenty() -> None:
    """The hardest null: many equally good teachers. 300 sets: 5% and three deviations, 8.8%."""
    assert shares(FLAT_END)["U"] <= 0.088


def test_choosing_the_best_teacher_by_the_same_seeds_would_invent_a_rise() -> None:
    """Why others choose: on a flat end the rise from the seeds' own best is positive on
    average, and that from the others' best is not (6 standard errors against 4)."""
    rng = np.random.default_rng(6)
    naive, fair = [], []
    for _ in range(400):
        L_S = FLAT_END + 0.02 * rng.standard_normal((4, 7))
        mean = L_S.mean(axis=0)
        naive.append(float(mean[-1] - mean.min()))
        fair.append(judge(L_S, np.tile(TEACHERS, (4, 1)), 1.0).rise.mean)
    error = [np.std(values, ddof=1) / 20 for values in (naive, fair)]
    assert np.mean(naive) > 6 * error[0]
    assert abs(np.mean(fair)) < 4 * error[1]


def test_shape_gain_favors_the_valley_only_where_there_is_one() -> None:
    rng = np.random.default_rng(7)
    gain = [planted(U_SHAPED, 6, 0.01, rng).shape_gain.low > 0 for _ in range(40)]
    none = [planted(FALLING, 6, 0.01, rng).shape_gain.low > 0 for _ in range(40)]
    assert sum(gain) >= 38
    assert sum(none) == 0


def test_order_of_teachers_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    L_S = U_SHAPED + 0.02 * rng.standard_normal((4, 7))
    L_T = np.tile(TEACHERS, (4, 1))
    order = rng.permutation(7)
    one, other = judge(L_S, L_T, 1.0), judge(L_S[:, order], L_T[:, order], 1.0)
    assert one.rise == other.rise
    assert one.fall == other.fall
    assert order[other.best] == one.best


def test_learning_is_told_by_the_limits() -> None:
    L_T = np.tile(TEACHERS, (3, 1))
    L_S = U_SHAPED + np.array([[-0.01], [0.0], [0.01]])
    assert judge(L_S, L_T, shortcut=1.0).learns is True
    assert judge(L_S, L_T, shortcut=0.5).learns is False
    assert judge(L_S, L_T, shortcut=0.605).learns is None


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_limits_agree_with_scipys_t_test(values: list[float]) -> None:
    """scipy.stats.ttest_1samp, alternative "greater", is another implementation."""
    x = np.array(values)
    if x.std() < 1e-6:
        return
    found, other = mean_limits(x), ttest_1samp(x, 0.0, alternative="greater")
    assert found.chance == pytest.approx(other.pvalue, abs=1e-9)
    assert found.low == pytest.approx(other.confidence_interval(0.95).low, abs=1e-9)
    assert found.low <= found.mean <= found.high


def test_limits_without_spread() -> None:
    assert [mean_limits([v, v]).chance for v in (1.0, 0.0, -1.0)] == [0.0, 0.5, 1.0]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=7))
def test_valley_is_a_valley_and_no_worse_than_monotone_fits(values: list[float]) -> None:
    curve = np.array(values)
    fit = valley(curve)
    steps = np.sign(np.round(np.diff(fit), 12))
    rising = np.flatnonzero(steps > 0)
    assert rising.size == 0 or (steps[rising[0] :] >= 0).all()
    np.testing.assert_allclose(valley(fit), fit, atol=1e-12)  # nothing left to change


def test_valley_is_the_nearest_one() -> None:
    """Against constrained least squares by SLSQP, bottom by bottom; tolerance of SLSQP."""
    curve = np.array([2.0, 2.3, 0.7, 1.4, 0.9, 1.1, 0.8])

    def nearest(bottom: int) -> float:
        rules = [
            {"type": "ineq", "fun": lambda g, k=k, s=s: s * (g[k + 1] - g[k])}
            for k in range(curve.size - 1)
            for s in [1.0 if k >= bottom else -1.0]
        ]
        found = minimize(
            lambda g: float(((g - curve) ** 2).sum()), curve, constraints=rules, method="SLSQP"
        )
        return float(found.fun)

    best = min(nearest(bottom) for bottom in range(curve.size))
    assert float(((valley(curve) - curve) ** 2).sum()) == pytest.approx(best, abs=1e-6)


def test_claims_of_the_paper_on_planted_students() -> None:
    L_T = np.tile(TEACHERS, (4, 1))
    wobble = 0.003 * np.random.default_rng(9).standard_normal((4, 7))
    poor = judge(U_SHAPED + 1 + wobble, L_T, 1.0)
    bent = judge(U_SHAPED + wobble, L_T, 1.0)
    good = judge(FALLING + wobble, L_T, 1.0)
    assert paper_claims([poor, bent, good]) == ("verified",) * 3
    assert paper_claims([good, good, bent]) == ("contradicted",) * 3
    slow = judge(FALLING + 1 + wobble, L_T, 1.0)  # falls to its end and learns no pairs
    assert paper_claims([poor, bent, slow])[2] == "contradicted"
    unsure = judge(U_SHAPED + 30 * wobble, L_T, 0.6)
    assert paper_claims([unsure] * 3) == ("undetermined",) * 3
    with pytest.raises(InputError, match="2 verdicts"):
        paper_claims([poor, bent])


@pytest.mark.parametrize(
    ("L_S", "L_T"),
    [
        (np.ones((3, 4)), np.ones((4, 3))),
        (np.ones((2, 4)), np.ones((2, 4))),
        (np.ones((3, 2)), np.ones((3, 2))),
        (np.full((3, 3), np.nan), np.ones((3, 3))),
    ],
)
def test_curves_that_cannot_be_judged_are_refused(L_S: np.ndarray, L_T: np.ndarray) -> None:
    with pytest.raises(InputError):
        judge(L_S, L_T, 1.0)
