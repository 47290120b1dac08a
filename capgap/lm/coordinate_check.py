r"""Coordinate check: are activations, and what training does to them, as large at any width?

Source: Yang and Hu 2021, arXiv 2203.03466, appendix D.1: train models of several widths for
a few steps and see how the size of each kind of activation goes with the width. Under muP the
change of every kind approaches a constant; under the standard parametrization that of logits
and hidden activations grows.

The check is necessary, not sufficient: it can pass where the best rate still moves with size
(through depth, tokens or small widths), which measured runs must show.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from capgap.errors import InputError
from capgap.lm.model import Block, Transformer
from capgap.lm.mup import optimizer_groups, parameter_rules
from capgap.lm.shape import ModelShape

__all__ = [
    "COORDINATES",
    "Coordinate",
    "WidenedShape",
    "activations",
    "coordinate_check",
    "random_tokens",
    "width_slopes",
]

COORDINATES = ("attention", "ffn", "residual", "logits")


@dataclass(frozen=True, kw_only=True)
class WidenedShape(ModelShape):
    """A model whose width goes with its number of heads alone: depth and d_head stay.

    The family for which muP makes its promise. (`ModelShape` itself offers two others: by
    depth, width and depth together; by aspect_ratio, width and d_head together.)

    >>> shape = WidenedShape(depth=2, heads=8)
    >>> shape.d_model, shape.n_heads, shape.d_head
    (128, 8, 16)
    """

    heads: int

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.aspect_ratio * self.heads

    @property
    def n_heads(self) -> int:
        """Number of attention heads."""
        return self.heads


@dataclass(frozen=True)
class Coordinate:
    """Root mean square of a kind of activation, over tokens, coordinates and blocks.

    `kind`: "attention" and "ffn" (what they add to the residual stream), "residual" (the
    stream after each block), "logits". `size` is that of the activation after `steps` steps,
    `change` that of its difference to the start.
    """

    width: int
    depth: int
    kind: str
    steps: int
    seed: int
    size: float
    change: float


def coordinate_check(
    shapes: Sequence[ModelShape],
    tokens: Tensor,
    *,
    parametrization: str = "muP",
    steps: int = 4,
    peak: float = 1e-2,
    base_width: int = 64,
    seeds: Sequence[int] = (0,),
) -> tuple[Coordinate, ...]:
    """Train each model for a few steps on one batch; measure on that batch.

    AdamW as in training (betas 0.9 and 0.95) at a constant rate, without decay. The head
    starts at 0, so nothing beneath it moves in the first step: `steps` must be 2 or more.

    Parameters
    ----------
    shapes : sequence of ModelShape
        Models of several widths.
    tokens : Tensor
        Integers, shape (batch, time + 1).
    parametrization : str
        "muP" or "standard".
    steps, peak, base_width : int, float, int
        Steps to train; learning rate; width at which both parametrizations agree.
    seeds : sequence of int
        Of the initialization.

    Returns
    -------
    tuple of Coordinate
        For each shape, seed and kind.

    Raises
    ------
    InputError
        Fewer than 2 steps; a parametrization that is not known.
    """
    if steps < 2:
        raise InputError(f"coordinate_check: steps = {steps} must be at least 2")
    found: list[Coordinate] = []
    for shape in shapes:
        for seed in seeds:
            model = Transformer(shape, seed)
            rules = parameter_rules(
                model, shape, base_width=base_width, weight_decay=0.0,
                parametrization=parametrization,
            )  # fmt: skip
            before = activations(model, tokens[:, :-1])
            _train(model, optimizer_groups(model, rules, peak), tokens, steps)
            after = activations(model, tokens[:, :-1])
            for kind in COORDINATES:
                size, change = _rms(after[kind]), _rms(after[kind] - before[kind])
                found.append(
                    Coordinate(shape.d_model, shape.depth, kind, steps, seed, size, change)
                )
    return tuple(found)


def width_slopes(found: Sequence[Coordinate], of: str = "change") -> dict[str, float]:
    r"""Slope of log size against log width of each kind, by least squares over all shapes.

    `of` is "change" (against the start) or "size". Under muP the slopes of changes go to 0
    as widths grow; one rate for all widths gives logits about 1.

    Raises
    ------
    InputError
        Fewer than two widths.

    Examples
    --------
    >>> rows = [Coordinate(w, 2, "logits", 2, 0, 1.0, w / 8) for w in (32, 64, 128)]
    >>> round(width_slopes(rows)["logits"], 9)
    1.0
    """
    slopes: dict[str, float] = {}
    for kind in dict.fromkeys(row.kind for row in found):
        mine = [row for row in found if row.kind == kind]
        x = np.log([row.width for row in mine])
        if np.ptp(x) == 0:
            raise InputError("coordinate_check: slopes need at least two widths")
        slopes[kind] = float(np.polyfit(x, np.log([getattr(row, of) for row in mine]), 1)[0])
    return slopes


def random_tokens(batch: int, time: int, seed: int = 0, vocab_size: int = 256) -> Tensor:
    """Tokens of uneven frequency (p_a about 1/a), shape (batch, time + 1): something to learn."""
    generator = torch.Generator().manual_seed(seed)
    p = 1 / torch.arange(1, vocab_size + 1, dtype=torch.float64)
    drawn = torch.multinomial(p, batch * (time + 1), replacement=True, generator=generator)
    return drawn.view(batch, time + 1)


def _train(model: nn.Module, groups: list[dict[str, object]], tokens: Tensor, steps: int) -> None:
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    for _ in range(steps):
        logits = model(tokens[:, :-1]).flatten(0, 1)
        loss = F.cross_entropy(logits, tokens[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def activations(model: Transformer, inputs: Tensor) -> dict[str, Tensor]:
    """Every kind of activation on a batch: (blocks, batch, time, width), and the logits.

    The forward pass of `Transformer`, module by module, without fused layers.
    """
    time = inputs.shape[1]
    cos, sin = model.cos[:time], model.sin[:time]  # type: ignore[index]
    kept: dict[str, list[Tensor]] = {"attention": [], "ffn": [], "residual": []}
    x = model.embedding(inputs)
    for block in model.blocks:
        assert isinstance(block, Block)
        kept["attention"].append(block.attention(block.attention_norm(x), cos, sin))
        x = x + kept["attention"][-1]
        kept["ffn"].append(block.ffn(block.ffn_norm(x)))
        x = x + kept["ffn"][-1]
        kept["residual"].append(x)
    stacked = {kind: torch.stack(parts) for kind, parts in kept.items()}
    return {**stacked, "logits": model.head(model.norm(x))}


def _rms(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt())
