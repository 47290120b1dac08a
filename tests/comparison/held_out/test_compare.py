"""Comparison of laws: the planted law wins, equals are not told apart, numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest

from capgap.comparison.cells import cell_index
from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.held_out import (
    Comparison,
    clustered_mean,
    compare_laws,
    compare_rollouts,
    held_out_coverage,
    leave_one_cell_out,
    rollout,
)
from capgap.errors import InputError
from capgap.theory.coefficients import distillation_law, supervised_law
from capgap.theory.hinge import HingeLaw

OWN = supervised_law()
N_S, D_S, L_T = (
    a.ravel()
    for a in np.meshgrid([2e8, 7e8, 2e9], [4e9, 1.5e10, 6e10], np.linspace(1.8, 2.8, 6),
                         indexing="ij")
)  # fmt: skip
PLANTED = {
    "hinge": HingeLaw(OWN, rho=0.6, s=0.04, c=2e-3, p=0.25),
    "eq8-reduced": distillation_law().reduced(),
}


def both(truth: str, noise: float = 0.001, seed: int = 0) -> dict[str, Fit]:
    error = noise * np.random.default_rng(seed).standard_normal(N_S.size)
    runs = (N_S, D_S, L_T, PLANTED[truth].loss(N_S, D_S, L_T) * np.exp(error))
    return {
        "hinge": fit_distillation("hinge", *runs, supervised=OWN, terms=("scale", "p"), delta=0.01),
        "eq8-reduced": fit_distillation("eq8-reduced", *runs, supervised=OWN, delta=0.01),
    }


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    return both("hinge")


@pytest.fixture(scope="module")
def found(fits) -> Comparison:
    return compare_laws(fits, seed=0)


@pytest.mark.parametrize("truth", list(PLANTED))
def test_the_planted_law_is_named(truth: str) -> None:
    laws = both(truth)
    result = compare_laws(laws, seed=0)
    assert result.best == (truth,)
    pair = result.pair("hinge", "eq8-reduced")
    assert pair.verdict == truth
    assert pair.words.startswith(f"{truth} better than")
    # Squares weigh the worst cells more: they may abstain, but not name the other law.
    squared = compare_laws(laws, seed=0, measure="squared")
    assert squared.laws[0].name == truth
    assert squared.pairs[0].verdict in (truth, None)
    assert squared.pairs[0].squared == pair.squared


def test_under_much_noise_no_law_is_named() -> None:
    """10% noise hides a difference of about 1%; the negative control of the test above."""
    result = compare_laws(both("eq8-reduced", noise=0.1), seed=0)
    assert set(result.best) == set(PLANTED)
    assert result.pairs[0].verdict is None
    assert result.pairs[0].words.endswith("not told apart")


def test_errors_are_those_of_leaving_one_cell_out(fits, found: Comparison) -> None:
    for law in found.laws:
        held = leave_one_cell_out(fits[law.name])
        np.testing.assert_allclose(law.error, held.error, atol=5e-5)
        assert law.root_mean_square == pytest.approx(held.root_mean_square, rel=1e-2)
        assert law.median_absolute == pytest.approx(held.median_absolute, rel=2e-2)
        assert law.coefficients == fits[law.name].x.size
        assert len(law.status) == 9


def test_intervals_are_clustered_means_of_the_differences(fits, found: Comparison) -> None:
    one, other = found.laws
    pair = found.pairs[0]
    assert (pair.one, pair.other) == (one.name, other.name)
    cell = cell_index(fits["hinge"].problem.inputs)
    np.testing.assert_array_equal(found.group, cell)
    for got, values in (
        (pair.squared, one.error**2 - other.error**2),
        (pair.absolute, np.abs(one.error) - np.abs(other.error)),
    ):
        assert got == clustered_mean(values, cell, 0.95, cross_validated=True)
        assert got.mean == pytest.approx(values.mean())
        assert got.groups == 9


def test_order_and_names_of_the_laws_do_not_matter(fits, found: Comparison) -> None:
    other = compare_laws({"z": fits["eq8-reduced"], "a": fits["hinge"]}, seed=0)
    assert [law.name for law in other.laws] == ["a", "z"]
    assert other.pairs[0].absolute == found.pairs[0].absolute
    assert other.best == ("a",)


def test_a_law_against_itself_is_not_told_apart(fits) -> None:
    result = compare_laws({"one": fits["hinge"], "other": fits["hinge"]}, seed=0)
    pair = result.pairs[0]
    assert (pair.absolute.mean, pair.absolute.low, pair.absolute.high) == (0, 0, 0)
    assert pair.verdict is None
    assert set(result.best) == {"one", "other"}


@pytest.mark.parametrize(("groups", "count"), [("N_S", 3), ("D_S", 3), ("L_T", 6), ("cell", 9)])
def test_students_and_teachers_are_left_out_whole(fits, groups: str, count: int) -> None:
    result = compare_laws({name: fits[name] for name in PLANTED}, groups=groups, seed=0)
    assert result.pairs[0].absolute.groups == count
    if groups != "cell":
        labels = fits["hinge"].problem.inputs[groups]
        by_hand = compare_laws(fits, groups=labels, seed=0)
        np.testing.assert_array_equal(by_hand.laws[0].error, result.laws[0].error)
        held = leave_one_cell_out(fits["hinge"], labels)
        hinge = next(law for law in result.laws if law.name == "hinge")
        np.testing.assert_allclose(hinge.error, held.error, atol=5e-5)


def test_many_groups_are_dealt_to_folds(fits) -> None:
    """18 labels in 4 folds: 4 fits, of 4 or 5 labels each, the same for every law."""
    labels = np.arange(54) // 3
    result = compare_laws(fits, groups=labels, folds=4, seed=3)
    assert [len(law.status) for law in result.laws] == [4, 4]
    assert result.pairs[0].absolute.groups == 18
    again, other = (compare_laws(fits, groups=labels, folds=4, seed=s) for s in (3, 4))
    np.testing.assert_array_equal(again.laws[0].error, result.laws[0].error)
    assert np.any(other.laws[0].error != result.laws[0].error)


def test_three_laws_in_all_pairs() -> None:
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e8, 4e9, 5), np.geomspace(2e9, 8e10, 5)))
    L = OWN.loss(N, D) * np.exp(0.001 * np.random.default_rng(0).standard_normal(25))
    laws = {
        "plain": fit_supervised(N, D, L, gamma=1.0, delta=0.01),
        "gamma": fit_supervised(N, D, L, delta=0.01),
        "true gamma": fit_supervised(N, D, L, gamma=OWN.gamma, delta=0.01),
    }
    result = compare_laws(laws, seed=0)
    assert len(result.pairs) == 3
    assert "plain" not in result.best
    assert result.pair("true gamma", "plain").verdict == "true gamma"
    errors = [law.root_mean_square for law in result.laws]
    assert errors == sorted(errors)
    with pytest.raises(InputError, match="must be two of"):
        result.pair("plain", "hinge")


def test_coverage_is_that_of_the_folds(fits) -> None:
    """Oracle: the bootstrap of the fits without each cell, searched from all starts."""
    result = compare_laws(fits, seed=5, draws=30)
    for law in result.laws:
        held = leave_one_cell_out(fits[law.name])
        by_hand = held_out_coverage(held, 0.9, seed=5, n=30)
        assert law.coverage == pytest.approx(by_hand, abs=1.5 / 54)  # one run at an edge
    assert np.isnan(compare_laws(fits, seed=5).laws[0].coverage)


def test_runs_of_weight_zero_do_not_count(fits) -> None:
    weights = np.where(np.arange(54) == 7, 0.0, 1.0)
    fewer = {
        name: replace(fit, problem=replace(fit.problem, weights=weights))
        for name, fit in fits.items()
    }
    result = compare_laws(fewer, seed=0)
    assert result.laws[0].error.size == result.group.size == 53


def test_rollouts_are_compared_on_the_runs_beyond_the_cutoff(fits) -> None:
    """Beyond the cutoff are the two strongest of six teachers, for all nine students."""
    result, rolled = compare_rollouts(fits, "L_T>=2.1", seed=0)
    below = L_T >= 2.1
    for law in result.laws:
        one = rolled[law.name]
        by_hand = rollout(fits[law.name], below, seed=0, draws=0)
        np.testing.assert_array_equal(one.predicted, by_hand.predicted)
        np.testing.assert_allclose(law.error, np.log(one.predicted / one.observed))
        assert law.status == (one.fit.status,)
    assert result.best == ("hinge",)
    assert rolled["eq8-reduced"].median > 2 * rolled["hinge"].median
    pair = result.pairs[0]
    values = np.abs(result.laws[0].error) - np.abs(result.laws[1].error)
    assert pair.absolute == clustered_mean(values, result.group, 0.95)


def test_a_rollout_of_two_cells_tells_nothing_apart(fits) -> None:
    below = (N_S < 1e9) | (D_S > 5e10)
    result, rolled = compare_rollouts(fits, below, seed=0)
    assert rolled["hinge"].run.size == 12
    assert result.pairs[0].absolute.high == np.inf
    assert result.pairs[0].verdict is None


def test_refusals(fits) -> None:
    other_runs = both("hinge", seed=9)["eq8-reduced"]
    refused = [
        ({"hinge": fits["hinge"]}, {}, "1 laws, must be at least 2"),
        ({}, {}, "0 laws"),
        ({"hinge": fits["hinge"], "b": other_runs}, {}, "b must be fitted to the same runs"),
        (fits, {"groups": "teacher"}, "groups = 'teacher' must be cell or among N_S, D_S, L_T"),
        (fits, {"groups": np.arange(3)}, "groups of shape (3,)"),
        (fits, {"groups": N_S > 5e8}, "2 groups, must be at least 3"),
        (fits, {"folds": 1}, "folds = 1 must be at least 2"),
        (fits, {"measure": "cubed"}, "measure = 'cubed' must be"),
        (fits, {"level": 1.0}, "level = 1 must be"),
        (fits, {"groups": np.where(np.arange(54) % 11, 0, np.arange(54))}, "4 runs without fold 0"),
    ]
    for laws, options, message in refused:
        with pytest.raises(InputError) as caught:
            compare_laws(laws, seed=0, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_law_with_more_coefficients_than_the_other_students_fix_is_warned_of(fits) -> None:
    """Without one of three sizes, two sizes by two lengths are left: four values of the
    bracket, which has five coefficients. By cell there is no such fit: no warning."""
    keep = D_S > 4.1e9
    runs = [a[keep] for a in (N_S, D_S, L_T, np.exp(fits["hinge"].problem.log_loss))]
    fewer = {
        "hinge": fit_distillation("hinge", *runs, supervised=OWN, terms=("scale",), delta=0.01),
        "eq8-reduced": fit_distillation("eq8-reduced", *runs, supervised=OWN, delta=0.01),
    }
    result = compare_laws(fewer, groups="N_S", seed=0)
    eq8 = next(law for law in result.laws if law.name == "eq8-reduced")
    assert eq8.unsettled >= 2
    assert [line.split(":")[0] for line in result.warnings] == ["eq8-reduced"]
    assert compare_laws(fits, seed=0).warnings == ()
