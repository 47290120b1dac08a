"""Rules of thumb, and the rules that replace them, as rows of the audit."""

import re

import numpy as np

from capgap.comparison.claims.claim import Claim, judge
from capgap.comparison.claims.plans import Plans, listed
from capgap.comparison.claims.regret import LARGE, Regret, regrets
from capgap.comparison.claims.replacement import REPLACEMENTS
from capgap.comparison.claims.rules import RULES, Rule
from capgap.counts import short
from capgap.prediction.allocation import allocate
from capgap.theory.law_set import LawSet

__all__ = ["rule_claims"]

_WORDS = {
    "both": "teacher's training and inference paid",
    "pretraining": "its training paid",
    "inference": "its inference paid",
}


def rule_claims(plans: Plans) -> tuple[Claim, ...]:
    """Regret of every rule over 1e8 to 3e10 parameters and 1e20 to 1e26 FLOPs, and more."""
    found = regrets(plans.chosen, RULES + REPLACEMENTS, ("both", "pretraining", "inference"))
    rows = [
        _regret(rule, [regret for regret in found if regret.rule == rule.name])
        for rule in RULES + REPLACEMENTS
    ]
    return (*rows, _plateau(plans.chosen, found), _alone(found))


def _regret(rule: Rule, found: list[Regret]) -> Claim:
    told: list[str] = []
    numbers: dict[str, float] = {}
    for regret in found:
        s = regret.summary()
        told.append(
            f"{_WORDS[regret.scenario]}: median {s.median:.4f}, largest {s.maximum:.3f} nat, above"
            f" {LARGE:g} nat on {s.share_large:.0%} of the grid; compute median"
            f" {s.median_compute:.2f}, largest {s.maximum_compute:.3g} times"
        )
        numbers |= {
            f"{regret.scenario} median": s.median, f"{regret.scenario} largest": s.maximum,
            f"{regret.scenario} share": s.share_large,
            f"{regret.scenario} compute": s.median_compute,
            f"{regret.scenario} largest compute": s.maximum_compute,
        }  # fmt: skip
    good = [regret.summary().maximum < LARGE for regret in found]
    fair = [regret.summary().share_large < 0.5 for regret in found]
    ours = rule in REPLACEMENTS
    return Claim(
        "rule." + re.sub(r"[^a-z0-9]+", "-", rule.name.lower()),
        "this project" if ours else "the source document",
        f"Good plan: {rule.statement}.",
        judge(all(good), any(fair)),
        f"Regret ({rule.completion}); " + "; ".join(told) + ".",
        numbers,
    )  # fmt: skip


def _plateau(chosen: LawSet, found: tuple[Regret, ...]) -> Claim:
    some = next(regret for regret in found if regret.scenario == "both")
    plan = allocate(chosen, some.N_S[:, None], some.budget, "both")
    ratio = plan.N_T / plan.N_S
    inside = (ratio >= 2) & (ratio <= 3)
    last = ratio[:, -1]
    return Claim(
        "document.plateau", "the source document",
        "The optimal teacher's size levels off at 2 to 3 times the student's.",
        judge(bool(np.all((last >= 2) & (last <= 3))), bool(inside.any())),
        f"Both costs paid, N_T/N_S at 1e26 FLOPs: {listed(some.N_S[::2], last[::2], '.1f')};"
        f" largest on the way: {listed(some.N_S[::2], ratio.max(axis=1)[::2], '.1f')}; within 2 to"
        f" 3 on {inside.mean():.0%} of the grid and below 1 on {np.mean(ratio < 1):.0%} (small"
        " budgets for large students).",
        {f"last {short(n)}": v for n, v in zip(some.N_S, last, strict=True)}
        | {"share": float(inside.mean()), "below one": float(np.mean(ratio < 1))},
    )  # fmt: skip


def _alone(found: tuple[Regret, ...]) -> Claim:
    some = next(regret for regret in found if regret.scenario == "both")
    over = some.over_alone - some.nats  # best plan with a paid teacher minus supervised
    worst = listed(some.N_S[::2], over.min(axis=1)[::2], "+.3f")
    return Claim(
        "rule.train-alone", "this project",
        "Good plan when the teacher must be trained for one student: no teacher at all.",
        judge(bool(np.all(over > -LARGE)), bool(np.mean(over > -LARGE) > 0.9)),
        f"Against the best plan with both costs it is better on {np.mean(over > 0):.0%} of the"
        f" grid, by {np.median(over):.3f} nat in the median and up to {over.max():.3f}; worse by"
        f" more than {LARGE:g} on {np.mean(over < -LARGE):.0%}. Lowest difference by student:"
        f" {worst} nat.",
        {"better": float(np.mean(over > 0)), "median": float(np.median(over)),
         "worst": float(-over.min()), "worse share": float(np.mean(over < -LARGE))},
    )  # fmt: skip
