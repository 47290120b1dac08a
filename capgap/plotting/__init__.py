"""Results to axes; the only importer of matplotlib in the package."""

from capgap.plotting.style import (
    new_figure,
    new_panels,
    ordered_colors,
    save_figure,
    source_line,
    style,
)
from capgap.plotting.theory import (
    KernelCurve,
    StudentCurve,
    draw_kernel_gap,
    draw_student_loss,
)

__all__ = [
    "KernelCurve",
    "StudentCurve",
    "draw_kernel_gap",
    "draw_student_loss",
    "new_figure",
    "new_panels",
    "ordered_colors",
    "save_figure",
    "source_line",
    "style",
]
