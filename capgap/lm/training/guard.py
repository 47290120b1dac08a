"""Loss spikes and numbers that are not finite: what is done about them, and what is recorded.

A step whose loss or gradient is not finite is skipped: weights and moments stay as they were,
and the run goes on with the next batch. `PATIENCE` such steps in a row end the run as failed.
A spike, a loss far above what the run had come down to, is recorded; what it may do to the
weights is bounded by clipping the gradient.
"""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["PATIENCE", "Event", "Guard"]

PATIENCE = 10

# A spike lies this many standard deviations above the running mean, and at least so many
# nats: the second keeps late runs, whose losses hardly vary, from reporting trifles.
SPIKE_DEVIATIONS = 6.0
SPIKE_NATS = 0.3
MEMORY = 0.98
FIRST = 50

Event = tuple[int, str, float]


@dataclass
class Guard:
    """Watches the losses of one run.

    Attributes
    ----------
    events : list of (int, str, float)
        Step (from 1), "not finite" or "spike", and the loss (the gradient norm where the loss
        was finite and it was not; NaN and infinity are recorded as they are).
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._mean = self._variance = 0.0
        self._seen = self._in_a_row = 0

    def admits(self, step: int, loss: float, norm: float) -> bool:
        """Whether the update of this step may be made; takes note of what is unusual."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._in_a_row += 1
            self.events.append((step + 1, "not finite", norm if math.isfinite(loss) else loss))
            return False
        self._in_a_row = 0
        excess = loss - self._mean
        limit = max(SPIKE_DEVIATIONS * math.sqrt(self._variance), SPIKE_NATS)
        if self._seen >= FIRST and excess > limit:
            self.events.append((step + 1, "spike", loss))
            excess = limit  # so that one spike does not hide the next
        self._learn(excess)
        return True

    def _learn(self, excess: float) -> None:
        """Exponential mean and variance; plain ones over the first steps."""
        self._seen += 1
        keep = min(MEMORY, 1 - 1 / self._seen)
        self._mean += (1 - keep) * excess
        self._variance = keep * (self._variance + (1 - keep) * excess**2)

    @property
    def failed(self) -> bool:
        """Whether too many steps in a row were skipped."""
        return self._in_a_row >= PATIENCE

    def state(self) -> dict[str, Any]:
        """What was noted, as JSON values; floats survive JSON exactly."""
        return {
            "events": [[step, kind, repr(value)] for step, kind, value in self.events],
            "mean": self._mean,
            "variance": self._variance,
            "seen": self._seen,
            "in_a_row": self._in_a_row,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.events = [(step, kind, float(value)) for step, kind, value in state["events"]]
        self._mean, self._variance = state["mean"], state["variance"]
        self._seen, self._in_a_row = state["seen"], state["in_a_row"]
