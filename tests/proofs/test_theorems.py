"""Every theorem is proved, by files that say what they prove, and stands in the table."""

import ast
import csv
import sys
from pathlib import Path

import pytest

import proofs
from proofs import __main__ as command
from proofs import coq_theorems
from proofs.checking import Proof, theorems

FOLDER = Path(proofs.__file__).parent
TABLE = FOLDER.parent / "figures" / "proofs.csv"
THEOREMS = theorems()
# Files without a theorem of their own.
SUPPORT = {"__init__", "__main__", "checking", "coq_theorems", "formulas", "published", "smt"}
PROVERS = {"sympy", "z3", "cvc5", "flint"}
TOOLS = {"sympy", "z3 + cvc5", "Arb"}
# A proof takes a few seconds at most on one core; this only catches one that no longer ends.
MOST_SECONDS = 60.0


@pytest.fixture(scope="module")
def proved() -> dict[str, Proof]:
    """Proofs made so far, so that the table's test need not make them again."""
    return {}


@pytest.mark.parametrize("name", THEOREMS)
def test_is_proved(name: str, proved: dict[str, Proof]) -> None:
    found = THEOREMS[name].prove()
    assert found.failures == ()
    assert found.status == "proved"
    assert found.seconds < MOST_SECONDS
    # Each theorem also rejects something false, by the same means.
    assert found.count("mutant refuted") >= 1
    proved[name] = found


@pytest.mark.parametrize("name", THEOREMS)
def test_claims_have_mutants_and_possible_hypotheses(name: str, proved: dict[str, Proof]) -> None:
    claims = getattr(THEOREMS[name], "CLAIMS", [])
    assert all(claim.mutants for claim in claims)
    if "z3" in THEOREMS[name].THEOREM.tool:
        found = proved.get(name) or THEOREMS[name].prove()
        assert found.count("hypotheses hold somewhere") >= max(1, len(claims))
        assert found.count("mutant refuted") >= sum(len(claim.mutants) for claim in claims)


@pytest.mark.parametrize("name", THEOREMS)
def test_file_says_what_it_proves(name: str) -> None:
    module = THEOREMS[name]
    for part in ("For a practitioner: ", "Statement", "Hypotheses: ", "Source: "):
        assert part in " ".join((module.__doc__ or "").split()), part
    assert set(module.THEOREM.tool.split(", ")) <= TOOLS
    assert module.THEOREM.statement
    assert "\n" not in module.THEOREM.statement


def test_every_file_states_a_theorem_or_serves_one() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(THEOREMS) | SUPPORT
    names = [module.THEOREM.name for module in THEOREMS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_proofs_import_provers_alone(path: Path) -> None:
    """Not the package whose formulas they are about, nor numpy."""
    allowed = PROVERS | {"proofs"} | set(sys.stdlib_module_names)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in allowed


def test_table_is_what_the_proofs_give(proved: dict[str, Proof]) -> None:
    """All columns but the time, of all rows; Coq's rows against the list of its theorems."""
    done = [(n, m.THEOREM, proved.get(n) or m.prove()) for n, m in THEOREMS.items()]
    expected = command.rows(done) + [
        command.rows([("", f.theorem, coq_theorems.family_proof(f, _compiled(), sound=True))])[0]
        | {"file": f"proofs/coq/{f.file}.v"}
        for f in coq_theorems.FAMILIES
    ]
    with TABLE.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in (*table, *expected):
        assert float(row.pop("seconds")) >= 0
    assert table == expected


def test_command_writes_the_rows_and_reports_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "table.csv"
    assert command.main(["two_minima", "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["file"] for row in rows] == ["proofs/two_minima.py"]
    assert rows[0]["status"] == "proved"
    with pytest.raises(SystemExit):
        command.main(["no_such_theorem"])
    monkeypatch.setattr(THEOREMS["two_minima"], "prove", lambda: Proof("failed", 0.0, ()))
    assert command.main(["two_minima"]) == 1
    assert "failed" in capsys.readouterr().out


def _compiled() -> coq_theorems.Run:
    return coq_theorems.Run(ok=True, seconds=0.0, output="")
