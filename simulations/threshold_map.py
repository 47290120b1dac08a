"""Up to which budget a teacher is worth it, by student size; and up to how many tokens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from capgap.counts import short
from capgap.plotting import (
    add_rows,
    count_axis,
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
from capgap.plotting.scenarios import LOOKS
from capgap.plotting.winning import (
    Winning,
    draw_winning,
    fitted_margin,
    hatch_grid,
    mark_thresholds,
)
from capgap.prediction.allocation import allocate
from capgap.prediction.roots import find_roots
from capgap.prediction.scenario import SCENARIOS, ScenarioName
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "threshold_map"
SIZES = np.logspace(8, 11, 31)
EVERY = 5  # at every fifth size thresholds are solved for; lines between are interpolated
BUDGETS = np.logspace(19, 28, 37)
TOKENS = np.geomspace(1e9, 8e14, 37)
FINE_SIZES, FINE_TOKENS = np.logspace(8, 11, 181), np.geomspace(1e9, 8e14, 181)
FINE_BUDGETS = np.logspace(19, 28, 181)
TEACHERS = (546e6, 1.82e9, 7.75e9)
TOKENS_PER_TEACHER_PARAMETER = 20.0
COARSE = 1e-4  # of log N_T and of the split; moves a loss by less than 1e-7 nat
_DASHES = ("solid", (0, (4, 1)), (0, (6, 1, 1, 1)))


@dataclass
class Table:
    """The thresholds beside the picture: which case, for whom, where, and who wins below."""

    laws: LawSet
    case: list[str] = field(default_factory=list)
    columns: dict[str, list[float]] = field(default_factory=dict)

    def add(self, case: str, N_S: FloatArray, D_S: FloatArray, taught_below: FloatArray) -> None:
        """Append thresholds, given by the tokens of the student trained alone."""
        self.case += [case] * len(N_S)
        add_rows(self.columns, {
            "N_S": N_S, "D_S_alone": D_S, "budget_alone": flops(self.laws, N_S, D_S),
            "loss": self.laws.supervised.loss(N_S, D_S) if len(N_S) else D_S,
            "taught_wins_below": taught_below, "fitted": within(self.laws, N_S=N_S, D_S=D_S),
        })  # fmt: skip

    def of(self, case: str) -> dict[str, FloatArray]:
        """Columns of one case."""
        mine = np.array(self.case) == case
        return {name: np.array(values)[mine] for name, values in self.columns.items()}


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the compute and tokens at which students catch up."""
    laws = laws or law_set()
    table = Table(laws)
    by_budget = {name: budget_part(laws, name, table) for name in SCENARIOS[1:]}
    by_tokens = {"best": best_part(laws)}
    by_tokens |= {case_of(N_T): given_part(laws, N_T, table) for N_T in TEACHERS}
    headline = catching_up(table)
    with style():
        figure, (left, right) = new_panels(2, width=13, height=6.9, headroom=0.85)
        draw_winning(left, list(by_budget.values()))
        draw_winning(right, list(by_tokens.values()))
        for axes, parts, name in (
            (left, by_budget, "budget_alone"), (right, by_tokens, "D_S_alone"),
        ):  # fmt: skip
            for case, part in parts.items():
                mark_thresholds(axes, table.of(case)["N_S"], table.of(case)[name], part.color)
            count_axis(axes.xaxis, "student parameters $N_S$")
        for axes, grid, per_token in (
            (left, FINE_BUDGETS, flops(laws, FINE_SIZES, 1.0)),
            (right, FINE_TOKENS, np.ones(len(FINE_SIZES))),
        ):
            margin = fitted_margin(laws, N_S=FINE_SIZES, D_S=grid[:, None] / per_token)
            hatch_grid(axes, FINE_SIZES, grid, margin)
        left.set_ylabel("budget (FLOPs)")
        count_axis(right.yaxis, "student tokens $D_S$")
        panel_title(left, "equal budgets, by who pays for the teacher")
        panel_title(right, "equal tokens: the best teacher, and given ones of 20 tokens/parameter")
        figure_headline(
            figure,
            "Up to where is a teacher worth it?",
            "Shaded: the student is better with the teacher; darker: in more of the cases."
            " Lines and dots: training alone is as good.",
        )
        law_caption(
            figure, laws, "Hatching: by student size and tokens (left: of the student alone)."
            " Dots: solved for; lines: interpolated.",
        )  # fmt: skip
        columns: dict[str, list[float] | list[str]] = {"case": table.case, **table.columns}
        settings = {"tokens_per_teacher_parameter": TOKENS_PER_TEACHER_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


def flops(laws: LawSet, N_S: npt.ArrayLike, D_S: npt.ArrayLike) -> FloatArray:
    """Of training alone."""
    return np.asarray(3 * laws.family.forward_flops(N_S) * np.asarray(D_S, dtype=np.float64))


def case_of(N_T: float) -> str:
    """A given teacher's name."""
    return f"teacher of {short(N_T)}"


def loss_of(laws: LawSet, N_T: float) -> float:
    """A given teacher's loss."""
    return float(laws.supervised.loss(N_T, TOKENS_PER_TEACHER_PARAMETER * N_T))


def budget_part(laws: LawSet, name: ScenarioName, table: Table) -> Winning:
    """A scenario against training alone on the same budget; its thresholds into the table."""

    def difference(size: FloatArray, budget: FloatArray) -> FloatArray:
        taught = allocate(laws, size, budget, name, tolerance=COARSE).student_loss
        return np.asarray(taught - allocate(laws, size, budget, "supervised").student_loss)

    values = difference(SIZES[:, None], BUDGETS)
    size, budget, below = solve(difference, SIZES[::EVERY], BUDGETS, values[::EVERY])
    table.add(name, size, budget / flops(laws, size, 1.0), below)
    look = LOOKS[name]
    return Winning(look.label, SIZES, BUDGETS, values.T, look.color, look.dashes, look.width)


def best_part(laws: LawSet) -> Winning:
    """The best teacher of each student and its tokens against training alone on them."""
    size = SIZES[:, None]
    taught = allocate(laws, size, flops(laws, size, TOKENS), "best", tolerance=COARSE)
    alone = laws.supervised.loss(size, TOKENS)
    look = LOOKS["best"]
    return Winning(
        "best teacher", SIZES, TOKENS, (taught.student_loss - alone).T, look.color, look.dashes
    )


def given_part(laws: LawSet, N_T: float, table: Table) -> Winning:
    """A given teacher against training alone on as many tokens; thresholds into the table."""
    L_T = loss_of(laws, N_T)

    def difference(size: FloatArray, D_S: FloatArray) -> FloatArray:
        return np.asarray(laws.taught.loss(size, D_S, L_T) - laws.supervised.loss(size, D_S))

    some = SIZES[::EVERY]
    values = difference(some[:, None], FINE_TOKENS)
    table.add(case_of(N_T), *solve(difference, some, FINE_TOKENS, values))
    rank = TEACHERS.index(N_T)
    return Winning(
        case_of(N_T), FINE_SIZES, FINE_TOKENS, difference(FINE_SIZES, FINE_TOKENS[:, None]),
        ordered_colors(len(TEACHERS))[rank], _DASHES[rank], 1.5,
    )  # fmt: skip


def solve(
    difference: Callable[[FloatArray, FloatArray], FloatArray],
    sizes: FloatArray,
    grid: FloatArray,
    values: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sizes and places of the sign changes of values on the grid, and whether < 0 below.

    Places are exact to 1e-6. Two changes between neighbors of the grid are missed.
    """
    row, left = np.nonzero((values[:, 1:] > 0) != (values[:, :-1] > 0))
    if not row.size:
        return np.empty(0), np.empty(0), np.empty(0)
    ends = np.log(grid)
    roots = find_roots(
        lambda i, x: difference(sizes[row[i]], np.exp(x)), ends[left], ends[left + 1],
        tolerance=1e-6,
    )  # fmt: skip
    return sizes[row], np.exp(roots), (values[row, left] <= 0).astype(np.float64)


def catching_up(table: Table) -> dict[str, float]:
    """Compute and tokens above which, as far as the map goes, training alone is better."""
    headline = {}
    for name in SCENARIOS[1:]:
        columns = table.of(name)
        for N_S in np.unique(columns.get("N_S", np.empty(0))):
            last = int(np.flatnonzero(columns["N_S"] == N_S)[-1])
            if columns["taught_wins_below"][last] > 0:
                key = f"training alone catches up, {name}, {short(N_S)}"
                headline[f"{key}, FLOPs"] = float(columns["budget_alone"][last])
                headline[f"{key}, tokens"] = float(columns["D_S_alone"][last])
    return headline


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
