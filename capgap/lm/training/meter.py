"""Collects the loss curve of a run and reports progress, without slowing the loop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from capgap.lm.config import RunConfig
from capgap.lm.losses import TokenLoss

__all__ = ["CurvePoint", "Meter", "Progress"]

CURVE_POINTS = 64
CurvePoint = tuple[int, float, float | None]


@dataclass(frozen=True)
class Progress:
    """Where a run is: step of steps, next-token loss of the latest batch, tokens per second."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


class Meter:
    """Mean losses of the batches between points of the curve, and about two reports a second."""

    def __init__(self, config: RunConfig, report: Callable[[Progress], None] | None) -> None:
        self.curve: list[CurvePoint] = []
        self._start = time.perf_counter()
        self._before = 0.0  # seconds of earlier parts of a resumed run
        self._first_step = 0
        self._config, self._report = config, report
        self._data: list[torch.Tensor] = []
        self._distillation: list[torch.Tensor] = []
        self._marks = {
            math.ceil(config.steps * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)
        }
        self._last_report = self._start

    @property
    def seconds(self) -> float:
        """Time spent on the run, its interrupted parts included."""
        return self._before + time.perf_counter() - self._start

    def add(self, step: int, steps: int, loss: TokenLoss) -> None:
        """Take note of a step's losses."""
        self._data.append(loss.next_token)
        if loss.distillation is not None:
            self._distillation.append(loss.distillation)
        now = time.perf_counter()
        if self._report is not None and now - self._last_report > 0.5:
            self._last_report = now
            tokens = (step + 1 - self._first_step) * self._tokens_per_step
            speed = tokens / (now - self._start)
            self._report(Progress(step + 1, steps, float(self._data[-1]), speed))
        if step + 1 in self._marks or step + 1 == steps:
            self._close(step)

    @property
    def _tokens_per_step(self) -> int:
        return self._config.batch_size * self._config.sequence_length

    def _close(self, step: int) -> None:
        distilled = _mean(self._distillation) if self._distillation else None
        self.curve.append(((step + 1) * self._tokens_per_step, _mean(self._data), distilled))
        self._data, self._distillation = [], []

    def state(self) -> dict[str, Any]:
        """Curve and open sums, as JSON values."""
        return {
            "curve": [list(point) for point in self.curve],
            "data": _floats(self._data),
            "distillation": _floats(self._distillation),
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any], step: int) -> None:
        """Inverse of `state`, for a run that goes on with `step`."""
        self.curve = [(tokens, data, kd) for tokens, data, kd in state["curve"]]
        self._data = [torch.tensor(value) for value in state["data"]]
        self._distillation = [torch.tensor(value) for value in state["distillation"]]
        self._before, self._first_step = state["seconds"], step


def _mean(values: list[torch.Tensor]) -> float:
    return float(torch.stack([value.cpu() for value in values]).double().mean())


def _floats(values: list[torch.Tensor]) -> list[float]:
    return torch.stack(values).double().tolist() if values else []
