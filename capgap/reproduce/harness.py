"""What the report says of the harness: what stored outputs cost, and how fast training is."""

import csv
import json
from collections.abc import Sequence
from typing import Any

from capgap.report import Picture, Section, Table
from capgap.reproduce.job import Reproduction

__all__ = ["harness_sections"]


def harness_sections(result: Reproduction) -> tuple[Section, ...]:
    """Caches and speed, where their committed numbers are there."""
    if result.studies is None:
        return ()
    sections = []
    if (result.studies / "teacher_caches.csv").is_file():
        sections.append(_caches(result))
    speed = result.studies / "training_speed.json"
    if speed.is_file():
        sections.append(_speed(json.loads(speed.read_text(encoding="utf-8"))))
    return tuple(sections)


def _caches(result: Reproduction) -> Section:
    assert result.studies is not None
    about = json.loads((result.studies / "teacher_caches.json").read_text(encoding="utf-8"))
    with (result.studies / "teacher_caches.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    study = about["study"]
    return Section(
        "What do stored outputs of a teacher cost?",
        (
            f"Students of depth {study['depth']} on {study['tokens']:,} tokens, with"
            f" {len(study['seeds'])} seeds each, learned from the same teacher running along, and"
            " from its outputs on disk. Gaps are paired by seed and batches; their standard errors"
            " say how little three seeds decide.",
            Picture(
                result.studies / "teacher_caches.png",
                "Distance of the stored target from the teacher's distribution, and the student's"
                " loss less that of online students, over bytes per token.",
            ),
            Table(
                ("form", "bytes per token", "theory", "distance (TV)", "gap to online, nats"),
                [_cache_row(row) for row in rows],
            ),
        ),
    )


def _cache_row(row: dict[str, str]) -> list[str]:
    sizes = ["", ""]
    if row["form"] not in ("online", "no teacher"):
        sizes = [f"{float(row[key]):.1f}" for key in ("bytes_per_token", "theory_per_token")]
    distance = float(row["distance"])
    shown = "" if distance != distance else f"{distance:.2g}"
    gap, error = float(row["gap_to_online"]), float(row["gap_error"])
    return [row["form"], *sizes, shown, f"{gap:+.4f} ± {error:.4f}"]


def _speed(found: dict[str, Any]) -> Section:
    goals = found["goals"]
    met = sum(goal["met"] for goal in goals)
    return Section(
        "How fast is training?",
        (
            f"Least times of interleaved repetitions on {found['threads']} thread(s) of one"
            f" machine (`capgap bench`), beside a plain PyTorch loop of the same architecture in"
            f" the same process; {met} of {len(goals)} goals met. Nothing was run on a GPU.",
            Table(("goal", "depth", "measured", "bound", ""), _goal_rows(goals)),
        ),
    )


def _goal_rows(goals: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            goal["text"],
            str(goal["depth"]),
            f"{goal['ratio']:.3f}",
            f"{'at least' if goal['at_least'] else 'at most'} {goal['bound']:g}",
            "met" if goal["met"] else "missed",
        ]
        for goal in goals
    ]
