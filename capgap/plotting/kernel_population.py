"""Pictures of kernel regression with infinite data: floors, bumps, turned students, gains."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from capgap.errors import InputError
from capgap.plotting.style import FAINT, INK, MUTED, FloatArray, ordered_colors
from capgap.plotting.theory import KernelCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "draw_best_of_turned",
    "draw_best_teachers",
    "draw_excess",
    "draw_floor_and_slip",
    "draw_gain_map",
    "draw_gain_plane",
    "draw_turned_students",
    "kernel_command_line",
    "mark_onsets",
    "mark_simulated",
]

IntArray = npt.NDArray[np.int64]
Color = tuple[float, float, float, float] | str
ALARM = "#b4342d"


def kernel_command_line(run: Callable[[Path], dict[str, float]], description: str | None) -> None:
    """The command line of pictures that need no laws: where to write; prints what was found."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to")
    for name, value in run(parser.parse_args().out).items():
        print(f"{name}: {value:g}")


def mark_onsets(axes: "Axes", curves: Sequence[KernelCurve]) -> None:
    """Mark where each student's gap opens, the last of its best teachers."""
    for color, curve in zip(ordered_colors(len(curves)), curves, strict=True):
        if curve.last_best < curve.m[-1]:
            error = float(curve.student_error[curve.last_best - 1])
            axes.plot(
                curve.last_best, error, "v", color="white", markeredgecolor=color, markersize=7,
                zorder=5,
            )  # fmt: skip
    axes.plot([], [], "v", color="white", markeredgecolor=INK, markersize=7, label="proved onset")
    axes.legend(loc="lower left", handlelength=1.8, fontsize=8)


def mark_simulated(
    axes: "Axes",
    m: IntArray,
    teacher_error: FloatArray,
    curves: Sequence[KernelCurve],
    student_errors: Sequence[FloatArray],
) -> None:
    """Put dots of simulated errors on `draw_kernel_gap`'s curves."""
    axes.plot(m, teacher_error, "o", color=INK, markersize=3.2, zorder=6)
    colors = ordered_colors(len(curves))
    for color, curve, errors in zip(colors, curves, student_errors, strict=True):
        # Up to m = n all students are alike, and the line is gray.
        for shown, shade in ((m < curve.n, MUTED), (m >= curve.n, color)):
            axes.plot(
                m[shown], errors[shown], "o", color=shade, markersize=4.2,
                markeredgecolor="white", markeredgewidth=0.6, zorder=6,
            )  # fmt: skip
    axes.plot([], [], "o", color=INK, markersize=4, label="simulated")
    axes.legend(loc="lower left", handlelength=1.8, fontsize=8)


def draw_floor_and_slip(
    axes: "Axes", curve: KernelCurve, slip_m: IntArray, slip: FloatArray, points: FloatArray
) -> None:
    """The true curve around its floor, the proof's exchanged cases, and minimizers as dots.

    `points` holds rows m, error of minimizers found by a search.
    """
    axes.axvspan(curve.first_best, curve.last_best, color=FAINT, zorder=0, linewidth=0)
    axes.plot(curve.m, curve.student_error, color=INK, label="student (the minimizer)")
    axes.plot(
        slip_m, slip, color=ALARM, linestyle=(0, (4, 2)), label="the proof's Case 2, Q exchanged"
    )
    axes.plot(
        points[:, 0], points[:, 1], "o", color="white", markeredgecolor=INK, markersize=5,
        label="found by search",
    )  # fmt: skip
    _axes_of_errors(axes)
    axes.legend(loc="lower right", fontsize=8, handlelength=2.2)


def draw_best_teachers(
    axes: "Axes", x: FloatArray, floors: Sequence[tuple[str, int, IntArray]], corner: FloatArray
) -> None:
    """Up to which dimension teachers do no harm, against the limit D.

    Each floor is a label, n and the last best m along x; `corner` marks for each where D
    starts to matter.
    """
    colors = ordered_colors(len(floors))
    for color, (label, n, last), at in zip(colors, floors, corner, strict=True):
        axes.plot(x, last, color=color)
        axes.axhline(n, color=color, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            label, (float(x[-1]), float(n)), xytext=(5, 0), textcoords="offset points",
            color=color, va="center", annotation_clip=False,
        )  # fmt: skip
        if x[0] < at < x[-1]:
            axes.plot(float(at), n, "o", color=color, markeredgecolor="white", markersize=6)
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_xlabel("limit of the student's norm, $D/T$")
    axes.set_ylabel("last best teacher: dimension $m$")


def draw_excess(
    axes: "Axes",
    m: IntArray,
    curves: Sequence[tuple[str, FloatArray]],
    n: int,
    marks: Sequence[int] = (),
    *,
    points: bool = False,
) -> None:
    """Squared error above that of a student trained on the target, for several norms."""
    if not curves:
        raise InputError("draw_excess: 0 curves, must be at least 1")
    for color, (label, excess) in zip(ordered_colors(len(curves)), curves, strict=True):
        axes.plot(
            m, excess, color=color, label=label, marker="o" if points else None, markersize=6,
            markeredgecolor="white",
        )  # fmt: skip
    axes.axvline(n, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.annotate(
        "$m = n$", (n, 1), xycoords=("data", "axes fraction"), xytext=(3, -3),
        textcoords="offset points", color=MUTED, va="top", fontsize=8,
    )  # fmt: skip
    for mark in marks:
        axes.axvline(mark, color=ALARM, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            f"best: $m = {mark}$", (mark, 1), xycoords=("data", "axes fraction"), xytext=(3, -3),
            textcoords="offset points", color=ALARM, va="top", fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=7,
        )  # fmt: skip
    axes.set_xlabel("teacher dimension $m$")
    axes.set_ylabel("squared error − least possible")


def draw_turned_students(
    axes: "Axes",
    m: IntArray,
    teacher_error: FloatArray,
    curves: Sequence[tuple[str, FloatArray, int]],
    n: int,
) -> None:
    """Errors of students turned away from the teacher's functions, best teachers marked."""
    if not curves:
        raise InputError("draw_turned_students: 0 curves, must be at least 1")
    axes.plot(m, teacher_error, color=INK, linewidth=1.4, linestyle=(0, (4, 2)), label="teacher")
    for color, (label, error, best) in zip(ordered_colors(len(curves)), curves, strict=True):
        axes.plot(m, error, color=color, label=label)
        axes.plot(
            best, float(error[best - 1]), "o", color=color, markeredgecolor="white", markersize=7
        )
    axes.axvline(n, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.annotate(
        "$m = n$", (n, 0), xycoords=("data", "axes fraction"), xytext=(3, 3),
        textcoords="offset points", color=MUTED, va="bottom", fontsize=8,
    )  # fmt: skip
    _axes_of_errors(axes)
    axes.legend(loc="upper right", fontsize=8, handlelength=1.8)


def draw_gain_plane(
    axes: "Axes",
    edge: tuple[FloatArray, FloatArray],
    groups: Sequence[tuple[str, Color, str, FloatArray, FloatArray]],
) -> None:
    """Students by what they drop and cannot reach; beyond the edge they beat their teachers.

    A group is a label, a color, a marker, ratios ||b||/||v|| and cosines of the two.
    """
    x, y = edge
    axes.fill_between(x, -1.05, y, color="#dbe9f4", linewidth=0, zorder=0)
    axes.plot(x, y, color=INK, linewidth=1.4)
    axes.axhline(0, color=MUTED, linewidth=0.7)
    for label, color, marker, ratio, cosine in groups:
        axes.plot(
            ratio, cosine, marker, color=color, markersize=4.2, markeredgecolor="white",
            markeredgewidth=0.4, label=label,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(float(x[0]), float(x[-1]))
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("out of the student's reach / dropped, $\\Vert b \\Vert / \\Vert v \\Vert$")
    axes.set_ylabel("is what it drops right? cosine of $v$ and $b$")
    axes.legend(loc="lower right", fontsize=8, handletextpad=0.3)


def draw_gain_map(
    axes: "Axes", m: IntArray, noise: FloatArray, gain: FloatArray, edge: FloatArray, n: int
) -> None:
    """Gain of a student on noisy teachers, over their dimension and noise, and where it is 0.

    `gain` is relative to the teacher's error, shape (noise, m); `edge` the noise of gain 0
    for each m, NaN where there is none.
    """
    drawn = axes.pcolormesh(
        m, noise, gain, cmap="RdBu", vmin=-1, vmax=1, shading="nearest", rasterized=True
    )
    axes.plot(m, edge, color=INK, linewidth=1.6)
    axes.axvline(n, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set(yscale="log", xscale="log", xlim=(m[0], m[-1]), ylim=(noise[0], noise[-1]))
    axes.grid(False)
    axes.set_xlabel("teacher dimension $m$")
    axes.set_ylabel("noise of the teacher's coefficients (variance)")
    bar = axes.figure.colorbar(drawn, ax=axes, pad=0.02, extend="min")
    bar.set_label("share of the teacher's error that the student removes", fontsize=8)
    bar.outline.set_visible(False)


def _axes_of_errors(axes: "Axes") -> None:
    axes.set_xlabel("teacher dimension $m$")
    axes.set_ylabel(r"error: distance to the target $\Vert f - f^*\Vert$")


def draw_best_of_turned(
    axes: "Axes", degrees: FloatArray, curves: Sequence[tuple[str, IntArray]], n: int
) -> None:
    """Dimension of the best teacher against the angle of its student."""
    for color, (label, best) in zip(ordered_colors(len(curves)), curves, strict=True):
        axes.plot(degrees, best, color=color, label=label, drawstyle="steps-mid")
    axes.axhline(n, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.annotate(
        "$m = n$", (1, n), xycoords=("axes fraction", "data"), xytext=(3, 0),
        textcoords="offset points", color=MUTED, va="center", fontsize=8,
    )  # fmt: skip
    axes.set_xlim(float(degrees[0]), float(degrees[-1]))
    axes.set_xlabel("angle between the student's functions and the teacher's first n (degrees)")
    axes.set_ylabel("best teacher dimension $m$")
    axes.legend(loc="center right", fontsize=8)
