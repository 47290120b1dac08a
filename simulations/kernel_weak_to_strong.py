"""When a student beats its teacher: what it drops must be more wrong than right."""

from pathlib import Path

import numpy as np

from capgap.plotting import (
    add_rows,
    figure_headline,
    new_panels,
    ordered_colors,
    panel_title,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.kernel_population import (
    draw_gain_map,
    draw_gain_plane,
    kernel_command_line,
)
from capgap.theory.domain import FloatArray
from capgap.theory.kernel import (
    Gain,
    distillation_gain,
    fit_in_ball,
    noisy_teacher_gain,
    rotated_basis,
)

NAME = "kernel_weak_to_strong"
FUNCTIONS, STUDENT, SEED = 60, 10, 0
TEACHERS = (12, 15, 20, 30, 45, 60)
MAP_FUNCTIONS, MAP_STUDENT = 300, 20
NOISE = np.geomspace(1e-5, 1e-1, 121)
GROUPS = ("nested, limited norm", "turned away", "noisy teacher")


def run(out: Path) -> dict[str, float]:
    """Draw the picture into `out`; return how many students of each kind beat their teachers."""
    gains = {name: kind() for name, kind in zip(GROUPS, (nested, turned, noisy), strict=True)}
    m = np.arange(1, MAP_FUNCTIONS + 1)
    alpha = m**-1.0
    gain = noisy_teacher_gain(alpha, MAP_STUDENT, NOISE)
    tail = np.sum(alpha**2) - np.cumsum(alpha**2)
    share = gain / (tail + NOISE[:, None] * m)
    beyond = np.maximum(m - MAP_STUDENT, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = np.where(
            beyond > 0, np.cumsum(np.where(m > MAP_STUDENT, alpha**2, 0)) / beyond, np.nan
        )
    headline: dict[str, float] = {}
    columns: dict[str, list[float]] = {}
    names: list[str] = []
    for name, found in gains.items():
        headline[f"{name}: students"] = len(found)
        headline[f"{name}: better than their teachers"] = sum(g.total > 1e-12 for g in found)
        names += [name] * len(found)
        x, y = plane(found)
        add_rows(columns, {"x": x, "y": y, "gain": np.array([g.total for g in found])})
    names += ["noise of no gain, by m"] * int(beyond.astype(bool).sum())
    larger = m > MAP_STUDENT
    add_rows(columns, {
        "x": m[larger].astype(np.float64), "y": edge[larger], "gain": np.zeros(larger.sum()),
    })  # fmt: skip
    headline["noise of no gain, next larger teacher"] = float(edge[MAP_STUDENT])
    headline["noise of no gain, largest teacher"] = float(edge[-1])
    ratio = np.geomspace(0.1, 30, 400)
    with style():
        figure, (left, right) = new_panels(
            2, width=12, height=5.6, headroom=0.85, ratios=(1, 1.15), right=0.975
        )
        colors = ordered_colors(3)
        draw_gain_plane(
            left, (ratio, np.minimum(1 / (2 * ratio), 1.05)),
            [(name, color, marker, *plane(gains[name]))
             for name, color, marker in zip(GROUPS, colors, "so^", strict=True)],
        )  # fmt: skip
        left.text(0.13, -0.6, "the student beats\nits teacher", fontsize=9, color="#2c5f8a")
        draw_gain_map(right, m, NOISE, share, edge, MAP_STUDENT)
        panel_title(left, "any teacher, any student without a norm limit")
        panel_title(right, f"noisy teachers of coefficients 1/i, n = {MAP_STUDENT}; line: no gain")
        figure_headline(
            figure,
            "A student beats its teacher if what it drops is more wrong than right",
            "gain = ‖v‖² − 2⟨v, b⟩, with v what the student cannot follow and b what it cannot"
            " reach. Students nested in their teachers never gain",
        )
        source_line(
            figure,
            "Infinite data. Nested: the setting of Busbridge et al. 2025 (arXiv 2502.08606),"
            " appendix C.1. Turned away: students turned by up to 90°, teachers exact. Noisy: the"
            f" teacher's coefficients carry Gaussian noise (seed {SEED}).\n"
            "Right: expected values. Realizable targets (b = 0) gain all of ‖v‖² (Charikar et al."
            " 2024, arXiv 2405.15116); they are far to the left.",
        )
        save_figure(figure, out, NAME, {"series": names, **columns}, provenance(headline))
    return headline


def plane(found: list[Gain]) -> tuple[FloatArray, FloatArray]:
    """Ratio ||b||/||v|| and cosine of the two."""
    misfit, limit = (np.array([getattr(g, name) for g in found]) for name in ("misfit", "limit"))
    cross = np.array([g.cross for g in found])
    return np.sqrt(limit / misfit), cross / np.sqrt(limit * misfit)


def target() -> FloatArray:
    """Coefficients that fall as the root of the index."""
    return np.asarray(np.arange(1, FUNCTIONS + 1) ** -0.5, dtype=np.float64)


def nested() -> list[Gain]:
    """C.1: teachers of limited norm, students of their first functions."""
    basis = np.eye(FUNCTIONS)[:, :STUDENT]
    shares = np.linspace(0.3, 1.0, 5) * np.linalg.norm(target())
    return [
        distillation_gain(fit_in_ball(target(), m, float(T)), target(), basis)
        for m in TEACHERS
        for T in shares
    ]


def turned() -> list[Gain]:
    """Exact teachers, students turned away from them."""
    return [
        distillation_gain(
            fit_in_ball(target(), m), target(), rotated_basis(FUNCTIONS, STUDENT, float(angle))
        )
        for m in (5, 10, *TEACHERS)
        for angle in np.deg2rad([10, 20, 30, 45, 60, 75, 90])
    ]


def noisy() -> list[Gain]:
    """Teachers with noise, students of their first functions."""
    rng = np.random.default_rng(SEED)
    basis = np.eye(FUNCTIONS)[:, :STUDENT]
    return [
        distillation_gain(
            fit_in_ball(target() + scale * rng.normal(size=FUNCTIONS), m), target(), basis
        )
        for m in TEACHERS
        for scale in (0.05, 0.1, 0.2, 0.4, 0.8)
    ]


def provenance(headline: dict[str, float]) -> dict[str, object]:
    """Where the numbers come from."""
    return {
        "figure": NAME,
        "source": "identity of the project; Charikar, Pabbaraju & Shiragur, arXiv 2405.15116;"
        " setting of Busbridge et al. 2025, arXiv 2502.08606, appendix C.1",
        "left": {"coefficients": "i^-0.5", "functions": FUNCTIONS, "n": STUDENT},
        "right": {"coefficients": "1/i", "functions": MAP_FUNCTIONS, "n": MAP_STUDENT},
        "seed": SEED,
        "headline": headline,
    }


if __name__ == "__main__":
    kernel_command_line(run, __doc__)
