"""Many small multilayer perceptrons trained at once, as stacks of equal width.

Two equal hidden layers of ReLU, Adam, linear warm-up and cosine decay: Busbridge et al. 2025,
arXiv 2502.08606, appendix C.2. All members of a stack take the same steps on their own data
and targets; nothing passes between them, so each ends where it would have ended alone, up to
rounding.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from capgap.errors import InputError

__all__ = ["Schedule", "Stack", "initial_stack", "parameter_count", "rate", "train_stack"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of training and the rate of each.

    Parameters
    ----------
    steps : int
        Optimizer steps in all.
    peak_rate : float
        Adam's learning rate at the end of the warm-up.
    warmup_fraction : float
        Share of the steps in which the rate rises linearly; a cosine to 0 follows.
    """

    steps: int
    peak_rate: float = 3e-4
    warmup_fraction: float = 0.05


def rate(step: int, schedule: Schedule) -> float:
    r"""Rate of a step, from 0: peak (step + 1) / w in the warm-up of w steps, then cosine.

    >>> plan = Schedule(steps=40, peak_rate=1.0)
    >>> [round(rate(step, plan), 3) for step in (0, 1, 2, 21, 39)]
    [0.5, 1.0, 1.0, 0.5, 0.002]
    """
    warmup = max(1, round(schedule.warmup_fraction * schedule.steps))
    if step < warmup:
        return schedule.peak_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, schedule.steps - warmup)
    return schedule.peak_rate * 0.5 * (1 + math.cos(math.pi * done))


def parameter_count(inputs: int, width: int, classes: int) -> int:
    """Weights and biases: (inputs + 1) w + (w + 1) w + (w + 1) classes.

    >>> parameter_count(16, 128, 8)
    19720
    """
    return (inputs + 1) * width + (width + 1) * width + (width + 1) * classes


@dataclass(frozen=True, slots=True)
class Stack:
    """Networks of one width: weights (members, in, out) and biases (members, 1, out), in turn."""

    parameters: tuple[Tensor, ...]

    @property
    def members(self) -> int:
        """Number of networks."""
        return int(self.parameters[0].shape[0])

    def logits(self, inputs: Tensor) -> Tensor:
        """Outputs, shape (members, examples, classes), of inputs (members or 1, examples, in)."""
        hidden = inputs.expand(self.members, *inputs.shape[1:])
        *below, weight, bias = self.parameters
        for w, b in zip(below[::2], below[1::2], strict=True):
            hidden = torch.baddbmm(b, hidden, w).relu()
        return torch.baddbmm(bias, hidden, weight)

    @torch.no_grad()
    def log_probabilities(self, inputs: FloatArray, slice_size: int = 4096) -> FloatArray:
        """Natural logs of the class probabilities, shape (members, examples, classes)."""
        x = torch.as_tensor(inputs, dtype=self.parameters[0].dtype)[None]
        parts = [
            torch.log_softmax(self.logits(part).double(), -1)
            for part in torch.split(x, slice_size, dim=1)
        ]
        return np.asarray(torch.cat(parts, dim=1).numpy(), dtype=np.float64)

    def copy(self) -> "Stack":
        """The same networks, detached from training."""
        return Stack(tuple(p.detach().clone() for p in self.parameters))


def initial_stack(
    inputs: int,
    width: int,
    classes: int,
    seeds: Sequence[Sequence[int]],
    dtype: torch.dtype = torch.float32,
) -> Stack:
    """Networks before training; those with equal seeds are equal.

    Weights and biases are uniform in +-1/sqrt(fan-in), torch's default for linear layers; the
    paper does not say. Numbers come from numpy's generator seeded with each member's own
    sequence, so a member does not depend on the others.

    Examples
    --------
    >>> stack = initial_stack(4, 3, 2, [[0], [1], [0]])
    >>> [tuple(p.shape) for p in stack.parameters][:2]
    [(3, 4, 3), (3, 1, 3)]
    >>> bool((stack.parameters[0][0] == stack.parameters[0][2]).all())
    True
    """
    sizes = ((inputs, width), (width, width), (width, classes))
    members = []
    for seed in seeds:
        rng = np.random.default_rng(list(seed))
        layers = []
        for into, out in sizes:
            reach = 1 / math.sqrt(into)
            layers += [rng.uniform(-reach, reach, (into, out))]
            layers += [rng.uniform(-reach, reach, (1, out))]
        members.append(layers)
    stacked = [np.stack(parts) for parts in zip(*members, strict=True)]
    return Stack(tuple(torch.as_tensor(part, dtype=dtype) for part in stacked))


def train_stack(
    stack: Stack,
    inputs: FloatArray,
    targets: Sequence[FloatArray],
    picks: Callable[[int], npt.NDArray[np.int64]],
    stream_of: Sequence[int],
    schedule: Schedule,
    snapshots: Sequence[int] = (),
) -> dict[int, Stack]:
    r"""Train every member by cross-entropy to its own targets; return the snapshots and the end.

    .. math:: \ell_b = -\frac1B \sum_{x \in \text{batch}} \sum_a p_b(a|x) \log q_b(a|x)

    With one-hot p this is the loss to the labels; with a teacher's p it is the KL divergence
    from teacher to student plus a constant, so its gradient is the KL's (temperature 1).
    Adam as in the paper: betas 0.9 and 0.999, no decay, no clipping.

    Parameters
    ----------
    stack : Stack
        Where to start; not changed.
    inputs : array, shape (examples, in)
        Every example there is.
    targets : sequence of arrays, shape (examples, classes)
        Class probabilities p_b for each member; the same array may serve several.
    picks : callable
        step -> which examples, shape (streams, batch).
    stream_of : sequence of int
        The stream that each member reads.
    schedule : Schedule
    snapshots : sequence of int
        After how many steps to keep a copy; the last step is kept always.

    Raises
    ------
    InputError
        Numbers of members differ, or a snapshot is outside [1, steps].
    """
    if not len(targets) == len(stream_of) == stack.members:
        raise InputError(
            f"train_stack: {len(targets)} targets and {len(stream_of)} streams must serve"
            f" {stack.members} members"
        )
    if any(not 1 <= step <= schedule.steps for step in snapshots):
        raise InputError(
            f"train_stack: snapshots = {list(snapshots)} must be in [1, {schedule.steps}]"
        )
    live = Stack(tuple(p.detach().clone().requires_grad_() for p in stack.parameters))
    dtype = live.parameters[0].dtype
    table, rows = _target_table(targets, dtype)
    x_all, streams = torch.as_tensor(inputs, dtype=dtype), torch.as_tensor(list(stream_of))
    optimizer = torch.optim.Adam(live.parameters, fused=True)
    wanted, kept = {*snapshots, schedule.steps}, {}
    for step in range(schedule.steps):
        optimizer.param_groups[0]["lr"] = rate(step, schedule)
        chosen = torch.as_tensor(picks(step))[streams]
        p = table[rows[:, None], chosen]
        log_q = torch.log_softmax(live.logits(x_all[chosen]), -1)
        # A sum over members of means over batches: each member gets its own gradient, whole.
        loss = -(p * log_q).sum() / chosen.shape[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step + 1 in wanted:
            kept[step + 1] = live.copy()
    return kept


def _target_table(targets: Sequence[FloatArray], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Different targets once each, and which of them each member takes."""
    different = list({id(t): t for t in targets}.values())
    place = {id(t): k for k, t in enumerate(different)}
    table = torch.as_tensor(np.stack(different), dtype=dtype)
    return table, torch.as_tensor([place[id(t)] for t in targets])
