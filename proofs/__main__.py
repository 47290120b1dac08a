"""Prove everything and write the table: theorem, tool, status, steps, seconds."""

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path

from proofs import coq_theorems
from proofs.checking import Proof, Theorem, theorems

__all__ = ["main", "rows", "write_table"]

HEADER = ("theorem", "statement", "file", "tool", "status", "proved", "mutants_refuted", "seconds")


def rows(proved: Iterable[tuple[str, Theorem, Proof]]) -> list[dict[str, str]]:
    """Lines of the table; all but the last column are the same on every machine."""
    return [
        {
            "theorem": theorem.name,
            "statement": theorem.statement,
            "file": f"proofs/{file}.py",
            "tool": theorem.tool,
            "status": found.status,
            "proved": str(found.count("proved")),
            "mutants_refuted": str(found.count("mutant refuted")),
            "seconds": f"{found.seconds:.1f}",
        }
        for file, theorem, found in proved
    ]


def write_table(path: Path, lines: list[dict[str, str]]) -> None:
    """Write the table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def main(arguments: list[str] | None = None) -> int:
    """Prove the theorems named, or all of them; 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("names", nargs="*", help="file names without suffix; all if none")
    parser.add_argument("--out", type=Path, help="table to write (figures/proofs.csv)")
    parser.add_argument("--coq", action="store_true", help="compile proofs/coq too")
    parser.add_argument("--steps", action="store_true", help="print every step")
    chosen = parser.parse_args(arguments)
    modules = theorems()
    unknown = [name for name in chosen.names if name not in modules]
    if unknown:
        parser.error(f"no theorem named {unknown[0]}; there are: {', '.join(modules)}")
    done = []
    for name in chosen.names or modules:
        found = modules[name].prove()
        done.append((name, modules[name].THEOREM, found))
        print(f"{found.status:7} {found.seconds:6.1f} s  {name}", flush=True)
        for step in found.details if chosen.steps else found.failures:
            print(f"    {'' if step.holds else 'NOT '}{step.kind}: {step.claim}  {step.detail}")
    lines = rows(done) + (_coq() if chosen.coq else [])
    if chosen.out:
        write_table(chosen.out, lines)
    return int(any(line["status"] != "proved" for line in lines))


def _coq() -> list[dict[str, str]]:
    lines = coq_theorems.rows()
    for line in lines:
        print(f"{line['status']:7} {line['seconds']:>6} s  {line['file']}", flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main())
