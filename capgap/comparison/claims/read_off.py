"""Numbers that the paper states or draws about its scenarios: Fig. 8, Table 3, appendix D.5."""

import numpy as np

from capgap.comparison.claims.checks import compute_ratio
from capgap.comparison.claims.claim import Claim, judge
from capgap.comparison.claims.plans import Plans
from capgap.counts import short
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import ScenarioName
from capgap.theory.domain import FloatArray

__all__ = ["READ_OFF", "number_claims"]

# Read off Fig. 8 at 1e20 FLOPs, +-0.01: best, inference, supervised, pretraining, both.
READ_OFF = {
    3e8: (2.425, 2.45, 2.47, 2.54, 2.565),
    1e9: (2.345, 2.37, 2.415, 2.53, 2.54),
    3e9: (2.36, 2.39, 2.475, 2.575, 2.575),
    1e10: (2.50, 2.52, 2.665, 2.68, 2.68),
}
READ_ORDER: tuple[ScenarioName, ...] = (
    "best", "inference", "supervised", "pretraining", "both",
)  # fmt: skip


def number_claims(plans: Plans) -> tuple[Claim, ...]:
    """Each number against the optimal plans of `plans`."""
    return (*_table_3(plans), _read_off(plans), _ratios(plans))


def _shares(plans: Plans, N_S: tuple[float, ...], budgets: tuple[float, ...]) -> FloatArray:
    """Shares of student training, teacher inference, pretraining, (3, sizes x budgets)."""
    plan = allocate(plans.chosen, np.array(N_S)[:, None], np.array(budgets), "both")
    parts = (plan.student_training, plan.teacher_inference, plan.teacher_pretraining)
    return np.array([(part / plan.budget).ravel() for part in parts])


def _range(values: FloatArray) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"


def _table_3(plans: Plans) -> tuple[Claim, ...]:
    small, large, low, high = (3e8, 1e9), (1e10, 3e10), (1e20, 5e20), (2e25, 1e26)
    cells = (
        ("small students, below 1e21: mostly teacher pretraining", small, low, "P"),
        ("small students, above 1e25: evenly training and inference", small, high, "E"),
        ("large students, below 1e21: mostly student training", large, low, "S"),
        ("large students, above 1e25: equal thirds", large, high, "T"),
    )  # fmt: skip
    rows = []
    for text, N_S, budgets, kind in cells:
        shares = _shares(plans, N_S, budgets)
        first = np.argmax(shares, axis=0)
        if kind in "PS":
            part = 2 if kind == "P" else 0
            always = bool(np.all(shares[part] > 0.5))
            some = bool(np.any(first == part))
        elif kind == "E":
            always = bool(np.all(np.abs(shares[:2] - 0.5) < 0.1))
            some = bool(np.all(shares[2] < 0.1))
        else:
            always = bool(np.all(np.abs(shares - 1 / 3) < 0.1))
            some = bool(np.any(np.all(np.abs(shares - 1 / 3) < 0.15, axis=0)))
        sizes = " and ".join(short(n) for n in N_S)
        rows.append(
            Claim(
                "table-3." + text.split(":")[0].replace(",", "").replace(" ", "-"),
                "arXiv 2502.08606, Table 3", text[0].upper() + text[1:] + ".",
                judge(always, some),
                f"Shares for {sizes} at {budgets[0]:.0e} to {budgets[1]:.0e} FLOPs: student"
                f" training {_range(shares[0])}, teacher inference {_range(shares[1])}, teacher"
                f" pretraining {_range(shares[2])}.",
                {f"{name} {end}": float(pick(row)) for name, row in
                 zip(("training", "inference", "pretraining"), shares, strict=True)
                 for end, pick in (("low", np.min), ("high", np.max))},
            )
        )  # fmt: skip
    return tuple(rows)


def _read_off(plans: Plans) -> Claim:
    column = plans.column(1e20)
    errors = {}
    for N, values in READ_OFF.items():
        row = int(np.flatnonzero(plans.N_S == N)[0])
        for name, value in zip(READ_ORDER, values, strict=True):
            found = float(plans.loss(name)[row, column])
            errors[f"{short(N)} {name}"] = found - value
    all_errors = np.array(list(errors.values()))
    worst = max(errors, key=lambda key: abs(errors[key]))
    square = float(np.sqrt(np.mean(all_errors**2)))
    return Claim(
        "scenario.fig-8", "arXiv 2502.08606, Fig. 8 at 1e20 FLOPs",
        "The twenty losses drawn at 1e20 FLOPs (4 students, 5 scenarios).",
        judge(bool(np.all(np.abs(all_errors) < 0.025)), square < 0.025),
        f"Law minus figure: root mean square {square:.4f} nat, largest {errors[worst]:+.4f}"
        f" ({worst}); read to 0.01, and three printed digits allow about 0.01 more.",
        errors | {"root_mean_square": square},
    )  # fmt: skip


def _ratios(plans: Plans) -> Claim:
    laws, family = plans.chosen.laws, plans.chosen.family
    cases = ((5e8, 2.4, 0.75), (1e10, 2.2, 0.5))
    found = {
        f"{name} {short(N)}": compute_ratio(laws, family, N, L, name)
        for name in ("inference", "both") for N, L, _ in cases
    }  # fmt: skip
    near = {
        name: all(abs(found[f"{name} {short(N)}"] - ratio) < 0.1 for N, _, ratio in cases)
        for name in ("inference", "both")
    }
    return Claim(
        "scenario.savings", "arXiv 2502.08606, appendix D.5",
        "With pretraining and inference of the teacher paid, distillation takes 3/4 (500M, loss"
        " 2.4) and 1/2 (10B, loss 2.2) of the compute of supervised training.",
        judge(near["both"], False),
        "Compute ratio with both paid: " + ", ".join(f"{found[f'both {short(N)}']:.2f} ({short(N)})"
        for N, _, _ in cases) + "; with inference alone: "
        + ", ".join(f"{found[f'inference {short(N)}']:.2f} ({short(N)})" for N, _, _ in cases)
        + (", which is near the paper's." if near["inference"] else "."),
        found,
    )  # fmt: skip
