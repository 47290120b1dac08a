"""What the report says of calibration: whether students' probabilities come true."""

import json
from typing import Any

from capgap.report import Picture, Section, Table
from capgap.reproduce.job import Reproduction

__all__ = ["calibration_sections"]

AGAINST = {
    "data": "data",
    "matched": "the teacher's probability of the same byte",
    "own": "the teacher's own confidence",
    "top-1": "the teacher's first choice",
}


def calibration_sections(result: Reproduction) -> tuple[Section, ...]:
    """Reliability of a teacher and its students, where the committed picture is there."""
    if result.studies is None or not (result.studies / "measured_calibration.json").is_file():
        return ()
    found = json.loads((result.studies / "measured_calibration.json").read_text(encoding="utf-8"))
    section = Section(
        "Do the students' probabilities come true?",
        (
            "A model is calibrated if what it says with probability p happens in a share p of the"
            " cases. The paper finds that a student taught its teacher's whole distribution is,"
            " and that one taught only the teacher's first choice is not: it takes the teacher's"
            f" guesses for the truth. {found['headline']['verdict']}",
            Picture(
                result.studies / "measured_calibration.png",
                "What came true over what was said, for a teacher and three students of one size:"
                " above against data, below against the teacher.",
            ),
            Table(
                ("model", "against", "ECE", "95% interval", "windows as units", "p, if calibrated"),
                [_row(error) for error in found["errors"]],
            ),
            f"Intervals come from {found['errors'][0]['groups']} speeches, drawn whole, since the"
            " bytes of a speech depend on one another; so few give an interval that is itself"
            " rough. Context windows as units would be many, but those of a speech are alike: that"
            " interval speaks of these speeches alone. One student of each kind was trained:"
            " seeds are not in the intervals.",
        ),
    )
    return (section,)


def _row(error: dict[str, Any]) -> list[str]:
    low, high = error["interval"]
    near = error["windows_as_groups"]["interval"]
    p = error["null"]["p_value"]
    return [
        error["model"],
        AGAINST[error["against"]],
        f"{100 * error['ece']:.2f}%",
        f"{100 * low:.2f} to {100 * high:.2f}%",
        f"{100 * near[0]:.2f} to {100 * near[1]:.2f}%",
        f"{p:.3f}" if p > 0.001 else "≤ 0.001",
    ]
