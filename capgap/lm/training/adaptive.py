"""The schedule of a run that stops by itself; what it does and why: `capgap.lm.adaptive`."""

import math
from typing import Any

from capgap.compute import run_flops
from capgap.lm.adaptive import AdaptiveCompute
from capgap.lm.config import RunConfig
from capgap.lm.learning_curve import LearningCurve
from capgap.lm.training.guard import Event
from capgap.lm.training.schedule import FixedSchedule, Schedule

__all__ = ["AdaptiveSchedule", "make_schedule"]

# An estimate decides only if its standard error is below this share of the least gain.
LARGEST_ERROR = 0.5


def make_schedule(config: RunConfig) -> Schedule:
    """The schedule that a configuration asks for."""
    if config.adaptive is None:
        return FixedSchedule(config)
    return AdaptiveSchedule(config, config.adaptive)


class AdaptiveSchedule:
    """Warm-up, plateau, and a decay that begins when more compute would gain too little.

    What it decides is a function of the losses alone, so that it is reproduced bit for bit.

    Parameters
    ----------
    config : RunConfig
        The run; its `steps` are the most possible.
    settings : AdaptiveCompute
        When to stop.

    Attributes
    ----------
    events : list of (int, str, float)
        At each check, with the steps made: "gain" and "gain error", in nats per FLOP, and
        "decay" when the rate begins to fall, with the tokens at which the run ends. Checks at
        which the losses were too few for an estimate leave none.
    """

    def __init__(self, config: RunConfig, settings: AdaptiveCompute) -> None:
        self.events: list[Event] = []
        self._settings, self._most = settings, config.steps
        self._final_fraction = config.final_fraction
        self._tokens_per_step = config.batch_size * config.sequence_length
        # Stored outputs were paid for when they were stored, once for all students.
        running = config.teachers if config.teacher_outputs is None else ()
        teachers = math.fsum(teacher.forward_flops for teacher, _ in running)
        self._flops = run_flops(config.forward_flops, self._tokens_per_step, teachers)
        first = math.ceil(settings.first * self._most)
        self._warmup = max(1, round(config.warmup_fraction * first))
        self._next = max(1, first)
        self._latest = min(math.floor(self._most / (1 + settings.decay)), self._most - 1)
        self._start: int | None = None
        self._curve = LearningCurve()

    @property
    def steps(self) -> int:
        """Steps of the run; before its decay begins, the most possible."""
        return self._most if self._start is None else self._end(self._start)

    def _end(self, start: int) -> int:
        """Steps of a run whose decay begins after `start`."""
        if start >= self._latest:
            return self._most
        return min(self._most, start + max(1, round(self._settings.decay * start)))

    def rate(self, step: int) -> float:
        r"""Rate of a step over the peak rate, in (0, 1].

        .. math:: \min\left(1, \frac{t + 1}{w}\right)
                  \left(1 - (1 - r) \max\left(0, \frac{t - t_0}{t_1 - t_0}\right)\right)

        at step t = 0, 1, ...; w steps of warm-up, decay from t_0 to t_1, `final_fraction` r,
        which is reached after the last step, as in `learning_rate`.
        """
        start = self._latest if self._start is None else self._start
        done = max(0.0, (step - start) / (self._end(start) - start))
        return min(1.0, (step + 1) / self._warmup) * (1 - (1 - self._final_fraction) * done)

    def observe(self, step: int, loss: float) -> None:
        """Take note of the loss of a step's batch, and decide if a check is due."""
        if self._start is not None:
            return
        if step >= self._warmup:
            self._curve.add(step, loss)
        # The last plateau step may have been skipped, and the decay be under way.
        made = min(step + 1, self._latest)
        if made >= min(self._next, self._latest):
            self._decide(made)
            self._next = max(made + 1, math.ceil(made * (1 + self._settings.every)))

    def _decide(self, made: int) -> None:
        enough = False
        slope = self._curve.slope(made, self._end(made))
        if slope is not None:
            gain, error = slope.value / self._flops, slope.error / self._flops
            self.events += [(made, "gain", gain), (made, "gain error", error)]
            least = self._settings.least_gain
            enough = gain < least and error < LARGEST_ERROR * least
        if enough or made == self._latest:
            self._start = made
            self.events.append((made, "decay", float(self.steps * self._tokens_per_step)))

    def state(self) -> dict[str, Any]:
        """The curve and what was decided, as JSON values; floats survive JSON exactly."""
        return {
            "curve": self._curve.state(),
            "events": [list(event) for event in self.events],
            "next": self._next,
            "start": self._start,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self._curve.restore(state["curve"])
        self.events = [(step, kind, value) for step, kind, value in state["events"]]
        self._next, self._start = state["next"], state["start"]
