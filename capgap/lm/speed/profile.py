"""Where the time of a step goes, by class of operation."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from capgap.lm.speed.steps import Step

__all__ = ["CLASSES", "op_shares"]

CLASSES = ("matmul", "attention", "elementwise", "loss", "optimizer", "overhead")

# Of the operations that occur in the model's stage; batched products occur in attention only.
MATMUL = ("mm", "addmm")
ATTENTION = ("bmm", "baddbmm", "_softmax", "_softmax_backward_data")


class _Clock(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Times every operation inside the call that carries it out."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stage, self.seconds = "model", defaultdict[str, float](float)
        on_gpu = device.type == "cuda"
        self.settle: Callable[[], object] = torch.cuda.synchronize if on_gpu else lambda: None

    def mark(self, stage: str) -> None:
        """What follows belongs to `stage`."""
        self.stage = stage

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        start = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        self.settle()
        self.seconds[_class(self.stage, func._schema.name)] += time.perf_counter() - start
        return result


def op_shares(step: Step, device: torch.device, repetitions: int = 5) -> dict[str, float]:
    """Share of a step's time in each of `CLASSES`; they add up to 1.

    "loss" and "optimizer" are those stages whole, the other classes split forward and backward
    pass; "overhead" is what no operation took: Python, autograd and dispatch, measured as the
    time of a step without the clock minus all operations. Reading a clock around every
    operation adds to those that are short, which makes "overhead" a lower bound.
    """
    step()
    with _Clock(device) as clock:
        for _ in range(repetitions):
            step(mark=clock.mark)
    seconds = {name: clock.seconds[name] / repetitions for name in CLASSES}
    start = time.perf_counter()
    for _ in range(repetitions):
        step()
    clock.settle()
    whole = (time.perf_counter() - start) / repetitions
    total = max(whole, sum(seconds.values()))
    seconds["overhead"] = total - sum(seconds.values())
    return {name: seconds[name] / total for name in CLASSES}


def _class(stage: str, operation: str) -> str:
    if stage != "model":
        return stage
    name = operation.removeprefix("aten::")
    if name in MATMUL:
        return "matmul"
    attends = name in ATTENTION or name.startswith("_scaled_dot_product")
    return "attention" if attends else "elementwise"
