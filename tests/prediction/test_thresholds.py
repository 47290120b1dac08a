"""Thresholds: the sign of the difference around them, and a scan that finds no others."""

from dataclasses import replace

import numpy as np
import pytest
from prediction.planning import EQ8, LAWS, OWN, STUDENT, TAUGHT

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import allocate, train_alone
from capgap.prediction.scenario import Limits
from capgap.prediction.thresholds import _crossings, thresholds
from capgap.theory.coefficients import law_set
from capgap.theory.hinge import HingeLaw
from capgap.theory.law_set import Laws

SIZES = np.array([3e8, 1e9, 3e9, 1e10])


def gap(laws, N_S, C, scenario, **options) -> np.ndarray:
    taught = allocate(laws, N_S, C, scenario, **options).student_loss
    return taught - train_alone(laws, N_S, C, limits=options.get("limits")).student_loss


@pytest.mark.parametrize("scenario", TAUGHT)
@pytest.mark.parametrize("name", ["reconstructed", "printed", "hinge"])
def test_signs_flip_at_every_crossing(name: str, scenario: str) -> None:
    """Just below and above, 1e-6 in log C; at the crossing itself both losses agree and are
    those reported, with the tokens reported."""
    laws = LAWS[name]
    count = 0
    for found in thresholds(laws, SIZES, scenario):
        assert (found.status == "crosses") == bool(found.crossings)
        for crossing in found.crossings:
            C = crossing.budget * np.exp([-1e-6, 0, 1e-6])
            below, at, above = gap(laws, found.N_S, C, scenario)
            expected = 1.0 if crossing.better_above == "supervised" else -1.0
            assert np.sign([below, above]).tolist() == [-expected, expected]
            assert abs(at) < 1e-9 * max(1.0, crossing.loss)
            alone = train_alone(laws, found.N_S, crossing.budget)
            taught = allocate(laws, found.N_S, crossing.budget, scenario)
            assert crossing.loss == alone.student_loss
            assert (crossing.D_S_alone, crossing.D_S_taught) == (alone.D_S, taught.D_S)
            count += 1
    assert count > 0


@pytest.mark.parametrize("scenario", TAUGHT)
@pytest.mark.parametrize("name", ["reconstructed", "printed"])
def test_a_scan_finds_no_others(name: str, scenario: str) -> None:
    """40 budgets per decade, five times as many as the search begins with."""
    laws, C = LAWS[name], np.geomspace(1e18, 1e30, 481)
    for found in thresholds(laws, SIZES, scenario, budgets=(1e18, 1e30)):
        difference = gap(laws, found.N_S, C, scenario)
        flips = np.flatnonzero(np.sign(difference[1:]) != np.sign(difference[:-1]))
        assert len(flips) == len(found.crossings)
        for flip, crossing in zip(flips, found.crossings, strict=True):
            assert C[flip] <= crossing.budget <= C[flip + 1]
        if not found.crossings:
            side = "supervised" if difference[0] > 0 else "distillation"
            assert found.status == f"{side} always better in range"


def test_best_case_thresholds_are_token_matched_and_solve_the_equation() -> None:
    """A free teacher leaves the student the same tokens, so the crossing is where the best
    loss of the distillation law equals the supervised loss on those tokens."""
    law = LAWS["reconstructed"].taught
    for found in thresholds(LAWS["reconstructed"], SIZES, "best"):
        (crossing,) = found.crossings
        assert crossing.D_S_alone == crossing.D_S_taught
        best = law.best_loss(found.N_S, crossing.D_S_alone)
        np.testing.assert_allclose(best, OWN.loss(found.N_S, crossing.D_S_alone), rtol=1e-9)
        assert found.catch_up == crossing


@pytest.mark.parametrize("scenario", ["best", "inference"])
@pytest.mark.parametrize("name", ["reconstructed", "printed"])
def test_larger_students_need_more_compute_to_do_without(name: str, scenario: str) -> None:
    """From 1B to 20B parameters; see the next test for what lies below and above."""
    found = thresholds(LAWS[name], np.geomspace(1e9, 2e10, 12), scenario)
    budgets = [one.catch_up.budget for one in found]
    assert np.all(np.diff(budgets) > 0)


@pytest.mark.parametrize("name", ["reconstructed", "printed"])
def test_the_smallest_and_the_largest_students_never_do_without(name: str) -> None:
    """Nothing ties the limits of both laws on infinite data: where the best taught student
    stays ahead there is no threshold, and near there thresholds run away to infinity."""
    laws, sizes = LAWS[name], np.array([1e8, 1.5e8, 5e8, 1e9, 1e10, 6e10, 1e11])
    ahead = laws.taught.best_loss(sizes, 1e30) < OWN.infinite_data_loss(sizes)
    assert ahead.tolist() == [True, True, False, False, False, True, True]
    found = thresholds(laws, sizes, "best")
    assert [one.catch_up is None for one in found] == ahead.tolist()
    low, middle = thresholds(laws, [2.4e8, 7e8], "best")
    assert low.catch_up.budget > 100 * middle.catch_up.budget


def test_statuses_of_laws_that_never_cross() -> None:
    """A student whose corner l is far below (far above) its own supervised loss."""
    better = Laws(OWN, HingeLaw(replace(STUDENT, E=0.2), rho=0.5, s=0.05, c=1e-3))
    worse = Laws(OWN, HingeLaw(replace(STUDENT, E=4.0), rho=1.0, s=0.05, c=1e-3))
    (first,) = thresholds(better, 1e9, "best", budgets=(1e20, 1e26))
    (second,) = thresholds(worse, 1e9, "best", budgets=(1e20, 1e26))
    assert first.status == "distillation always better in range"
    assert second.status == "supervised always better in range"
    assert first.crossings == second.crossings == ()
    assert first.catch_up is None


def test_two_crossings_between_two_points_of_the_scan() -> None:
    """A parabola that is negative on a twentieth of a decade, away from the scan's points."""

    def dip(row, x):
        return (x - 46.8123) ** 2 - np.array([0.05, 1e-3])[row] ** 2

    low, high = np.full(2, np.log(1e17)), np.full(2, np.log(1e26))
    row, at, above, first = _crossings(dip, low, high)
    assert row.tolist() == [0, 0, 1, 1]
    expected = 46.8123 + np.array([-0.05, 0.05, -1e-3, 1e-3])
    np.testing.assert_allclose(at, expected, rtol=0, atol=1e-9)
    assert above.tolist() == [-1, 1, -1, 1]
    assert first.tolist() == [1, 1]


def test_limits_on_text_move_the_threshold() -> None:
    """With 1e10 tokens for the student alone, a taught one stays ahead: its teacher's text is
    not limited."""
    laws = LAWS["reconstructed"]
    (free,) = thresholds(laws, 3e8, "best")
    (tied,) = thresholds(laws, 3e8, "best", limits=Limits(D_S=1e10))
    assert free.catch_up is not None
    assert tied.status == "distillation always better in range"


def test_sharing_a_teacher_raises_the_threshold() -> None:
    laws = LAWS["reconstructed"]
    budgets = [thresholds(laws, 1e10, "both", students=K)[0].catch_up.budget for K in (1, 10, 100)]
    assert np.all(np.diff(budgets) > 0)


def test_budgets_begin_where_there_is_something_to_buy() -> None:
    (found,) = thresholds(LAWS["reconstructed"], 1e12, "both", budgets=(1e6, 1e26))
    teacher = ModelFamily().forward_flops(1e6) * (1 + 3e6)
    need = 3 * ModelFamily().forward_flops(1e12) + teacher
    np.testing.assert_allclose(found.budgets, [need, 1e26], rtol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((1e9, "supervised"), {}, "scenario = 'supervised' must be one of best"),
        ((-1e9, "best"), {}, "N_S = -1e\\+09 must be finite and > 0"),
        ((1e9, "best"), {"budgets": (1e20, 1e19)}, "budgets = .* must be 0 < low < high"),
        ((1e9, "both"), {"budgets": (1e5, 1e9)}, "budget = 1e\\+09 FLOPs is too small"),
    ],
)
def test_bad_questions(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        thresholds(law_set(), *arguments, **options)


def test_laws_without_a_teacher() -> None:
    with pytest.raises(InputError, match="needs a distillation law"):
        thresholds(Laws(OWN), 1e9, "best")


def test_two_coefficient_sets_of_one_law_differ() -> None:
    """Negative control of the tests above: another B' moves every threshold by over 1e-3."""
    other = Laws(OWN, replace(EQ8, B=1.1 * EQ8.B))
    for one, two in zip(
        thresholds(LAWS["reconstructed"], SIZES, "inference"),
        thresholds(other, SIZES, "inference"), strict=True,
    ):  # fmt: skip
        assert abs(np.log(one.catch_up.budget / two.catch_up.budget)) > 1e-3
