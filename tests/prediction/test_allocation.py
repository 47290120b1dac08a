"""Plans: the global minimum, against dense brute force and against what an optimum must fulfil."""

import zlib

import numpy as np
import pytest
from prediction.brute_force import SHARES, brute_force
from prediction.planning import EQ8, FEWEST, HARD, LAWS, LIMITS, OWN, TAUGHT, questions

from capgap.compute import ModelFamily
from capgap.errors import InputError
from capgap.prediction.allocation import allocate, train_alone
from capgap.prediction.scenario import SCENARIOS, Limits
from capgap.prediction.teacher import cheapest_teacher
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import Laws

FAMILY = ModelFamily()


def check_against_brute_force(name, laws, scenario, limits, count, points):
    """At most 1e-6 nat above the best of all points of a dense grid and its refinements."""
    seed = zlib.crc32(f"{name} {scenario} {limits}".encode())
    for N_S, C in zip(*questions(count, seed), strict=True):
        found = float(allocate(laws, N_S, C, scenario, limits=limits).student_loss)
        least = brute_force(
            laws, FAMILY, N_S, C, SHARES[scenario], limits, points, fewest=FEWEST.get(name, 1.0)
        )
        assert found <= least + 1e-6, (N_S, C, found - least)


@pytest.mark.parametrize("scenario", TAUGHT)
@pytest.mark.parametrize("name", ["reconstructed", "printed"])
def test_global_minimum_of_the_papers_law(name: str, scenario: str) -> None:
    check_against_brute_force(name, LAWS[name], scenario, Limits(), count=6, points=400)


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("scenario", TAUGHT)
@pytest.mark.parametrize("name", [*LAWS, *HARD])
def test_global_minimum_of_any_law_within_any_limits(name: str, scenario: str, limits: str) -> None:
    laws = (LAWS | HARD)[name]
    check_against_brute_force(name, laws, scenario, LIMITS[limits], count=2, points=150)


def test_brute_force_sees_a_plan_that_is_not_optimal() -> None:
    """Negative control: the teacher of another student is caught as worse by over 1e-6 nat."""
    best = allocate(LAWS["reconstructed"], 1e9, 1e22, "both")
    wrong = allocate(LAWS["reconstructed"], 1.2e9, 1e22, "both")
    D_S = (1e22 - 3 * FAMILY.forward_flops(wrong.N_T) * wrong.D_T) / (
        3 * FAMILY.forward_flops(1e9) + FAMILY.forward_flops(wrong.N_T)
    )
    loss = EQ8.loss(1e9, D_S, wrong.L_T)
    least = brute_force(LAWS["reconstructed"], FAMILY, 1e9, 1e22, (1, 1), Limits(), 200)
    assert best.student_loss <= least + 1e-6
    assert loss > least + 1e-6


@pytest.mark.parametrize("scenario", ["inference", "pretraining", "both"])
@pytest.mark.parametrize("name", ["reconstructed", "hinge", "late hinge", "two minima"])
def test_no_student_gains_by_leaving_tokens_unused(name: str, scenario: str) -> None:
    """The third dimension, D_S below what the budget allows, on 12 levels."""
    laws = (LAWS | HARD)[name]
    parts = tuple(np.geomspace(0.01, 1, 12))
    for N_S, C in zip(*questions(2, seed=5), strict=True):
        found = allocate(laws, N_S, C, scenario).student_loss
        least = brute_force(
            laws, FAMILY, N_S, C, SHARES[scenario], Limits(), 100, parts, FEWEST.get(name, 1.0)
        )
        assert found <= least + 1e-6


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", [*LAWS, *HARD])
def test_plans_can_be_carried_out(name: str, scenario: str, limits: str) -> None:
    """Within the budget and the limits, and the loss is the law's at the numbers reported."""
    laws, within = (LAWS | HARD)[name], LIMITS[limits]
    N_S, C = questions(12, seed=1)
    found = allocate(laws, N_S, C, scenario, limits=within)
    assert np.all(found.flops <= C * (1 + 1e-12))
    assert np.all((found.D_S >= 1) & (found.D_S <= within.D_S))
    np.testing.assert_allclose(
        found.student_training, 3 * FAMILY.forward_flops(N_S) * found.D_S, rtol=1e-14
    )
    if scenario == "supervised":
        np.testing.assert_array_equal(found.student_loss, OWN.loss(N_S, found.D_S))
        assert np.all(np.isnan([found.N_T, found.D_T, found.L_T]))
        return
    for value, (low, high) in ((found.N_T, within.N_T), (found.D_T, within.D_T)):
        assert np.all((value >= low * (1 - 1e-12)) & (value <= high * (1 + 1e-12)))
    np.testing.assert_allclose(laws.supervised.loss(found.N_T, found.D_T), found.L_T, rtol=1e-11)
    np.testing.assert_allclose(
        laws.taught.loss(N_S, found.D_S, laws.supervised.loss(found.N_T, found.D_T)),
        found.student_loss, rtol=1e-9,
    )  # fmt: skip
    d_Lgt, d_Pre = SHARES[scenario]
    forward = FAMILY.forward_flops(found.N_T)
    np.testing.assert_allclose(found.teacher_inference, d_Lgt * forward * found.D_S, rtol=1e-14)
    np.testing.assert_allclose(
        found.teacher_pretraining, 3 * d_Pre * forward * found.D_T, rtol=1e-14
    )
    spent = found.flops / C
    limited = found.D_S >= within.D_S * (1 - 1e-12)
    assert np.all((spent > 1 - 1e-9) | limited)


def slopes(laws, N_S, N_T, D_T, D_S) -> np.ndarray:
    """Derivatives of the student's loss in log N_T, log D_T, log D_S: central differences.

    Step 1e-4: they are right to 1e-8 of the third derivative and 1e-12 by rounding."""

    def loss(a, b, c):
        L_T = laws.supervised.loss(N_T * np.exp(a), D_T * np.exp(b))
        return laws.taught.loss(N_S, D_S * np.exp(c), L_T)

    steps = 1e-4 * np.eye(3)
    return np.array([(loss(*step) - loss(*-step)) / 2e-4 for step in steps])


@pytest.mark.parametrize("scenario", ["inference", "pretraining", "both"])
@pytest.mark.parametrize("name", LAWS)
def test_the_last_flop_gains_the_same_everywhere(name: str, scenario: str) -> None:
    """First-order conditions: loss per FLOP is one multiplier for N_T, D_T and D_S.

    Plans are within 1e-6 of the optimum in every logarithm (they are found by values), the
    curvature is below 1 nat: slopes are right to 1e-6 nat, and so are the differences.
    """
    laws = LAWS[name]
    N_S, C = questions(40, seed=2)
    found = allocate(laws, N_S, C, scenario)
    gains = slopes(laws, N_S, found.N_T, found.D_T, found.D_S)
    d_Lgt, d_Pre = SHARES[scenario]
    forward = FAMILY.forward_flops(found.N_T)
    growth = np.log(FAMILY.forward_flops(found.N_T * np.exp(1e-4)) / forward) / 1e-4
    teacher = found.teacher_inference + found.teacher_pretraining
    prices = np.array([
        growth * teacher, 3 * d_Pre * forward * found.D_T,
        3 * FAMILY.forward_flops(N_S) * found.D_S + d_Lgt * forward * found.D_S,
    ]) / C  # fmt: skip
    multiplier = gains[2] / prices[2]
    inner = (found.N_T > 1.1e6) & (found.D_T < 0.9e17) & (found.D_S < 0.9e17)
    if scenario == "inference":  # the teacher's tokens are free and at their limit
        inner = (found.N_T > 1.1e6) & (found.D_S < 0.9e17)
        gains, prices = gains[[0, 2]], prices[[0, 2]]
    assert inner.sum() >= 20
    off = (gains - multiplier * prices)[:, inner]
    np.testing.assert_allclose(off, 0, atol=3e-6)
    assert np.all(multiplier[inner] < 0)


@pytest.mark.parametrize("name", [*LAWS, *HARD])
def test_more_to_pay_never_helps(name: str) -> None:
    """best <= inference <= both and best <= pretraining <= both; to the search's 1e-9 nat."""
    N_S, C = questions(60, seed=3)
    laws = (LAWS | HARD)[name]
    loss = {scenario: allocate(laws, N_S, C, scenario).student_loss for scenario in TAUGHT}
    for cheap, dear in (
        ("best", "inference"), ("inference", "both"), ("best", "pretraining"),
        ("pretraining", "both"),
    ):  # fmt: skip
        assert np.all(loss[cheap] <= loss[dear] + 1e-9), (cheap, dear)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", [*LAWS, *HARD])
def test_more_compute_never_hurts(name: str, scenario: str) -> None:
    laws = (LAWS | HARD)[name]
    N_S, C = np.array([2e8, 2e9, 2e10])[:, None], np.geomspace(1e20, 1e26, 40)
    loss = allocate(laws, N_S, C, scenario).student_loss
    assert np.all(np.diff(loss, axis=1) <= 1e-9)


@pytest.mark.parametrize("scenario", ["pretraining", "both"])
def test_sharing_a_teacher_helps_and_ends_at_the_free_one(scenario: str) -> None:
    """With 1e9 students its pretraining costs next to nothing: the scenario without it."""
    laws = LAWS["reconstructed"]
    N_S, C = questions(20, seed=4)
    shared = [allocate(laws, N_S, C, scenario, students=K).student_loss for K in (1, 2, 8, 64, 1e9)]
    assert np.all(np.diff(shared, axis=0) < 0)
    free = {"pretraining": "best", "both": "inference"}[scenario]
    limit = allocate(laws, N_S, C, free).student_loss
    np.testing.assert_allclose(shared[-1], limit, atol=2e-3)
    assert np.all(shared[-1] >= limit - 1e-9)


def test_sharing_outputs_helps_once_more() -> None:
    laws = LAWS["reconstructed"]
    N_S, C = questions(20, seed=4)
    apart = allocate(laws, N_S, C, "both", students=8)
    together = allocate(laws, N_S, C, "both", students=8, shared_outputs=True)
    assert np.all(together.student_loss < apart.student_loss)
    forward = FAMILY.forward_flops(together.N_T)
    np.testing.assert_allclose(together.teacher_inference, forward * together.D_S / 8, rtol=1e-14)


@pytest.mark.parametrize("name", ["reconstructed", "printed", "reduced", "hinge"])
def test_best_case_is_the_laws_own_best_teacher(name: str) -> None:
    """`best_teacher_loss` solves for it; where no teacher reaches it, the nearest one is best
    (these laws are convex in L_T or log L_T)."""
    laws = LAWS[name]
    N_S, C = questions(60, seed=6)
    limits = Limits(N_T=(1e7, 1e13), D_T=(1e8, 1e14))
    found = allocate(laws, N_S, C, "best", limits=limits)
    D_S = C / (3 * FAMILY.forward_flops(N_S))
    reachable = laws.supervised.loss(1e13, 1e14), laws.supervised.loss(1e7, 1e8)
    L_T = np.clip(laws.taught.best_teacher_loss(N_S, D_S), *reachable)
    np.testing.assert_allclose(found.student_loss, laws.taught.loss(N_S, D_S, L_T), rtol=1e-13)
    np.testing.assert_allclose(found.L_T, L_T, rtol=1e-6)


@pytest.mark.parametrize("name", ["reconstructed", "hinge", "sharp hinge"])
def test_a_teacher_that_is_paid_for_is_compute_optimal(name: str) -> None:
    """In `pretraining` no other N_T has a lower loss for the same FLOPs: 20,001 sizes tried.

    Their step in log N_T, 1.3e-3, leaves 1e-8 nat. Teachers that take less than 1% of the
    budget are left out: wasting some of it costs the student less than rounding."""
    laws = (LAWS | HARD)[name]
    N_S, C = questions(24, seed=7)
    found = allocate(laws, N_S, C, "pretraining")
    matters = found.teacher_pretraining > 0.01 * C
    assert matters.sum() >= 12
    N_T = np.geomspace(1e6, 1e17, 20_001)[:, None]
    D_T = np.maximum(found.teacher_pretraining / (3 * FAMILY.forward_flops(N_T)), 1e-3)
    least = OWN.loss(N_T, D_T).min(axis=0)
    np.testing.assert_allclose(least[matters], found.L_T[matters], rtol=0, atol=2e-8)


def test_what_is_left_over_is_left_over() -> None:
    """Text for the student runs out: the teacher is the cheapest of the best loss."""
    laws, limits = LAWS["reconstructed"], Limits(D_S=1e10)
    found = allocate(laws, 1e9, 1e24, "both", limits=limits)
    np.testing.assert_allclose(found.D_S, 1e10, rtol=1e-14)
    assert found.flops < 0.5e24
    best = laws.taught.best_teacher_loss(1e9, 1e10)
    np.testing.assert_allclose(found.L_T, best, rtol=1e-6)
    np.testing.assert_allclose(found.student_loss, laws.taught.loss(1e9, 1e10, best), rtol=1e-13)
    N_T, D_T = cheapest_teacher(OWN, FAMILY, found.L_T, limits, inference_tokens=1e10)
    np.testing.assert_allclose([found.N_T, found.D_T], [N_T, D_T], rtol=1e-5)
    alone = train_alone(laws, 1e9, 1e24, limits=limits)
    assert alone.D_S == 1e10
    assert alone.flops == 3 * FAMILY.forward_flops(1e9) * 1e10


def test_one_by_one_or_together() -> None:
    """Predictions do not depend on how a batch is split: bit for bit."""
    N_S, C = questions(30, seed=8)
    laws = LAWS["reconstructed"]
    for scenario in TAUGHT:
        together = allocate(laws, N_S, C, scenario)
        for i in (0, 7, 29):
            alone = allocate(laws, N_S[i], C[i], scenario)
            assert alone.student_loss.shape == ()
            for field in ("student_loss", "D_S", "N_T", "D_T", "L_T"):
                assert getattr(alone, field) == getattr(together, field)[i], (scenario, field)


@pytest.mark.parametrize(("name", "tokens"), [("little", 1.0), ("late hinge", 2.43e7)])
def test_the_least_budget_is_enough_and_less_is_not(name: str, tokens: float) -> None:
    """One token (or where the law begins, (30)^5 = 2.43e7) of the student and one million of
    a teacher of one million parameters."""
    laws = LAWS.get(name, LAWS["reconstructed"])
    need = 3 * FAMILY.forward_flops(1e9) * tokens
    need += FAMILY.forward_flops(1e6) * (tokens + 3 * 1e6)
    enough = allocate(laws, 1e9, 1.001 * need, "both")
    assert np.isfinite(enough.student_loss)
    assert enough.flops <= 1.001 * need * (1 + 1e-12)
    with pytest.raises(InputError, match="is too small"):
        allocate(laws, 1e9, 0.999 * need, "both")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 1e22, "both"), "N_S = 0 must be finite and > 0"),
        ((1e9, np.nan, "both"), "budget = nan must be finite and > 0"),
        ((1e9, -1e22, "supervised"), "budget = -1e\\+22 must be finite and > 0"),
        ((1e9, [1e22, 1e9], "supervised"), "budget = 1e\\+09 FLOPs is too small"),
        ((1e9, 1e9, "both"), "budget = 1e\\+09 FLOPs is too small"),
        ((1e9, 1e22, "all"), "scenario = 'all' must be one of"),
    ],
)
def test_bad_questions_get_one_clear_line(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        allocate(law_set(), *arguments)
    assert "\n" not in str(caught.value)


def test_laws_without_a_teacher_train_alone_only() -> None:
    alone = Laws(OWN)
    assert allocate(alone, 1e9, 1e22, "supervised").student_loss == OWN.loss(
        1e9, 1e22 / (3 * FAMILY.forward_flops(1e9))
    )
    with pytest.raises(InputError, match="'both' needs a distillation law"):
        allocate(alone, 1e9, 1e22, "both")


def test_fixed_teacher_sizes_and_tokens() -> None:
    """Limits of no width: one size, or one size and one number of tokens."""
    laws = LAWS["reconstructed"]
    for scenario in TAUGHT:
        one = Limits(N_T=(2e9, 2e9), D_T=(4e10, 4e10))
        found = allocate(laws, 1e9, 1e22, scenario, limits=one)
        np.testing.assert_allclose([found.N_T, found.D_T], [2e9, 4e10], rtol=1e-12)
        size = Limits(N_T=(2e9, 2e9))
        free = allocate(laws, 1e9, 1e22, scenario, limits=size)
        assert free.student_loss <= found.student_loss
        least = brute_force(laws, FAMILY, 1e9, 1e22, SHARES[scenario], size, 200)
        assert free.student_loss <= least + 1e-6
