"""What a step minimizes: weights, temperature and divergence, and their schedules; no torch."""

import math
from dataclasses import dataclass

from capgap.errors import InputError
from capgap.lm.checks import require_member, require_number

__all__ = ["DIVERGENCES", "Objective", "TemperatureSchedule", "WeightSchedule"]

DIVERGENCES = ("forward-kl", "reverse-kl", "jsd", "total-variation", "top-1")
SHAPES = ("linear", "cosine")


@dataclass(frozen=True, kw_only=True)
class Objective:
    r"""Loss of one step, (1 - lambda) NTP + lambda KD + lambda_Z Z, in nats per token.

    Source: Busbridge et al. 2025, arXiv 2502.08606, appendix I, for the forward KL; the
    other divergences take its place in KD (see `capgap.lm.losses`).

    Parameters
    ----------
    distillation_weight : float
        lambda in [0, 1].
    temperature : float
        tau > 0.
    z_weight : float
        lambda_Z >= 0.
    divergence : str
        One of `DIVERGENCES`.
    jsd_beta : float
        Weight of the teacher in the mixture of the generalized JSD, in (0, 1).
    """

    distillation_weight: float = 0.0
    temperature: float = 1.0
    z_weight: float = 0.0
    divergence: str = "forward-kl"
    jsd_beta: float = 0.5

    def __post_init__(self) -> None:
        require_number("objective", "distillation_weight", self.distillation_weight, 0.0, 1.0)
        require_number("objective", "temperature", self.temperature, 0.0, math.inf)
        require_number("objective", "z_weight", self.z_weight, 0.0, math.inf)
        require_member("objective", "divergence", self.divergence, DIVERGENCES)
        require_number("objective", "jsd_beta", self.jsd_beta, 0.0, 1.0)
        if self.temperature == 0:
            raise InputError("objective: temperature = 0 must be positive")
        if self.jsd_beta in (0.0, 1.0):
            raise InputError(
                f"objective: jsd_beta = {self.jsd_beta} must lie inside (0, 1); its limits are"
                " the two KL divergences"
            )


@dataclass(frozen=True, kw_only=True)
class TemperatureSchedule:
    r"""tau(t) = start exp(-rate t) + final, with t the share of the steps done, in [0, 1).

    The source document writes :math:`\tau(t) = \tau_0 e^{-a t} + \tau_\infty` without a unit
    of t; a share of the run makes the same schedule mean the same for runs of any length.

    >>> TemperatureSchedule(start=2.0, rate=3.0, final=1.0).at(0.0)
    3.0
    """

    start: float
    rate: float
    final: float

    def __post_init__(self) -> None:
        for name in ("start", "rate", "final"):
            require_number("temperature schedule", name, getattr(self, name), 0.0, 1e6)
        if self.at(1.0) <= 0:
            raise InputError("temperature schedule: tau = 0 at the end; final must be positive")

    def at(self, t: float) -> float:
        """Temperature when the share `t` of the steps is done."""
        return self.start * math.exp(-self.rate * t) + self.final


@dataclass(frozen=True, kw_only=True)
class WeightSchedule:
    r"""lambda(t) from `start` to `end`, with t the share of the steps done, in [0, 1).

    "linear": start + (end - start) t; "cosine": the same with (1 - cos(pi t)) / 2 for t.

    >>> WeightSchedule(start=1.0, end=0.0).at(0.25)
    0.75
    """

    start: float
    end: float
    shape: str = "linear"

    def __post_init__(self) -> None:
        require_number("weight schedule", "start", self.start, 0.0, 1.0)
        require_number("weight schedule", "end", self.end, 0.0, 1.0)
        require_member("weight schedule", "shape", self.shape, SHAPES)
        if self.start == 0 and self.end == 0:
            raise InputError("weight schedule: start and end are both 0: no distillation at all")

    def at(self, t: float) -> float:
        """Weight of the teacher when the share `t` of the steps is done."""
        share = t if self.shape == "linear" else 0.5 * (1 - math.cos(math.pi * t))
        return self.start + (self.end - self.start) * share
