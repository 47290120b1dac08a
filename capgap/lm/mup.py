r"""muP (simple): how each parameter starts, and how its learning rate goes with the width.

Sources, and where we differ:

* Wortsman et al. 2023, arXiv 2309.14322, "muP (simple)", which the paper trained with (arXiv
  2502.08606, appendix I): rate of every linear layer times base fan-in over fan-in, nothing
  else changed. Ours divides by the width d_model for every matrix. The one matrix with another
  fan-in, the feed-forward's second (d_ff, about 8/3 d_model), so has a rate larger by a
  constant 8/3: the power of the width is the same.
* Yang and Hu 2021, arXiv 2203.03466, Tables 3 and 8 (Adam): hidden matrices start with variance
  1/fan_in and take rate 1/width; embedding and gains rate 1; the head variance 1/fan_in^2 and
  rate 1/width. Ours is that, with the head at 0, as their appendix D.2 advises.
* They scale attention scores by 1/d_head; ours by 1/sqrt(d_head). In our family d_head does not
  change with size, so the two are the same up to a constant, and the scores, of queries and
  keys that are normalized, cannot exceed sqrt(d_head) times the gains.

What muP promises: with depth, batch, tokens and d_head fixed, what each layer computes, and how
much a step changes it, has a limit as the width grows that is neither zero nor infinite, and
so does the best peak rate. It promises nothing about depth, which grows with the width here
(matrices that write into the residual stream start smaller by 1/sqrt(2 depth), but no rate
depends on the depth), about the length of training, or about how near small widths are to the
limit. `capgap.lm.coordinate_check` tests the first; measured runs the transfer of the rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from capgap.errors import InputError
from capgap.lm.config import ModelShape, RunConfig

__all__ = [
    "PARAMETRIZATIONS",
    "ParameterRule",
    "optimizer_groups",
    "parameter_groups",
    "parameter_rules",
    "rules_table",
    "standard_groups",
]

PARAMETRIZATIONS = ("muP", "standard")
RESIDUAL_WRITERS = ("attention.out.weight", "ffn.down.weight")
KINDS = ("matrix", "table", "gain")  # the order of the optimizer's groups


@dataclass(frozen=True)
class ParameterRule:
    """How one parameter tensor starts and learns.

    Attributes
    ----------
    name : str
        Its name in the model.
    kind : str
        "matrix" (of a block, or the head), "table" (the embedding) or "gain" (of a norm).
    shape : tuple of int
        Of the tensor: fan-out x fan-in for matrices, vocabulary x width for the table.
    fan_in : int
        Numbers that enter each of its sums; 1 for the table (one row is looked up) and gains.
    init_mean, init_std : float
        Of the normal distribution that its entries are drawn from.
    rate : float
        Its learning rate over the run's.
    decay : float
        Share of it lost each step at the peak of the schedule, whatever its rate.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    fan_in: int
    init_mean: float
    init_std: float
    rate: float
    decay: float


def parameter_rules(
    model: nn.Module,
    shape: ModelShape,
    *,
    base_width: int = 64,
    weight_decay: float = 1e-4,
    parametrization: str = "muP",
) -> tuple[ParameterRule, ...]:
    r"""Start and rate of every parameter of a model, in the model's order.

    ============  ============================  ====================  ==============
    kind          starts as                     rate, over the run's  decay per step
    ============  ============================  ====================  ==============
    matrix        N(0, 1/fan_in), residual      base_width / d_model  weight_decay
                  writers / sqrt(2 depth)
    head          0                             base_width / d_model  weight_decay
    embedding     N(0, 1)                       1                     weight_decay
    gains         1                             1                     0
    ============  ============================  ====================  ==============

    The "standard" parametrization has rate 1 for all: the control, whose best rate falls
    about as one over the width with Adam (Yang and Hu 2021, arXiv 2203.03466, section 5).

    Parameters
    ----------
    model : Module
        A `capgap.lm.model.Transformer`.
    shape : ModelShape
        Its dimensions.
    base_width : int
        Width at which rates are the run's own.
    weight_decay : float
        Shrinkage of matrices and tables per step at the peak of the schedule.
    parametrization : str
        "muP" or "standard".

    Raises
    ------
    InputError
        Unknown parametrization; base_width below 1.

    Examples
    --------
    >>> from capgap.lm.model import Transformer
    >>> shape = ModelShape(depth=2)  # width 32
    >>> rules = {rule.name: rule for rule in parameter_rules(Transformer(shape), shape)}
    >>> down = rules["blocks.0.ffn.down.weight"]  # writes into the residual stream
    >>> down.fan_in, round(down.init_std**-2), down.rate  # variance 1 / (96 x 2 x 2)
    (96, 384, 2.0)
    >>> rules["head.weight"].init_std, rules["embedding.weight"].rate
    (0.0, 1.0)
    """
    if parametrization not in PARAMETRIZATIONS:
        raise InputError(
            f"muP: parametrization = {parametrization!r} must be one of"
            f" {', '.join(PARAMETRIZATIONS)}"
        )
    if base_width < 1:
        raise InputError(f"muP: base_width = {base_width} must be at least 1")
    scale = base_width / shape.d_model if parametrization == "muP" else 1.0
    return tuple(
        _rule(name, tuple(parameter.shape), shape.depth, scale, weight_decay)
        for name, parameter in model.named_parameters()
    )


def _rule(
    name: str, shape: tuple[int, ...], depth: int, scale: float, weight_decay: float
) -> ParameterRule:
    if len(shape) == 1:
        return ParameterRule(name, "gain", shape, 1, 1.0, 0.0, 1.0, 0.0)
    if name.endswith("embedding.weight"):
        return ParameterRule(name, "table", shape, 1, 0.0, 1.0, 1.0, weight_decay)
    fan_in = shape[1]
    std = 1 / math.sqrt(fan_in)
    if name.endswith(RESIDUAL_WRITERS):
        std /= math.sqrt(2 * depth)
    if name.endswith("head.weight"):
        std = 0.0
    return ParameterRule(name, "matrix", shape, fan_in, 0.0, std, scale, weight_decay)


def optimizer_groups(
    model: nn.Module, rules: Sequence[ParameterRule], peak: float
) -> list[dict[str, object]]:
    """Groups for torch's AdamW: matrices, tables, gains, each with its own peak rate.

    A parameter shrinks by `decay` x schedule each step, whatever its rate (independent decay,
    as in Wortsman et al. 2023; our reading of the paper's "decoupled"). torch multiplies
    decay by the rate, so it is divided out here. Every group keeps its ``peak``, from which
    the schedule sets ``lr``.
    """
    named = dict(model.named_parameters())
    groups: list[dict[str, object]] = []
    for kind in KINDS:
        mine = [rule for rule in rules if rule.kind == kind]
        if not mine:
            continue
        own = peak * mine[0].rate
        parameters = [named[rule.name] for rule in mine]
        groups.append(
            {"params": parameters, "lr": own, "peak": own, "weight_decay": mine[0].decay / own}
        )
    return groups


def parameter_groups(model: nn.Module, config: RunConfig) -> list[dict[str, object]]:
    """Optimizer groups of muP (simple) for a run; see `parameter_rules`."""
    return _groups(model, config, "muP")


def standard_groups(model: nn.Module, config: RunConfig) -> list[dict[str, object]]:
    """The same with one rate for all parameters, whatever the width: a control, for no run."""
    return _groups(model, config, "standard")


def _groups(model: nn.Module, config: RunConfig, parametrization: str) -> list[dict[str, object]]:
    rules = parameter_rules(
        model,
        config.shape,
        base_width=config.base_width,
        weight_decay=config.weight_decay,
        parametrization=parametrization,
    )
    return optimizer_groups(model, rules, config.peak_learning_rate)


def rules_table(rules: Sequence[ParameterRule]) -> str:
    """The rules as lines of text, a line for each parameter.

    >>> print(rules_table([ParameterRule("head.weight", "matrix", (256, 32), 32, 0, 0, 2, 1e-4)]))
    parameter    shape   fan-in  start    rate  decay
    head.weight  256x32  32      N(0, 0)  2     0.0001
    """
    rows = [("parameter", "shape", "fan-in", "start", "rate", "decay")]
    for rule in rules:
        start = f"N({rule.init_mean:g}, {rule.init_std**2:.3g})"
        size = "x".join(map(str, rule.shape))
        rows.append(
            (rule.name, size, str(rule.fan_in), start, f"{rule.rate:.4g}", f"{rule.decay:g}")
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
