"""Speed and memory of the losses, measured on demand: ``pytest FILE --benchmark-enable -s``.

Variants are timed in turn within one run and their fastest times compared, because a busy
machine slows all of them for a while, not one of them always. In an ordinary test run each
body is executed once at a small size, so that the benchmarks stay alive.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOKENS = 1024
Z_WEIGHT = 1e-4
Bodies = dict[str, Callable[[], Any]]


def fastest(bodies: Bodies, repeats: int) -> dict[str, float]:
    """Fastest seconds of each body, all bodies in turn."""
    best = dict.fromkeys(bodies, float("inf"))
    for _ in range(repeats):
        for name, body in bodies.items():
            start = time.perf_counter()
            body()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def report(title: str, best: dict[str, float], baseline: str) -> None:
    print(f"\n{title}")
    for name, seconds in best.items():
        ratio = seconds / best[baseline]
        print(f"  {name:26s} {seconds * 1e3:9.3f} ms  {ratio:5.2f} x {baseline}")


def data(tokens: int, vocabulary: int) -> tuple[Any, Any, Any]:
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    g = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, tokens, vocabulary, generator=g)
    return student, teacher, torch.randint(vocabulary, (tokens,), generator=g)


def loss_bodies(tokens: int, vocabulary: int) -> Bodies:
    """Forward and backward of the loss alone, from logits to their gradient."""
    student, teacher, targets = data(tokens, vocabulary)
    import torch
    import torch.nn.functional as F

    from capgap.lm.losses import draw_sampled, keep_top_k, token_loss
    from capgap.lm.objective import DIVERGENCES, Objective

    student.requires_grad_()

    def plain(weight: float) -> Any:
        loss = F.cross_entropy(student, targets)
        if weight:
            kd = F.cross_entropy(student, teacher.softmax(-1))
            loss = (1 - weight) * loss + weight * kd
        return loss + Z_WEIGHT * student.logsumexp(-1).square().mean()

    def of(call: Callable[[], Any]) -> Callable[[], Any]:
        def body() -> None:
            student.grad = None
            call().backward()

        return body

    def fused(target: Any, weight: float, divergence: str = "forward-kl") -> Callable[[], Any]:
        objective = Objective(distillation_weight=weight, z_weight=Z_WEIGHT, divergence=divergence)
        return of(lambda: token_loss(student, targets, target, objective).total)

    k = min(12, vocabulary)
    sampled = draw_sampled(teacher, k, torch.Generator().manual_seed(1))
    return {
        "supervised, plain torch": of(lambda: plain(0.0)),
        "distilled, plain torch": of(lambda: plain(0.5)),
        "supervised": fused(None, 0.0),
        "distilled": fused(teacher, 0.5),
        "distilled, float16 cache": fused(teacher.half(), 0.5),
        "distilled, top-k bucket": fused(keep_top_k(teacher, k), 0.5),
        "distilled, top-k dropped": fused(keep_top_k(teacher, k, "drop"), 0.5),
        "distilled, sampled": fused(sampled, 0.5),
        **{f"{d}, weight 1": fused(teacher, 1.0, d) for d in DIVERGENCES},
    }


def head_bodies(tokens: int, vocabulary: int, width: int, weight: float) -> Bodies:
    """Forward and backward from hidden states and head to their gradients."""
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    import torch.nn.functional as F

    from capgap.lm.losses import HiddenTarget, chunked_token_loss, token_loss
    from capgap.lm.objective import Objective

    g = torch.Generator().manual_seed(0)
    hidden, states = torch.randn(2, tokens, width, generator=g)
    head, other = torch.randn(2, vocabulary, width, generator=g) / width**0.5
    targets = torch.randint(vocabulary, (tokens,), generator=g)
    hidden.requires_grad_()
    head.requires_grad_()
    objective = Objective(distillation_weight=weight, z_weight=Z_WEIGHT)
    teacher = HiddenTarget(states, other)

    def plain() -> Any:
        logits = hidden @ head.T
        loss = F.cross_entropy(logits, targets)
        if weight:
            kd = F.cross_entropy(logits, (states @ other.T).softmax(-1))
            loss = (1 - weight) * loss + weight * kd
        return loss + Z_WEIGHT * logits.logsumexp(-1).square().mean()

    def of(call: Callable[[], Any]) -> Callable[[], Any]:
        def body() -> None:
            hidden.grad = head.grad = None
            call().backward()

        return body

    return {
        "dense": of(lambda: token_loss(hidden @ head.T, targets, teacher, objective).total),
        "chunked": of(lambda: chunked_token_loss(hidden, head, targets, teacher, objective).total),
        "dense, plain torch": of(plain),
    }


def test_loss_from_logits(benchmark: Any) -> None:
    """1024 tokens x 256: what distillation adds to a step beyond the teacher's pass."""
    small = not benchmark.enabled
    bodies = loss_bodies(8 if small else TOKENS, 256)
    best = fastest(bodies, 1 if small else 200)
    if benchmark.enabled:
        report("loss alone, 1024 tokens x 256", best, "supervised, plain torch")
    benchmark(bodies["distilled"])


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("width", [64, 256])
@pytest.mark.parametrize("vocabulary", [8192, 32768])
def test_chunked_against_dense(benchmark: Any, vocabulary: int, width: int, weight: float) -> None:
    """Goal: never slower than dense where dense fits; less memory."""
    if not benchmark.enabled:
        for body in head_bodies(4, 50, 8, weight).values():
            body()
        return benchmark(lambda: None)
    bodies = head_bodies(TOKENS, vocabulary, width, weight)
    best = fastest(bodies, 5)
    report(f"1024 tokens x {vocabulary}, d {width}, lambda {weight}", best, "dense")
    peaks = {name: peak_memory(name, vocabulary, width, weight) for name in bodies}
    for name, mebibytes in peaks.items():
        print(f"  {name:26s} {mebibytes:9.0f} MiB above what was held before")
    return benchmark.pedantic(bodies["chunked"], rounds=1)


def peak_memory(name: str, vocabulary: int, width: int, weight: float) -> float:
    """Growth of the largest resident size over one call, MiB, in a process of its own."""
    call = f"['measured_here']({name!r}, {vocabulary}, {width}, {weight})"
    # By path: the tests are not a package.
    code = f"import runpy; print(runpy.run_path({__file__!r}){call})"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return float(answer.stdout.split()[-1])


def measured_here(name: str, vocabulary: int, width: int, weight: float) -> float:
    import torch

    torch.set_num_threads(1)
    head_bodies(4, 50, width, weight)[name]()  # what torch itself loads at the first call
    body = head_bodies(TOKENS, vocabulary, width, weight)[name]
    before = largest_resident()
    body()
    return (largest_resident() - before) / 1024


def largest_resident() -> float:
    """VmHWM in KiB (Linux). Not ru_maxrss, which a child inherits from its parent."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))
