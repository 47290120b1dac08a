"""Training steps to time: ours in every form, and the baseline's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from capgap.lm.compilation import compiled_forward
from capgap.lm.losses import token_loss
from capgap.lm.losses.arguments import Teacher
from capgap.lm.model import Transformer
from capgap.lm.objective import Objective
from capgap.lm.shape import ModelShape
from capgap.lm.speed.plain import PlainTransformer, copy_weights, plain_loss

__all__ = ["Setting", "Step", "Work", "forward_body", "our_step", "plain_step"]

Z_WEIGHT, CLIP, RATE = 1e-4, 1.0, 1e-3


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a step works on and how: batch of windows, device, dtype of products."""

    device: torch.device
    batch_size: int = 4
    half: bool = False
    compiled: bool = False


@dataclass(frozen=True)
class Work:
    """A model and what a step of its training does, given targets of a teacher."""

    model: nn.Module
    step: "Step"


class Step(Protocol):
    """A training step; it tells `mark` the stage that begins."""

    def __call__(self, teacher: Teacher = None, mark: Callable[[str], None] = ...) -> None:
        """Make the step."""


def _unmarked(stage: str) -> None:
    """Nobody listens."""


def _windows(shape: ModelShape, setting: Setting) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (setting.batch_size, shape.sequence_length + 1)
    tokens = torch.randint(shape.vocab_size, size, generator=generator).to(setting.device)
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def our_step(shape: ModelShape, setting: Setting) -> Work:
    """A step as the trainer makes it: forward, loss, backward, clipping, fused AdamW."""
    model = Transformer(shape).to(setting.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), fused=True)
    inputs, targets = _windows(shape, setting)
    forward = compiled_forward(model.forward) if setting.compiled else model
    kind = setting.device.type

    def step(teacher: Teacher = None, mark: Callable[[str], None] = _unmarked) -> None:
        mark("model")
        objective = Objective(
            distillation_weight=0.0 if teacher is None else 1.0, z_weight=Z_WEIGHT
        )
        with torch.autocast(kind, torch.bfloat16, enabled=setting.half):
            logits = forward(inputs).flatten(0, 1)
        mark("loss")
        loss = token_loss(logits, targets.flatten(), teacher, objective)
        mark("model")
        loss.total.backward()  # type: ignore[no-untyped-call]
        mark("optimizer")
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return Work(model, step)


def plain_step(shape: ModelShape, setting: Setting) -> Work:
    """A step of the baseline; no teacher."""
    model = PlainTransformer(shape).to(setting.device)
    copy_weights(Transformer(shape), model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95))
    inputs, targets = _windows(shape, setting)

    def step(teacher: Teacher = None, mark: Callable[[str], None] = _unmarked) -> None:
        mark("model")
        optimizer.zero_grad()
        logits = model(inputs)
        mark("loss")
        loss = plain_loss(logits, targets, Z_WEIGHT)
        mark("model")
        loss.backward()  # type: ignore[no-untyped-call]
        mark("optimizer")
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()

    return Work(model, step)


def forward_body(shape: ModelShape, setting: Setting) -> Callable[[], Tensor]:
    """A teacher's forward pass over a batch: logits (tokens, vocab_size)."""
    model = Transformer(shape).to(setting.device).eval()
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator(setting.device).manual_seed(0))
    inputs, _ = _windows(shape, setting)

    def forward() -> Tensor:
        with torch.no_grad(), torch.autocast(setting.device.type, torch.bfloat16, setting.half):
            return model(inputs).flatten(0, 1)  # type: ignore[no-any-return]

    return forward
