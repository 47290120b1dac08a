"""The learning rate of each step, and when a run ends."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from capgap.lm.config import RunConfig
from capgap.lm.training.guard import Event

__all__ = ["FixedSchedule", "Schedule", "learning_rate"]


def learning_rate(step: int, config: RunConfig) -> float:
    r"""Rate of a step over the peak rate, in (0, 1].

    Linear over the warm-up (w steps): (step + 1) / w; then cosine from 1 to
    `final_fraction`, reached after the last step.
    """
    warmup = max(1, round(config.warmup_fraction * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, config.steps - warmup)
    low = config.final_fraction
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))


class Schedule(Protocol):
    """Rates and the end of a run; its state is plain JSON, so that a run can be resumed."""

    @property
    def steps(self) -> int:
        """Steps of the run, as far as is known."""

    @property
    def events(self) -> Sequence[Event]:
        """What was decided: step (from 1), kind, value."""

    def rate(self, step: int) -> float:
        """Rate of a step over the peak rate."""

    def observe(self, step: int, loss: float) -> None:
        """Take note of the loss of a step's batch."""

    def state(self) -> dict[str, Any]:
        """What was noted."""

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""


class FixedSchedule:
    """Warm-up and cosine over a number of steps that is known beforehand."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self.steps = config.steps
        self.events: tuple[Event, ...] = ()

    def rate(self, step: int) -> float:
        """See `learning_rate`."""
        return learning_rate(step, self._config)

    def observe(self, step: int, loss: float) -> None:
        """Nothing depends on the losses."""

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""
