"""Adaptive compute: how long a run goes on is decided by what more compute would gain; no torch.

Source: section 7.2 of the project's source document, C = C_base f(L, grad L), made definite here.
"""

from dataclasses import dataclass

from capgap.errors import InputError
from capgap.lm.checks import require_number

__all__ = ["AdaptiveCompute"]


@dataclass(frozen=True, kw_only=True)
class AdaptiveCompute:
    """When a run stops by itself; `RunConfig.tokens` is then the most it may use.

    The rate stays at its peak after the warm-up. At each check the loss curve so far predicts
    the gain of more training, in nats per FLOP; below `least_gain` the run ends with a decay
    of the rate. Otherwise it is extended, up to the tokens of the configuration.

    Parameters
    ----------
    least_gain : float
        Nats per token per training FLOP, > 0.
    first : float
        Share of the tokens before which nothing is decided.
    every : float
        Share of the tokens between checks.
    decay : float
        Length of the final decay over the tokens seen when it begins.
    """

    least_gain: float
    first: float = 0.1
    every: float = 0.05
    decay: float = 0.25

    def __post_init__(self) -> None:
        require_number("adaptive compute", "least_gain", self.least_gain, 0.0, 1.0)
        for name in ("first", "every", "decay"):
            require_number("adaptive compute", name, getattr(self, name), 0.0, 1.0)
            if getattr(self, name) == 0:
                raise InputError(f"adaptive compute: {name} = 0 must be positive")
        if self.least_gain == 0:
            raise InputError("adaptive compute: least_gain = 0 never stops; leave it out instead")
