"""Where a student's targets come from: teachers that run along, or their stored outputs."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from capgap.lm.losses.arguments import Teacher as Teachers

__all__ = ["OnlineTeachers", "StoredOutputs", "TargetSource", "Untaught"]


class StoredOutputs(Protocol):
    """An open cache, such as `capgap.lm.teacher_cache.TeacherCache`."""

    def targets(self, first_window: int, count: int, device: torch.device) -> Teachers:
        """Targets of `count` windows from number `first_window` on, in visiting order."""


class TargetSource(Protocol):
    """Targets for some windows of a batch."""

    def targets(self, inputs: Tensor, first_window: int) -> Teachers:
        """Targets of `inputs`, shape (windows, time), the windows from `first_window` on."""


class Untaught:
    """Supervised training."""

    def targets(self, inputs: Tensor, first_window: int) -> Teachers:
        """None."""
        return None


class OnlineTeachers:
    """Frozen models that read the student's batches; each once, however many students learn."""

    def __init__(
        self, models: Sequence[nn.Module], weights: Sequence[float], precision: str
    ) -> None:
        self._models, self._weights, self._half = models, weights, precision == "bfloat16"

    def targets(self, inputs: Tensor, first_window: int) -> Teachers:
        """Logits of one teacher, or pairs of logits and weight of several."""
        with torch.no_grad(), torch.autocast(inputs.device.type, torch.bfloat16, self._half):
            logits: list[Tensor] = [model(inputs).flatten(0, 1) for model in self._models]
        if len(logits) == 1:
            return logits[0]
        return tuple(zip(logits, self._weights, strict=True))


class CachedTeacher:
    """Outputs that were kept on disk."""

    def __init__(self, stored: StoredOutputs) -> None:
        self._stored = stored

    def targets(self, inputs: Tensor, first_window: int) -> Teachers:
        """What was stored for these windows."""
        return self._stored.targets(first_window, len(inputs), inputs.device)
