"""In a weighted norm the flat floor becomes a bump: W-shapes, and a best teacher off m = n."""

from pathlib import Path

import numpy as np

from capgap.plotting import (
    add_rows,
    figure_headline,
    new_panels,
    panel_title,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.kernel_population import draw_excess, kernel_command_line
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import (
    W_SHAPE,
    WeightedPopulation,
    exact_student_errors,
    weighted_population,
)

NAME = "kernel_w_shape"
FUNCTIONS, SEED, STUDENT = 1000, 0, 200
POWERS = (0.0, 0.5, 1.0, 2.0)
TEACHER_SHARE, STUDENT_SHARE = 1.0, 0.6  # of the norm of the target's first n functions
TIGHT_TEACHER_SHARE = 0.85  # right panel: the teacher's limit binds before m = n


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return valleys, bumps and best teachers."""
    alpha = np.random.default_rng(SEED).uniform(-1, 1, FUNCTIONS)
    exact = exact_student_errors(W_SHAPE)
    middle = np.array([float((e.low + e.high) / 2) for e in exact])
    least = exact_least()
    loose = {p: errors_of(alpha, p, TEACHER_SHARE) for p in POWERS}
    tight = {p: errors_of(alpha, p, TIGHT_TEACHER_SHARE) for p in POWERS}
    headline = {f"exact instance, E_S({m})": float(e) for m, e in enumerate(middle, start=1)}
    for p in POWERS:
        excess = above(loose[p])
        between = (loose[p].m > STUDENT) & (loose[p].nu < loose[p].kappa)
        headline[f"bump, w = i^{p:g}"] = float(np.max(excess[between]))
        best = int(np.argmin(tight[p].student_squared_error.round(10))) + 1
        headline[f"best m with both limits tight, w = i^{p:g}"] = best
        headline[f"what m = n costs there, w = i^{p:g}"] = float(above(tight[p])[STUDENT - 1])
    headline["squared error at m = n, w = i"] = float(loose[1.0].student_squared_error[STUDENT - 1])
    columns: dict[str, list[float]] = {}
    names: list[str] = ["exact instance"] * len(exact)
    add_rows(columns, {"m": np.arange(1.0, len(exact) + 1), "excess": middle - least})
    for kind, family in (("loose", loose), ("tight", tight)):
        for p, errors in family.items():
            names += [f"{kind}, w = i^{p:g}"] * FUNCTIONS
            add_rows(columns, {"m": errors.m.astype(np.float64), "excess": above(errors)})
    with style():
        figure, panels = new_panels(3, width=13.6, height=5.1, headroom=0.85)
        five = np.arange(1, len(exact) + 1)
        draw_excess(panels[0], five, [("", middle - least)], W_SHAPE.n, [4], points=True)
        panels[0].set_xticks(five)
        panels[0].set_yscale("log")
        panel_title(panels[0], "five functions, exact: the second valley is deeper")
        labels = {p: "plain norm: a floor" if p == 0 else f"weights $i^{{{p:g}}}$" for p in POWERS}
        for axes, family in ((panels[1], loose), (panels[2], tight)):
            curves = [(labels[p], above(family[p])) for p in POWERS]
            marks = (
                [] if family is loose else [int(headline["best m with both limits tight, w = i^1"])]
            )
            draw_excess(axes, loose[1.0].m, curves, STUDENT, marks)
            axes.set_xlim(STUDENT - 12, 780 if family is loose else 620)
            axes.set_ylim(-0.001, 0.025)
        panels[2].legend(loc="center right", fontsize=8)
        panel_title(panels[1], f"n = {STUDENT}, T just holds its part: m = n is best")
        panel_title(panels[2], "T 15% smaller: m = n lies on the bump")
        figure_headline(
            figure,
            "Where functions weigh differently, the floor is a bump",
            "Squared error of the student above that of a student trained on the target itself,"
            " both norms limited; the bump is small, here",
        )
        source_line(
            figure,
            "Kernel regression with norm Σ wᵢgᵢ² (an extension of Busbridge et al. 2025, arXiv"
            " 2502.08606, appendix C.1, where w = 1), infinite data. Left: w = 1, 4, 9, 16, 25;"
            " squares of the target 1, 1, 3, 50, 100; T² = 2, D² = 1/4, n = 2.\n"
            f"Middle, right: 1000 coefficients from U[-1, 1] (seed {SEED}), weights scaled to 1 at"
            f" i = n, D = {STUDENT_SHARE:g} of the norm of the target's first n functions.",
        )
        save_figure(figure, out, NAME, {"series": names, **columns}, provenance(headline))
    return headline


def errors_of(alpha: FloatArray, power: float, share: float) -> WeightedPopulation:
    """Errors where weights grow as a power of the index."""
    w = (np.arange(1, FUNCTIONS + 1) / STUDENT) ** power
    own = float(np.sqrt(np.sum((w * alpha**2)[:STUDENT])))
    return weighted_population(alpha, w, STUDENT, share * own, STUDENT_SHARE * own)


def above(errors: WeightedPopulation) -> FloatArray:
    """Squared error of the student above the least possible."""
    return np.asarray(errors.student_squared_error - errors.direct_squared_error)


def exact_least() -> float:
    """Squared error of the exact instance's student trained on the target."""
    p = W_SHAPE
    return weighted_population(
        np.sqrt(np.array(p.alpha_squared, dtype=np.float64)), np.array(p.w, dtype=np.float64), p.n,
        float(p.T_squared) ** 0.5, float(p.D_squared) ** 0.5,
    ).direct_squared_error  # fmt: skip


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "extension of Busbridge et al. 2025, arXiv 2502.08606, appendix C.1",
        "coefficients": f"{FUNCTIONS} values of numpy default_rng({SEED}).uniform(-1, 1)",
        "n": STUDENT,
        "weights": {"form": "(i/n)^p", "p": list(POWERS)},
        "limits": "shares of the weighted norm of the target's first n functions",
        "T": {"loose": TEACHER_SHARE, "tight": TIGHT_TEACHER_SHARE},
        "D": STUDENT_SHARE,
        "seed": SEED,
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
