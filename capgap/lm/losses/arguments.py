"""Checks of what the losses are given, and the choice of the positions that count."""

import math

import torch
from torch import Tensor

from capgap.errors import InputError
from capgap.lm.losses.distillation import Target, check_target
from capgap.lm.losses.rows import Weighted
from capgap.lm.objective import Objective

__all__ = ["Teacher", "rows_that_count", "target_at", "weighted_teachers"]

Teacher = Target | tuple[tuple[Target, float], ...] | None
Rows = Tensor | slice


def weighted_teachers(
    operation: str, teacher: Teacher, shape: tuple[int, int], objective: Objective
) -> Weighted:
    """Checked pairs of a target and its weight; empty when distillation has weight 0."""
    if objective.distillation_weight == 0:
        return ()
    if teacher is None or teacher == ():
        raise InputError(
            f"{operation}: distillation_weight = {objective.distillation_weight} needs a teacher"
        )
    pairs = teacher if isinstance(teacher, tuple) else ((teacher, 1.0),)
    weights = [weight for _, weight in pairs]
    if min(weights) < 0 or not math.isclose(sum(weights), 1.0, rel_tol=1e-6):
        raise InputError(f"{operation}: weights of teachers {weights} must be >= 0 and sum to 1")
    for target, _ in pairs:
        check_target(operation, target, *shape, objective)
    return pairs


def rows_that_count(
    operation: str, targets: Tensor, vocabulary: int, mask: Tensor | None, count: float | None
) -> tuple[Tensor | None, float]:
    """Numbers of the positions that count (None: all), and what sums are divided by."""
    rows = None
    if mask is not None:
        if mask.shape != targets.shape or mask.dtype != torch.bool:
            raise InputError(
                f"{operation}: mask {tuple(mask.shape)} of type {mask.dtype} must be"
                f" {tuple(targets.shape)} of type torch.bool"
            )
        rows = mask.nonzero()[:, 0]
    counting = len(targets) if rows is None else len(rows)
    _check_range(operation, targets if rows is None else targets[rows], vocabulary)
    divisor = counting if count is None else count
    if not divisor > 0 or not math.isfinite(divisor):
        raise InputError(f"{operation}: count = {divisor} of positions must be positive")
    return None if counting == len(targets) else rows, divisor


def _check_range(operation: str, targets: Tensor, vocabulary: int) -> None:
    # On a GPU the check would wait for the device; there, gather itself refuses.
    if targets.is_cuda or not len(targets):
        return
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= vocabulary:
        raise InputError(
            f"{operation}: next token {low if low < 0 else high} must be in the vocabulary"
            f" of {vocabulary}"
        )


def target_at(target: Target, rows: Rows) -> Target:
    """The target at some positions."""
    return target[rows] if isinstance(target, Tensor) else target.at(rows)
