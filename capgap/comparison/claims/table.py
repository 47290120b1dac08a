"""The audit: every claim, computed for a law set, as a table."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Literal

from capgap.comparison.claims.claim import Claim
from capgap.comparison.claims.document_code import document_code_claims
from capgap.comparison.claims.document_laws import document_law_claims
from capgap.comparison.claims.evidence import evidence_claims
from capgap.comparison.claims.identifiability import identifiability_claims, infinite_data_claims
from capgap.comparison.claims.plans import solve_plans
from capgap.comparison.claims.read_off import number_claims
from capgap.comparison.claims.rule_claims import rule_claims
from capgap.comparison.claims.statements import statement_claims
from capgap.errors import InputError
from capgap.theory.coefficients import law_set
from capgap.theory.law_set import LawSet

__all__ = ["COLUMNS", "audit", "audit_columns", "audit_table"]

Form = Literal["markdown", "csv", "text"]
COLUMNS = ("id", "verdict", "source", "statement", "evidence")


def audit(chosen: LawSet | None = None) -> tuple[Claim, ...]:
    """Compute every claim for a law set (default: reconstructed).

    Claims about B' and about the document's code do not depend on the set.

    Raises
    ------
    InputError
        The set has no distillation law.
    """
    chosen = chosen or law_set()
    _ = chosen.taught
    plans = solve_plans(chosen)
    return (
        *evidence_claims(),
        *identifiability_claims(chosen),
        *infinite_data_claims(chosen),
        *statement_claims(plans),
        *number_claims(plans),
        *document_law_claims(plans),
        *document_code_claims(),
        *rule_claims(plans),
    )


def audit_columns(claims: Sequence[Claim]) -> dict[str, list[str]]:
    """Columns of the table, by name."""
    return {name: [str(getattr(claim, name)) for claim in claims] for name in COLUMNS}


def audit_table(claims: Sequence[Claim], form: Form = "markdown") -> str:
    """The table as Markdown, CSV, or lines of text.

    >>> row = Claim("a.b", "a book", "Two is odd.", "contradicted", "2 = 1 + 1.")
    >>> print(audit_table([row]), end="")
    | id | verdict | source | statement | evidence |
    |---|---|---|---|---|
    | a.b | contradicted | a book | Two is odd. | 2 = 1 + 1. |
    >>> print(audit_table([row], "text"), end="")
    CONTRADICTED a.b (a book): Two is odd.
        2 = 1 + 1.
    """
    forms: dict[str, Callable[[Sequence[Claim]], str]] = {
        "markdown": _markdown, "csv": _csv, "text": _text,
    }  # fmt: skip
    if form not in forms:
        raise InputError(f"audit_table: form = {form!r} must be one of {', '.join(forms)}")
    return forms[form](claims)


def _markdown(claims: Sequence[Claim]) -> str:
    rows = [[getattr(claim, name).replace("|", "\\|") for name in COLUMNS] for claim in claims]
    lines = [list(COLUMNS), *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text.insert(1, "|" + "---|" * len(COLUMNS))
    return "\n".join(text) + "\n"


def _csv(claims: Sequence[Claim]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(claim, name) for name in COLUMNS] for claim in claims)
    return text.getvalue()


def _text(claims: Sequence[Claim]) -> str:
    return "".join(
        f"{claim.verdict.upper()} {claim.id} ({claim.source}): {claim.statement}\n"
        f"    {claim.evidence}\n"
        for claim in claims
    )
