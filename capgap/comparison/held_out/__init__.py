"""Held-out errors: how well a law foretells runs that it has not seen, and which does best."""

from capgap.comparison.held_out.compare import compare_laws, compare_rollouts
from capgap.comparison.held_out.comparison import Comparison, LawScore, Pair
from capgap.comparison.held_out.cross_validation import cross_validate
from capgap.comparison.held_out.cutoff import compute_of, cutoff_mask
from capgap.comparison.held_out.differences import ClusteredMean, clustered_mean
from capgap.comparison.held_out.forward_chain import Ahead, ForwardChain, forward_chain
from capgap.comparison.held_out.leave_one_cell_out import (
    HeldOut,
    held_out_coverage,
    held_out_inside,
    leave_one_cell_out,
)
from capgap.comparison.held_out.recovery import Recovery, law_recovery, planted
from capgap.comparison.held_out.rollout import Rollout, rollout

__all__ = [
    "Ahead",
    "ClusteredMean",
    "Comparison",
    "ForwardChain",
    "HeldOut",
    "LawScore",
    "Pair",
    "Recovery",
    "Rollout",
    "clustered_mean",
    "compare_laws",
    "compare_rollouts",
    "compute_of",
    "cross_validate",
    "cutoff_mask",
    "forward_chain",
    "held_out_coverage",
    "held_out_inside",
    "law_recovery",
    "leave_one_cell_out",
    "planted",
    "rollout",
]
