"""Statements of the paper and of its summary, each computed and judged: the audit."""

from capgap.comparison.claims.claim import Claim
from capgap.comparison.claims.table import audit, audit_columns, audit_table

__all__ = ["Claim", "audit", "audit_columns", "audit_table"]
