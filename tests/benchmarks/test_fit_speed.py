"""Speed of fits and refits beside a plain multi-start of scipy's L-BFGS-B.

Measured on demand: ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_fit_speed.py
--benchmark-enable -s``; refits use every core that the process may (``taskset -c 0`` for one).
In an ordinary run each body is executed once, on a small problem, and only objectives are
compared. scipy gets the starts that our screening chose, one after another, with the exact
gradient and with its own finite differences; of refits it gets a few, and its time is scaled.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from capgap.comparison.fitting.fit import Fit, fit_distillation, fit_supervised
from capgap.comparison.fitting.huber import Minima, huber, minimize_huber
from capgap.comparison.fitting.search import Problem, _starts, solve
from capgap.comparison.tables.read import read_runs
from capgap.theory.coefficients import distillation_law, supervised_law

OWN = supervised_law()
ITERATIONS, TOLERANCE = 300, 1e-6  # of refits: they need no more digits than their spread


def chinchilla(gamma: float | None = 1.0) -> Fit:
    runs = read_runs("chinchilla")
    return fit_supervised(runs.N, runs.D, runs.loss, gamma=gamma, delta=1e-3)


def distilled(kind: Any, n: int) -> Fit:
    """The paper's law with 0.5% of noise, on n runs spread as the paper's."""
    rng = np.random.default_rng(0)
    N_S, D_S = np.exp(rng.uniform(18.7, 23.2, n)), np.exp(rng.uniform(22, 27, n))
    L_T = rng.uniform(1.7, 3.2, n)
    L_S = distillation_law().loss(N_S, D_S, L_T) * np.exp(0.005 * rng.standard_normal(n))
    return fit_distillation(kind, N_S, D_S, L_T, L_S, supervised=OWN, delta=1e-3)


def drawn(fit: Fit, count: int) -> np.ndarray:
    """Weights of runs drawn with replacement, shape (count, n)."""
    n = fit.residual.size
    return np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=count).astype(float)


def refits(fit: Fit, weights: np.ndarray) -> Minima:
    p, starts = fit.problem, np.tile(fit.x, (len(weights), 1))
    return minimize_huber(p.model, p.log_loss, weights, starts, p.delta, ITERATIONS, TOLERANCE)


def lbfgs(problem: Problem, start: np.ndarray, exact: bool) -> float:
    """Objective at the end of one search; the same coordinates, bounds and loss as ours."""
    model, y, w = problem.model, problem.log_loss, problem.weights

    def value(x: np.ndarray) -> float:
        return float(np.sum(w * huber(model.predict(x[None])[0] - y, problem.delta)))

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        prediction, jacobian = model.evaluate(x[None])
        r = prediction[0] - y
        slope = (w * np.clip(r, -problem.delta, problem.delta)) @ jacobian[0]
        return float(np.sum(w * huber(r, problem.delta))), slope

    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-10}
    function: Callable[..., Any] = both if exact else value
    found = minimize(function, start, jac=exact, method="L-BFGS-B", bounds=model.bounds,
                     options=options)  # fmt: skip
    return float(found.fun)


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def report(
    benchmark: Any, what: str, seconds: float, others: dict[str, tuple[float, float]]
) -> None:
    """Print and keep the times of scipy as ratios, and how far above ours it ended."""
    parts = [f"\n{what}: {seconds:.3f} s"]
    for name, (other, excess) in others.items():
        parts.append(f"scipy, {name}: {other / seconds:.0f} times as long, ends {excess:.1e} above")
        benchmark.extra_info[f"ratio, {name}"] = other / seconds
    print("; ".join(parts))


def test_plain_fit(benchmark: Any) -> None:
    """Chinchilla's 240 points: at most 0.1 s on one core, at the known minimum."""
    problem = chinchilla().problem
    fit = benchmark(solve, problem)
    assert fit.objective <= 0.00101827402
    starts = _starts(problem)[0]
    starts = starts if benchmark.enabled else starts[:2]
    others = {}
    for name, exact in (("exact gradient", True), ("finite differences", False)):
        seconds, ends = clock(lambda e=exact: [lbfgs(problem, x, e) for x in starts])
        others[name] = (seconds, min(ends) / fit.objective - 1)
        assert min(ends) >= fit.objective * (1 - 1e-9)
    if benchmark.enabled:
        report(benchmark, "plain law, 240 points", benchmark.stats.stats.median, others)
        assert benchmark.stats.stats.median <= 0.1


def test_plain_refits(benchmark: Any) -> None:
    """4,000 refits of it: at most 15 s on two cores."""
    fit = chinchilla()
    weights = drawn(fit, 4000 if benchmark.enabled else 40)
    end = benchmark.pedantic(refits, (fit, weights), rounds=3 if benchmark.enabled else 1)
    compare_refits(benchmark, fit, weights, end, "refits of the plain law, 240 points", 15)


def test_distillation_fit_over_the_papers_grid(benchmark: Any) -> None:
    """Eq. 8 on 700 runs, 216,000 starts and our own: at most 60 s on two cores."""
    problem = replace(distilled("eq8", 700 if benchmark.enabled else 60).problem, grid="paper")
    fit = benchmark.pedantic(solve, (problem,), rounds=3 if benchmark.enabled else 1)
    assert fit.screened > 216_000
    assert fit.status != "not-converged"
    few = _starts(replace(problem, grid="own"))[0][: 4 if benchmark.enabled else 1]
    seconds, ends = clock(lambda: [lbfgs(problem, x, True) for x in few])
    assert min(ends) >= fit.objective * (1 - 1e-6)
    if benchmark.enabled:
        whole = seconds / len(few) * 216_000
        others = {"exact gradient, every start, scaled": (whole, min(ends) / fit.objective - 1)}
        median = benchmark.stats.stats.median
        report(benchmark, "Eq. 8, 700 runs, the paper's grid", median, others)
        assert median <= 60


@pytest.mark.parametrize("kind", ["eq8-reduced", "eq8"])
def test_distillation_refits(benchmark: Any, kind: str) -> None:
    """4,096 refits of Eq. 8 on 700 runs: at most 120 s on two cores."""
    fit = distilled(kind, 700 if benchmark.enabled else 60)
    weights = drawn(fit, 4096 if benchmark.enabled else 16)
    end = benchmark.pedantic(refits, (fit, weights), rounds=1)
    compare_refits(benchmark, fit, weights, end, f"refits of {kind}, 700 runs", 120)


def compare_refits(
    benchmark: Any, fit: Fit, weights: np.ndarray, end: Minima, what: str, limit: float
) -> None:
    """scipy's refits, from the same start, are not lower; its time is scaled to all.

    Finite differences are measured on demand only: one refit of Eq. 8 takes a second.
    """
    assert np.mean(end.converged) > 0.98
    count = 16 if benchmark.enabled else 1
    others = {}
    ways = (("exact gradient", True), ("finite differences", False))
    for name, exact in ways if benchmark.enabled else ways[:1]:
        problems = [replace(fit.problem, weights=w) for w in weights[:count]]
        seconds, ends = clock(lambda e=exact, p=problems: [lbfgs(one, fit.x, e) for one in p])
        excess = np.array(ends) / end.objective[:count] - 1
        others[name] = (seconds * len(weights) / count, float(np.median(excess)))
        # A refit stops when a step promises 1e-6 of its objective.
        assert np.min(excess) > -1e-4
    if benchmark.enabled:
        median = benchmark.stats.stats.median
        report(benchmark, f"{len(weights)} {what}", median, others)
        assert median <= limit
