"""Rules of thumb: their plans by hand, regrets that are never negative, the rules that replace."""

import numpy as np
import pytest

from capgap.comparison.claims.regret import BUDGETS, LARGE, SIZES, frontier, regret, regrets
from capgap.comparison.claims.replacement import (
    BOTH,
    INFERENCE,
    PRETRAINING,
    REPLACEMENTS,
    fit_rule,
)
from capgap.comparison.claims.rules import (
    RULES,
    Question,
    Rule,
    best_share,
    best_teacher,
    by_share,
    selected_teacher,
    table_3_shares,
    teacher_share,
)
from capgap.compute import ModelFamily, distillation_flops
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import costs
from capgap.theory.coefficients import law_set

LAWS = law_set()
NAMES = [rule.name for rule in (*RULES, *REPLACEMENTS)]
BETWEEN = np.sqrt(SIZES[1:] * SIZES[:-1]), np.sqrt(BUDGETS[1:] * BUDGETS[:-1])
# What the planner may be above the global minimum, in nats.
SOLVER = 1e-6


def question(N_S: list[float], C: list[float], scenario: str = "both") -> Question:
    return Question(
        LAWS.laws,
        LAWS.family,
        np.array(N_S),
        np.array(C),
        costs(scenario),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("rule", [*RULES, *REPLACEMENTS], ids=NAMES)
def test_every_plan_spends_the_budget_and_no_more(rule: Rule) -> None:
    """Oracle: the cost formula of the paper, `distillation_flops`."""
    family = ModelFamily()
    for scenario in rule.scenarios:
        asked = question([2e8, 3e9, 2e10], [1e21, 1e22, 1e25], scenario)
        plan, paid = rule.spend(asked), asked.costs
        spent = distillation_flops(
            family.forward_flops(asked.N_S), plan.D_S, family.forward_flops(plan.N_T), plan.D_T,
            paid.d_Lgt, paid.d_Pre,
        ).total  # fmt: skip
        np.testing.assert_allclose(spent, asked.C, rtol=1e-9)
        assert np.all(plan.N_T >= 1e6)
        assert np.all(plan.D_S > 0)


def test_rules_say_what_the_document_says() -> None:
    asked = question([1e9, 1e10], [1e22, 1e22])
    named = {rule.name: rule for rule in RULES}
    forward = ModelFamily().forward_flops
    for name, share in (
        ("split 0.7/0.3", [0.7, 0.5]), ("split 0.3/0.7", [0.3, 0.5]),
        ("split 0.5/0.5", [0.5, 0.5]), ("document's plan", [0.7, 0.5]),
    ):  # fmt: skip
        plan = named[name].spend(asked)
        np.testing.assert_allclose(3 * forward(plan.N_T) * plan.D_T / asked.C, share, rtol=1e-9)
    for name, size in (
        ("teacher 2x", [2e9, 2e10]), ("teacher 1.5x", [1.5e9, 1.5e10]),
        ("teacher C/6e12", [1e22 / 6e12] * 2), ("teacher C/4e12", [1e22 / 4e12] * 2),
        ("document's plan", [1e22 / 6e12, 1e22 / 4e12]),
    ):  # fmt: skip
        np.testing.assert_allclose(named[name].spend(asked).N_T, size, rtol=1e-12)
    assert teacher_share(np.array([2.9e9, 3.1e9])).tolist() == [0.7, 0.5]
    assert selected_teacher(np.array([1e9, 1e10]), np.array([1e24, 1e24])).tolist() == [2e9, 1.5e10]


def test_shares_by_cases_are_those_of_the_plan() -> None:
    asked = question([1e9, 1e9, 3e10], [1e20, 1e26, 1e26])
    plan = next(rule for rule in RULES if rule.name == "FLOPs by cases").spend(asked)
    family = ModelFamily()
    parts = (
        3 * family.forward_flops(asked.N_S) * plan.D_S, family.forward_flops(plan.N_T) * plan.D_S,
        3 * family.forward_flops(plan.N_T) * plan.D_T,
    )  # fmt: skip
    shares = table_3_shares(asked.N_S, asked.C)
    for part, share in zip(parts, shares, strict=True):
        np.testing.assert_allclose(part / asked.C, share, rtol=1e-6)
    np.testing.assert_allclose(np.array(shares).T[2], [1 / 3] * 3)


def test_completions_are_the_best_ones() -> None:
    """Oracle: brute force over a dense grid of what the rule leaves open."""
    asked = question([1e9, 1e10], [1e22, 1e24])
    share = np.array([0.7, 0.5])
    found = asked.loss(best_teacher(asked, share))
    sizes = np.geomspace(1e7, 1e13, 20001)
    tried = [asked.loss(by_share(asked, np.full(2, size), share)) for size in sizes]
    assert np.all(found <= np.min(tried, axis=0) + 1e-9)
    assert np.all(found >= np.min(tried, axis=0) - 1e-5)  # what a grid this fine can miss
    found = asked.loss(best_share(asked, 2 * asked.N_S))
    tried = [asked.loss(by_share(asked, 2 * asked.N_S, np.full(2, s)))
             for s in np.linspace(1e-4, 0.999, 5001)]  # fmt: skip
    assert np.all(found <= np.min(tried, axis=0) + 1e-9)
    assert np.all(found >= np.min(tried, axis=0) - 1e-5)


@pytest.mark.parametrize("coefficients", ["reconstructed", "printed"])
def test_no_rule_beats_the_optimum(coefficients: str) -> None:
    for found in regrets(
        law_set(coefficients), (*RULES, *REPLACEMENTS), ("both", "pretraining", "inference")
    ):
        assert found.nats.min() > -SOLVER, (found.rule, found.scenario)
        assert found.compute.min() >= 1


def test_the_planner_s_own_plan_has_no_regret_and_a_bad_one_has() -> None:
    """Control: the optimum as a rule; negative control: a hundredth of the budget for a student."""

    def optimal(asked: Question):  # type: ignore[no-untyped-def]
        plan = allocate(LAWS, asked.N_S, asked.C, "both")
        return by_share(asked, plan.N_T, plan.teacher_pretraining / asked.C)

    best = frontier(LAWS, "both", SIZES[::5], BUDGETS[::6])
    good = regret(LAWS, Rule("optimal", "", "", optimal), best, 5)
    assert np.max(np.abs(good.nats)) < SOLVER
    np.testing.assert_allclose(good.compute, 1, atol=0.02)  # flat: 1e-6 nat is 1% at 1e26
    bad = regret(
        LAWS, Rule("bad", "", "", lambda q: best_teacher(q, np.full(q.N_S.shape, 0.99))), best, 5
    )
    assert bad.nats.min() > LARGE / 100
    assert bad.summary().maximum > 0.1


def test_regret_in_compute_is_the_inverse_of_the_planner() -> None:
    """The least compute found for a rule's loss gives that loss when it is planned with."""
    best = frontier(LAWS, "both", SIZES[2:9:3], BUDGETS[:13])
    rule = next(rule for rule in RULES if rule.name == "teacher 2x")
    found = regret(LAWS, rule, best, 13)
    least = found.budget / found.compute
    again = allocate(LAWS, found.N_S[:, None], least, "both").student_loss
    np.testing.assert_allclose(again - best.loss[:, -13:], found.nats, atol=2e-4)


@pytest.mark.parametrize(
    ("rule", "start", "scenario"),
    [(REPLACEMENTS[0], BOTH, "both"), (REPLACEMENTS[1], PRETRAINING, "pretraining"),
     (REPLACEMENTS[2], INFERENCE, "inference")],
    ids=["both", "pretraining", "inference"],
)  # fmt: skip
def test_replacement_rules_hold_on_points_they_were_not_fitted_to(rule, start, scenario) -> None:
    """Fitted on every other size and every fourth budget, judged between all of them."""
    coarse = frontier(LAWS, scenario, SIZES[::2], BUDGETS[::4])
    fitted = fit_rule(LAWS, coarse, start, 7)
    held_out = frontier(LAWS, scenario, *BETWEEN)
    found = Rule("fitted", "", "", fitted.spend)
    for candidate in (found, rule):
        summary = regret(LAWS, candidate, held_out, 24).summary()
        assert summary.maximum < LARGE
        assert summary.median < 0.0015
    others = [rule for rule in RULES if scenario in rule.scenarios]
    worst = min(regret(LAWS, other, held_out, 24).summary().maximum for other in others)
    assert worst > 5 * regret(LAWS, rule, held_out, 24).summary().maximum
