"""What the report says of the solvable models: proofs, simulations, and the laws put to them."""

import csv
from collections.abc import Sequence
from pathlib import Path

from capgap.report import Picture, Section, Table
from capgap.reproduce.job import Reproduction

__all__ = ["solvable_sections"]

# Studies that take minutes to hours; their pictures are committed and shown where they are.
PICTURES = {
    "theory_against_simulation": "Closed forms against simulations of all solvable models: risks,"
    " z-scores with wrong theories as crosses, and finite-size errors that shrink as 1/size.",
    "laws_on_solvable_models": "Eq. 8 and the hinge laws put to models whose answer is known.",
    "mapping_problem": "The same question for small networks that learn a mapping: student loss"
    " against the teacher's width and against its training time.",
}


def solvable_sections(result: Reproduction) -> tuple[Section, ...]:
    """Sections on proofs and on studies whose tables are there."""
    if result.studies is None:
        return ()
    return (*_studies(result.studies), *_proofs(result.studies))


def _studies(folder: Path) -> list[Section]:
    shown = [
        Picture(folder / f"{name}.png", caption)
        for name, caption in PICTURES.items()
        if (folder / f"{name}.png").is_file()
    ]
    if not shown:
        return []
    lead = (
        "Models in which everything can be solved, the simulations that agree, and the laws fitted"
        " to them. Made on demand by the scripts `simulations/study_*.py`."
    )
    return [Section("Models whose answer is known", (lead, *shown))]


def _proofs(folder: Path) -> list[Section]:
    rows = _rows(folder / "proofs.csv")
    if not rows:
        return []
    proved = sum(row["status"] == "proved" for row in rows)
    return [
        Section(
            "What machines have proved",
            (
                f"{proved} of {len(rows)} theorems and families of theorems, checked by computer"
                " algebra, SMT solvers, interval arithmetic and Coq, each with false neighbors"
                " that must fail. `python -m proofs` proves them again.",
                Table(
                    ("theorem", "statement", "tool", "status", "seconds"),
                    [
                        [row["theorem"], row["statement"], row["tool"], row["status"],
                         row["seconds"]]
                        for row in rows
                    ],
                    prose=True,
                ),
            ),
        )
    ]  # fmt: skip


def _rows(path: Path) -> Sequence[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
