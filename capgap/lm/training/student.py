"""One model in training: its optimizer, schedule, guard and meter, and how a step is made."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from capgap.lm.config import RunConfig
from capgap.lm.losses import TokenLoss, chunked_token_loss, token_loss
from capgap.lm.losses.arguments import Teacher as Teachers
from capgap.lm.model import Transformer
from capgap.lm.mup import parameter_groups
from capgap.lm.training.adaptive import make_schedule
from capgap.lm.training.checkpoints import RunState
from capgap.lm.training.execution import Execution
from capgap.lm.training.guard import PATIENCE, Event, Guard
from capgap.lm.training.meter import Meter, Progress
from capgap.lm.training.processes import Processes

__all__ = ["Student"]

ADAM_BETAS = (0.9, 0.95)
MOMENTS = ("exp_avg", "exp_avg_sq", "step")

# Logits above this many bytes are not held at once, unless the caller decides otherwise.
LARGEST_LOGITS = 256 * 2**20


class Student:
    """A model that is trained step by step.

    Attributes
    ----------
    step : int
        The step that comes next.
    failure : str or None
        Why it stopped early.
    """

    def __init__(
        self,
        config: RunConfig,
        device: torch.device,
        execution: Execution,
        processes: Processes,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.config, self.step = config, 0
        self.failure: str | None = None
        self.model = Transformer(config.shape, config.seed).to(device).train()
        self.schedule = make_schedule(config)
        self.guard, self.meter = Guard(), Meter(config, report)
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self.model, config), betas=ADAM_BETAS, fused=True
        )
        self._processes, self._device = processes, device
        self._chunked = _is_chunked(config, execution)
        self._forward = processes.wrap(_Forward(self.model, self._chunked, execution.compile))
        self._parts: list[TokenLoss] = []

    @property
    def finished(self) -> bool:
        """Whether it takes no more steps."""
        return self.failure is not None or self.step >= self.schedule.steps

    @property
    def events(self) -> tuple[Event, ...]:
        """What was unusual and what was decided, in the order of the steps."""
        return tuple(sorted((*self.guard.events, *self.schedule.events), key=lambda e: e[0]))

    def learn(self, tokens: Tensor, teachers: Teachers, last: bool) -> None:
        """Add the gradient of some windows of the step's batch, shape (windows, time + 1)."""
        config = self.config
        # Gradients are averaged over the processes, so that each divides by its part of all.
        count = config.batch_size * config.sequence_length / self._processes.world
        inputs, targets = tokens[:, :-1], tokens[:, 1:].flatten()
        half = torch.autocast(
            self._device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
        )
        objective = config.objective(self.step)
        with self._waiting(last):
            with half:
                out = self._forward(inputs).flatten(0, 1)
            if self._chunked:
                head = self.model.head.weight
                loss = chunked_token_loss(out, head, targets, teachers, objective, count=count)
            else:
                loss = token_loss(out, targets, teachers, objective, count=count)
            loss.total.backward()  # type: ignore[no-untyped-call]
        self._parts.append(loss)

    def _waiting(self, last: bool) -> Any:
        """Processes exchange gradients once a step, with its last part."""
        several = self._processes.world > 1 and not last
        return self._forward.no_sync() if several else nullcontext()  # type: ignore[operator]

    def update(self) -> None:
        """Make the step with the gradient that was added up."""
        loss = self._total()
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * self.schedule.rate(self.step)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        # One transfer from the device for both.
        total, length = torch.stack((loss.total.detach(), norm)).tolist()
        if self.guard.admits(self.step, total, length):
            self._optimizer.step()
        elif self.guard.failed:
            self.failure = (
                f"loss or gradient is not finite at step {self.step + 1} of"
                f" {self.schedule.steps}, {PATIENCE} times in a row"
            )
        self._optimizer.zero_grad(set_to_none=True)
        if math.isfinite(total):
            self.schedule.observe(self.step, total)
        self.meter.add(self.step, self.schedule.steps, loss)
        self.step += 1

    def _total(self) -> TokenLoss:
        """The losses of the whole batch, from its parts and processes."""
        parts, self._parts = self._parts, []
        loss = parts[0]
        if len(parts) > 1 or self._processes.world > 1:
            taught = loss.distillation is not None
            rows = [torch.stack([t for t in _terms(p) if t is not None]).detach() for p in parts]
            summed = self._processes.mean(torch.stack(rows).sum(0))
            loss = TokenLoss(summed[0], summed[1], summed[2] if taught else None)
        return loss

    def state(self) -> RunState:
        """Everything that decides how the run goes on."""
        tensors = {f"model.{name}": p for name, p in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            moments = self._optimizer.state.get(parameter, {})
            tensors |= {f"{key}.{name}": moments[key] for key in MOMENTS if key in moments}
        values = {
            "schedule": self.schedule.state(),
            "guard": self.guard.state(),
            "meter": self.meter.state(),
        }
        return RunState(self.step, tensors, values)

    def restore(self, state: RunState) -> None:
        """Go on where `state` was taken."""
        prefix = "model."
        self.model.load_state_dict(
            {n.removeprefix(prefix): t for n, t in state.tensors.items() if n.startswith(prefix)}
        )
        for name, parameter in self.model.named_parameters():
            moments = {k: state.tensors.get(f"{k}.{name}") for k in MOMENTS}
            kept = {k: t.to(self._device) for k, t in moments.items() if t is not None}
            if kept:
                self._optimizer.state[parameter] = kept
        self.schedule.restore(state.values["schedule"])
        self.guard.restore(state.values["guard"])
        self.meter.restore(state.values["meter"], state.step)
        self.step = state.step


class _Forward(nn.Module):
    """What is computed of a batch before the loss: logits, or the states that the head reads."""

    def __init__(self, model: Transformer, hidden: bool, compiled: bool) -> None:
        super().__init__()
        self.model = model
        self._call: Callable[[Tensor], Tensor] = model.hidden if hidden else model.forward
        if compiled:
            from capgap.lm.compilation import compiled_forward

            self._call = compiled_forward(self._call)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits or hidden states of tokens, shape (windows, time)."""
        return self._call(tokens)


def _terms(loss: TokenLoss) -> tuple[Tensor | None, ...]:
    return loss.total, loss.next_token, loss.distillation


def _is_chunked(config: RunConfig, execution: Execution) -> bool:
    if execution.chunked is not None:
        return execution.chunked
    rows = execution.micro_batch_size or config.batch_size
    return rows * config.sequence_length * config.vocab_size * 4 > LARGEST_LOGITS
