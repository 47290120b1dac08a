"""Speed of the planner beside multi-start SLSQP, the paper's method.

Measured on demand, on one core: ``taskset -c 0 pytest tests/benchmarks/test_plan_speed.py
--benchmark-enable -s``. In an ordinary run each body is executed once, on fewer problems,
and only the losses are compared.
"""

import time
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from capgap.compute import ModelFamily
from capgap.prediction.allocation import allocate
from capgap.prediction.scenario import SCENARIOS
from capgap.theory.coefficients import law_set

# The grid of the paper's Figs. 8 and 9, in five scenarios.
SIZES = np.array([3e8, 1e9, 3e9, 1e10])
BUDGETS = np.geomspace(1e20, 1e26, 61)
SHARES = {"inference": (1.0, 0.0), "pretraining": (0.0, 1.0), "both": (1.0, 1.0)}
BOUNDS = np.log([1e6, 1e17])  # of N_T, D_T and D_S: Busbridge et al., arXiv 2502.08606, App. D
STARTS = 10
LAWS = law_set().laws
FAMILY = ModelFamily()


def plan_grid() -> np.ndarray:
    """Losses of the whole grid, shape (scenarios, sizes, budgets)."""
    rows = [allocate(law_set(), SIZES[:, None], BUDGETS, s).student_loss for s in SCENARIOS]
    return np.array(rows)


def slsqp(N_S: float, C: float, scenario: str, rng: np.random.Generator) -> float:
    """Best of 10 random starts in log N_T, log D_T, log D_S (in `best`: in log L_T).

    Losses and gradients come from one call of the laws per step, on seven points for central
    differences; the budget is an equality in logarithms with its exact gradient.
    """
    if scenario == "supervised":
        return float(LAWS.supervised.loss(N_S, C / (3 * FAMILY.forward_flops(N_S))))
    if scenario == "best":
        D_S = C / (3 * float(FAMILY.forward_flops(N_S)))
        ends = [float(np.log(LAWS.supervised.loss(n, n))) for n in (1e17, 1e6)]
        return min(_free_run(N_S, D_S, ends, rng) for _ in range(STARTS))
    return min(_paid_run(N_S, C, scenario, rng) for _ in range(STARTS))


def _free_run(N_S: float, D_S: float, ends: list[float], rng: np.random.Generator) -> float:
    steps = 1e-6 * np.array([0.0, 1.0, -1.0])

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss = LAWS.taught.loss(N_S, D_S, np.exp(x[0] + steps))
        return float(loss[0]), np.array([(loss[1] - loss[2]) / 2e-6])

    found = minimize(
        value, [rng.uniform(*ends)], jac=True, method="SLSQP", bounds=[ends],
        options={"maxiter": 200, "ftol": 1e-12},
    )  # fmt: skip
    return float(found.fun)


def _paid_run(N_S: float, C: float, scenario: str, rng: np.random.Generator) -> float:
    d_Lgt, d_Pre = SHARES[scenario]
    student = 3 * float(FAMILY.forward_flops(N_S))
    steps = 1e-6 * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        N_T, D_T, D_S = np.exp(x + steps).T
        loss = LAWS.taught.loss(N_S, D_S, LAWS.supervised.loss(N_T, D_T))
        return float(loss[0]), (loss[1:4] - loss[4:7]) / 2e-6

    def parts(x: np.ndarray) -> tuple[float, float, float, float]:
        forward, ahead = FAMILY.forward_flops(np.exp(x[0] + np.array([0.0, 1e-6])))
        D_T, D_S = np.exp(x[1:])
        growth = float(ahead / forward - 1) * 1e6
        return student * D_S, d_Lgt * forward * D_S, 3 * d_Pre * forward * D_T, growth

    def left(x: np.ndarray) -> float:
        return float(np.log(C / sum(parts(x)[:3])))

    def left_slope(x: np.ndarray) -> np.ndarray:
        training, inference, pretraining, growth = parts(x)
        rise = [growth * (inference + pretraining), pretraining, training + inference]
        return -np.array(rise) / (training + inference + pretraining)

    found = minimize(
        value, rng.uniform(*BOUNDS, size=3), jac=True, method="SLSQP", bounds=[tuple(BOUNDS)] * 3,
        constraints={"type": "ineq", "fun": left, "jac": left_slope},
        options={"maxiter": 200, "ftol": 1e-12},
    )  # fmt: skip
    return float(found.fun) if left(found.x) > -1e-9 else np.inf


def compare(budgets: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of SLSQP per problem, and its losses minus the planner's."""
    rng = np.random.default_rng(0)
    start, found = time.process_time(), []
    for scenario in SCENARIOS:
        for N_S in SIZES:
            found += [slsqp(float(N_S), float(C), scenario, rng) for C in budgets]
    seconds = (time.process_time() - start) / len(found)
    ours = [allocate(law_set(), SIZES[:, None], budgets, s).student_loss for s in SCENARIOS]
    return seconds, np.array(found) - np.array(ours).ravel()


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_the_whole_grid(benchmark: Any) -> None:
    """At most 3 s for 976 problems; at least 20 times as fast as SLSQP, at no higher loss."""
    benchmark(plan_grid)
    budgets = BUDGETS[::10] if benchmark.enabled else BUDGETS[[0, 40]]
    per_problem, excess = compare(budgets)
    assert np.min(excess) > -1e-9, "SLSQP found a better plan"
    if not benchmark.enabled:
        return
    count = len(SCENARIOS) * len(SIZES) * len(BUDGETS)
    seconds = benchmark.stats.stats.median
    ratio = per_problem * count / seconds
    missed = np.max(excess[np.isfinite(excess)])
    print(
        f"\n{count} problems: {seconds:.2f} s; SLSQP with {STARTS} starts, scaled from"
        f" {excess.size}: {per_problem * count:.0f} s, {ratio:.0f} times as long;"
        f" its loss minus ours: {np.min(excess):.1e} to {missed:.1e} nats,"
        f" above 1e-6 in {np.mean(excess > 1e-6):.0%}"
    )
    benchmark.extra_info |= {"ratio": ratio, "worst SLSQP excess": missed}
    assert seconds <= 3
    assert ratio >= 20
