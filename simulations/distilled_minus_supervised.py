"""When a teacher helps: the student's loss with it minus without, over student size and tokens."""

from pathlib import Path

import numpy as np

from capgap.counts import short
from capgap.plotting import (
    Map,
    add_rows,
    draw_difference_maps,
    draw_from_command_line,
    law_caption,
    law_provenance,
    save_figure,
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "distilled_minus_supervised"
TEACHERS = (546e6, 975e6, 1.82e9, 2.72e9, 4.82e9, 7.75e9)
TOKENS_PER_TEACHER_PARAMETER = 20.0
STUDENTS = np.geomspace(1e8, 1e11, 51)
TOKENS = np.geomspace(1e9, 1e13, 61)
STEPS = (0.02, 0.05, 0.1, 0.2, 0.5)  # nats per token, on either side of zero


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return where in it each teacher helps, and how much."""
    laws = laws or law_set()
    N_S, D_S = np.meshgrid(STUDENTS, TOKENS)
    alone = laws.supervised.loss(N_S, D_S)
    maps: list[Map] = []
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    differences: dict[str, FloatArray] = {}
    for N_T in TEACHERS:
        D_T = TOKENS_PER_TEACHER_PARAMETER * N_T
        L_T = float(laws.supervised.loss(N_T, D_T))
        difference = laws.taught.loss(N_S, D_S, L_T) - alone
        title = f"teacher {short(N_T)}, $L_T$ = {L_T:.3f}"
        inside = bool(within(laws, L_T=L_T))
        maps.append(Map(title, STUDENTS, TOKENS, difference, (N_T, D_T), inside))
        differences[f"difference_{short(N_T)}"] = difference
        headline[f"L_T, teacher {short(N_T)}"] = L_T
        headline[f"share of the map where it helps, teacher {short(N_T)}"] = float(
            np.mean(difference < 0)
        )
        headline[f"largest gain, teacher {short(N_T)}"] = float(-difference.min())
    fitted = within(laws, N_S=N_S, D_S=D_S)
    add_rows(
        columns, {"N_S": N_S, "D_S": D_S, "loss_alone": alone, **differences, "fitted": fitted}
    )
    with style():
        figure = draw_difference_maps(
            maps,
            STEPS,
            laws.fitted,
            title="When does a teacher help?",
            note="Student loss with the teacher minus the same student's loss alone, on the same"
            " tokens: below the bold line the teacher helps. Star: the teacher itself.",
            bar="with teacher minus without (nats per token)",
        )
        law_caption(figure, laws, outside="Hatched")
        settings = {"tokens_per_teacher_parameter": TOKENS_PER_TEACHER_PARAMETER}
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline, **settings))
    return headline


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
