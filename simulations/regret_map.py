"""What rules of thumb for a teacher and a split of the budget cost, over sizes and budgets."""

from pathlib import Path

import numpy as np

from capgap.comparison.claims.regret import BUDGETS, frontier, regret
from capgap.comparison.claims.replacement import REPLACEMENTS
from capgap.comparison.claims.rules import RULES
from capgap.plotting import (
    add_rows,
    draw_from_command_line,
    figure_headline,
    hatch_outside,
    law_caption,
    law_provenance,
    new_panels,
    save_figure,
    style,
)
from capgap.plotting.audit import BANDS, draw_regret
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import LawSet

NAME = "regret_map"
SIZES = np.geomspace(1e8, 3e10, 21)
TITLES = {
    "split 0.7/0.3": "0.7 for the teacher (3B up: 0.5)",
    "split 0.5/0.5": "half for the teacher",
    "teacher 2x": "teacher twice the student",
    "teacher 2x to 3x": "teacher 2 to 3 times the student",
    "teacher C/6e12": "teacher of C / 6e12 parameters",
    "document's plan": "2× or 1.5× and 0.7/0.3, as written",
    "FLOPs by cases": "shares by cases (Table 3)",
    "one-number rule": "ours: √(C/384), at most 3×",
}


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw regret maps of eight rules; return their medians and maxima in nats."""
    laws = laws or law_set()
    best = frontier(laws, "both", SIZES)
    rules = {rule.name: rule for rule in (*RULES, *REPLACEMENTS)}
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    with style():
        figure, axes = new_panels(8, width=13.0, height=8.0, rows=2, right=0.9, headroom=1.15)
        for number, (panel, (name, title)) in enumerate(zip(axes, TITLES.items(), strict=True)):
            found = regret(laws, rules[name], best)
            summary = found.summary()
            headline |= {
                f"{name}, median": summary.median, f"{name}, largest": summary.maximum,
                f"{name}, share above 0.01": summary.share_large,
                f"{name}, median compute": summary.median_compute,
            }  # fmt: skip
            note = (
                f"median {summary.median:.4f}, largest {summary.maximum:.2g} nat\n"
                f"above 0.01 on {summary.share_large:.0%}; compute × {summary.median_compute:.2f}"
            )
            bands = draw_regret(panel, SIZES, found.budget, found.nats, title, note)
            hatch_outside(panel, laws.fitted.get("N_S"), None)
            panel.set_xlabel("" if number < 4 else panel.get_xlabel())
            panel.set_ylabel("" if number % 4 else panel.get_ylabel())
            add_rows(columns, {"rule": float(number), "N_S": SIZES[:, None], "C": BUDGETS,
                               "nats": found.nats, "compute": found.compute})  # fmt: skip
        bar = figure.colorbar(bands, cax=figure.add_axes((0.925, 0.2, 0.012, 0.6)))
        bar.set_ticks(list(BANDS), labels=[f"{level:g}" for level in BANDS])
        bar.set_label("regret (nats per token): loss of the rule minus least loss")
        figure_headline(
            figure,
            "What rules of thumb cost when the teacher's training and inference are paid",
            "What a rule leaves open is filled in as well as can be, except in “as written”."
            " Compute: budget over the least that reaches the same loss, median.",
        )
        law_caption(figure, laws)
        table = {key: values for key, values in columns.items() if key != "rule"}
        names = [list(TITLES)[int(i)] for i in columns["rule"]]
        save_figure(figure, out, NAME, {"rule": names, **table},
                    law_provenance(laws, NAME, headline))  # fmt: skip
    return headline


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
