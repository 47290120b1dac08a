"""Who pays for the teacher: loss against compute in five scenarios (Fig. 8 of the paper)."""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from capgap.comparison.digitised import fig8
from capgap.plotting import (
    add_rows,
    draw_from_command_line,
    figure_headline,
    law_caption,
    law_provenance,
    new_panels,
    panel_title,
    save_figure,
    style,
    within,
)
from capgap.plotting.scenarios import (
    Meeting,
    budget_axis,
    draw_gains,
    draw_losses,
    finish_gains,
    hatch_budgets,
    label_curves,
    scenario_legend,
)
from capgap.prediction.allocation import Allocations, allocate
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import SCENARIOS, ScenarioName
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "five_scenarios"
STUDENTS = {"300M": 3e8, "1B": 1e9, "3B": 3e9, "10B": 1e10}
BUDGETS = np.logspace(20, 26, 61)
SUPERVISED: ScenarioName = "supervised"
OF_THE_PAPER = ("printed", "reconstructed")  # sets that Fig. 8 can be held against


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return where scenarios equal supervised, and the misfit."""
    laws = laws or law_set()
    sizes = np.array(list(STUDENTS.values()))
    found = {name: allocate(laws, sizes[:, None], BUDGETS, name) for name in SCENARIOS}
    losses: dict[str, FloatArray] = {name: part.student_loss for name, part in found.items()}
    meetings = equal_to_supervised(laws, sizes, losses)
    held_against = laws.name in OF_THE_PAPER
    headline = {
        f"{at.scenario} equals supervised, {label}{also}, FLOPs": at.budget
        for label, those in zip(STUDENTS, meetings, strict=True)
        for at, also in numbered(those)
    }
    if held_against:
        headline |= misfit(laws)
    columns: dict[str, list[float]] = {}
    with style():
        figure, panels = new_panels(8, width=13, height=7.9, rows=2)
        for i, (label, N_S) in enumerate(STUDENTS.items()):
            mine = {name: values[i] for name, values in losses.items()}
            D_S = found["supervised"].D_S[i]
            inside = within(laws, N_S=N_S, D_S=D_S)
            upper, lower = panels[i], panels[i + 4]
            draw_losses(upper, BUDGETS, mine, meetings[i], points_of(N_S) if held_against else None)
            draw_gains(lower, BUDGETS, mine, meetings[i])
            for axes in (upper, lower):
                budget_axis(axes, "budget (FLOPs)" if axes is lower else None)
                hatch_budgets(axes, BUDGETS, inside)
            panel_title(upper, f"student of {label} parameters")
            add_rows(columns, {
                "N_S": N_S, "budget": BUDGETS, "supervised_D_S": D_S, "fitted": inside,
                **{f"loss_{name}": values for name, values in mine.items()},
            })  # fmt: skip
        panels[0].set_ylabel("student loss (nats per token)")
        panels[4].set_ylabel("loss minus supervised loss (nats per token)")
        differences = {name: losses[name] - losses["supervised"] for name in SCENARIOS}
        finish_gains(panels[4:], list(differences.values()))
        label_curves(
            panels[-1], BUDGETS, {name: values[-1] for name, values in differences.items()}
        )
        scenario_legend(figure, SCENARIOS, points=held_against)
        figure_headline(
            figure,
            "Is a teacher worth it? It depends on who pays",
            "Least loss that a budget buys, over all teachers and splits of the budget."
            " Below: the same as a difference; with a teacher it is better in the shaded half.",
        )
        points = " Points: read off Fig. 8 of the paper, to ±0.01 nat." if held_against else ""
        law_caption(
            figure, laws,
            f"Rings: equal to supervised training. Hatching: by student size and tokens.{points}",
        )  # fmt: skip
        settings = {"scenarios": list(SCENARIOS)}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def equal_to_supervised(
    laws: LawSet, sizes: FloatArray, losses: dict[str, FloatArray]
) -> list[list[Meeting]]:
    """Per student, where the curve of a scenario meets the supervised one, to 1e-6 of it."""
    meetings: list[list[Meeting]] = [[] for _ in sizes]
    ends = np.log(BUDGETS)
    for name in SCENARIOS[1:]:
        positive = losses[name] > losses["supervised"]
        row, left = np.nonzero(positive[:, 1:] != positive[:, :-1])
        if not row.size:
            continue
        curve = partial(gap, laws, name, sizes[row])
        found = find_roots(curve, ends[left], ends[left + 1], tolerance=1e-6)
        alone = allocate(laws, sizes[row], np.exp(found), "supervised")
        for i, budget, loss in zip(row, alone.budget, alone.student_loss, strict=True):
            meetings[i].append(Meeting(name, float(budget), float(loss)))
    return meetings


def gap(
    laws: LawSet, name: ScenarioName, sizes: FloatArray, i: npt.NDArray[np.intp], x: FloatArray
) -> FloatArray:
    """Loss in a scenario minus supervised loss, of the students i at log budgets x."""
    taught, alone = (
        allocate(laws, sizes[i], np.exp(x), way).student_loss for way in (name, SUPERVISED)
    )
    return np.asarray(taught - alone)


def numbered(meetings: list[Meeting]) -> list[tuple[Meeting, str]]:
    """Meetings of one student, the second of a scenario told from the first."""
    seen: dict[str, int] = {}
    marked = []
    for at in meetings:
        seen[at.scenario] = seen.get(at.scenario, 0) + 1
        marked.append((at, f" ({seen[at.scenario]})" if seen[at.scenario] > 1 else ""))
    return marked


def points_of(N_S: float) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Digitised budgets and losses of one student by scenario."""
    points = fig8()
    mine = {name: points.of(name) & (points.N_S == N_S) for name in SCENARIOS}
    return {
        name: (points.budget[which], points.loss[which])
        for name, which in mine.items()
        if which.any()
    }


def misfit(laws: LawSet) -> dict[str, float]:
    """Root mean square of law minus digitised point by scenario, in nats."""
    points = fig8()
    result = {}
    for name in SCENARIOS:
        which = points.of(name)
        found: Allocations = allocate(laws, points.N_S[which], points.budget[which], name)
        rest = found.student_loss - points.loss[which]
        result[f"law minus Fig. 8, {name}, rms nats"] = float(np.sqrt(np.mean(rest**2)))
    return result


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
