"""The landscape of student loss, and the path of the best teacher through it."""

from pathlib import Path

import numpy as np

from capgap.counts import short
from capgap.plotting import (
    Landscape,
    add_rows,
    draw_from_command_line,
    draw_landscapes,
    law_caption,
    law_provenance,
    save_figure,
    style,
    within,
)
from capgap.theory.coefficients import law_set
from capgap.theory.domain import FloatArray
from capgap.theory.law_set import LawSet

NAME = "best_teacher_landscape"
N_S, D_S = 10e9, 250e9  # each held fixed in one of the panels
STUDENTS, TOKENS = np.geomspace(1e8, 1e12, 61), np.geomspace(1e9, 1e13, 61)
LOSSES = 52
MARKED_STUDENTS, MARKED_TOKENS = (1e9, 10e9, 30e9), (25e9, 250e9, 2.5e12)


def run(out: Path, laws: LawSet | None = None) -> dict[str, float]:
    """Draw the picture into `out`; return the best teacher's loss of the marked students."""
    laws = laws or law_set()
    floor = laws.supervised.irreducible_loss
    weakest = float(laws.supervised.loss(STUDENTS[0], 20 * STUDENTS[0]))
    L_T = np.linspace(max(floor, 0.3 * weakest), weakest, LOSSES)
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    for size, tokens in (*((N, D_S) for N in MARKED_STUDENTS), *((N_S, D) for D in MARKED_TOKENS)):
        best = float(laws.taught.best_teacher_loss(size, tokens))
        headline[f"best L_T, N_S = {short(size)}, D_S = {short(tokens)}"] = best
    sides = [
        side(laws, columns, L_T, STUDENTS, np.array(D_S), MARKED_STUDENTS),
        side(laws, columns, L_T, np.array(N_S), TOKENS, MARKED_TOKENS),
    ]
    with style():
        figure = draw_landscapes(
            sides,
            floor=floor,
            fitted=laws.fitted.get("L_T"),
            title="The best teacher of every student",
            note="Student loss over students and teachers. Bold line: the best teacher, or the"
            " floor where it would lie below; dotted: the law's own optimum.",
        )
        law_caption(figure, laws, outside="Hatched")
        save_figure(figure, out, NAME, columns, law_provenance(laws, NAME, headline))
    return headline


def side(
    laws: LawSet,
    columns: dict[str, list[float]],
    L_T: FloatArray,
    size: FloatArray,
    tokens: FloatArray,
    marked: tuple[float, ...],
) -> Landscape:
    """One panel, over whichever of size and tokens is not a single number; also adds its rows."""
    law = laws.taught
    best = law.best_teacher_loss(size, tokens)
    L_S = law.loss(size, tokens, L_T[:, None])
    add_rows(columns, {
        "N_S": size, "D_S": tokens, "L_T": L_T[:, None], "L_S": L_S, "best_L_T": best,
        "fitted": within(laws, N_S=size, D_S=tokens, L_T=L_T[:, None]),
    })  # fmt: skip
    if size.ndim:
        at = np.asarray(marked), np.full(len(marked), tokens)
        return Landscape(
            f"students on {short(float(tokens))} tokens", "student parameters $N_S$", size, L_T,
            L_S, best, list(zip(marked, law.best_teacher_loss(*at).tolist(), strict=True)),
            laws.fitted.get("N_S"), bool(within(laws, D_S=tokens)),
        )  # fmt: skip
    at = np.full(len(marked), size), np.asarray(marked)
    return Landscape(
        f"students of {short(float(size))} parameters", "student tokens $D_S$", tokens, L_T, L_S,
        best, list(zip(marked, law.best_teacher_loss(*at).tolist(), strict=True)),
        laws.fitted.get("D_S"), bool(within(laws, N_S=size)),
    )  # fmt: skip


if __name__ == "__main__":
    draw_from_command_line(run, __doc__)
