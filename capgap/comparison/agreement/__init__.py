"""Solvable models against their simulations, as z-scores with stated standard errors."""

from capgap.comparison.agreement.compare import Row, compare, z_score
from capgap.comparison.agreement.configuration import Configuration, Control
from capgap.comparison.agreement.summary import Agreement, finite_size_order, summarize

__all__ = [
    "Agreement",
    "Configuration",
    "Control",
    "Row",
    "compare",
    "finite_size_order",
    "summarize",
    "z_score",
]
