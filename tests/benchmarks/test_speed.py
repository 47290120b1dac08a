"""Speed, measured on demand: ``pytest tests/benchmarks --benchmark-enable``.

In an ordinary test run each body is executed once, so that the benchmarks stay alive.
"""

from collections.abc import Callable
from typing import Any

import pytest
from planted import records

from capgap.comparison.fitting.fit import fit_supervised
from capgap.comparison.intervals import bootstrap
from capgap.comparison.measured import supervised_runs


@pytest.mark.parametrize("kind", ["supervised", "distilled", "teacher forward"])
def test_training_step(benchmark: Any, kind: str) -> None:
    """Student of depth 3, teacher of depth 5, 4 x 256 tokens, one thread. The distilled step
    should cost the supervised step plus the teacher's forward pass, and little else."""
    torch = pytest.importorskip("torch", reason="needs the extra 'lm'")
    from capgap.lm.config import ModelShape
    from capgap.lm.losses import token_loss
    from capgap.lm.model import Transformer
    from capgap.lm.objective import Objective

    student, teacher = (Transformer(ModelShape(depth=d)) for d in (3, 5))
    optimizer = torch.optim.AdamW(student.parameters(), fused=True)
    tokens = torch.randint(256, (4, 257), generator=torch.Generator().manual_seed(0))
    inputs, targets = tokens[:, :-1], tokens[:, 1:].flatten()

    def forward() -> Any:
        with torch.no_grad():
            return teacher(inputs).flatten(0, 1)

    def step(weight: float) -> None:
        taught = forward() if weight else None
        logits = student(inputs).flatten(0, 1)
        optimizer.zero_grad()
        token_loss(logits, targets, taught, Objective(distillation_weight=weight)).total.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()

    bodies: dict[str, Callable[[], Any]] = {
        "supervised": lambda: step(0.0),
        "distilled": lambda: step(1.0),
        "teacher forward": forward,
    }
    benchmark(bodies[kind])


def test_supervised_fit(benchmark: Any) -> None:
    """35 runs, 6 coefficients, from all starts."""
    runs = supervised_runs(records(0.003))
    fit = benchmark(fit_supervised, runs.N, runs.D, runs.L, delta=0.01)
    assert fit.status == "converged"


def test_supervised_refits(benchmark: Any) -> None:
    """200 bootstrap refits of it."""
    runs = supervised_runs(records(0.003))
    fit = fit_supervised(runs.N, runs.D, runs.L, delta=0.01)
    assert benchmark(bootstrap, fit, n=200, seed=0).converged_share > 0.95
