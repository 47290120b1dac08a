"""Results to axes; the only importer of matplotlib in the package."""

from capgap.plotting.command import draw_from_command_line
from capgap.plotting.curves import Curve, add_rows, sample_curve, within
from capgap.plotting.differences import Map, draw_difference_maps
from capgap.plotting.landscapes import Landscape, draw_landscapes
from capgap.plotting.laws import Panel, draw_curves, draw_profiles, draw_split
from capgap.plotting.maps import hatch_outside, label_levels
from capgap.plotting.provenance import law_caption, law_provenance
from capgap.plotting.style import (
    count_axis,
    figure_headline,
    new_figure,
    new_panels,
    ordered_colors,
    panel_title,
    save_figure,
    scientific,
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
    "Curve",
    "KernelCurve",
    "Landscape",
    "Map",
    "Panel",
    "StudentCurve",
    "add_rows",
    "count_axis",
    "draw_curves",
    "draw_difference_maps",
    "draw_from_command_line",
    "draw_kernel_gap",
    "draw_landscapes",
    "draw_profiles",
    "draw_split",
    "draw_student_loss",
    "figure_headline",
    "hatch_outside",
    "label_levels",
    "law_caption",
    "law_provenance",
    "new_figure",
    "new_panels",
    "ordered_colors",
    "panel_title",
    "sample_curve",
    "save_figure",
    "scientific",
    "source_line",
    "style",
    "within",
]
