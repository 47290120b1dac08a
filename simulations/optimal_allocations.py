"""Which teacher, how many tokens: the optimal use of a budget (Fig. 9 of the paper)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from capgap.plotting import (
    add_rows,
    draw_from_command_line,
    figure_headline,
    law_caption,
    law_provenance,
    new_panels,
    ordered_colors,
    panel_title,
    save_figure,
    style,
    within,
)
from capgap.plotting.allocations import (
    StudentLine,
    draw_students,
    label_ends,
    name_row,
    share_limits,
    student_key,
)
from capgap.plotting.scenarios import budget_axis
from capgap.prediction.allocation import Allocations, allocate
from capgap.prediction.flat import SLACK, FlatRanges, flat_ranges
from capgap.prediction.question import Question
from capgap.prediction.scenario import SCENARIOS, ScenarioName
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "optimal_allocations"
STUDENTS = {"300M": 3e8, "1B": 1e9, "3B": 3e9, "10B": 1e10}
BUDGETS = np.logspace(20, 26, 49)
BAND_OF = "1B"
BAND_BUDGETS = BUDGETS[::8]
ROWS: dict[ScenarioName, str] = {
    "best": "free teacher",
    "inference": "inference paid",
    "pretraining": "pretraining paid",
    "both": "both paid",
}
QUANTITIES = {
    "L_T": "teacher loss $L_T$ (nats per token)",
    "D_S": "student tokens $D_S$",
    "N_T": "teacher size $N_T / N_S$",
    "D_T": "teacher tokens $D_T$",
    "share": "teacher's share of the FLOPs",
}
NOT_DECIDED = {("best", "N_T"), ("best", "D_T"), ("best", "share")}
NOTES = (
    "A teacher that costs nothing is decided by its loss alone: any size and",
    "number of tokens that reach it will do. Where only its inference is paid,",
    "its tokens are free, and it takes as many as there are (here $10^{17}$).",
    "Dots in the last panel: the part of the share that goes to pretraining.",
)


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the teacher's size and share at some budgets."""
    laws = laws or law_set()
    sizes = np.array(list(STUDENTS.values()))
    found = {name: allocate(laws, sizes[:, None], BUDGETS, name) for name in ROWS}
    flat = {name: flat_of(laws, name) for name in ROWS}
    headline: dict[str, float] = {}
    for name in SCENARIOS[2:]:
        for i, label in enumerate(STUDENTS):
            for budget in (1e22, 1e26):
                at = int(np.argmin(np.abs(np.log(BUDGETS / budget))))
                ratio = float(found[name].N_T[i, at] / sizes[i])
                headline[f"N_T / N_S, {name}, {label}, {budget:.0e} FLOPs"] = ratio
    with style():
        figure, panels = new_panels(20, width=14, height=9.8, rows=4, right=0.955)
        grid = np.array(panels, dtype=object).reshape(4, 5)
        for axes_row, (name, title) in zip(grid, ROWS.items(), strict=True):
            for axes, quantity in zip(axes_row, QUANTITIES, strict=True):
                if (name, quantity) not in NOT_DECIDED:
                    draw(axes, laws, found[name], flat[name], quantity)
                    budget_axis(axes, "budget (FLOPs)" if name == "both" else None)
            name_row(axes_row[0], title)
        for column, (quantity, title) in zip(grid.T, QUANTITIES.items(), strict=True):
            used = [
                a for a, n in zip(column, ROWS, strict=True) if (n, quantity) not in NOT_DECIDED
            ]
            share_limits(used, (0.0, 1.0) if quantity == "share" else None)
            panel_title(used[0], title)
        for axes_row, name in zip(grid[1:], SCENARIOS[2:], strict=True):
            label_ends(axes_row[-1], float(BUDGETS[-1]), lines_of(laws, found[name], (), "share"))
        student_key(grid[0, 2], lines_of(laws, found["best"], flat["best"], "D_S"), NOTES)
        for axes in grid[0, 3:]:
            axes.set_axis_off()
        figure_headline(
            figure,
            "How to spend a budget: which teacher, and how many tokens",
            "Optimal teachers and tokens for students of 300M to 10B parameters,"
            " by what the budget has to pay for",
        )
        law_caption(figure, laws)
        settings = {"slack_of_band": SLACK, "student_of_band": BAND_OF}
        record = law_provenance(laws, NAME, headline, **settings)
        save_figure(figure, out, NAME, table(laws, found, flat), record)
    return headline


def flat_of(laws: LawSet, name: ScenarioName) -> tuple[FlatRanges, ...]:
    """What costs less than 0.001 nat for one student, at every eighth budget."""
    questions = [Question(STUDENTS[BAND_OF], float(C), name) for C in BAND_BUDGETS]
    return tuple(flat_ranges(q.problem(laws.laws, laws.family)) for q in questions)


def draw(
    axes: "Axes",
    laws: LawSet,
    found: Allocations,
    flat: tuple[FlatRanges, ...],
    quantity: str,
) -> None:
    """One panel: a quantity of the four students in one scenario."""
    if quantity in ("N_T", "D_T", "D_S"):
        axes.set_yscale("log")
    draw_students(axes, BUDGETS, lines_of(laws, found, flat, quantity))
    if quantity == "share" and found.scenario == "both":
        part = found.teacher_pretraining / found.flops
        for color, y in zip(ordered_colors(len(STUDENTS)), part, strict=True):
            axes.plot(BUDGETS[::3], y[::3], ".", color=color, markersize=3)


def lines_of(
    laws: LawSet, found: Allocations, flat: tuple[FlatRanges, ...], quantity: str
) -> list[StudentLine]:
    """A quantity's lines; the band goes with one of them."""
    lines = []
    for i, (label, N_S) in enumerate(STUDENTS.items()):
        inside = within(laws, N_S=N_S, D_S=found.D_S[i], L_T=found.L_T[i])
        limits = band(flat, quantity) if flat and label == BAND_OF else None
        lines.append(StudentLine(label, values_of(found, quantity)[i], inside, limits))
    return lines


def values_of(found: Allocations, quantity: str) -> FloatArray:
    """A quantity as it is drawn."""
    if quantity == "share":
        return np.asarray((found.teacher_inference + found.teacher_pretraining) / found.flops)
    values: FloatArray = getattr(found, quantity)
    return values / found.N_S if quantity == "N_T" else values


def band(
    flat: tuple[FlatRanges, ...], quantity: str
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Budgets, least and greatest value within 0.001 nat; None where there is no such range."""
    if quantity == "share":
        return None
    low, high = np.array([getattr(ranges, quantity) for ranges in flat]).T
    unit = STUDENTS[BAND_OF] if quantity == "N_T" else 1.0
    return BAND_BUDGETS, low / unit, high / unit


def table(
    laws: LawSet,
    found: dict[ScenarioName, Allocations],
    flat: dict[ScenarioName, tuple[FlatRanges, ...]],
) -> dict[str, list[float] | list[str]]:
    """The numbers drawn; nan where nothing is decided or no band was computed."""
    columns: dict[str, list[float]] = {}
    scenario: list[str] = []
    for name, part in found.items():
        decided = name != "best"
        for i, (label, N_S) in enumerate(STUDENTS.items()):
            scenario += [name] * len(BUDGETS)
            rows: dict[str, npt.ArrayLike] = {
                "N_S": N_S, "budget": BUDGETS, "student_loss": part.student_loss[i],
                "L_T": part.L_T[i], "D_S": part.D_S[i],
                "N_T": part.N_T[i] if decided else np.nan,
                "D_T": part.D_T[i] if decided else np.nan,
                "student_training": part.student_training[i],
                "teacher_inference": part.teacher_inference[i],
                "teacher_pretraining": part.teacher_pretraining[i],
                "fitted": within(laws, N_S=N_S, D_S=part.D_S[i], L_T=part.L_T[i]),
            }  # fmt: skip
            for quantity in ("L_T", "D_S", "N_T", "D_T"):
                ends = np.full((2, len(BUDGETS)), np.nan)
                if label == BAND_OF and (name, quantity) not in NOT_DECIDED:
                    pairs = [getattr(ranges, quantity) for ranges in flat[name]]
                    ends[:, ::8] = np.array(pairs).T
                rows |= {f"{quantity}_least": ends[0], f"{quantity}_greatest": ends[1]}
            add_rows(columns, rows)
    return {"scenario": scenario, **columns}


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
