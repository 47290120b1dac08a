"""Pictures of theory: the distillation law, and the capacity gap of kernel regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.plotting.curves import BoolArray
from capgap.plotting.laws import draw_split
from capgap.plotting.style import FAINT, INK, MUTED, FloatArray, headline, ordered_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["KernelCurve", "StudentCurve", "draw_kernel_gap", "draw_student_loss"]

_DOTS = (0, (1, 2))


@dataclass(frozen=True, slots=True)
class StudentCurve:
    """Student loss against teacher loss for one student; nats per token.

    `inside` tells for which teachers the law is not extrapolated.
    """

    label: str
    L_T: FloatArray
    L_S: FloatArray
    inside: BoolArray
    best: tuple[float, float]
    knee: tuple[float, float]


@dataclass(frozen=True, slots=True)
class KernelCurve:
    """Student error against teacher dimension m; the floor is first_best .. last_best."""

    n: int
    m: npt.NDArray[np.int64]
    student_error: FloatArray
    first_best: int
    last_best: int


def draw_student_loss(
    axes: "Axes", curves: Sequence[StudentCurve], title: str, note: str, *, irreducible: float
) -> None:
    """Draw L_S against L_T for several students, each with its best teacher and its knee.

    Curves are labeled at their best teacher and colored in the order given, dashed where the
    law is extrapolated. Losses below `irreducible`, which no teacher reaches, are shaded.
    """
    if not curves:
        raise InputError("draw_student_loss: 0 curves, must be at least 1")
    left = min(float(curve.L_T.min()) for curve in curves)
    right = max(float(curve.L_T.max()) for curve in curves)
    right_end = max(float(curve.L_S[-1]) for curve in curves)
    axes.plot([left, right], [left, right], color=MUTED, linewidth=1.0, linestyle=_DOTS)
    margin = 0.05 * (right - left)
    if irreducible > left - margin:
        axes.axvspan(left - 2 * margin, irreducible, color=FAINT, zorder=0, linewidth=0)
        axes.axvline(irreducible, color=MUTED, linewidth=0.8, zorder=0)
        axes.text(
            irreducible - 0.5 * margin, left, f"no teacher below E = {irreducible:.3g}",
            rotation=90, ha="center", va="bottom", fontsize=7.5, color=MUTED,
        )  # fmt: skip
    for color, curve in zip(ordered_colors(len(curves)), curves, strict=True):
        draw_split(axes, curve.L_T, curve.L_S, curve.inside, color, 1.9)
        axes.plot(*curve.knee, marker="o", color="white", markeredgecolor=color, markersize=5.5)
        axes.plot(*curve.best, marker="o", color=color, markeredgecolor="white", markersize=7.5)
        _label(axes, curve.label, curve.best, (-3, -6), color, "right")
    axes.plot([], [], "o", color=INK, markeredgecolor="white", markersize=7.5, label="best teacher")
    axes.plot(
        [],
        [],
        "o",
        color="white",
        markeredgecolor=INK,
        markersize=5.5,
        label="knee: regimes change",
    )
    axes.plot([], [], color=MUTED, linewidth=1.0, linestyle=_DOTS, label="student = teacher")
    axes.legend(loc="lower right", handlelength=1.8, fontsize=8)
    axes.set_xlim(left - margin, right)
    # Strong teachers make small students far worse; the turn of every curve matters more.
    axes.set_ylim(left - margin, right_end + 5 * margin)
    axes.set_xlabel("teacher loss $L_T$ (nats per token); stronger teachers to the left")
    axes.set_ylabel("student loss $L_S$ (nats per token)")
    headline(axes, title, note)


def draw_kernel_gap(
    axes: "Axes",
    m: npt.NDArray[np.int64],
    teacher_error: FloatArray,
    curves: Sequence[KernelCurve],
    title: str,
    note: str,
) -> None:
    """Draw teacher and student errors against the teacher's dimension, floors thickened."""
    if not curves:
        raise InputError("draw_kernel_gap: 0 curves, must be at least 1")
    axes.plot(m, teacher_error, color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
    _label(axes, "teacher", (float(m[-1]), float(teacher_error[-1])), (6, 0), INK, "left")
    largest = max(curves, key=lambda curve: curve.n)
    within = largest.m <= largest.n
    # Up to m = n all students are alike: one gray line instead of the last color on top.
    axes.plot(largest.m[within], largest.student_error[within], color=MUTED, label="student, m ≤ n")
    for color, curve in zip(ordered_colors(len(curves)), curves, strict=True):
        beyond = curve.m >= curve.n
        floor = (curve.m >= curve.first_best) & (curve.m <= curve.last_best)
        axes.plot(curve.m[beyond], curve.student_error[beyond], color=color)
        axes.plot(
            curve.m[floor],
            curve.student_error[floor],
            color=color,
            linewidth=4.5,
            solid_capstyle="butt",
        )
        end = (float(curve.m[-1]), float(curve.student_error[-1]))
        _label(axes, f"n = {curve.n}", end, (6, 0), color, "left")
    axes.plot([], [], color=MUTED, linewidth=4.5, solid_capstyle="butt", label="best teachers")
    axes.legend(loc="lower left", handlelength=1.8, fontsize=8)
    axes.set_xlim(float(m[0]), float(m[-1]))
    axes.set_xlabel("teacher dimension $m$ (basis functions)")
    axes.set_ylabel(r"error: distance to the target $\Vert f - f^*\Vert$")
    headline(axes, title, note)


def _label(
    axes: "Axes",
    text: str,
    point: tuple[float, float],
    offset: tuple[float, float],
    color: "tuple[float, float, float, float] | str",
    align: 'Literal["left", "right"]',
) -> None:
    axes.annotate(
        text,
        point,
        xytext=offset,
        textcoords="offset points",
        color=color,
        ha=align,
        va="center" if align == "left" else "top",
        annotation_clip=False,
    )
