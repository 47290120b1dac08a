r"""Adaptive compute: how long a run goes on is decided by what more compute would gain; no torch.

Source: section 7.2 of the project's source document, C = C_base f(L, grad L), made definite here:
the gradient of the loss is the one along the compute that is spent, f is "stop or extend".

**What is stopped.** The run minimizes L(C) + g C over its own compute C, with g = `least_gain`
in nats per FLOP: the price of compute. Its best end is where -dL/dC = g.

**How to choose g.** Take the gain per FLOP of the best other use of the compute. Runs that share
a budget, sum_i C_i = C, have the least sum of losses where -dL_i/dC_i is the same for all of them
(the Lagrange multiplier of the budget; otherwise compute moved from the run that gains less to
the one that gains more would lower the sum). So one and the same g for all runs of a sweep splits
what they spend in the best way, and a larger or smaller g spends less or more. From a law
E + B D^(-b) for the loss of a size, the g that ends its runs at D tokens is
b B D^(-b-1) / (FLOPs per token). As g goes to 0, a run uses all its tokens.

**Which loss.** What matters is the loss after the decay of the rate, which is not seen before the
decay is made. We take it to be the curve on the plateau, continued to the tokens of the end,
less a constant: then the slopes agree, and the gain is the slope of the plateau's curve at the
tokens at which the run would end if its decay began now. The decay itself gains more than that
slope says; this gain is had whenever one stops, so that it does not decide when.
"""

from dataclasses import dataclass

from capgap.errors import InputError
from capgap.lm.checks import require_number

__all__ = ["AdaptiveCompute"]


@dataclass(frozen=True, kw_only=True)
class AdaptiveCompute:
    r"""When a run stops by itself; `RunConfig.tokens` is then the most it may use.

    The rate rises over the first `warmup_fraction` x `first` of the tokens, and stays at its
    peak. At each check the loss curve so far predicts the gain of more training and its standard
    error, in nats per FLOP (`capgap.lm.learning_curve`). If

    .. math:: \mathrm{gain} < g \quad\mathrm{and}\quad \mathrm{error} < g / 2

    the run ends with a linear decay of the rate to `final_fraction`. Otherwise it is extended to
    the next check, up to the tokens of the configuration, the last of which are then the decay.

    Parameters
    ----------
    least_gain : float
        g, nats per token per training FLOP (teachers that run along included), in (0, 1].
        How to choose it is said in `capgap.lm.adaptive`.
    first : float
        Share of the tokens before which nothing is decided, in (0, 1].
    every : float
        Tokens from a check to the next, over those seen at the first of the two, in (0, 1].
    decay : float
        Length of the final decay over the tokens seen when it begins, in (0, 1].

    Raises
    ------
    InputError
        A number is outside its domain.

    Notes
    -----
    Stopping cannot be taken back while extending can, so an estimate too noisy to tell stops
    nothing: without the bound on the error, the first check at which noise lies low would end the
    run. A bound on gain + error does worse: on planted power laws (b = 0.3, 0.45, 0.7; batch
    noise of 0.1 nats, as of 1,024 tokens) it ended runs 9 to 20% late, and L + g C lay 2 to 3
    times as far above its least value as under this rule, which ended them 3% early to 8% late.

    The losses are those of the training batches. On text that is passed again and again they
    fall further than the losses of new text, so that such a run goes on for too long.

    A weight or temperature that changes on a schedule changes what is minimized, so that the
    slope of the loss is not what training gains: such runs cannot be adaptive.
    """

    least_gain: float
    first: float = 0.1
    every: float = 0.1
    decay: float = 0.25

    def __post_init__(self) -> None:
        require_number("adaptive compute", "least_gain", self.least_gain, 0.0, 1.0)
        for name in ("first", "every", "decay"):
            require_number("adaptive compute", name, getattr(self, name), 0.0, 1.0)
            if getattr(self, name) == 0:
                raise InputError(f"adaptive compute: {name} = 0 must be positive")
        if self.least_gain == 0:
            raise InputError("adaptive compute: least_gain = 0 never stops; leave it out instead")
