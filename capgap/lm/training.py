"""Training of one model: supervised, or distilled from a teacher.

AdamW with weight decay independent of the rate, clipped gradients, linear warm-up and
cosine decay, z-loss, muP (simple). Source: Busbridge et al. 2025, arXiv 2502.08606,
appendix I, where it says; our choices are marked in `parameter_groups`.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from capgap.errors import InputError
from capgap.lm.batches import Batches
from capgap.lm.config import RunConfig
from capgap.lm.corpus import Corpus
from capgap.lm.losses import TokenLoss, token_loss
from capgap.lm.model import Transformer

__all__ = ["Progress", "Training", "learning_rate", "open_device", "parameter_groups", "train"]

CURVE_POINTS = 64
ADAM_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class Progress:
    """Where a run is: step of steps, next-token loss of the latest batch, tokens per second."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True)
class Training:
    """A trained model and how it got there.

    Attributes
    ----------
    model : Transformer
        In evaluation mode, on the device it was trained on.
    curve : tuple of (int, float, float or None)
        Tokens seen, mean next-token loss and mean distillation loss (nats per token)
        of the batches since the previous point.
    unique_tokens : int
        Different tokens among those seen.
    seconds : float
        Wall time of the training loop.
    failure : str or None
        Why it stopped early; None if it ran to its end.
    """

    model: Transformer
    curve: tuple[tuple[int, float, float | None], ...]
    unique_tokens: int
    seconds: float
    failure: str | None


def learning_rate(step: int, config: RunConfig) -> float:
    r"""Rate of a step over the peak rate, in (0, 1].

    Linear over the warm-up (w steps): (step + 1) / w; then cosine from 1 to
    `final_fraction`, reached after the last step.
    """
    warmup = max(1, round(config.warmup_fraction * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, config.steps - warmup)
    low = config.final_fraction
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))


def parameter_groups(model: nn.Module, config: RunConfig) -> list[dict[str, object]]:
    r"""Optimizer groups of muP (simple): the rate of matrices falls as one over the width.

    * matrices of the blocks and the head: peak x base_width / d_model (Wortsman et al.
      2023, arXiv 2309.14322, "muP (simple)": rate of linear layers times base fan-in
      over fan-in, nothing else changed);
    * embedding and gains: the peak rate.

    Decay: a parameter shrinks by `weight_decay` x schedule each step, whatever its rate
    (independent decay, as in the same source; our reading of the paper's "decoupled").
    torch multiplies decay by the rate, so it is divided out here. Gains do not decay.
    """
    scale = config.base_width / config.shape.d_model
    named = list(model.named_parameters())
    is_table = {"embedding.weight"}
    matrices = [p for n, p in named if p.ndim == 2 and n not in is_table]
    tables = [p for n, p in named if n in is_table]
    gains = [p for _, p in named if p.ndim == 1]
    groups: list[dict[str, object]] = []
    for parameters, factor, decay in (
        (matrices, scale, config.weight_decay),
        (tables, 1.0, config.weight_decay),
        (gains, 1.0, 0.0),
    ):
        peak = config.peak_learning_rate * factor
        groups.append(
            {"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay / peak}
        )
    return groups


def open_device(name: str) -> torch.device:
    """The torch device of that name, or an error that says what there is."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from None
    return device


def train(
    config: RunConfig,
    corpus: Corpus,
    *,
    teacher: Transformer | None = None,
    device: torch.device,
    progress: Callable[[Progress], None] | None = None,
) -> Training:
    """Train the model of a configuration.

    The same configuration and number of threads give the same weights, bit for bit, on the
    same machine. On a GPU torch's deterministic kernels are asked for, which comes as near
    to that as torch does; it was tested on the CPU alone.

    Parameters
    ----------
    config : RunConfig
        What to train.
    corpus : Corpus
        Text; its fingerprint must be that of the configuration.
    teacher : Transformer or None
        The trained teacher, when the configuration names one.
    device : torch.device
        Where to train.
    progress : callable or None
        Called about twice a second.

    Raises
    ------
    InputError
        The corpus is not the configuration's, or too short; the teacher is missing or
        not the configuration's.
    """
    _check(config, corpus, teacher)
    batches = Batches(
        corpus.stream(config.half), config.batch_size, config.sequence_length, config.seed
    )
    model = Transformer(config.shape, config.seed).to(device).train()
    if teacher is not None:
        teacher = teacher.to(device).eval()
    optimizer = torch.optim.AdamW(parameter_groups(model, config), betas=ADAM_BETAS, fused=True)
    meter = _Meter(config, progress)
    with _deterministic(device):
        failure = _loop(config, batches, model, teacher, optimizer, meter)
    return Training(
        model.eval(),
        tuple(meter.curve),
        min(config.D, batches.unique_tokens),
        time.perf_counter() - meter.start,
        failure,
    )


def _loop(
    config: RunConfig,
    batches: Batches,
    model: Transformer,
    teacher: Transformer | None,
    optimizer: torch.optim.Optimizer,
    meter: "_Meter",
) -> str | None:
    """All steps; returns why it stopped early, or None."""
    device = model.head.weight.device
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, config)
        tokens = torch.from_numpy(batches.batch(step)).to(device)
        loss = _loss(model, teacher, tokens, config)
        optimizer.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        if not math.isfinite(float(norm)) or not math.isfinite(float(loss.total.detach())):
            return f"loss or gradient is not finite at step {step + 1} of {config.steps}"
        optimizer.step()
        meter.add(step, loss)
    return None


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """On a GPU, ask for kernels that add in a fixed order; the CPU's do."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _check(config: RunConfig, corpus: Corpus, teacher: Transformer | None) -> None:
    if corpus.fingerprint != config.corpus:
        raise InputError(
            f"train: the configuration is for corpus {config.corpus}, not {corpus.fingerprint}"
        )
    if (teacher is None) != (config.teacher is None):
        raise InputError("train: a teacher model is needed exactly when the configuration has one")
    if teacher is not None and config.teacher is not None and teacher.shape != config.teacher.shape:
        raise InputError("train: the teacher's shape is not the one in the configuration")


def _loss(
    model: Transformer, teacher: Transformer | None, tokens: torch.Tensor, config: RunConfig
) -> TokenLoss:
    inputs, targets = tokens[:, :-1], tokens[:, 1:].flatten()
    autocast = torch.autocast(
        tokens.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
    )
    with autocast:
        logits = model(inputs).flatten(0, 1)
        if teacher is None:
            teacher_logits = None
        else:
            with torch.no_grad():
                teacher_logits = teacher(inputs).flatten(0, 1)
    return token_loss(
        logits,
        targets,
        teacher_logits,
        distillation_weight=config.distillation_weight,
        temperature=config.temperature,
        z_weight=config.z_weight,
    )


class _Meter:
    """Collects the loss curve and reports progress, without slowing the loop."""

    def __init__(self, config: RunConfig, report: Callable[[Progress], None] | None) -> None:
        self.curve: list[tuple[int, float, float | None]] = []
        self.start = time.perf_counter()
        self._config, self._report = config, report
        self._data: list[torch.Tensor] = []
        self._distillation: list[torch.Tensor] = []
        self._marks = {
            math.ceil(config.steps * (i + 1) / CURVE_POINTS) for i in range(CURVE_POINTS)
        }
        self._last_report = self.start

    def add(self, step: int, loss: TokenLoss) -> None:
        self._data.append(loss.next_token)
        if loss.distillation is not None:
            self._distillation.append(loss.distillation)
        now = time.perf_counter()
        if self._report is not None and now - self._last_report > 0.5:
            self._last_report = now
            speed = (step + 1) * self._config.batch_size * self._config.sequence_length
            self._report(
                Progress(
                    step + 1,
                    self._config.steps,
                    float(self._data[-1]),
                    speed / (now - self.start),
                )
            )
        if step + 1 in self._marks:
            self._close(step)

    def _close(self, step: int) -> None:
        seen = (step + 1) * self._config.batch_size * self._config.sequence_length
        distilled = _mean(self._distillation) if self._distillation else None
        self.curve.append((seen, _mean(self._data), distilled))
        self._data, self._distillation = [], []


def _mean(values: list[torch.Tensor]) -> float:
    return float(torch.stack(values).cpu().double().mean())
