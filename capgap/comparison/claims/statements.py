"""Statements of section 5 and appendix D of the paper, about compute-optimal plans."""

import numpy as np

from capgap.comparison.claims.claim import Claim, judge
from capgap.comparison.claims.plans import FIG_8, Plans, last_crossing, listed
from capgap.comparison.digitised import fig8
from capgap.counts import short
from capgap.prediction.allocation import allocate
from capgap.prediction.teacher import cheapest_teacher

__all__ = ["statement_claims"]

SECTION = "arXiv 2502.08606, section 5"
APPENDIX = "arXiv 2502.08606, appendix D"
_TIE = 0.01  # nats: what the paper's curves, and its stated 1%, cannot tell apart
_POOR = 20.0  # tokens per parameter of training alone, below which a student is starved


def statement_claims(plans: Plans) -> tuple[Claim, ...]:
    """Each statement against the optimal plans of `plans`."""
    return (
        *_catching_up(plans), _never_wins(plans), _ties(plans), _only_teacher_loss(plans),
        _overtrain(plans), _teacher_is_optimal(plans), _power_laws(plans), _teacher_size(plans),
    )  # fmt: skip


def _catching_up(plans: Plans) -> tuple[Claim, Claim]:
    budget = np.geomspace(1e19, 1e28, 73)
    N_S = plans.N_S
    best, alone = (
        allocate(plans.chosen, N_S[:, None], budget, name, tolerance=1e-6).student_loss
        for name in ("best", "supervised")
    )
    over = best - alone
    crossing = np.array([last_crossing(budget, row) for row in over])
    near = np.array([last_crossing(budget, row + _TIE) for row in over])
    caught = np.isfinite(crossing)
    drawn = plans.drawn
    told = listed(N_S[caught], crossing[caught], ".2e") or "none"
    never = listed(N_S[~caught], over[~caught, -1], "+.4f")
    grows = bool(caught[drawn].all() and np.all(np.diff(crossing[drawn]) > 0))
    nearly = bool(np.all(np.isfinite(near[drawn])) and np.all(np.diff(near[drawn]) > 0))
    numbers = {
        f"crossover {short(n)}": c for n, c in zip(N_S[caught], crossing[caught], strict=True)
    }
    within = {f"within {_TIE:g} nat {short(n)}": c
              for n, c in zip(N_S, near, strict=True) if np.isfinite(c)}  # fmt: skip
    return (
        Claim(
            "scenario.catches-up", SECTION,
            "Supervised training always catches up with best-case distillation at enough compute.",
            judge(bool(caught.all()), bool(caught[drawn].any())),
            f"Crossover in FLOPs: {told}." + (
                f" Not by 1e28 FLOPs: {never} nat (best case minus supervised at 1e28), where the"
                " law's limit for infinite data lies below the supervised law's; nothing in Eq. 8"
                " forces the two limits to agree." if never else ""
            ),
            numbers,
        ),
        Claim(
            "scenario.crossover-grows", SECTION, "The crossover grows with the student's size.",
            judge(grows, nearly),
            f"Crossover of best-case distillation, FLOPs: {told}. Budget at which its advantage"
            f" has fallen to {_TIE:g} nat: {listed(N_S[drawn], near[drawn], '.2e')}. Where the"
            " limits of the two laws nearly agree (300M), the crossing itself rests on a"
            " thousandth of a nat.",
            numbers | within,
        ),
    )  # fmt: skip


def _never_wins(plans: Plans) -> Claim:
    over = np.minimum(plans.over_alone("both"), plans.over_alone("pretraining"))
    worst = over.min(axis=1)
    alone = plans.best["supervised"]
    M = alone.D_S / plans.N_S[:, None]
    wins = over < -_TIE / 10
    starved = wins & (M < _POOR)
    drawn = bool(np.all(worst[plans.drawn] >= -_TIE))
    figure = _paid_teacher_in_the_figure()
    return Claim(
        "scenario.never-wins", SECTION,
        "When the teacher's training is counted, distillation never beats supervised training.",
        judge(not wins.any(), drawn),
        "Least loss with a paid teacher minus supervised loss, lowest over 1e20 to 1e26 FLOPs"
        f" (nat): {listed(plans.N_S, worst, '+.4f')}. Where it is below -0.001"
        f" ({wins.mean():.0%} of the grid), either the student is starved (fewer than"
        f" {_POOR:g} tokens per parameter alone: {starved.sum()} of {wins.sum()} cases), or"
        " the two laws disagree about infinite data, which the paper's runs do not reach. The"
        f" paper's own Fig. 8 has it too: the 300M student's curve with a pretrained teacher runs"
        f" below the supervised one by up to {-figure:.4f} nat.",
        {f"lowest {short(n)}": w for n, w in zip(plans.N_S, worst, strict=True)}
        | {"share": float(wins.mean()), "figure 300M": figure},
    )  # fmt: skip


def _paid_teacher_in_the_figure() -> float:
    """Lowest loss with a pretrained teacher minus supervised, 300M student, read off Fig. 8."""
    figure = fig8()
    mine = figure.N_S == 3e8
    alone, paid = mine & figure.of("supervised"), mine & figure.of("pretraining")
    log_C = np.log(figure.budget)
    supervised = np.interp(log_C[paid], log_C[alone], figure.loss[alone])
    return float(np.min(figure.loss[paid] - supervised))


def _ties(plans: Plans) -> Claim:
    last = plans.over_alone("both")[:, -1]
    tied = np.abs(last) < _TIE
    return Claim(
        "scenario.ties", SECTION,
        "With the teacher's training counted, distillation ties with supervised training at very"
        " large compute.",
        judge(bool(tied.all()), bool(tied[plans.drawn].any())),
        f"Both costs counted, minus supervised, at 1e26 FLOPs (nat):"
        f" {listed(plans.N_S, last, '+.4f')}; a tie is within {_TIE:g}.",
        {short(n): v for n, v in zip(plans.N_S, last, strict=True)},
    )  # fmt: skip


def _only_teacher_loss(plans: Plans) -> Claim:
    own, taught = plans.chosen.supervised, plans.chosen.taught
    L_T = plans.best["best"].L_T[plans.drawn][:, plans.column(1e22)]
    N_T, D_T = cheapest_teacher(own, plans.chosen.family, L_T)
    # A teacher twice the size reaches the same loss with fewer tokens.
    low, high = np.full(L_T.shape, 1e6), np.full(L_T.shape, 1e17)
    for _ in range(200):
        middle = np.sqrt(low * high)
        enough = own.loss(2 * N_T, middle) <= L_T
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    students, D_S = np.array(FIG_8), plans.best["best"].D_S[plans.drawn][:, plans.column(1e22)]
    first = taught.loss(students, D_S, own.loss(N_T, D_T))
    second = taught.loss(students, D_S, own.loss(2 * N_T, high))
    apart = float(np.max(np.abs(first - second)))
    return Claim(
        "scenario.only-teacher-loss", APPENDIX,
        "In the best case only the teacher's loss is determined, not its size and its tokens.",
        judge(apart < 1e-9),
        "The law reads the teacher's loss alone: at 1e22 FLOPs teachers of"
        f" {listed(students, N_T, '.2e')} parameters and teachers twice as large, trained to the"
        f" same loss, give students that differ by {apart:.1e} nat.",
        {"difference": apart},
    )  # fmt: skip


def _overtrain(plans: Plans) -> Claim:
    plan = plans.best["inference"]
    own, family = plans.chosen.supervised, plans.chosen.family
    N_T, D_T = cheapest_teacher(own, family, plan.L_T)
    over = (plan.D_T / plan.N_T) / (D_T / N_T)
    smaller = plan.N_T / N_T
    drawn = over[plans.drawn]
    return Claim(
        "scenario.overtrain", APPENDIX,
        "When only the teacher's inference is paid, the teacher is overtrained.",
        judge(bool(np.all(over > 1)), bool(np.median(over) > 1)),
        "Tokens per parameter of the best teacher over those of the cheapest teacher of the same"
        f" loss: at least {over.min():.0f}, median {np.median(over):.0f} times (students of Fig. 8:"
        f" at least {drawn.min():.0f}); its size is {np.median(smaller):.2f} of that teacher's in"
        " the median, because size is what inference costs.",
        {"least": float(over.min()), "median": float(np.median(over)),
         "median_size_ratio": float(np.median(smaller))},
    )  # fmt: skip


def _teacher_is_optimal(plans: Plans) -> Claim:
    plan = plans.best["pretraining"]
    family = plans.chosen.family
    N_T, D_T = cheapest_teacher(plans.chosen.supervised, family, plan.L_T)
    cheapest = 3 * family.forward_flops(N_T) * D_T
    excess = plan.teacher_pretraining / cheapest - 1
    matters = plan.teacher_pretraining / plans.budget > 0.05
    worst, spent = float(excess[matters].max()), float((excess * cheapest / plans.budget).max())
    return Claim(
        "scenario.teacher-is-optimal", APPENDIX,
        "When only the teacher's pretraining is paid, the teacher is compute-optimal as a"
        " supervised model.",
        judge(worst < 0.02),
        "FLOPs of its training over the least that reach its loss: at most"
        f" {1 + worst:.4f} times where it takes more than 5% of the budget ({matters.mean():.0%}"
        f" of the grid), and never more than {spent:.2%} of the budget too much. For a given"
        " loss any dearer teacher takes tokens from the student.",
        {"worst_excess": worst, "worst_share_of_budget": spent},
    )  # fmt: skip


def _power_laws(plans: Plans) -> Claim:
    plan = plans.best["both"]
    matters = (plan.teacher_pretraining / plans.budget > 0.02)[plans.drawn]
    log_C = np.log(plans.budget)
    slopes: dict[str, list[float]] = {"D_S": [], "D_T": []}
    misfit = 0.0
    for name, found in slopes.items():
        for values, use in zip(np.log(getattr(plan, name)[plans.drawn]), matters, strict=True):
            line = np.polyfit(log_C[use], values[use], 1)
            found.append(float(line[0]))
            misfit = max(misfit, float(np.std(values[use] - np.polyval(line, log_C[use]))))
    faster = np.array(slopes["D_S"]) > np.array(slopes["D_T"])
    return Claim(
        "scenario.power-laws", APPENDIX,
        "With both costs, student and teacher tokens grow as power laws of compute, the"
        " student's faster.",
        judge(bool(faster.all()) and misfit < 0.2, bool(faster.any())),
        f"Exponents of D_S: {listed(FIG_8, slopes['D_S'], '.2f')}; of D_T:"
        f" {listed(FIG_8, slopes['D_T'], '.2f')}; scatter around the lines at most"
        f" {misfit:.0%} (where pretraining takes more than 2% of the budget; below that the"
        " optimum is too flat to determine D_T).",
        {f"D_S {short(n)}": v for n, v in zip(FIG_8, slopes["D_S"], strict=True)}
        | {f"D_T {short(n)}": v for n, v in zip(FIG_8, slopes["D_T"], strict=True)}
        | {"scatter": misfit},
    )  # fmt: skip


def _teacher_size(plans: Plans) -> Claim:
    ratio = plans.best["both"].N_T[plans.drawn] / np.array(FIG_8)[:, None]
    first, top, last = ratio[:, 0], ratio.max(axis=1), ratio[:, -1]
    rises = (top > 1.5 * first) & (top > 1)
    flat = last > 0.5 * top
    return Claim(
        "scenario.teacher-size", APPENDIX,
        "With both costs, the best teacher grows to somewhat more than the student, then levels"
        " off.",
        judge(bool(np.all(rises & flat) and np.all(top < 10)), bool(np.any(top > 1) & flat.all())),
        f"N_T/N_S at 1e20: {listed(FIG_8, first, '.2f')}; largest: {listed(FIG_8, top, '.2f')};"
        f" at 1e26: {listed(FIG_8, last, '.2f')}.",
        {f"first {short(n)}": v for n, v in zip(FIG_8, first, strict=True)}
        | {f"largest {short(n)}": v for n, v in zip(FIG_8, top, strict=True)}
        | {f"last {short(n)}": v for n, v in zip(FIG_8, last, strict=True)},
    )  # fmt: skip
